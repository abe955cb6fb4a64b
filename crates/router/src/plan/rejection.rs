//! Why a pool gave no slot, and what a client is told of it.

use std::time::Duration;

use bytes::Bytes;
use weir_quota::NoKeyReason;
use weir_types::{FailureClass, Fault, FaultCode, UpstreamAnswer};

use super::{Cause, health};
use crate::catalog::Target;

/// What a client is asked to wait while a key is being probed.
const PROBE: Duration = Duration::from_secs(1);

/// No slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The buffer is full.
    Full {
        /// When a place may be free.
        retry_after: Duration,
    },
    /// No key of the class can be given.
    NoKey {
        /// When one may be.
        until: Option<Duration>,
        /// Why.
        reason: NoKeyReason,
        /// Why the keys cool, if all do for one reason.
        cause: Option<Cause>,
    },
    /// The request's time ran out.
    Deadline,
    /// The quota store does not answer.
    Unavailable(String),
    /// The quota store refused what it was sent.
    Defect(String),
}

impl Rejection {
    /// Whether no other provider could do better.
    pub(super) fn ends_request(&self) -> bool {
        matches!(self, Self::Deadline | Self::Unavailable(_) | Self::Defect(_))
    }

    /// For spans.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::NoKey { .. } => "no_key",
            Self::Deadline => "deadline",
            Self::Unavailable(_) => "quota_unavailable",
            Self::Defect(_) => "defect",
        }
    }

    /// The fault a client is told.
    pub(super) fn into_fault(self, target: &Target) -> Fault {
        let provider = &target.provider.name;
        match self {
            Self::Full { retry_after } => {
                let message = format!(
                    "the queue of `{provider}` is full (its buffer_size is {}); try again later",
                    target.provider.buffer
                );
                Fault::new(FaultCode::RequestDropped, message).with_retry_after(Some(retry_after))
            }
            Self::NoKey { until, reason, cause } => no_key(target, until, reason, cause),
            Self::Deadline => Fault::new(
                FaultCode::DeadlineExceeded,
                format!("the request's deadline passed while it waited for `{provider}`"),
            ),
            Self::Unavailable(why) => {
                let message = format!("the quotas of `{provider}` cannot be checked: {why}");
                Fault::new(FaultCode::QuotaUnavailable, message)
                    .with_retry_after(Some(Duration::from_secs(1)))
            }
            Self::Defect(why) => Fault::new(FaultCode::Internal, why),
        }
    }
}

fn no_key(
    target: &Target,
    until: Option<Duration>,
    reason: NoKeyReason,
    cause: Option<Cause>,
) -> Fault {
    if let Some(missing) = cause.as_ref().filter(|cause| cause.class == FailureClass::ModelMissing)
        && reason == NoKeyReason::Cooling
    {
        return still_missing(missing);
    }
    let (provider, model) = (&target.provider.name, &target.model);
    let said = |cause: &Cause| format!(", as it said a moment ago ({})", cause.said);
    let said = cause.as_ref().map(said).unwrap_or_default();
    let its_code = cause.as_ref().and_then(|cause| cause.code.clone());
    let cause = cause.map(|cause| cause.class);
    let (code, class, message) = match (reason, cause) {
        (NoKeyReason::Cooling, Some(class)) if class.refuses_key() => {
            let is_quota = class == FailureClass::QuotaExhausted;
            let what = if is_quota { "is out of quota" } else { "is accepted" };
            let which = if is_quota { "every" } else { "no" };
            let message = format!("{which} key of `{provider}` that serves `{model}` {what}{said}");
            let mut fault = health::refused(is_quota, message);
            fault.detail.code = its_code;
            return fault;
        }
        (NoKeyReason::Cooling, Some(FailureClass::Unreachable)) => (
            FaultCode::UpstreamUnreachable,
            Some(FailureClass::Unreachable),
            format!("no server of `{provider}` that serves `{model}` can be reached{said}"),
        ),
        (NoKeyReason::Cooling, Some(class)) if class.is_servers() => (
            FaultCode::NoEligibleKeys,
            Some(class),
            format!("`{provider}` rests after failures of `{model}`{said}"),
        ),
        (NoKeyReason::Cooling, _) => (
            FaultCode::RateLimited,
            Some(FailureClass::RateLimited),
            format!("every key of `{provider}` that serves `{model}` is over its rate limit"),
        ),
        (NoKeyReason::EndpointCooling, _) => {
            (FaultCode::NoEligibleKeys, None, format!("`{provider}` rests after failures"))
        }
        (NoKeyReason::Unknown, _) => (
            FaultCode::NoEligibleKeys,
            None,
            format!("the pool of `{provider}` knows no key that serves `{model}`"),
        ),
    };
    // 0 stands for a probe under way, whose end nobody knows.
    let retry_after = until.map(|until| if until.is_zero() { PROBE } else { until });
    let mut fault = Fault::new(code, message).with_retry_after(retry_after);
    fault.detail.class = class;
    fault
}

/// A model that was not there a moment ago, told as it was then.
fn still_missing(cause: &Cause) -> Fault {
    let message = format!("{} (as it said a moment ago: nobody was asked again)", cause.said);
    let mut fault = Fault::new(FaultCode::UpstreamRejected, message).with_class(cause.class);
    fault.detail.code.clone_from(&cause.code);
    let status = if cause.status == 0 { 404 } else { cause.status };
    let (content_type, body) = (String::new(), Bytes::new());
    fault.detail.upstream = Some(UpstreamAnswer { status, content_type, body });
    fault
}
