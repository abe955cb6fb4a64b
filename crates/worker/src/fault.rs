//! Failures on their way to the router, in words that hold no secret.

use weir_rpc::WorkerRequest;
use weir_types::{FailureClass, Fault, FaultCode, KeyName, Operation, Side};
use weir_upstream::{AuthFault, Error};

use crate::Shared;
use crate::call::Limit;

/// A worker serves one provider.
pub(crate) fn check_provider(shared: &Shared, request: &WorkerRequest) -> Result<(), Fault> {
    if request.provider == shared.provider {
        return Ok(());
    }
    let (asked, own) = (&request.provider, &shared.provider);
    Err(Fault::new(FaultCode::Internal, format!("a request for {asked} reached {own}'s worker")))
}

/// The key is not there, or cannot be used.
pub(crate) fn no_key(shared: &Shared, key: &KeyName) -> Fault {
    let why = shared.unusable.iter().find(|(name, _)| name == key);
    let message = match why {
        Some((_, why)) => format!("{}: key {key} cannot be used: {why}", shared.provider),
        None => format!("{} has no key called {key}", shared.provider),
    };
    Fault::new(FaultCode::NoEligibleKeys, message).with_class(FailureClass::Credential)
}

/// The provider does not do this, or is not allowed to.
pub(crate) fn unsupported(shared: &Shared, operation: Operation, stream: bool) -> Fault {
    let name = operation.config_name(stream);
    let message = format!("{name} is not supported by {} provider", shared.provider);
    Fault::new(FaultCode::UnsupportedOperation, message).with_class(FailureClass::Elsewhere)
}

/// The request got no credential.
pub(crate) fn unauthorized(shared: &Shared, error: &AuthFault) -> Fault {
    let message = format!("{}: {error}", shared.provider);
    if error.is_refused {
        return Fault::new(FaultCode::UpstreamRejected, message)
            .with_class(FailureClass::Credential);
    }
    // Whoever gives tokens, he is not the one who answers calls: nothing is learnt of that one.
    Fault::new(FaultCode::UpstreamUnreachable, message)
        .with_class(FailureClass::Transient)
        .with_side(Side::Gateway)
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    /// Nobody has done anything about the request: it may be sent again.
    pub(crate) is_stale: bool,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, is_stale: false }
    }
}

impl Failed {
    pub(crate) fn of_call(shared: &Shared, error: &Error, limit: Limit) -> Self {
        let is_stale = matches!(error, Error::Stale(_));
        Self { fault: of_call(shared, error, limit), is_stale }
    }
}

/// No head of an answer.
pub(crate) fn of_call(shared: &Shared, error: &Error, limit: Limit) -> Fault {
    let (code, class) = match error {
        Error::Timeout => return timed_out(shared, &error.to_string(), limit),
        // The caller's own, in its own words: neither provider nor key had a part in it.
        Error::Upload(fault) => return fault.clone().with_class(FailureClass::Caller),
        // Ours, and in the way of everybody who is sent here; elsewhere there may be room.
        Error::Busy { .. } if limit.is_requests => {
            return timed_out(shared, &error.to_string(), limit);
        }
        Error::Busy { .. } => (FaultCode::Unavailable, FailureClass::Transient),
        Error::ProxySilent { .. } if limit.is_requests => {
            return timed_out(shared, &error.to_string(), limit);
        }
        // What lies between us and the provider says nothing of its keys.
        Error::Proxy { .. } => return ours(shared, FaultCode::UpstreamUnreachable, error),
        Error::ProxySilent { .. } => return ours(shared, FaultCode::UpstreamTimedOut, error),
        Error::Forbidden { .. } => return ours(shared, FaultCode::UpstreamUnreachable, error),
        Error::ConnectTimeout { .. } if limit.is_clients => {
            return timed_out(shared, &error.to_string(), limit);
        }
        Error::Connect { .. } | Error::Tls { .. } | Error::ConnectTimeout { .. } => {
            (FaultCode::UpstreamUnreachable, FailureClass::Unreachable)
        }
        Error::Stale(_) | Error::Closed(_) => {
            (FaultCode::UpstreamUnreachable, FailureClass::Transient)
        }
        Error::Garbage(_) | Error::Encoding { .. } => {
            (FaultCode::UpstreamBroken, FailureClass::Unusable)
        }
        Error::Cut(_) => (FaultCode::UpstreamBroken, FailureClass::Transient),
        Error::Request(_) => (FaultCode::Internal, FailureClass::Caller),
    };
    Fault::new(code, format!("{}: {error}", shared.provider)).with_class(class)
}

/// A failure of what is ours, which may pass.
fn ours(shared: &Shared, code: FaultCode, error: &Error) -> Fault {
    Fault::new(code, format!("{}: {error}", shared.provider))
        .with_class(FailureClass::Transient)
        .with_side(Side::Gateway)
}

/// The limit of the attempt, or the request's own deadline, has passed.
pub(crate) fn timed_out(shared: &Shared, why: &str, limit: Limit) -> Fault {
    let message = format!("{}: {why}", shared.provider);
    if limit.is_requests {
        return Fault::new(FaultCode::DeadlineExceeded, message);
    }
    let fault = Fault::new(FaultCode::UpstreamTimedOut, message).with_class(FailureClass::Silent);
    if limit.is_clients { fault.with_side(Side::Client) } else { fault }
}

/// All answers that are held take as much as they may. This one has been given already.
pub(crate) fn no_room(shared: &Shared) -> Fault {
    let message = format!(
        "{}: there is no room for its answer: what is held is over \
         client.max_buffered_answers_mb or --memory-budget",
        shared.provider
    );
    Fault::new(FaultCode::Unavailable, message)
        .with_class(FailureClass::Unusable)
        .with_side(Side::Gateway)
}

/// The answer makes no sense.
pub(crate) fn broken(shared: &Shared, why: &str, class: FailureClass) -> Fault {
    let message = format!("{}: {why}", shared.provider);
    Fault::new(FaultCode::UpstreamBroken, message).with_class(class)
}
