//! Heads of requests. `body_bytes` travels beside them: it is about the body that follows.

use weir_types::{Dialect, Fault, FaultCode, Operation};

use super::{headers, headers_of, malformed, required};
use crate::proto::{router, worker};
use crate::{RouterRequest, WorkerRequest};

pub(crate) fn router_head(request: RouterRequest, body_bytes: Option<u64>) -> router::RequestHead {
    router::RequestHead {
        dialect: request.dialect.label().to_owned(),
        operation: request.operation.label().to_owned(),
        model: request.model,
        stream: request.stream,
        fallbacks: request.fallbacks,
        key_pin: request.key_pin,
        only_provider: request.only_provider,
        preferred_provider: request.preferred_provider,
        headers: headers(request.headers),
        body_bytes,
    }
}

pub(crate) fn router_request(head: router::RequestHead) -> Result<RouterRequest, Fault> {
    let operation = operation(head.operation)?;
    Ok(RouterRequest {
        dialect: dialect(head.dialect)?,
        operation,
        model: head.model,
        stream: head.stream,
        fallbacks: head.fallbacks,
        key_pin: head.key_pin,
        only_provider: head.only_provider,
        preferred_provider: head.preferred_provider,
        headers: headers_of(head.headers),
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
        headers: headers(request.headers),
        body_bytes,
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
        stream: head.stream,
        attempt: head.attempt,
        headers: headers_of(head.headers),
    })
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
