//! Why bytes are not what a format promises.

use std::borrow::Cow;

use weir_types::{Dialect, FailureClass, Fault, FaultCode, Operation};

use crate::json::JsonFault;

/// A request that cannot be understood, or cannot be said in the target's format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestFault {
    /// What was expected, what was found, where.
    pub message: String,
    /// The member at fault.
    pub param: Option<Cow<'static, str>>,
    /// The request is right in its own format; another provider may be able to serve it.
    pub is_targets: bool,
}

impl RequestFault {
    /// The request is wrong.
    #[must_use]
    pub fn invalid(param: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let param = param.into();
        let param = (!param.is_empty()).then_some(param);
        Self { message: message.into(), param, is_targets: false }
    }

    /// The request is right, but the target cannot serve it without changing what it means.
    #[must_use]
    pub fn unsupported(param: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { is_targets: true, ..Self::invalid(param, message) }
    }

    /// Requests for `operation` in the format `dialect` are not translated: they pass to providers
    /// of the same format, and to no others.
    #[must_use]
    pub fn untranslatable(dialect: Dialect, operation: Operation) -> Self {
        let (operation, dialect) = (operation.label(), dialect.label());
        let message = format!(
            "{operation} requests of the format {dialect} are not translated; \
             send this one to a provider that speaks {dialect} itself"
        );
        Self::unsupported("", message)
    }

    /// Providers that speak `dialect` have nothing to serve `operation` with.
    #[must_use]
    pub fn unserved(dialect: Dialect, operation: Operation) -> Self {
        let (operation, dialect) = (operation.label(), dialect.label());
        let message = format!(
            "the format {dialect} has no {operation} requests; \
             send this one to a provider that speaks another format"
        );
        Self::unsupported("", message)
    }

    /// The JSON is wrong; `param` is the member that was looked for, or empty.
    #[must_use]
    pub fn json(fault: &JsonFault, param: &'static str) -> Self {
        Self::invalid(param, format!("request body: {fault}"))
    }
}

impl From<JsonFault> for RequestFault {
    fn from(fault: JsonFault) -> Self {
        Self::json(&fault, "")
    }
}

impl From<RequestFault> for Fault {
    fn from(fault: RequestFault) -> Self {
        let mut refused = Self::new(FaultCode::InvalidRequest, fault.message);
        refused.detail.param = fault.param;
        refused.with_class(if fault.is_targets {
            FailureClass::Elsewhere
        } else {
            FailureClass::Caller
        })
    }
}

/// An answer that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// The body is not JSON.
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another shape.
    #[error("the answer is not of its format: {0}")]
    Shape(String),
    /// The provider failed after it had begun to answer; its own word for it.
    #[error("the provider broke its answer off: {0}")]
    Broken(String),
    /// A list of models was expected.
    #[error("the answer is not a list of models")]
    NotAList,
}

impl AnswerFault {
    /// A format does not take part in translations of `operation`.
    #[must_use]
    pub fn untranslatable(dialect: Dialect, operation: Operation) -> Self {
        let (operation, dialect) = (operation.label(), dialect.label());
        Self::Shape(format!("{operation} answers are not translated in the format {dialect}"))
    }
}

/// An event that is not of its format, or a stream that ends within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbage(pub &'static str);

impl Garbage {
    /// An event is not a JSON object.
    pub const NOT_AN_OBJECT: Self = Self("an event is not a JSON object");
    /// A stream ends although its last event was not the last.
    pub const ENDS_EARLY: Self = Self("the stream ended without a finish reason");
}
