//! Faults and attempts.
//!
//! A code of a later version becomes `Internal`, a class of a later version `Transient`: something
//! failed, and trying elsewhere is safe.

use std::borrow::Cow;
use std::time::Duration;

use weir_types::{
    Attempt, FailureClass, Fault, FaultCode, FaultDetail, QuotaMode, Side, UpstreamAnswer,
};

use crate::proto::common;

/// Passed on where a status is not an HTTP status.
const BAD_GATEWAY: u16 = 502;

impl From<Fault> for common::Fault {
    fn from(fault: Fault) -> Self {
        let detail = *fault.detail;
        Self {
            code: fault.code.number(),
            message: detail.message.into_owned(),
            detail_code: detail.code.map(Cow::into_owned),
            param: detail.param.map(Cow::into_owned),
            retry_after_us: detail.retry_after.map(micros),
            class: detail.class.map(|class| class.label().to_owned()),
            upstream: detail.upstream.map(|answer| common::UpstreamAnswer {
                status: answer.status.into(),
                content_type: answer.content_type,
                body: answer.body,
            }),
            attempts: detail.attempts.into_iter().map(Into::into).collect(),
            quota_mode: mode_label(detail.quota_mode),
            side: detail.side.map_or_else(String::new, |side| side.label().to_owned()),
        }
    }
}

impl From<common::Fault> for Fault {
    fn from(fault: common::Fault) -> Self {
        let code = FaultCode::from_number(fault.code).unwrap_or(FaultCode::Internal);
        let detail = FaultDetail {
            message: fault.message.into(),
            code: fault.detail_code.map(Cow::Owned),
            param: fault.param.map(Cow::Owned),
            retry_after: fault.retry_after_us.map(Duration::from_micros),
            class: fault.class.as_deref().map(class),
            side: Side::from_label(&fault.side),
            upstream: fault.upstream.map(|answer| UpstreamAnswer {
                status: http_status(answer.status).unwrap_or(BAD_GATEWAY),
                content_type: answer.content_type,
                body: answer.body,
            }),
            attempts: fault.attempts.into_iter().map(Into::into).collect(),
            quota_mode: mode_of(&fault.quota_mode),
        };
        Self { code, detail: Box::new(detail) }
    }
}

impl From<Attempt> for common::Attempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            provider: attempt.provider.to_string(),
            key: attempt.key.to_string(),
            status: attempt.status.into(),
            class: attempt.class.map_or_else(String::new, |class| class.label().to_owned()),
            duration_us: attempt.duration_us,
        }
    }
}

impl From<common::Attempt> for Attempt {
    fn from(attempt: common::Attempt) -> Self {
        Self {
            provider: attempt.provider.into(),
            key: attempt.key.into(),
            status: http_status(attempt.status).unwrap_or(0),
            class: (!attempt.class.is_empty()).then(|| class(&attempt.class)),
            duration_us: attempt.duration_us,
        }
    }
}

/// Nothing for the usual mode, so that it costs nothing on the way.
pub(super) fn mode_label(mode: QuotaMode) -> String {
    if mode == QuotaMode::Exact { String::new() } else { mode.label().to_owned() }
}

pub(super) fn mode_of(label: &str) -> QuotaMode {
    QuotaMode::from_label(label).unwrap_or_default()
}

fn class(label: &str) -> FailureClass {
    FailureClass::from_label(label).unwrap_or(FailureClass::Transient)
}

/// `status`, if it is one.
pub(super) fn http_status(status: u32) -> Option<u16> {
    u16::try_from(status).ok().filter(|status| (100..1000).contains(status))
}

/// Saturates after half a million years.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
