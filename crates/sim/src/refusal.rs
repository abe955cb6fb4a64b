//! Error answers in OpenAI's shape, and the words that the real one uses per status. Pure.

use serde_json::json;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// `error.type`.
    pub(crate) kind: &'static str,
    /// `error.code`.
    pub(crate) code: Option<String>,
    /// `error.message`.
    pub(crate) message: String,
    /// `error.param`.
    pub(crate) param: Option<String>,
}

impl Refusal {
    /// What a real provider says with this status.
    pub(crate) fn of_status(status: u16, model: &str) -> Self {
        let (kind, code, message) = match status {
            401 => ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
            402 => ("insufficient_quota", "insufficient_quota", "You have run out of credits."),
            403 => ("permission_error", "permission_denied", "You may not do this."),
            404 => ("invalid_request_error", "model_not_found", ""),
            408 | 504 => ("server_error", "timeout", "The request timed out."),
            409 => ("conflict_error", "conflict", "The resource was changed at the same time."),
            413 => ("invalid_request_error", "request_too_large", "The request is too large."),
            429 => ("requests", "rate_limit_exceeded", "Rate limit reached. Please slow down."),
            503 | 529 => ("overloaded_error", "overloaded", "The engine is overloaded."),
            500.. => ("server_error", "server_error", "The server had an error."),
            _ => ("invalid_request_error", "invalid_value", "The request was refused."),
        };
        let message = match status {
            404 => format!("The model `{model}` does not exist or you do not have access to it."),
            _ => message.to_owned(),
        };
        Self { status, kind, code: Some(code.to_owned()), message, param: None }
    }

    /// A body that makes no sense.
    pub(crate) fn bad_request(message: String) -> Self {
        let kind = "invalid_request_error";
        Self { status: 400, kind, code: None, message, param: None }
    }

    /// A member that must be there.
    pub(crate) fn missing(member: &str) -> Self {
        let message = format!("Missing required parameter: '{member}'.");
        let code = Some("missing_required_parameter".to_owned());
        Self { code, param: Some(member.to_owned()), ..Self::bad_request(message) }
    }

    /// A member that is there and wrong.
    pub(crate) fn bad_member(member: &str, why: &str) -> Self {
        let message = format!("Invalid value for '{member}': {why}.");
        let code = Some("invalid_value".to_owned());
        Self { code, param: Some(member.to_owned()), ..Self::bad_request(message) }
    }

    /// No such route.
    pub(crate) fn no_route(method: &str, path: &str) -> Self {
        let message = format!(
            "Invalid URL ({method} {path}); the simulated provider serves POST \
             /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models, /sim/..."
        );
        Self { status: 404, code: None, ..Self::bad_request(message) }
    }

    /// The body of the answer, and of an error event.
    pub(crate) fn json(&self) -> String {
        let (message, code, param) = (&self.message, &self.code, &self.param);
        json!({"error": {"message": message, "type": self.kind, "param": param, "code": code}})
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_status_has_words() {
        for status in 400..600 {
            let refusal = Refusal::of_status(status, "gpt-x");
            assert!(!refusal.message.is_empty(), "{status}");
            let body: serde_json::Value = serde_json::from_str(&refusal.json()).unwrap();
            assert_eq!(body["error"]["type"], refusal.kind);
        }
        assert!(Refusal::of_status(404, "gpt-x").message.contains("`gpt-x`"));
    }
}
