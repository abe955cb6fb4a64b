//! Headers that the operator adds to every call: their names and values.

use crate::reader::Field;
use crate::reference::SecretRef;
use crate::report::Draft;

/// Headers that the transport writes itself.
const TRANSPORT_HEADERS: [&str; 7] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "proxy-authorization",
];

pub(super) fn read(field: &Field<'_>) -> Vec<(String, SecretRef)> {
    let mut headers: Vec<(String, SecretRef)> = Vec::new();
    for (name, value) in field.members().unwrap_or_default() {
        if let Some(draft) = header_fault(name, &headers) {
            value.report(draft);
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let is_credential = ["authorization", "key", "token", "secret", "cookie"]
            .iter()
            .any(|part| lower.contains(part));
        let Some(text) = (if is_credential { value.secret() } else { value.reference() }) else {
            continue;
        };
        if text.literal().is_some_and(|text| text.chars().any(|c| c.is_control() && c != '\t')) {
            let draft = Draft::error("not a header's value");
            value.report(draft.expected("one line of text").found("control characters"));
        }
        headers.push((name.to_owned(), text));
    }
    headers
}

fn header_fault(name: &str, earlier: &[(String, SecretRef)]) -> Option<Draft> {
    if !is_header_name(name) {
        let draft = Draft::error("not a header's name");
        return Some(draft.expected("letters, digits and hyphens").found("other characters"));
    }
    if earlier.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        let draft = Draft::error("duplicate header");
        return Some(draft.expected("each header once, ignoring case").found("a second one"));
    }
    let reserved = TRANSPORT_HEADERS.iter().any(|header| header.eq_ignore_ascii_case(name));
    reserved.then(|| {
        let draft = Draft::error("a header that the transport writes itself");
        draft.expected("another header").found(name.to_ascii_lowercase()).help("remove it")
    })
}

/// Whether `name` can be the name of an HTTP header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.len() <= 256 && name.chars().all(token)
}
