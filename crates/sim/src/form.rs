//! Forms with files, read as a server would read them: by their boundary, strictly.

use crate::refusal::Refusal;

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    pub(crate) name: String,
    /// `None`: a field.
    pub(crate) file: Option<String>,
    /// Its media type; empty if it says none.
    pub(crate) kind: String,
    pub(crate) content: &'b [u8],
}

/// All parts, in order.
///
/// # Errors
/// The 400 for what is no form.
pub(crate) fn read<'b>(content_type: &str, body: &'b [u8]) -> Result<Vec<Part<'b>>, Refusal> {
    let no = |why: &str| Refusal::bad_request(format!("Could not parse multipart form: {why}"));
    let (kind, rest) = content_type.split_once(';').ok_or_else(|| no("no boundary"))?;
    if kind.trim() != "multipart/form-data" {
        return Err(no("not multipart/form-data"));
    }
    let (_, boundary) = rest.split_once("boundary=").ok_or_else(|| no("no boundary"))?;
    let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let first = format!("--{boundary}");
    let between = format!("\r\n{first}");
    let mut rest = body.strip_prefix(first.as_bytes()).ok_or_else(|| no("no first boundary"))?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or_else(|| no("a boundary without end"))?;
        let end = find(rest, between.as_bytes()).ok_or_else(|| no("no last boundary"))?;
        let (part, after) = rest.split_at(end);
        let head = find(part, b"\r\n\r\n").ok_or_else(|| no("a part without head"))?;
        let content = part.get(head + 4..).unwrap_or_default();
        let head = String::from_utf8_lossy(part.get(..head).unwrap_or_default());
        parts.push(told(&head, content).ok_or_else(|| no("a part without name"))?);
        rest = after.get(between.len()..).unwrap_or_default();
    }
}

/// The part that its head tells of.
fn told<'b>(head: &str, content: &'b [u8]) -> Option<Part<'b>> {
    let (mut name, mut file, mut kind) = (None, None, String::new());
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':')?;
        if header.eq_ignore_ascii_case("content-type") {
            value.trim().clone_into(&mut kind);
        } else if header.eq_ignore_ascii_case("content-disposition") {
            (name, file) = (quoted(value, " name="), quoted(value, "filename="));
        }
    }
    Some(Part { name: name?, file, kind, content })
}

/// Where `needle` begins, found by its first byte: bodies may be large.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, _) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + hay.get(from..)?.iter().position(|byte| *byte == first)?;
        if hay.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn quoted(value: &str, name: &str) -> Option<String> {
    let (_, rest) = value.split_once(name)?;
    let rest = rest.strip_prefix('"')?;
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_fields_and_files() {
        let form = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw\r\n--x\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\
            Content-Type: audio/mpeg\r\n\r\n\r\n-\r\n--x--\r\n";
        let parts = read("multipart/form-data; boundary=x", form.as_bytes()).unwrap();
        let part = |name: &str, file: Option<&str>, kind: &str, content| Part {
            name: name.into(),
            file: file.map(Into::into),
            kind: kind.into(),
            content,
        };
        let file = part("file", Some("a.mp3"), "audio/mpeg", b"\r\n-");
        assert_eq!(parts, [part("model", None, "", b"w"), file]);
        for bad in ["", "--x", "--x\r\n\r\n--x--", "--y--"] {
            assert!(read("multipart/form-data; boundary=x", bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read("application/json", form.as_bytes()).is_err());
    }
}
