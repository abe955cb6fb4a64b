//! What knows no format: framings, forms, chunks and JSON.

use bytes::Bytes;
use weir_dialect::json::{Cuts, Members, Splices, Spot};
use weir_framing::aws_chunks::{ChunkFault, Field, Reader};
use weir_framing::form::{FormError, Parts, Piece};
use weir_framing::{Decoder, FrameError};
use weir_types::Framing;

fn frames(framing: Framing, data: &[u8], first: usize) -> (Vec<Bytes>, Option<FrameError>) {
    let mut decoder = Decoder::new(framing);
    let mut found = Vec::new();
    let (one, two) = data.split_at(first.min(data.len()));
    for part in [one, two] {
        decoder.push(Bytes::copy_from_slice(part));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    found.extend(decoder.finish());
    (found, None)
}

/// Frames are the same however the input is split, and put together they are the input again.
pub(crate) fn framing(framing: Framing, data: &[u8]) {
    let (whole, error) = frames(framing, data, 0);
    let split = data.first().map_or(0, |first| usize::from(*first) % (data.len() + 1));
    let in_parts = frames(framing, data, split);
    assert_eq!(in_parts, (whole.clone(), error.clone()), "split at {split}");
    if error.is_none() {
        assert_eq!(whole.concat(), data, "frames put together");
    }
    let decoder = Decoder::new(framing);
    for frame in &whole {
        let _ = decoder.parse(frame);
    }
}

/// What forms of this target are written with.
pub(crate) const FORM: &str = "multipart/form-data; boundary=b";

/// A piece as one byte for its kind, and its bytes.
fn taken(piece: Piece) -> (u8, Bytes) {
    match piece {
        Piece::Head(head) => {
            let _ = head.file_name();
            (b'h', head.raw)
        }
        Piece::Data(bytes) => (b'd', bytes),
        Piece::Tail(bytes) => (b't', bytes),
        Piece::Close(bytes) => (b'c', bytes),
        Piece::Rest(bytes) => (b'r', bytes),
    }
}

/// The pieces, those that go on as one, and why it is no form.
fn pieces(data: &[u8], first: usize) -> (Vec<(u8, Vec<u8>)>, Vec<u8>, Option<FormError>) {
    let mut parts = Parts::of(FORM).expect("it names a boundary");
    let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
    let (one, two) = data.split_at(first.min(data.len()));
    let mut error = None;
    for part in [one, two] {
        parts.push(Bytes::copy_from_slice(part));
        loop {
            match parts.next_piece() {
                Ok(Some(piece)) => {
                    let (kind, bytes) = taken(piece);
                    match found.last_mut().filter(|last| last.0 == kind && b"dr".contains(&kind)) {
                        Some(last) => last.1.extend_from_slice(&bytes),
                        None => found.push((kind, bytes.to_vec())),
                    }
                }
                Ok(None) => break,
                Err(why) => {
                    error = Some(why);
                    break;
                }
            }
        }
    }
    let error = error.or(parts.finish().err());
    (found, parts.into_rest().to_vec(), error)
}

/// A form is cut in one way however it arrives, and its pieces put together are the form again.
pub(crate) fn form(data: &[u8]) {
    let (whole, rest, error) = pieces(data, 0);
    let split = data.first().map_or(0, |first| usize::from(*first) % (data.len() + 1));
    let (in_parts, rest_in_parts, error_in_parts) = pieces(data, split);
    assert_eq!((&in_parts, error_in_parts), (&whole, error), "split at {split}");
    assert_eq!(rest, rest_in_parts, "split at {split}");
    let mut again: Vec<u8> = whole.into_iter().flat_map(|(_, bytes)| bytes).collect();
    again.extend(rest);
    assert_eq!(again, data, "pieces put together");
}

fn chunks(data: &[u8], first: usize) -> Result<(Vec<u8>, Vec<Field>), ChunkFault> {
    let mut reader = Reader::default();
    let mut found = Vec::new();
    let (one, two) = data.split_at(first.min(data.len()));
    for part in [one, two] {
        reader.push(Bytes::copy_from_slice(part));
        while let Some(piece) = reader.next_piece()? {
            found.extend_from_slice(&piece);
        }
    }
    Ok((found, reader.finish()?))
}

/// A file in chunks is read in one way however it arrives, and what is written of it is read as the same.
pub(crate) fn aws_chunks(data: &[u8]) {
    let whole = chunks(data, 0);
    let split = data.first().map_or(0, |first| usize::from(*first) % (data.len() + 1));
    assert_eq!(chunks(data, split), whole, "split at {split}");
    let Ok((file, fields)) = whole else { return };
    let mut again = Vec::new();
    if !file.is_empty() {
        again.extend(weir_framing::aws_chunks::chunk(file.clone().into()).concat());
    }
    again.extend_from_slice(&weir_framing::aws_chunks::last(&fields));
    assert_eq!(chunks(&again, 0), Ok((file, fields)), "written and read");
}

/// The scanner takes nothing that `serde_json` refuses, and what is cut out of a document leaves one.
pub(crate) fn json(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(members) = Members::scan(&body) else { return };
    let value = serde_json::from_slice::<serde_json::Value>(&body);
    // What the scanner does not look at: halves of surrogate pairs, numbers out of range.
    let is_odd = value.is_err();
    let names: Vec<String> = members.iter().map(|one| members.name(one).into_owned()).collect();
    let mut splices = Splices::default();
    if let Some(name) = names.first() {
        splices.remove_member(name);
        splices.insert_member("weir", "1");
        let _ = (members.text(name), members.truth(name), members.value(name));
    }
    let edited = splices.apply(&body, &members);
    assert!(Members::scan(&edited).is_ok(), "spliced: {edited:?}");
    let Ok(document) = Spot::document(&body) else { return };
    let mut cuts = Cuts::default();
    for name in &names {
        let Ok(list) = document.list(name) else { continue };
        let gone: Vec<bool> = (0..list.len()).map(|at| at % 3 != 1).collect();
        cuts.remove_elements(&list, &gone);
        for element in &list {
            let inner = element.names().unwrap_or_default();
            let every_second: Vec<&str> = inner.iter().step_by(2).map(|name| &**name).collect();
            let _ = cuts.remove_members(element, &every_second);
        }
    }
    let left = cuts.apply(&body);
    assert!(Members::scan(&left).is_ok(), "cut: {left:?}");
    if !is_odd {
        let left = serde_json::from_slice::<serde_json::Value>(&left);
        assert!(left.is_ok(), "cut: {left:?}");
    }
}
