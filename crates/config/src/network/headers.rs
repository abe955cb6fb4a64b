//! Headers that the operator adds to every call: their names and values.

use std::collections::HashSet;

use weir_types::headers::{is_same_header, operator_may_set, plain_name};

use crate::reader::Field;
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text;

/// Vendors whose calls are signed: the signature writes these headers, and covers them.
const SIGNED: [&str; 2] = ["bedrock", "bedrock_mantle"];
const SIGNATURE: [&str; 4] =
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

pub(super) fn read(field: &Field<'_>, vendor: &str) -> Vec<(String, SecretRef)> {
    let mut headers: Vec<(String, SecretRef)> = Vec::new();
    let mut taken = HashSet::new();
    for (name, value) in field.members().unwrap_or_default() {
        let lower = name.to_ascii_lowercase();
        if let Some(draft) = header_fault(&lower, vendor, &taken) {
            value.report(draft);
            continue;
        }
        let is_credential = ["authorization", "key", "token", "secret", "cookie"]
            .iter()
            .any(|part| lower.contains(part));
        let text =
            if is_credential { value.secret(text::header) } else { value.reference(text::header) };
        match text {
            Some(SecretRef::None) => {
                let draft = Draft::error("empty").expected("the header's value");
                value.report(draft.found("an empty string").help("remove the header"));
            }
            Some(text) => {
                taken.insert(plain_name(name).into_owned());
                headers.push((name.to_owned(), text));
            }
            None => {}
        }
    }
    headers
}

fn header_fault(name: &str, vendor: &str, taken: &HashSet<String>) -> Option<Draft> {
    if !is_header_name(name) {
        let draft = Draft::error("not a header's name");
        return Some(draft.expected("letters, digits and hyphens").found("other characters"));
    }
    if taken.contains(&*plain_name(name)) {
        let draft = Draft::error("duplicate header");
        return Some(
            draft.expected("each header once, ignoring case and `_` for `-`").found("a second one"),
        );
    }
    let reserved = |what: &str| Draft::error(what).expected("another header").found(name);
    if !operator_may_set(name) {
        return Some(reserved("a header that Weir writes for each request").help("remove it"));
    }
    if SIGNED.contains(&vendor) && SIGNATURE.iter().any(|own| is_same_header(own, name)) {
        let help = "remove it; the key says who calls";
        return Some(reserved("a header that is a part of the signature").help(help));
    }
    None
}

/// Whether `name` can be the name of an HTTP header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.len() <= 256 && name.chars().all(token)
}
