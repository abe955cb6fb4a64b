//! Forms as libraries write them, cut at every place.

use super::*;

const TYPE: &str = "multipart/form-data; boundary=xY";

/// Two fields, a file that holds what looks like a boundary, and an empty field.
const FORM: &str = "--xY\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai/w\r\n\
    --xY\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".mp3\"\r\n\
    Content-Type: audio/mpeg\r\n\r\n\r\n--xZ\r\n--xYZ\r\n-\r\r\n--xY \t\r\n\
    Content-Disposition: form-data; name=none\r\n\r\n\r\n--xY--\r\nbye";

/// Every piece, neighbours of one kind put together.
fn read(form: &str, cuts: &[usize]) -> Result<Vec<Piece>, FormError> {
    let mut parts = Parts::of(TYPE)?;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([form.len()]) {
        parts.push(Bytes::copy_from_slice(&form.as_bytes()[from..to]));
        from = to;
        while let Some(piece) = parts.next_piece()? {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Data(before)), Piece::Data(more))
                | (Some(Piece::Rest(before)), Piece::Rest(more)) => {
                    *before = [before.as_ref(), more.as_ref()].concat().into();
                }
                (_, piece) => pieces.push(piece),
            }
        }
    }
    parts.finish()?;
    Ok(pieces)
}

fn raw(pieces: &[Piece]) -> String {
    let bytes = pieces.iter().map(|piece| match piece {
        Piece::Head(head) => head.raw.clone(),
        Piece::Data(raw) | Piece::Tail(raw) | Piece::Close(raw) | Piece::Rest(raw) => raw.clone(),
    });
    String::from_utf8(bytes.collect::<Vec<_>>().concat()).unwrap()
}

/// `name=content` of each part, files with a `@`.
fn told(pieces: &[Piece]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Head(head) => {
                told.push(format!("{}{}=", if head.is_file { "@" } else { "" }, head.name));
            }
            Piece::Data(data) => {
                told.last_mut().unwrap().push_str(std::str::from_utf8(data).unwrap());
            }
            _ => {}
        }
    }
    told
}

#[test]
fn a_form_is_read_the_same_however_it_is_cut() {
    let whole = read(FORM, &[]).unwrap();
    assert_eq!(told(&whole), ["model=openai/w", "@file=\r\n--xZ\r\n--xYZ\r\n-\r", "none="]);
    assert_eq!(raw(&whole), FORM);
    for one in 0..FORM.len() {
        assert_eq!(read(FORM, &[one]).unwrap(), whole, "{one}");
        for two in one..FORM.len().min(one + 30) {
            assert_eq!(read(FORM, &[one, two]).unwrap(), whole, "{one}, {two}");
        }
    }
    let each: Vec<usize> = (1..FORM.len()).collect();
    assert_eq!(read(FORM, &each).unwrap(), whole);
}

#[test]
fn what_stands_before_the_first_part_means_nothing() {
    let form = format!("hello\r\n{FORM}");
    let pieces = read(&form, &[]).unwrap();
    assert_eq!(pieces[0], Piece::Rest(Bytes::from_static(b"hello\r\n")));
    assert_eq!((told(&pieces).len(), raw(&pieces)), (3, form));
    assert_eq!(told(&read("--xY--", &[]).unwrap()), Vec::<String>::new());
}

#[test]
fn a_file_is_given_out_as_it_comes() {
    let mut parts = Parts::of(TYPE).unwrap();
    parts.push(Bytes::from_static(b"--xY\r\nContent-Disposition: form-data; name=f\r\n\r\n"));
    assert!(matches!(parts.next_piece(), Ok(Some(Piece::Head(_)))));
    for _ in 0..3 {
        parts.push(Bytes::from_static(b"0123456789\r\n--"));
        let given = [parts.next_piece(), parts.next_piece()];
        let given: usize = given
            .into_iter()
            .flatten()
            .flatten()
            .map(|piece| match piece {
                Piece::Data(data) => data.len(),
                _ => 0,
            })
            .sum();
        assert!(given >= 10, "{given}");
    }
}

#[test]
fn forms_that_end_early_or_have_no_boundary_are_refused() {
    for end in ["--xY--\r\nbye", "--\r\nbye", "\r\n--xY--\r\nbye"] {
        let cut = FORM.strip_suffix(end).unwrap();
        assert_eq!(read(cut, &[]), Err(FormError::EndedEarly), "{end}");
    }
    assert_eq!(read("", &[]), Err(FormError::EndedEarly));
    let long = format!("--xY\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
    assert_eq!(read(&long, &[]), Err(FormError::HeadTooLong));
    for (content_type, expected) in [
        ("multipart/form-data; boundary=a", Some("a")),
        ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
        ("multipart/form-data;boundary=----x; charset=utf-8", Some("----x")),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/mixed; boundary=a", None),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
    }
}

/// What forms are made of, whole and in halves.
const SCRAPS: [&str; 12] = [
    "\r\n",
    "--xY",
    "--",
    "--xY\r\n",
    "--xY--",
    "\r",
    "\n",
    " ",
    "x",
    "Content-Disposition: form-data; name=\"a\"\r\n\r\n",
    "Content-Disposition: form-data; name=\"b\"; filename=\"c\"\r\n\r\n",
    "\r\n--xY\r\n\r\n",
];

proptest::proptest! {
    #[test]
    fn whatever_comes_is_the_same_in_parts_and_nothing_of_it_is_lost(
        scraps in proptest::collection::vec(0..SCRAPS.len(), 0..24),
        cuts in proptest::collection::vec(0..200_usize, 0..6),
    ) {
        let form: String = scraps.into_iter().map(|scrap| SCRAPS[scrap]).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (form.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = read(&form, &[]);
        proptest::prop_assert_eq!(&read(&form, &cuts), &whole, "{:?} cut at {:?}", form, cuts);
        if let Ok(pieces) = whole {
            proptest::prop_assert_eq!(raw(&pieces), form);
        }
    }
}
