//! Errors as formats write them.

use weir_types::Attempt;

/// What kind of mistake or misfortune it is; formats have a word for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong: 400, 405, 409, 413 of content, 415, 422.
    InvalidRequest,
    /// Who asks is not known: 401.
    Authentication,
    /// Who asks may not: 403.
    Permission,
    /// No such route, model or thing: 404, 410.
    NotFound,
    /// The request is too large: 413.
    TooLarge,
    /// Too many requests: 429.
    RateLimited,
    /// No money or quota is left: 402, or a 429 that says so.
    QuotaExhausted,
    /// It took too long: 408, 504.
    Timeout,
    /// Too much to do: 503, 529.
    Overloaded,
    /// Anything else: 500, 502.
    Internal,
}

/// An error in any format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// HTTP status; 0 where nothing says one.
    pub status: u16,
    /// What kind it is.
    pub kind: ErrorKind,
    /// The provider's or the gateway's own word for the kind (`invalid_request_error`,
    /// `request_dropped`); empty if there is none.
    pub label: String,
    /// Finer machine-readable code.
    pub code: Option<String>,
    /// The request member at fault.
    pub param: Option<String>,
    /// For people.
    pub message: String,
    /// What the request was.
    pub context: ErrorContext,
}

/// What an error tells of its request. All may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The request's id.
    pub request_id: String,
    /// Who was asked.
    pub provider: String,
    /// For what, as the client wrote it.
    pub model: String,
    /// The configuration's name of the operation.
    pub operation: &'static str,
    /// Every try, in order.
    pub attempts: Vec<Attempt>,
    /// The gateway itself refuses or failed, not a provider.
    pub is_gateways: bool,
}

impl ErrorKind {
    /// What an HTTP status means without further words.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::QuotaExhausted,
            403 => Self::Permission,
            404 | 410 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}

impl Error {
    /// An error that says no more than its status and a message.
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: ErrorKind::of_status(status),
            label: String::new(),
            code: None,
            param: None,
            message: message.into(),
            context: ErrorContext::default(),
        }
    }
}
