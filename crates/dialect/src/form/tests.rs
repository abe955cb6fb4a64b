//! Forms as OpenAI's libraries write them, cut at every place.

use super::*;

const TYPE: &str = "multipart/form-data; boundary=xY";

fn field(name: &str, content: &str) -> String {
    format!("--xY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

const FILE: &str = "--xY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\
    Content-Type: audio/mpeg\r\n\r\nID3\r\n--x\0\r\n";

fn form(parts: &[String]) -> String {
    format!("{}--xY--\r\n", parts.concat())
}

fn peeked(form: &str, at: usize) -> Result<FormPeek, RequestFault> {
    let mut peek = FormPeek::new(TYPE)?;
    let (first, rest) = form.as_bytes().split_at(at);
    peek.push(Bytes::copy_from_slice(first))?;
    peek.push(Bytes::copy_from_slice(rest))?;
    peek.finish()?;
    Ok(peek)
}

fn rewritten(form: &str, model: Option<&str>, step: usize) -> String {
    let mut rewrite = FormRewrite::new(TYPE, model).unwrap();
    let mut out = Vec::new();
    for chunk in form.as_bytes().chunks(step) {
        rewrite.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
    }
    rewrite.finish().unwrap();
    String::from_utf8(out.concat()).unwrap()
}

#[test]
fn the_fields_are_found_wherever_they_stand_and_however_it_is_cut() {
    let fields = [field("model", "openai/w"), field("stream", "true")];
    let wanted = [field("fallbacks[]", "groq/a"), field("fallbacks[]", "azure/b")];
    let before = form(&[&fields[..], &wanted[..], &[FILE.to_owned()]].concat());
    let after = form(&[&[FILE.to_owned()], &fields[..], &wanted[..]].concat());
    for form in [before, after] {
        for at in 0..=form.len() {
            let peek = peeked(&form, at).unwrap();
            assert_eq!((peek.model(), peek.stream()), (Some("openai/w"), true), "{at}");
            assert_eq!(peek.fallbacks(), ["groq/a", "azure/b"]);
        }
    }
}

#[test]
fn it_is_known_when_a_file_passes() {
    let mut peek = FormPeek::new(TYPE).unwrap();
    peek.push(Bytes::from(field("model", "w"))).unwrap();
    assert!(!peek.is_in_file() && peek.model().is_none(), "its line may not be the last");
    peek.push(Bytes::from(FILE.trim_end().to_owned())).unwrap();
    assert!(peek.is_in_file());
    assert_eq!(peek.model(), Some("w"));
    peek.push(Bytes::from("\r\n--xY--")).unwrap();
    assert!(!peek.is_in_file());
}

#[test]
fn fields_that_make_no_sense_are_named() {
    for (parts, param, says) in [
        (vec![field("model", " ")], "model", "empty"),
        (vec![field("model", "a"), field("model", "b")], "model", "two"),
        (vec![field("model", &"m".repeat(600))], "model", "over 512"),
        (vec![field("model", &"m".repeat(9000))], "model", "over"),
        (vec![field("stream", "maybe")], "stream", "`true` or `false`"),
        (vec![field("fallbacks", "[1]")], "fallbacks", "JSON array"),
        (vec![field("fallbacks[]", "")], "fallbacks", "JSON array"),
        (vec![field("fallbacks", "a/b"); 17], "fallbacks", "more than 16"),
    ] {
        let fault = peeked(&form(&parts), 5).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{fault}");
        assert!(fault.message.contains(says), "{fault}");
    }
    assert!(peeked(&field("model", "a"), 0).unwrap_err().message.contains("ended"));
    assert!(FormPeek::new("application/json").unwrap_err().message.contains("boundary"));
    // A file of that name is no field.
    let file = FILE.replace("\"file\"", "\"model\"");
    assert_eq!(peeked(&form(&[file]), 0).unwrap().model(), None);
    let list = form(&[field("fallbacks", "[\"a/b\", \"c/d\"]")]);
    assert_eq!(peeked(&list, 0).unwrap().fallbacks(), ["a/b", "c/d"]);
}

#[test]
fn a_form_is_rewritten_the_same_however_it_is_cut() {
    let parts = |model: &str| [FILE.to_owned(), field("model", model), field("language", "en")];
    let ours = [field("fallbacks", "[\"a/b\"]"), field("fallbacks[]", "c/d")];
    let came = form(&[&ours[..1], &parts("openai/w")[..], &ours[1..]].concat());
    for step in 1..came.len() {
        assert_eq!(rewritten(&came, Some("whisper-1"), step), form(&parts("whisper-1")), "{step}");
    }
    let [file, _, language] = parts("");
    let without = form(&[file, language]);
    for step in [1, 7, 4096] {
        assert_eq!(rewritten(&came, None, step), without);
        assert_eq!(rewritten(&without, None, step), without);
        let added = without.replace("--xY--", &format!("{}--xY--", field("model", "w")));
        assert_eq!(rewritten(&without, Some("w"), step), added);
    }
}
