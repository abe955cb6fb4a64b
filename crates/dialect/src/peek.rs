//! What the edge reads of a request, in any format: model, stream flag, fallbacks. Nothing else is
//! looked at, no value tree is built, and the bytes go on as they came, but for the member
//! `fallbacks`, which is ours and not the provider's.

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Operation, Outline};

use crate::fault::RequestFault;
use crate::json::{Members, Splices};

/// Longer than any provider's model name, deployment paths included.
pub(crate) const MODEL_BYTES_MAX: usize = 512;
/// More fallbacks than anyone configures; a bound, so that a request cannot ask for endless tries.
pub(crate) const FALLBACKS_MAX: usize = 16;

/// What a client said beside the body.
#[derive(Debug, Clone, Copy)]
pub struct PathFacts<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<&'a str>,
    /// Whether a stream is asked for, where the path says it.
    pub stream: Option<bool>,
}

impl PathFacts<'_> {
    /// A path that says nothing but what is asked for.
    #[must_use]
    pub const fn of(operation: Operation) -> Self {
        Self { operation, model: None, stream: None }
    }
}

/// A body that has been looked at.
#[derive(Debug)]
pub struct Peeked {
    /// As the client wrote it.
    pub model: String,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// `provider/model`, in order.
    pub fallbacks: Vec<String>,
    /// The body without `fallbacks`; the same bytes if it had none.
    pub body: Bytes,
    /// Where its members stand, if it is the same.
    pub outline: Option<Outline>,
    /// What it says of answers that a provider keeps.
    pub keeping: Keeping,
}

/// What a request says of answers that a provider keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// The earlier answer that it goes on from.
    pub earlier: Option<String>,
    /// Whether its answer is to be kept, as far as it is said here.
    pub keeps: bool,
}

/// Looks at `body`.
///
/// # Errors
/// What is wrong and where.
pub fn peek(body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
    peek_with(body, path, |_| Ok(Keeping::default()))
}

/// The same with what `keeping` finds in the members.
///
/// # Errors
/// As [`peek`], and those of `keeping`.
pub fn peek_with(
    body: Bytes,
    path: &PathFacts<'_>,
    keeping: impl FnOnce(&Members<'_>) -> Result<Keeping, RequestFault>,
) -> Result<Peeked, RequestFault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        let text = "the request body is empty; send a JSON object with at least \"model\"";
        return Err(RequestFault::invalid("", text));
    }
    let members = Members::scan(&body)?;
    let model = match path.model {
        Some(model) => checked_in_path(model)?,
        None => match usual_model(path.operation, &members)? {
            Some(usual) => usual.to_owned(),
            None => model(&members)?,
        },
    };
    let stream = match path.stream {
        Some(stream) => stream,
        None if path.operation.streams() => {
            let stream = members.truth("stream");
            let stream = stream.map_err(|fault| RequestFault::json(&fault, "stream"))?;
            stream.unwrap_or(false) || speaks_in_events(path.operation, &members)?
        }
        None => false,
    };
    let keeping = keeping(&members)?;
    let (fallbacks, body, outline) = match fallbacks(&members)? {
        None => {
            let outline = members.outline();
            (Vec::new(), body, outline)
        }
        Some(fallbacks) => {
            let mut splices = Splices::default();
            splices.remove_member("fallbacks");
            (fallbacks, splices.apply(&body, &members), None)
        }
    };
    Ok(Peeked { model, stream, fallbacks, body, outline, keeping })
}

/// The model of a request that need not name one.
/// <https://platform.openai.com/docs/api-reference/moderations/create>
fn usual_model(
    operation: Operation,
    members: &Members<'_>,
) -> Result<Option<&'static str>, RequestFault> {
    if operation != Operation::Moderation {
        return Ok(None);
    }
    let named = members.value("model");
    let named = named.map_err(|fault| RequestFault::json(&fault, "model"))?;
    Ok(named.is_none().then_some("omni-moderation-latest"))
}

/// Whether speech is asked for as events: the request has another word for it than all others.
fn speaks_in_events(operation: Operation, members: &Members<'_>) -> Result<bool, RequestFault> {
    if operation != Operation::Speech {
        return Ok(false);
    }
    // What else it may be is the provider's to judge.
    let form = members.value("stream_format");
    let form = form.map_err(|fault| RequestFault::json(&fault, "stream_format"))?;
    Ok(form.is_some_and(|form| form == "sse"))
}

fn model(members: &Members<'_>) -> Result<String, RequestFault> {
    let wrong = |text: String| RequestFault::json(&members.fault("model", text), "model");
    let model = members.text("model").map_err(|fault| RequestFault::json(&fault, "model"))?;
    let Some(model) = model else {
        return Err(wrong("\"model\" is missing; write \"provider/model\" or a model name".into()));
    };
    checked(model.into_owned(), wrong)
}

/// A model that a path names, if it can be one.
///
/// # Errors
/// It cannot.
pub fn checked_in_path(model: &str) -> Result<String, RequestFault> {
    checked(model.to_owned(), |text| RequestFault::invalid("model", text))
}

pub(crate) fn checked(
    model: String,
    wrong: impl Fn(String) -> RequestFault,
) -> Result<String, RequestFault> {
    if model.trim().is_empty() {
        return Err(wrong("\"model\" is empty; write \"provider/model\" or a model name".into()));
    }
    if model.len() > MODEL_BYTES_MAX {
        return Err(wrong(format!("\"model\" is over {MODEL_BYTES_MAX} bytes")));
    }
    if model.chars().any(char::is_control) {
        return Err(wrong("\"model\" contains a control character".into()));
    }
    Ok(model)
}

/// `None`: the body has no such member. `null` is an empty list that is still to be removed.
fn fallbacks(members: &Members<'_>) -> Result<Option<Vec<String>>, RequestFault> {
    const SHAPE: &str = "\"fallbacks\" must be an array of \"provider/model\" strings";
    let refuse = |fault| RequestFault::json(&fault, "fallbacks");
    let wrong = |text: String| refuse(members.fault("fallbacks", text));
    if members.find("fallbacks").map_err(refuse)?.is_none() {
        return Ok(None);
    }
    let Some(value) = members.value("fallbacks").map_err(refuse)? else {
        return Ok(Some(Vec::new()));
    };
    let Value::Array(entries) = value else {
        return Err(wrong(SHAPE.into()));
    };
    if entries.len() > FALLBACKS_MAX {
        return Err(wrong(format!("\"fallbacks\" has more than {FALLBACKS_MAX} entries")));
    }
    let mut fallbacks = Vec::with_capacity(entries.len());
    for (at, entry) in entries.into_iter().enumerate() {
        match entry {
            Value::String(text) if text.len() > MODEL_BYTES_MAX => {
                return Err(wrong(format!("\"fallbacks\"[{at}] is over {MODEL_BYTES_MAX} bytes")));
            }
            Value::String(text) if !text.trim().is_empty() => fallbacks.push(text),
            _ => return Err(wrong(format!("{SHAPE}; entry {at} is not one"))),
        }
    }
    Ok(Some(fallbacks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peeked(body: &'static str) -> Peeked {
        peek(Bytes::from_static(body.as_bytes()), &PathFacts::of(Operation::Chat)).unwrap()
    }

    #[test]
    fn a_body_without_fallbacks_is_passed_on_without_a_copy() {
        let body = Bytes::from_static(br#" {"model" : "openai/gpt-4o", "x": [1, {"y": 2}]} "#);
        let peeked = peek(body.clone(), &PathFacts::of(Operation::Chat)).unwrap();
        assert_eq!((peeked.model.as_str(), peeked.stream), ("openai/gpt-4o", false));
        assert_eq!(peeked.body.as_ptr(), body.as_ptr());
        assert_eq!(peeked.body, body);
    }

    #[test]
    fn fallbacks_are_taken_out_and_everything_else_stays() {
        let peeked =
            peeked(r#"{"model":"a","fallbacks":["openai/b", "groq/c"],"n":1.50,"stream":true}"#);
        assert_eq!(peeked.fallbacks, ["openai/b", "groq/c"]);
        assert!(peeked.stream);
        assert_eq!(peeked.body, r#"{"model":"a","n":1.50,"stream":true}"#);
    }

    #[test]
    fn null_counts_as_absent_for_what_may_be_absent() {
        let peeked = peeked(r#"{"stream":null,"model":"a","fallbacks":null}"#);
        assert!(!peeked.stream && peeked.fallbacks.is_empty());
        assert_eq!(peeked.body, r#"{"stream":null,"model":"a"}"#);
    }

    #[test]
    fn only_a_top_level_model_counts_and_escapes_are_read() {
        let peeked = peeked(r#"{"messages":[{"model":"no"}],"mod\u0065l":"a\/b"}"#);
        assert_eq!(peeked.model, "a/b");
    }

    #[test]
    fn what_the_path_says_wins_and_what_cannot_stream_does_not() {
        let body = Bytes::from_static(br#"{"stream":true}"#);
        let path =
            PathFacts { operation: Operation::Chat, model: Some("m/x"), stream: Some(false) };
        let seen = peek(body, &path).unwrap();
        assert_eq!((seen.model.as_str(), seen.stream), ("m/x", false));
        let body = Bytes::from_static(br#"{"model":"a","stream":true}"#);
        assert!(!peek(body, &PathFacts::of(Operation::Embedding)).unwrap().stream);
    }

    #[test]
    fn speech_in_events_is_a_stream_and_moderation_needs_no_model() {
        let seen = |operation, body: &'static str| {
            let peeked = peek(Bytes::from_static(body.as_bytes()), &PathFacts::of(operation));
            peeked.map(|peeked| (peeked.model, peeked.stream))
        };
        for (body, expected) in [
            (r#"{"model":"a","stream_format":"sse"}"#, true),
            (r#"{"model":"a","stream_format":"audio"}"#, false),
            (r#"{"model":"a","stream_format":null}"#, false),
            (r#"{"model":"a","stream":true}"#, true),
            (r#"{"model":"a"}"#, false),
        ] {
            assert_eq!(seen(Operation::Speech, body).unwrap().1, expected, "{body}");
        }
        assert!(!seen(Operation::Speech, r#"{"model":"a","stream_format":1}"#).unwrap().1);
        assert!(!seen(Operation::Chat, r#"{"model":"a","stream_format":"sse"}"#).unwrap().1);
        for (body, expected) in [
            (r#"{"input":"x"}"#, "omni-moderation-latest"),
            (r#"{"input":"x","model":null}"#, "omni-moderation-latest"),
            (r#"{"input":"x","model":"mistral/m"}"#, "mistral/m"),
        ] {
            assert_eq!(seen(Operation::Moderation, body).unwrap().0, expected, "{body}");
        }
        assert!(seen(Operation::Moderation, r#"{"input":"x","model":""}"#).is_err());
        assert!(seen(Operation::Embedding, r#"{"input":"x"}"#).is_err());
    }

    #[test]
    fn as_many_fallbacks_are_taken_as_the_router_takes() {
        let list = vec!["\"p/m\""; 17].join(",");
        let body = Bytes::from(format!("{{\"model\":\"a\",\"fallbacks\":[{list}]}}"));
        let fault = peek(body, &PathFacts::of(Operation::Chat)).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("fallbacks"));
        assert!(fault.message.contains("more than 16"), "{fault}");
    }
}
