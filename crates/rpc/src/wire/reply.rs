//! Heads and ends of answers, and what a worker says of itself.

use weir_types::{Fault, Usage};

use super::fault::{http_status, mode_label, mode_of};
use super::{headers, headers_of, malformed, required};
use crate::proto::{common, worker};
use crate::{Description, End, ReplyHead, Timings, UsableKey};

pub(crate) fn reply_head(head: ReplyHead) -> common::ReplyHead {
    common::ReplyHead {
        status: head.status.into(),
        content_type: head.content_type,
        headers: headers(head.headers),
        provider: head.provider.to_string(),
        key: head.key.to_string(),
        attempts: head.attempts.into_iter().map(Into::into).collect(),
        timings: Some(common::Timings {
            queue_us: head.timings.queue_us,
            router_us: head.timings.router_us,
            worker_us: head.timings.worker_us,
            upstream_us: head.timings.upstream_us,
        }),
        quota_mode: mode_label(head.quota_mode),
    }
}

pub(crate) fn reply(head: common::ReplyHead) -> Result<ReplyHead, Fault> {
    let timings = head.timings.unwrap_or_default();
    let status =
        http_status(head.status).ok_or_else(|| malformed("`status` is not an HTTP status"))?;
    if head.provider.is_empty() != head.key.is_empty() {
        return Err(malformed("`provider` or `key` is missing"));
    }
    Ok(ReplyHead {
        status,
        content_type: head.content_type,
        headers: headers_of(head.headers)?,
        provider: head.provider.into(),
        key: head.key.into(),
        attempts: head.attempts.into_iter().map(Into::into).collect(),
        timings: Timings {
            queue_us: timings.queue_us,
            router_us: timings.router_us,
            worker_us: timings.worker_us,
            upstream_us: timings.upstream_us,
        },
        quota_mode: mode_of(&head.quota_mode),
    })
}

pub(crate) fn end(end: End) -> common::End {
    let usage = end.usage;
    common::End {
        usage: (usage != Usage::default()).then_some(common::Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            cache_write_tokens: usage.cache_write_tokens,
        }),
        finish: end.finish,
        fault: end.fault.map(Into::into),
    }
}

pub(crate) fn end_of(end: common::End) -> End {
    let usage = end.usage.unwrap_or_default();
    End {
        usage: Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            cache_write_tokens: usage.cache_write_tokens,
        },
        finish: end.finish,
        fault: end.fault.map(Into::into),
    }
}

pub(crate) fn description(description: Description) -> worker::Description {
    let unusable = description.unusable.into_iter();
    worker::Description {
        provider: description.provider.to_string(),
        keys: description
            .keys
            .into_iter()
            .map(|key| worker::UsableKey { name: key.name.to_string() })
            .collect(),
        unusable: unusable
            .map(|(name, reason)| worker::UnusableKey { name: name.to_string(), reason })
            .collect(),
    }
}

pub(crate) fn description_of(description: worker::Description) -> Result<Description, Fault> {
    Ok(Description {
        provider: required(description.provider, "provider")?.into(),
        keys: description.keys.into_iter().map(|key| UsableKey { name: key.name.into() }).collect(),
        unusable: description
            .unusable
            .into_iter()
            .map(|key| (key.name.into(), key.reason))
            .collect(),
    })
}
