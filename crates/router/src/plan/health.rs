//! What a failure teaches about the health of keys, and how long they rest for it.

use std::time::Duration;

use weir_quota::{Health, Outcome, Scope};
use weir_types::{FailureClass, Fault, FaultCode, KeyName, Side};

use super::Cause;
use crate::breaker::Outage;
use crate::catalog::Target;

/// The first rest after a 429 that does not say for how long. Doubles while it goes on.
pub(super) const RATE_LIMITED_BASE: Duration = Duration::from_secs(1);
/// No rest after such a 429 is longer.
const RATE_LIMITED_MAX: Duration = Duration::from_secs(60);
/// The first rest of a credential that was refused once, in words that may be about the request.
const DOUBTED: Duration = Duration::from_secs(5);
/// Half of its second rest, after a different request was refused, too. Doubles while it goes on.
const DOUBTED_AGAIN: Duration = Duration::from_secs(30);
/// The first rest of a credential that was refused beyond doubt. Doubles while it goes on.
const REFUSED: Duration = Duration::from_secs(60);
/// Codes that are about the credential and nothing else.
const CERTAIN: [&str; 8] = [
    "invalid_api_key",
    "incorrect_api_key",
    "account_deactivated",
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "token_expired",
];
/// The first rest of a server that could not be reached. Doubles while it goes on.
const UNREACHABLE_BASE: Duration = Duration::from_millis(500);
/// No rest of such a server is longer: who is there again has its share back soon, and asking costs
/// nobody anything, because another server is asked at once.
const UNREACHABLE_MAX: Duration = Duration::from_secs(4);
/// The first rest in an outage. Doubles while it goes on.
const OUTAGE_BASE: Duration = Duration::from_secs(1);
/// No rest in an outage is longer: who is well again is asked again within seconds.
const OUTAGE_MAX: Duration = Duration::from_secs(8);
/// No rest is longer, whatever a provider asks for.
const ANY_MAX: Duration = Duration::from_secs(600);

/// What a failure means for the plan. A fault that no provider caused has no class of its own.
pub(crate) fn classify(fault: &Fault) -> FailureClass {
    if let Some(class) = fault.detail.class {
        return class;
    }
    let upstream_fails = || fault.detail.upstream.as_ref().is_none_or(|up| up.status >= 500);
    match fault.code {
        FaultCode::UpstreamUnreachable
        | FaultCode::UpstreamBroken
        | FaultCode::LinkBroken
        | FaultCode::Unavailable => FailureClass::Transient,
        FaultCode::UpstreamRejected if upstream_fails() => FailureClass::Transient,
        FaultCode::UpstreamTimedOut => FailureClass::Silent,
        // It has waited for room already; another provider's worker may have some.
        FaultCode::Overloaded => FailureClass::Elsewhere,
        FaultCode::RequestDropped | FaultCode::RateLimited => FailureClass::RateLimited,
        FaultCode::NoEligibleKeys | FaultCode::CredentialsExhausted => FailureClass::Credential,
        FaultCode::QuotaExhausted => FailureClass::QuotaExhausted,
        FaultCode::Cancelled => FailureClass::ClientGone,
        _ => FailureClass::Caller,
    }
}

/// How a call with a key ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Conclusion<'a> {
    /// The provider answered.
    Answered,
    /// It did not, or its answer broke.
    Failed {
        /// How.
        fault: &'a Fault,
        /// The key had rested before, and this call was to find out whether it is well again.
        may_probe: bool,
        /// It is one of many in a row.
        outage: Option<Outage>,
    },
}

/// What a call's end teaches of the key that it was made with, and of the provider: the one place
/// where that is decided, for whatever call and at whatever point it ended.
pub(crate) fn learn(conclusion: Conclusion<'_>, key: &KeyName, target: &Target) -> Outcome {
    match conclusion {
        Conclusion::Answered => well(key, target),
        // Our own troubles and the client's mistakes say nothing of the provider.
        Conclusion::Failed { fault, .. } if fault.side() != Side::Provider => Outcome::default(),
        Conclusion::Failed { fault, outage: Some(outage), .. } if classify(fault).is_servers() => {
            out(fault, outage, key, target)
        }
        Conclusion::Failed { fault, may_probe, .. } => unwell(fault, may_probe, key, target),
    }
}

/// Whether a failure of a key may be about the request: another one has to fail as well before the key
/// rests for long.
pub(super) fn is_doubted(fault: &Fault) -> bool {
    // Where tokens come from nobody has seen the request.
    let is_answer = fault.detail.upstream.is_some();
    let is_certain = |code: &str| CERTAIN.iter().any(|one| code.eq_ignore_ascii_case(one));
    is_answer
        && classify(fault).refuses_key()
        && !fault.detail.code.as_deref().is_some_and(is_certain)
}

fn unwell(fault: &Fault, may_probe: bool, key: &KeyName, target: &Target) -> Outcome {
    let class = classify(fault);
    let asked = fault.detail.retry_after;
    let key_model = || Scope::KeyModel(key.clone(), target.class.model.clone());
    let missing = target.provider.model_missing_rest;
    let health = match class {
        FailureClass::RateLimited => {
            let max = if asked.is_some() { ANY_MAX } else { RATE_LIMITED_MAX };
            cool(key_model(), asked, RATE_LIMITED_BASE, max, fault)
        }
        FailureClass::Credential | FailureClass::QuotaExhausted => {
            let (asked, base) = match (is_doubted(fault), may_probe) {
                (false, _) => (asked, REFUSED),
                // Short, whatever the provider asks for.
                (true, false) => (None, DOUBTED),
                (true, true) => (asked, DOUBTED_AGAIN),
            };
            cool(Scope::Key(key.clone()), asked, base, ANY_MAX, fault)
        }
        FailureClass::Unreachable => return server_lost(fault, key, target),
        FailureClass::ModelMissing => {
            may_not_exist(cool(key_model(), None, missing, missing, fault))
        }
        FailureClass::Transient
        | FailureClass::Silent
        | FailureClass::ContextLength
        | FailureClass::Unusable
        | FailureClass::Elsewhere
        | FailureClass::Refused
        | FailureClass::Caller
        | FailureClass::Cut
        | FailureClass::ClientGone
        | FailureClass::Cancelled => return Outcome::default(),
    };
    Outcome { health: vec![health] }
}

/// An outage: the keys of the server rest for the model, or for all.
fn out(fault: &Fault, outage: Outage, key: &KeyName, target: &Target) -> Outcome {
    let model = &target.class.model;
    let scope = |key: &KeyName| match outage {
        Outage::Model => Scope::KeyModel(key.clone(), model.clone()),
        Outage::Server => Scope::Key(key.clone()),
    };
    let asked = fault.detail.retry_after;
    let max = if asked.is_some() { ANY_MAX } else { OUTAGE_MAX };
    let rests = |key| cool(scope(key), asked, OUTAGE_BASE, max, fault);
    let near = target.provider.neighbours(key);
    let is_meant = |key: &&KeyName| outage == Outage::Server || target.class.keys.contains(*key);
    Outcome { health: near.filter(is_meant).map(rests).collect() }
}

/// The server of `key` is not there. Its keys rest if another server can answer meanwhile; where there
/// is one alone, each request finds out for itself.
fn server_lost(fault: &Fault, key: &KeyName, target: &Target) -> Outcome {
    let near: Vec<&KeyName> = target.provider.neighbours(key).collect();
    if target.class.keys.iter().all(|one| near.contains(&one)) {
        return Outcome::default();
    }
    let rests = |key: &KeyName| {
        cool(Scope::Key(key.clone()), None, UNREACHABLE_BASE, UNREACHABLE_MAX, fault)
    };
    Outcome { health: near.into_iter().map(rests).collect() }
}

/// What a success teaches of the key that answered.
fn well(key: &KeyName, target: &Target) -> Outcome {
    let key_model = Scope::KeyModel(key.clone(), target.class.model.clone());
    Outcome { health: vec![Health::Well(Scope::Key(key.clone())), Health::Well(key_model)] }
}

/// Of so many keys the provider's own words are told.
const TOLD_MAX: usize = 3;

/// No key of the target may be asked any more; `dead` says why, in the provider's own words.
pub(crate) fn exhausted(target: &Target, dead: &[(KeyName, Fault)]) -> Fault {
    let refuses = |fault: &Fault| classify(fault).refuses_key();
    // A model that is not there is told as the provider told it.
    if let Some((_, fault)) = dead.iter().rfind(|(_, fault)| !refuses(fault)) {
        return fault.clone();
    }
    let told = |(key, fault): &(KeyName, Fault)| {
        let what = match classify(fault) {
            FailureClass::QuotaExhausted => "is out of quota",
            _ => "is refused",
        };
        format!("`{key}` {what} ({})", fault.detail.message)
    };
    let mut keys: Vec<String> = dead.iter().take(TOLD_MAX).map(told).collect();
    if let Some(more) = dead.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        keys.push(format!("and {more} more"));
    }
    let serving = match &*target.model {
        "" => String::new(),
        model => format!(" that serves `{model}`"),
    };
    let (provider, keys) = (&target.provider.name, keys.join(", "));
    let message = format!("the provider `{provider}` accepts no key{serving}: {keys}");
    let is_quota = |(_, fault): &(KeyName, Fault)| classify(fault) == FailureClass::QuotaExhausted;
    let mut fault = refused(dead.iter().all(is_quota), message);
    fault.detail.code = dead.iter().rev().find_map(|(_, fault)| fault.detail.code.clone());
    fault
}

/// Every key is refused, or every account out of quota.
pub(super) fn refused(is_quota: bool, message: String) -> Fault {
    let (code, class) = match is_quota {
        true => (FaultCode::QuotaExhausted, FailureClass::QuotaExhausted),
        false => (FaultCode::CredentialsExhausted, FailureClass::Credential),
    };
    Fault::new(code, message).with_class(class)
}

fn cool(
    scope: Scope,
    asked: Option<Duration>,
    base: Duration,
    max: Duration,
    why: &Fault,
) -> Health {
    let (retry_after, note) = (asked.map(micros), Cause::of(why, classify(why)).note());
    let (base, max, missing) = (micros(base), micros(max), false);
    Health::Cool { scope, retry_after, base, max, missing, note }
}

/// The rest of a model that a client may have made up.
fn may_not_exist(mut health: Health) -> Health {
    if let Health::Cool { missing, .. } = &mut health {
        *missing = true;
    }
    health
}

/// As the quota protocol counts time.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
