//! What the edge reads of a body: model, stream flag, fallbacks. Nothing else is looked at, no
//! value tree is built, and the bytes go on as they came, but for the member `fallbacks`, which
//! is ours and not the provider's.

use bytes::Bytes;
use serde_json::Value;
use weir_dialect::json::{JsonFault, Members, Splices};
use weir_types::{Fault, FaultCode, Operation};

/// More fallbacks than anyone configures; a bound, so that a request cannot ask for endless tries.
const FALLBACKS_MAX: usize = 32;
/// Longer than any provider's model name, deployment paths included.
const MODEL_BYTES_MAX: usize = 512;

/// A body that has been looked at.
#[derive(Debug)]
pub(crate) struct Peeked {
    /// As the client wrote it.
    pub(crate) model: String,
    /// Whether the client asked for a stream.
    pub(crate) stream: bool,
    /// `provider/model`, in order.
    pub(crate) fallbacks: Vec<String>,
    /// The body without `fallbacks`; the same bytes if it had none.
    pub(crate) body: Bytes,
}

/// Looks at `body`.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] that says what is wrong and where.
pub(crate) fn peek(body: Bytes, operation: Operation) -> Result<Peeked, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        let text = "the request body is empty; send a JSON object with at least \"model\"";
        return Err(Fault::new(FaultCode::InvalidRequest, text));
    }
    let members = Members::scan(&body).map_err(|fault| refused(&fault, None))?;
    let model = model(&members)?;
    let stream = members.truth("stream").map_err(|fault| refused(&fault, Some("stream")))?;
    let streams = matches!(operation, Operation::Chat | Operation::Completion);
    let (fallbacks, body) = match fallbacks(&members)? {
        None => (Vec::new(), body),
        Some(fallbacks) => {
            let mut splices = Splices::default();
            splices.remove_member("fallbacks");
            (fallbacks, splices.apply(&body, &members))
        }
    };
    Ok(Peeked { model, stream: streams && stream.unwrap_or(false), fallbacks, body })
}

fn model(members: &Members<'_>) -> Result<String, Fault> {
    let wrong = |text: String| refused(&members.fault("model", text), Some("model"));
    let model = members.text("model").map_err(|fault| refused(&fault, Some("model")))?;
    let Some(model) = model else {
        return Err(wrong("\"model\" is missing; write \"provider/model\" or a model name".into()));
    };
    if model.trim().is_empty() {
        return Err(wrong("\"model\" is empty; write \"provider/model\" or a model name".into()));
    }
    if model.len() > MODEL_BYTES_MAX {
        return Err(wrong(format!("\"model\" is over {MODEL_BYTES_MAX} bytes")));
    }
    if model.chars().any(char::is_control) {
        return Err(wrong("\"model\" contains a control character".into()));
    }
    Ok(model.into_owned())
}

/// `None`: the body has no such member. `null` is an empty list that is still to be removed.
fn fallbacks(members: &Members<'_>) -> Result<Option<Vec<String>>, Fault> {
    const SHAPE: &str = "\"fallbacks\" must be an array of \"provider/model\" strings";
    let wrong = |text: String| refused(&members.fault("fallbacks", text), Some("fallbacks"));
    let refuse = |fault: JsonFault| refused(&fault, Some("fallbacks"));
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

fn refused(fault: &JsonFault, param: Option<&'static str>) -> Fault {
    let refused = Fault::new(FaultCode::InvalidRequest, format!("request body: {fault}"));
    match param {
        Some(param) => refused.with_param(param),
        None => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peeked(body: &'static str) -> Peeked {
        peek(Bytes::from_static(body.as_bytes()), Operation::Chat).unwrap()
    }

    #[test]
    fn a_body_without_fallbacks_is_passed_on_without_a_copy() {
        let body = Bytes::from_static(br#" {"model" : "openai/gpt-4o", "x": [1, {"y": 2}]} "#);
        let peeked = peek(body.clone(), Operation::Chat).unwrap();
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
    fn embeddings_do_not_stream() {
        let body = Bytes::from_static(br#"{"model":"a","stream":true}"#);
        assert!(!peek(body, Operation::Embedding).unwrap().stream);
    }
}
