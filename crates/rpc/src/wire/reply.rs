//! Heads and ends of answers, and what a worker says of itself.

use std::sync::Arc;

use weir_types::{Fault, ModelList, SeenModels, Served, Usage};

use super::fault::{http_status, mode_label, mode_of};
use super::{headers, headers_of, malformed, required};
use crate::proto::{common, worker};
use crate::{CheckedKey, Description, End, Part, ReplyHead, Timings, UsableKey};

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
            earlier_us: head.timings.earlier_us,
        }),
        quota_mode: mode_label(head.quota_mode),
        seen: head.seen.into_iter().map(Into::into).collect(),
        parts: head
            .parts
            .into_iter()
            .map(|part| common::Part {
                provider: part.provider.to_string(),
                key: part.key.to_string(),
                bytes: part.bytes,
            })
            .collect(),
        kept: head.kept,
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
            earlier_us: timings.earlier_us,
        },
        quota_mode: mode_of(&head.quota_mode),
        seen: head.seen.into_iter().map(Into::into).collect(),
        parts: head.parts.into_iter().map(part).collect::<Result<_, _>>()?,
        kept: head.kept,
    })
}

fn part(part: common::Part) -> Result<Part, Fault> {
    Ok(Part {
        provider: required(part.provider, "parts.provider")?.into(),
        key: required(part.key, "parts.key")?.into(),
        bytes: part.bytes,
    })
}

impl From<SeenModels> for common::SeenModels {
    fn from(seen: SeenModels) -> Self {
        let provider = seen.provider.to_string();
        Self { provider, keys: seen.keys.into_iter().map(Into::into).collect() }
    }
}

impl From<common::SeenModels> for SeenModels {
    fn from(seen: common::SeenModels) -> Self {
        let provider = seen.provider.into();
        Self { provider, keys: seen.keys.into_iter().map(Into::into).collect() }
    }
}

impl From<Served> for common::Served {
    fn from(served: Served) -> Self {
        let texts = |names: &[Arc<str>]| names.iter().map(|name| name.to_string()).collect();
        let (all, names) = match &served.models {
            ModelList::None => (false, Vec::new()),
            ModelList::All => (true, Vec::new()),
            ModelList::Names(names) => (false, texts(names)),
        };
        Self { all, names, except: texts(&served.except) }
    }
}

impl From<common::Served> for Served {
    fn from(served: common::Served) -> Self {
        let names = |texts: Vec<String>| texts.into_iter().map(Arc::from).collect::<Vec<_>>();
        let models = match (served.all, served.names) {
            (true, _) => ModelList::All,
            (false, none) if none.is_empty() => ModelList::None,
            (false, some) => ModelList::Names(names(some)),
        };
        Self { models, except: names(served.except) }
    }
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
    let checked = description.checked.into_iter();
    let checked_key = |CheckedKey { name, trouble }| worker::CheckedKey {
        name: name.to_string(),
        trouble: trouble.unwrap_or_default(),
    };
    worker::Description {
        provider: description.provider.to_string(),
        keys: description
            .keys
            .into_iter()
            .map(|key| worker::UsableKey {
                name: key.name.to_string(),
                places: key.places.to_vec(),
            })
            .collect(),
        unusable: unusable
            .map(|(name, reason)| worker::UnusableKey { name: name.to_string(), reason })
            .collect(),
        checked: checked.map(checked_key).collect(),
    }
}

fn checked_key_of(key: worker::CheckedKey) -> CheckedKey {
    let trouble = Some(key.trouble).filter(|trouble| !trouble.is_empty());
    CheckedKey { name: key.name.into(), trouble }
}

pub(crate) fn description_of(description: worker::Description) -> Result<Description, Fault> {
    Ok(Description {
        provider: required(description.provider, "provider")?.into(),
        keys: description
            .keys
            .into_iter()
            .map(|key| UsableKey { name: key.name.into(), places: key.places.into() })
            .collect(),
        unusable: description
            .unusable
            .into_iter()
            .map(|key| (key.name.into(), key.reason))
            .collect(),
        checked: description.checked.into_iter().map(checked_key_of).collect(),
    })
}
