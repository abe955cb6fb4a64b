//! What an answer refuses and why; each format says it in its own shape and words. Pure.

/// An error answer, not yet written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// The vendor's word for it (`error.code`, an exception's name); `None`: what it says with
    /// this status.
    pub(crate) code: Option<String>,
    /// Empty: what the vendor says with this status.
    pub(crate) message: String,
    /// The member that is meant.
    pub(crate) param: Option<String>,
    /// The model that was asked for.
    pub(crate) model: String,
    /// When trying again makes sense, in seconds as text.
    pub(crate) retry: Option<Box<str>>,
}

impl Refusal {
    /// What a real provider says with this status.
    pub(crate) fn of_status(status: u16, model: &str) -> Self {
        Self { status, model: model.to_owned(), ..Self::default() }
    }

    /// A body that makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), ..Self::default() }
    }

    /// A member that is there and wrong, in OpenAI's words.
    pub(crate) fn bad_member(member: &str, why: &str) -> Self {
        let refusal = Self::bad_request(format!("Invalid value for '{member}': {why}."));
        refusal.with_code("invalid_value").about(member)
    }

    /// No such route.
    pub(crate) fn no_route(method: &str, path: &str) -> Self {
        let message = format!(
            "Invalid URL ({method} {path}); the simulated provider serves POST \
             /v1/chat/completions, /v1/responses, /v1/messages, GET /v1/models, /sim/... and \
             what else docs/simulator.md lists"
        );
        Self { status: 404, ..Self::bad_request(message) }
    }

    pub(crate) fn with_code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    pub(crate) fn about(self, member: &str) -> Self {
        Self { param: Some(member.to_owned()), ..self }
    }
}
