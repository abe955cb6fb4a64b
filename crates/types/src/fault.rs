//! The one closed set of failures, and what each is called outside.
//!
//! Every room's own error type becomes a [`Fault`] at the room's boundary. A fault names a cause;
//! what a client reads is its message, never a secret, a URL with credentials or a backtrace.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::failure::{FailureClass, Side};
use crate::{KeyName, ProviderName, QuotaMode};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $http:literal, $grpc:literal, $kind:literal,
       $side:ident;)*) => {
        /// The cause of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultCode {
            $($(#[$doc])* $name,)*
        }

        impl FaultCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Stable number for the wire between our services.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }

            /// The HTTP status a client gets, unless the provider's own status is passed on.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $http,)* }
            }

            /// The gRPC status code between our services.
            /// <https://grpc.io/docs/guides/status-codes/>
            #[must_use]
            pub const fn grpc_code(self) -> i32 {
                match self { $(Self::$name => $grpc,)* }
            }

            /// Whose such a failure is unless it says otherwise.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)* }
            }

            /// The stable `error.type` a client can match on.
            #[must_use]
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be understood.
    InvalidRequest = 1, 400, 3, "invalid_request_error", Client;
    /// No such route.
    NotFound = 2, 404, 5, "not_found", Client;
    /// The route exists, the method does not.
    MethodNotAllowed = 3, 405, 12, "method_not_allowed", Client;
    /// The body is over `max_request_body_size_mb`.
    BodyTooLarge = 4, 413, 11, "request_too_large", Client;
    /// The provider does not do this operation.
    UnsupportedOperation = 5, 400, 12, "unsupported_operation", Client;
    /// No provider is configured that could be meant.
    UnknownModel = 6, 400, 5, "model_not_found", Client;
    /// The provider has no key that serves the model.
    NoKeySupportsModel = 7, 400, 9, "no_key_supports_model", Client;
    /// Keys serve the model, but none may be used now.
    NoEligibleKeys = 8, 503, 14, "no_eligible_keys", Gateway;
    /// The provider's buffer is full.
    RequestDropped = 9, 429, 8, "request_dropped", Gateway;
    /// The provider answered with an error; its answer is attached.
    UpstreamRejected = 10, 502, 2, "upstream_error", Provider;
    /// No connection to the provider, or it broke before an answer.
    UpstreamUnreachable = 11, 502, 14, "upstream_connection_failed", Provider;
    /// The provider stayed silent for too long.
    UpstreamTimedOut = 12, 504, 4, "request_timed_out", Provider;
    /// The provider's answer was cut, stalled or made no sense.
    UpstreamBroken = 13, 502, 15, "upstream_answer_broken", Provider;
    /// Every credential of the provider was refused.
    CredentialsExhausted = 14, 502, 16, "upstream_credentials_exhausted", Provider;
    /// The request's own deadline passed.
    DeadlineExceeded = 15, 504, 4, "request_timed_out", Gateway;
    /// The client went away.
    Cancelled = 16, 499, 1, "request_cancelled", Client;
    /// The quota store cannot be reached and the configuration says to refuse.
    QuotaUnavailable = 17, 503, 14, "quota_unavailable", Gateway;
    /// This service is not ready or is shutting down.
    Unavailable = 18, 503, 14, "service_unavailable", Gateway;
    /// The link between two of our services broke.
    LinkBroken = 19, 503, 14, "service_unavailable", Gateway;
    /// A defect of the gateway.
    Internal = 20, 500, 13, "internal_error", Gateway;
    /// The request's body is in a form that is not read: compressed, multipart.
    UnsupportedMediaType = 21, 415, 3, "unsupported_media_type", Client;
    /// The client stopped sending its request.
    RequestIncomplete = 22, 408, 4, "request_incomplete", Client;
    /// Every key that serves the model rests after the provider's rate limits.
    RateLimited = 23, 429, 8, "rate_limited", Provider;
    /// The request's head is over the limits.
    HeadersTooLarge = 24, 431, 11, "request_headers_too_large", Client;
    /// The account of every key of the provider is out of quota or money.
    QuotaExhausted = 25, 502, 8, "upstream_quota_exhausted", Provider;
    /// Whoever asks may not: a page of another site, a client key that may not reach it.
    Forbidden = 26, 403, 7, "forbidden", Client;
    /// A process holds as many bytes of bodies as it may.
    Overloaded = 27, 503, 8, "overloaded", Gateway;
    /// Nobody knows who asks.
    Unauthenticated = 28, 401, 16, "authentication_error", Client;
    /// A path of a vendor's interface that this gateway does not serve.
    NotServed = 31, 501, 12, "unsupported_operation", Client;
}

impl FaultCode {
    /// The inverse of [`FaultCode::number`]; `None` for a number of a later version.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

/// A provider's own error answer, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAnswer {
    /// HTTP status.
    pub status: u16,
    /// `content-type`, empty if absent.
    pub content_type: String,
    /// The body as it came, at most 1 MiB of it.
    pub body: Bytes,
}

/// One upstream try, for headers, logs and error texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Who was asked.
    pub provider: ProviderName,
    /// With which key.
    pub key: KeyName,
    /// The provider's HTTP status; 0 if it gave none.
    pub status: u16,
    /// Why it failed; `None` for the one that answered.
    pub class: Option<FailureClass>,
    /// From grant to head or failure, in microseconds.
    pub duration_us: u64,
}

impl Attempt {
    /// What came of it in a word: the provider's status, or why there is none.
    #[must_use]
    pub fn outcome(&self) -> Cow<'static, str> {
        match (self.status, self.class) {
            (0, Some(class)) => Cow::Borrowed(class.label()),
            (status, _) => Cow::Owned(status.to_string()),
        }
    }
}

/// What is known beyond the code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultDetail {
    /// For people; says where, what was expected, what was found, what to do.
    pub message: Cow<'static, str>,
    /// Finer machine-readable code, such as the provider's own `error.code`.
    pub code: Option<Cow<'static, str>>,
    /// The request member that is at fault.
    pub param: Option<Cow<'static, str>>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// What it means for the plan; `None` for a failure that no attempt caused.
    pub class: Option<FailureClass>,
    /// Whose it is, where that does not follow from the code.
    pub side: Option<Side>,
    /// The provider's answer, where it gave one.
    pub upstream: Option<UpstreamAnswer>,
    /// The tries that led here, in order.
    pub attempts: Vec<Attempt>,
    /// How the limits were kept that the request met last.
    pub quota_mode: QuotaMode,
}

/// A failure on its way to the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    /// The cause.
    pub code: FaultCode,
    /// Everything else; boxed because results carry it by value.
    pub detail: Box<FaultDetail>,
}

impl Fault {
    /// A fault with a message.
    #[must_use]
    pub fn new(code: FaultCode, message: impl Into<Cow<'static, str>>) -> Self {
        let detail = FaultDetail { message: message.into(), ..FaultDetail::default() };
        Self { code, detail: Box::new(detail) }
    }

    /// Adds the class.
    #[must_use]
    pub fn with_class(mut self, class: FailureClass) -> Self {
        self.detail.class = Some(class);
        self
    }

    /// Says whose it is.
    #[must_use]
    pub fn with_side(mut self, side: Side) -> Self {
        self.detail.side = Some(side);
        self
    }

    /// Whose it is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.detail.side.unwrap_or_else(|| self.code.side())
    }

    /// Adds the time after which trying again makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.detail.retry_after = after;
        self
    }

    /// Whether a client that sends the same request again, after [`FaultDetail::retry_after`] if that
    /// is known, may get more than this. Not where retries were the gateway's task and are used up.
    #[must_use]
    pub fn invites_retry(&self) -> bool {
        if self.detail.class.is_some_and(|class| !class.may_pass()) {
            return false;
        }
        match self.code {
            // Another service, or the same one in a moment, may take it; nobody was asked.
            FaultCode::RequestIncomplete | FaultCode::Unavailable | FaultCode::LinkBroken => true,
            FaultCode::CredentialsExhausted | FaultCode::QuotaExhausted => false,
            _ => self.detail.retry_after.is_some(),
        }
    }

    /// Names the request member at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.detail.param = Some(param.into());
        self
    }

    /// The HTTP status for the client: the provider's own where its answer is passed on.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match (&self.detail.upstream, self.code) {
            (Some(answer), FaultCode::UpstreamRejected) => answer.status,
            _ => self.code.http_status(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.kind(), self.detail.message)
    }
}

impl fmt::Debug for Fault {
    /// Without the provider's body, which may repeat a prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("code", &self.code)
            .field("message", &self.detail.message)
            .field("class", &self.detail.class)
            .field("side", &self.side())
            .field("upstream_status", &self.detail.upstream.as_ref().map(|u| u.status))
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_classes_survive_the_wire() {
        for &code in FaultCode::ALL {
            assert_eq!(FaultCode::from_number(code.number()), Some(code));
            assert!((400..600).contains(&code.http_status()));
            assert!((1..=16).contains(&code.grpc_code()));
        }
        for side in Side::ALL {
            assert_eq!(Side::from_label(side.label()), Some(side));
        }
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::from_label(class.label()), Some(class));
        }
    }

    #[test]
    fn only_what_may_pass_invites_another_try() {
        let after = Some(Duration::from_secs(3));
        let fault = |code| Fault::new(code, "x");
        for (class, invites) in [
            (FailureClass::Transient, true),
            (FailureClass::RateLimited, true),
            (FailureClass::Silent, true),
            (FailureClass::Credential, false),
            (FailureClass::QuotaExhausted, false),
            (FailureClass::ModelMissing, false),
            (FailureClass::Unusable, false),
            (FailureClass::Elsewhere, false),
            (FailureClass::Refused, false),
            (FailureClass::Caller, false),
        ] {
            let failed = fault(FaultCode::UpstreamRejected).with_class(class);
            assert!(!failed.invites_retry(), "{class:?}: the plan is used up");
            assert_eq!(failed.with_retry_after(after).invites_retry(), invites, "{class:?}");
        }
        assert!(fault(FaultCode::RequestDropped).with_retry_after(after).invites_retry());
        assert!(fault(FaultCode::Unavailable).invites_retry());
        for code in [FaultCode::CredentialsExhausted, FaultCode::QuotaExhausted] {
            assert!(!fault(code).with_retry_after(after).invites_retry());
        }
        assert!(!fault(FaultCode::InvalidRequest).invites_retry());
    }
}
