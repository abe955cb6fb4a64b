//! Heads of requests. `body_bytes` travels beside them: it is about the body that follows.

use weir_types::{Addressee, Dialect, Fault, FaultCode, Form, Framing, Operation, Target};

use super::{headers, headers_of, malformed, required};
use crate::proto::{router, worker};
use crate::{RouterRequest, WorkerRequest};

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
        content_type: request.content_type,
        ..router::RequestHead::default()
    };
    match request.target {
        Target::Model { name, pin } => (head.model, head.key_pin) = (name, pin),
        Target::Provider { name, pin } => (head.only_provider, head.key_pin) = (name, pin),
        Target::Resource { provider, key, id } => {
            let (provider, key) = (provider.to_string(), key.to_string());
            head.resource = Some(router::Resource { provider, key, id });
        }
    }
    head
}

pub(crate) fn router_request(head: router::RequestHead) -> Result<RouterRequest, Fault> {
    let operation = operation(head.operation)?;
    let target = match (operation.facts().addressee, head.resource) {
        (Addressee::Model, _) => Target::Model { name: head.model, pin: head.key_pin },
        (Addressee::Provider, _) => {
            Target::Provider { name: head.only_provider, pin: head.key_pin }
        }
        (Addressee::Resource, Some(resource)) => Target::Resource {
            provider: required(resource.provider, "resource.provider")?.into(),
            key: required(resource.key, "resource.key")?.into(),
            id: required(resource.id, "resource.id")?,
        },
        (Addressee::Resource, None) => return Err(malformed("`resource` is missing")),
    };
    Ok(RouterRequest {
        dialect: dialect(head.dialect)?,
        operation,
        target,
        stream: head.stream,
        framing: framing(&head.framing),
        form: form(&head.form),
        content_type: head.content_type,
        fallbacks: head.fallbacks,
        preferred_provider: head.preferred_provider,
        client_key: head.client_key.map(Into::into),
        headers: headers_of(head.headers)?,
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
        content_type: request.content_type,
        resource: request.resource,
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
        content_type: head.content_type,
        attempt: head.attempt,
        is_fallback: head.is_fallback,
        headers: headers_of(head.headers)?,
    })
}

/// The usual framing is not sent.
fn framing_label(framing: Framing) -> String {
    if framing == Framing::default() { String::new() } else { framing.label().to_owned() }
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
