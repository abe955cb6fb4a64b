//! Looking at a whole answer that is passed on: what the looks of all formats have in common.
//!
//! The document is not built, and what is JSON of another shape says nothing and is no error. An
//! error in spite of a status of success is found here for all: hosts that relay other hosts write
//! it as they please, whatever the format.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::json;
use crate::json::{Cursor, Members, elements};

/// Members of answers, of whatever format and operation: one that holds something makes an answer
/// of a document.
const ANSWERS: [&str; 15] = [
    "candidates",
    "choices",
    "content",
    "data",
    "embedding",
    "embeddings",
    "inputTokens",
    "input_tokens",
    "models",
    "output",
    "predictions",
    "records",
    "results",
    "tokens",
    "totalTokens",
];

/// What an error of any shape has in it, as a name or as a value.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// The members of a whole answer.
#[derive(Debug)]
pub(crate) struct Whole<'a>(Members<'a>);

impl<'a> Whole<'a> {
    /// The member `name`, raw; `null` counts as absent.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.0.raw(name).ok().flatten().filter(|raw| *raw != b"null")
    }

    /// The member `name`, built.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        self.0.value(name).ok().flatten()
    }

    /// The member `name`, if it is a text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.text(name).ok().flatten().filter(|text| !text.is_empty())
    }

    /// Whether nothing in it is an answer.
    pub(crate) fn is_no_answer(&self) -> bool {
        let holds = |name: &&str| match self.raw(name) {
            None | Some(b"\"\"") => false,
            Some(raw) if raw.starts_with(b"[") => elements(raw).is_ok_and(|list| !list.is_empty()),
            Some(_) => true,
        };
        !ANSWERS.iter().any(holds)
    }

    /// `{"error": …}`, `{"type": "error"}`, `{"object": "error"}`, and nothing that answers.
    fn is_error(&self) -> bool {
        let is_named = |name| self.text(name).is_some_and(|kind| kind == "error");
        let says = self.raw("error").is_some_and(|raw| !matches!(raw, b"false" | b"\"\""));
        (says || is_named("type") || is_named("object")) && self.is_no_answer()
    }
}

/// The document that `body` is, built: for answers that are translated.
///
/// # Errors
/// The body is not JSON.
pub(crate) fn document(body: &[u8]) -> Result<Value, AnswerFault> {
    json::read(body).map_err(|fault| AnswerFault::NotJson(fault.to_string()))
}

/// Looks at `body` if it is a usual answer, in the pass that validates it: `visit` stands before the
/// value of each member in turn. `None` for one that may be an error, or that a [`Cursor`] does not
/// read: [`observe`] does.
pub(crate) fn glance<'a>(
    body: &'a [u8],
    mut visit: impl FnMut(&mut Cursor<'a>, &'a [u8]),
) -> Option<()> {
    Cursor::read(body, |cursor, name| {
        let may_be_error = match name {
            b"error" => cursor.raw() != Some(b"null"),
            b"type" | b"object" => cursor.text() == Some("error"),
            _ => {
                visit(cursor, name);
                false
            }
        };
        if may_be_error {
            cursor.give_up();
        }
    })
}

/// Looks at `body`: `facts` says what its format's members say; an error of any host's shape is
/// noted besides.
///
/// # Errors
/// The body is not JSON.
pub(crate) fn observe(
    body: &[u8],
    facts: impl FnOnce(&Whole<'_>) -> AnswerFacts,
) -> Result<AnswerFacts, AnswerFault> {
    if let Ok(members) = Members::scan(body) {
        let whole = Whole(members);
        let mut facts = facts(&whole);
        // Most answers have it nowhere.
        if ERROR.find(body).is_some() {
            facts.is_error |= whole.is_error();
        }
        return Ok(facts);
    }
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Ok(AnswerFacts { is_error: is_list_of_error(body), ..AnswerFacts::default() }),
        Err(fault) => Err(AnswerFault::NotJson(fault.to_string())),
    }
}

/// Google's errors may come in a list of one.
fn is_list_of_error(body: &[u8]) -> bool {
    let Ok(ranges) = elements(body) else { return false };
    let [one] = ranges.as_slice() else { return false };
    let members = body.get(one.clone()).and_then(|raw| Members::scan(raw).ok());
    members.is_some_and(|members| Whole(members).is_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_error(body: &str) -> bool {
        observe(body.as_bytes(), |_| AnswerFacts::default()).unwrap().is_error
    }

    #[test]
    fn errors_are_known_by_their_look() {
        for body in [
            r#"{"error":{"code":429}}"#,
            r#"{"error":"no","choices":[]}"#,
            r#"{"type":"error","error":{}}"#,
            r#"{"object":"error","message":"no"}"#,
            r#"[{"error":{"code":429}}]"#,
            r#"{"id":"x","error":{},"content":null,"output":""}"#,
        ] {
            assert!(is_error(body), "{body}");
        }
        for body in [
            "{}",
            "[]",
            "7",
            r#"{"error":null}"#,
            r#"{"error":false}"#,
            r#"{"error":{},"choices":[{}]}"#,
            r#"{"error":{},"output":{}}"#,
            r#"[{"error":{}},{}]"#,
        ] {
            assert!(!is_error(body), "{body}");
        }
        for broken in [&b"<html>"[..], b"", br#"{"choices":["#, br#"{"choices":"?","usage"#] {
            assert!(observe(broken, |_| AnswerFacts::default()).is_err(), "{broken:?}");
        }
    }
}
