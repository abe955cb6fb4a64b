//! Error bodies, in every shape that hosts of this family use.

use serde_json::Value;

/// What an error body says; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `code`, numbers as text.
    pub code: String,
    /// `type`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The request member at fault.
    pub param: String,
    /// An HTTP status that the body itself gives (hosts that relay other hosts do).
    pub status: Option<u16>,
}

/// Reads an error body. A body that is not JSON, or has no known shape, gives an empty result.
#[must_use]
pub fn parse(body: &[u8]) -> ErrorBody {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    read(&document)
}

/// `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or a list.
fn read(document: &Value) -> ErrorBody {
    if let Some(first) = document.as_array().and_then(|list| list.first()) {
        return match first.get("error") {
            Some(_) => read(first),
            None => ErrorBody::default(),
        };
    }
    let inner = match document.get("error") {
        Some(Value::String(message)) => {
            let mut body = members(document);
            body.message.clone_from(message);
            return body;
        }
        Some(error @ Value::Object(_)) => error,
        _ => document,
    };
    let mut body = members(inner);
    if body.message.is_empty() {
        body.message = match document.get("detail") {
            Some(Value::String(detail)) => detail.clone(),
            Some(detail) if !detail.is_null() => detail.to_string(),
            _ => String::new(),
        };
    }
    body
}

fn members(document: &Value) -> ErrorBody {
    let text = |name: &str| match document.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let code = text("code");
    let status = code.parse().ok().filter(|status| (400..600).contains(status));
    ErrorBody { status, kind: text("type"), message: text("message"), param: text("param"), code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_shapes_are_read() {
        let openai = parse(
            br#"{"error":{"message":"m","type":"t","param":"model","code":"model_not_found"}}"#,
        );
        assert_eq!(openai.code, "model_not_found");
        assert_eq!((openai.kind.as_str(), openai.param.as_str()), ("t", "model"));
        assert_eq!((openai.message.as_str(), openai.status), ("m", None));
        let relayed = parse(br#"{"error":{"message":"m","code":502,"metadata":{}}}"#);
        assert_eq!((relayed.code.as_str(), relayed.status), ("502", Some(502)));
        assert_eq!(parse(br#"{"error":"nope"}"#).message, "nope");
        assert_eq!(parse(br#"{"object":"error","message":"m","code":400}"#).status, Some(400));
        assert_eq!(parse(br#"{"detail":"Not Found"}"#).message, "Not Found");
        assert_eq!(parse(br#"{"detail":[{"msg":"x"}]}"#).message, r#"[{"msg":"x"}]"#);
        assert_eq!(parse(br#"[{"error":{"message":"g","code":429}}]"#).status, Some(429));
        assert_eq!(parse(b"<html>"), ErrorBody::default());
        assert_eq!(parse(br#"{"error":{"code":null}}"#), ErrorBody::default());
    }
}
