//! Heads of requests. `body_bytes` travels beside them: it is about the body that follows.

use std::time::Duration;

use weir_types::{
    Addressee, Commit, Dialect, Fault, FaultCode, Form, Framing, Operation, Outline, Patience,
    Target,
};

use super::fault::micros;
use super::{headers, headers_of, malformed, required};
use crate::proto::{common, router, worker};
use crate::{Cursor, Owner, RouterRequest, WorkerRequest};

pub(crate) fn router_head(request: RouterRequest, body_bytes: Option<u64>) -> router::RequestHead {
    let mut head = router::RequestHead {
        dialect: request.dialect.label().to_owned(),
        operation: request.operation.label().to_owned(),
        stream: request.stream,
        fallbacks: request.fallbacks,
        preferred_provider: request.preferred_provider,
        client_key: request.client_key.as_deref().map(str::to_owned),
        headers: headers(request.headers),
        body_bytes,
        framing: framing_label(request.framing),
        form: request.form.label().to_owned(),
        commit: request.commit.map_or("", Commit::label).to_owned(),
        content_type: request.content_type,
        outline: request.outline.map(|outline| outline.positions().to_vec()).unwrap_or_default(),
        patience: patience(request.patience),
        query: request.query,
        cursor: request.cursor.map(|cursor| {
            Box::new(router::Cursor {
                provider: cursor.provider.to_string(),
                key: cursor.key.to_string(),
                query: cursor.query,
            })
        }),
        owner: request.owner.map(|owner| {
            Box::new(router::Owner {
                provider: owner.provider.to_string(),
                key: owner.key.to_string(),
            })
        }),
        ..router::RequestHead::default()
    };
    match request.target {
        Target::Model { name, pin } => (head.model, head.key_pin) = (name, pin),
        Target::Provider { name, pin } => (head.only_provider, head.key_pin) = (name, pin),
        Target::Resource { provider, key, id } => {
            let provider = provider.map(|name| name.to_string()).unwrap_or_default();
            let key = key.map(|name| name.to_string()).unwrap_or_default();
            head.resource = Some(Box::new(router::Resource { provider, key, id }));
        }
        Target::Place { provider, pin, place } => {
            (head.only_provider, head.key_pin, head.place) = (provider, pin, place);
        }
    }
    head
}

pub(crate) fn router_request(head: router::RequestHead) -> Result<RouterRequest, Fault> {
    let operation = operation(head.operation)?;
    let target = match (operation.facts().addressee, head.resource) {
        (Addressee::Resource | Addressee::Provider, None) if !head.place.is_empty() => {
            Target::Place { provider: head.only_provider, pin: head.key_pin, place: head.place }
        }
        (Addressee::Resource | Addressee::Provider, Some(resource)) => Target::Resource {
            provider: Some(resource.provider).filter(|name| !name.is_empty()).map(Into::into),
            key: Some(resource.key).filter(|name| !name.is_empty()).map(Into::into),
            id: required(resource.id, "resource.id")?,
        },
        (Addressee::Model, _) => Target::Model { name: head.model, pin: head.key_pin },
        // One that is looked for in lists.
        (Addressee::Provider, _) if !head.model.is_empty() => {
            Target::Model { name: head.model, pin: head.key_pin }
        }
        (Addressee::Provider, _) => {
            Target::Provider { name: head.only_provider, pin: head.key_pin }
        }
        (Addressee::Resource, None) => return Err(malformed("`resource` is missing")),
    };
    Ok(RouterRequest {
        dialect: dialect(head.dialect)?,
        operation,
        target,
        stream: head.stream,
        framing: framing(&head.framing),
        form: form(&head.form),
        commit: Commit::from_label(&head.commit),
        content_type: head.content_type,
        outline: Outline::new(&head.outline),
        fallbacks: head.fallbacks,
        preferred_provider: head.preferred_provider,
        client_key: head.client_key.map(Into::into),
        patience: patience_of(head.patience),
        headers: headers_of(head.headers)?,
        query: head.query,
        cursor: head.cursor.map(|boxed| cursor(*boxed)).transpose()?,
        owner: head.owner.map(|boxed| owner(*boxed)).transpose()?,
    })
}

fn owner(owner: router::Owner) -> Result<Owner, Fault> {
    Ok(Owner {
        provider: required(owner.provider, "owner.provider")?.into(),
        key: required(owner.key, "owner.key")?.into(),
    })
}

fn cursor(cursor: router::Cursor) -> Result<Cursor, Fault> {
    Ok(Cursor {
        provider: required(cursor.provider, "cursor.provider")?.into(),
        key: required(cursor.key, "cursor.key")?.into(),
        query: cursor.query,
    })
}

pub(crate) fn worker_head(request: WorkerRequest, body_bytes: Option<u64>) -> worker::RequestHead {
    worker::RequestHead {
        dialect: request.dialect.label().to_owned(),
        operation: request.operation.label().to_owned(),
        provider: request.provider.to_string(),
        key: request.key.to_string(),
        model: request.model.to_string(),
        stream: request.stream,
        attempt: request.attempt,
        is_fallback: request.is_fallback,
        headers: headers(request.headers),
        body_bytes,
        framing: framing_label(request.framing),
        form: request.form.label().to_owned(),
        commit: commit_label(request.commit),
        content_type: request.content_type,
        outline: request.outline.map(|outline| outline.positions().to_vec()).unwrap_or_default(),
        resource: request.resource,
        patience: patience(request.patience),
        query: request.query,
    }
}

pub(crate) fn worker_request(head: worker::RequestHead) -> Result<WorkerRequest, Fault> {
    if head.attempt == 0 {
        return Err(malformed("`attempt` is missing"));
    }
    Ok(WorkerRequest {
        dialect: dialect(head.dialect)?,
        operation: operation(head.operation)?,
        provider: required(head.provider, "provider")?.into(),
        key: required(head.key, "key")?.into(),
        model: head.model.into(),
        resource: head.resource,
        stream: head.stream,
        framing: framing(&head.framing),
        form: form(&head.form),
        commit: Commit::from_label(&head.commit).unwrap_or_default(),
        content_type: head.content_type,
        outline: Outline::new(&head.outline),
        attempt: head.attempt,
        is_fallback: head.is_fallback,
        patience: patience_of(head.patience),
        headers: headers_of(head.headers)?,
        query: head.query,
    })
}

/// The usual one is not sent.
fn patience(patience: Patience) -> Option<common::Patience> {
    let Patience { first_token, stream_idle, hedge_after } = patience;
    (patience != Patience::default()).then(|| common::Patience {
        first_token_us: first_token.map(micros),
        stream_idle_us: stream_idle.map(micros),
        hedge_after_us: hedge_after.map(micros),
    })
}

fn patience_of(patience: Option<common::Patience>) -> Patience {
    let common::Patience { first_token_us, stream_idle_us, hedge_after_us } =
        patience.unwrap_or_default();
    Patience {
        first_token: first_token_us.map(Duration::from_micros),
        stream_idle: stream_idle_us.map(Duration::from_micros),
        hedge_after: hedge_after_us.map(Duration::from_micros),
    }
}

/// The usual framing is not sent.
fn framing_label(framing: Framing) -> String {
    if framing == Framing::default() { String::new() } else { framing.label().to_owned() }
}

/// The usual one is not sent.
fn commit_label(commit: Commit) -> String {
    if commit == Commit::default() { String::new() } else { commit.label().to_owned() }
}

fn framing(label: &str) -> Framing {
    Framing::from_label(label).unwrap_or_default()
}

fn form(label: &str) -> Form {
    Form::from_label(label).unwrap_or_default()
}

fn dialect(label: String) -> Result<Dialect, Fault> {
    let label = required(label, "dialect")?;
    Dialect::from_label(&label).ok_or_else(|| unknown("wire format", &label))
}

fn operation(label: String) -> Result<Operation, Fault> {
    let label = required(label, "operation")?;
    Operation::from_label(&label).ok_or_else(|| unknown("operation", &label))
}

fn unknown(kind: &str, label: &str) -> Fault {
    Fault::new(
        FaultCode::UnsupportedOperation,
        format!("this version of the service does not know the {kind} `{label}`"),
    )
}
