//! Why a model is served or not: what the configuration, the workers and the pool say of each key, put into
//! one answer for people.
//!
//! Pure but for [`live`], which looks and asks nobody for a slot: whatever was looked at is as it was.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use weir_quota::{Class, RestView, Scope, Sight};
use weir_rpc::{
    Description, ExplainRequest, ExplainedClass, ExplainedKey, ExplainedPool, ExplainedProvider,
    Explanation,
};
use weir_types::{Fault, KeyName};

use crate::admission::Looked;
use crate::catalog::{Bar, Catalog, KeyPlaces, Meant, UsableKeys};
use crate::plan::Cause;
use crate::settings::{KeySettings, Settings};
use crate::shared::Shared;
use crate::usable::Unusable;

/// As this router knows it, and its pools are now.
///
/// # Errors
/// No model, or a provider or key that is not there.
pub(crate) async fn live(shared: &Shared, request: &ExplainRequest) -> Result<Explanation, Fault> {
    let snapshot = shared.snapshot();
    let catalog = snapshot.catalogs.of_all();
    let looks = catalog.explained(request)?.into_iter().map(async |meant| {
        let said = shared.said_of(&meant.provider.name);
        let looked = match snapshot.pools.get(&meant.provider.name) {
            Some(pool) => Some(pool.look(&meant.model).await),
            None => None,
        };
        provider(&meant, Worker::At(said.as_ref()), looked.as_ref())
    });
    let providers = join_all(looks).await;
    Ok(explanation(catalog, request, true, providers))
}

/// As a configuration says, and `said` is what its workers would say of it. Nobody is asked.
///
/// # Errors
/// No model, or a provider or key that is not there.
pub fn explain_offline(
    settings: &Settings,
    said: &[Description],
    request: &ExplainRequest,
) -> Result<Explanation, Fault> {
    let providers: Vec<_> = settings.providers.iter().cloned().map(Arc::new).collect();
    let names = |one: &Description| {
        let places = one.keys.iter().map(|key| (key.name.clone(), key.places.clone()));
        Arc::new(places.collect::<KeyPlaces>())
    };
    let usable: UsableKeys = said.iter().map(|one| (one.provider.clone(), names(one))).collect();
    let catalog = Catalog::new(&providers, &usable);
    let explained = |meant: &Meant| {
        let said = said.iter().find(|one| one.provider == meant.provider.name);
        provider(meant, Worker::Offline(said.map(|one| &one.unusable)), None)
    };
    let providers = catalog.explained(request)?.iter().map(explained).collect();
    Ok(explanation(&catalog, request, false, providers))
}

/// What a worker says of its keys, or would say.
#[derive(Debug, Clone, Copy)]
enum Worker<'a> {
    At(Option<&'a Unusable>),
    Offline(Option<&'a Unusable>),
}

fn explanation(
    catalog: &Catalog,
    request: &ExplainRequest,
    live: bool,
    providers: Vec<ExplainedProvider>,
) -> Explanation {
    let next = catalog.next_provider(request).map(|provider| provider.name.to_string());
    Explanation { model: request.model.clone(), live, next_provider: next, providers }
}

fn provider(meant: &Meant, worker: Worker<'_>, looked: Option<&Looked>) -> ExplainedProvider {
    let sight = looked.and_then(|looked| looked.sight.as_ref());
    let sight = sight.filter(|sight| !sight.limits.is_unset());
    let explained = |(settings, bar): (&KeySettings, Option<&Bar>)| {
        let mut key = by_configuration(settings, bar, &meant.model, worker);
        if let Some(sight) = sight {
            by_pool(&mut key, &settings.name, sight);
        }
        key
    };
    let keys: Vec<ExplainedKey> = meant.keys().map(explained).collect();
    let eligible = meant.provider.keys.iter().zip(&keys).filter(|(_, key)| key.eligible);
    let eligible: Vec<KeyName> = eligible.map(|(key, _)| key.name.clone()).collect();
    ExplainedProvider {
        provider: meant.provider.name.to_string(),
        model: meant.model.to_string(),
        next_key: sight.and_then(|sight| sight.next(&eligible)).map(ToString::to_string),
        pool: looked.map(|looked| pool(looked, meant)),
        keys,
    }
}

fn by_configuration(
    key: &KeySettings,
    bar: Option<&Bar>,
    model: &str,
    worker: Worker<'_>,
) -> ExplainedKey {
    let (state, why) = match bar {
        None => ("eligible", usable(worker).to_owned()),
        Some(Bar::Disabled) => ("disabled", "its `enabled` is false".to_owned()),
        Some(Bar::Blacklisted) => {
            ("model_blacklisted", "its `blacklisted_models` name the model".to_owned())
        }
        Some(Bar::NotListed { lists_any: true }) => {
            ("model_not_listed", "its `models` do not name the model".to_owned())
        }
        Some(Bar::NotListed { lists_any: false }) => {
            ("model_not_listed", "its `models` are empty: it serves none".to_owned())
        }
        Some(Bar::OtherModel(only)) => ("other_model_only", format!("it serves only `{only}`")),
        Some(Bar::NotNamed) => {
            let why = "no provider is called as the name begins, and no rule of it names the model";
            ("model_not_named", why.to_owned())
        }
        Some(Bar::NotPinned) => ("not_pinned", "another key is asked for".to_owned()),
        Some(Bar::Unusable) => ("unusable", unusable(&key.name, worker)),
    };
    let alias = key.rules.resolve(model);
    ExplainedKey {
        key: key.name.to_string(),
        eligible: bar.is_none(),
        state: state.to_owned(),
        why,
        weight: key.weight,
        alias_of: (alias != model).then(|| alias.to_owned()),
        for_batches: key.use_for_batch_api,
        ..ExplainedKey::default()
    }
}

const fn usable(worker: Worker<'_>) -> &'static str {
    match worker {
        Worker::At(None) => "its worker has not been heard of: it counts as usable until then",
        Worker::At(Some(_)) | Worker::Offline(_) => "",
    }
}

fn unusable(key: &KeyName, worker: Worker<'_>) -> String {
    let (Worker::At(said) | Worker::Offline(said)) = worker;
    let said = said.and_then(|said| said.iter().find(|(name, _)| name == key));
    let why = said.map(|(_, why)| why.clone());
    why.unwrap_or_else(|| "its worker does not know the key: it runs another configuration".into())
}

/// What the pool has in the way of a key that the configuration lets serve, and what it does now.
fn by_pool(key: &mut ExplainedKey, name: &KeyName, sight: &Sight) {
    let place = sight.limits.keys.iter().position(|(known, _)| known == name);
    key.in_flight = place.and_then(|at| sight.slots.get(at)).copied();
    key.lag = place.and_then(|at| sight.lags.get(at)).copied();
    if let Some(rest) = sight.in_the_way(name) {
        describe(key, rest);
    }
    if !key.eligible {
        return;
    }
    let said = failure_of(key);
    let (state, why) = match (place, sight.in_the_way(name)) {
        (None, _) => ("unknown_to_pool", "the limits in force do not name it".to_owned()),
        (_, None) => return,
        (_, Some(rest)) if rest.left > 0 => ("resting", said),
        (_, Some(rest)) => {
            let probes = rest.probes;
            let rested = if said.is_empty() { "an unknown failure" } else { &said };
            let why = format!(
                "its rest is over, {probes} under way show whether it is well; it rested after {rested}"
            );
            ("on_trial", why)
        }
    };
    (key.eligible, key.state, key.why) = (false, state.to_owned(), why);
}

/// What rests, until when and after what.
fn describe(key: &mut ExplainedKey, rest: &RestView) {
    let resting = match rest.scope {
        Scope::Endpoint => "provider",
        Scope::Key(_) => "key",
        Scope::KeyModel(..) => "model",
    };
    key.resting = Some(resting.to_owned());
    key.rests_for_ms = Some(rest.left.div_ceil(1000));
    let Some(cause) = Cause::read(&rest.note) else { return };
    key.failure = Some(cause.class.label().to_owned());
    key.failure_status = (cause.status != 0).then_some(u32::from(cause.status));
    key.failure_message = (!cause.said.is_empty()).then(|| cause.said.to_string());
}

fn failure_of(key: &ExplainedKey) -> String {
    let status = key.failure_status.map(|status| status.to_string());
    let class = key.failure.iter().cloned();
    let parts: Vec<String> = class.chain(status).chain(key.failure_message.clone()).collect();
    parts.join(", ")
}

fn pool(looked: &Looked, meant: &Meant) -> ExplainedPool {
    let is_share = looked.mode == weir_types::QuotaMode::Share;
    let seen = match &looked.sight {
        Some(_) if is_share => "share",
        Some(_) => "pool",
        None => "last_heard",
    };
    let heard = looked.heard_ago.map(millis);
    let mut pool = ExplainedPool {
        mode: looked.mode.label().to_owned(),
        seen: seen.to_owned(),
        heard_ms_ago: heard,
        trouble: looked.trouble.clone(),
        concurrency: meant.provider.concurrency,
        buffer_size: meant.provider.buffer,
        other_limits: looked.is_skewed,
        in_flight: looked.status.leases,
        waiting: looked.status.tickets,
        routers: looked.status.routers,
        ..ExplainedPool::default()
    };
    let Some(sight) = &looked.sight else { return pool };
    if !sight.limits.is_unset() {
        pool.concurrency = sight.limits.concurrency;
        pool.buffer_size = sight.limits.buffer;
        pool.limits_generation = Some(sight.limits.generation);
        pool.limits_obeyed_for_ms = looked.obeyed_for.map(millis);
    }
    pool.in_flight = sight.leases;
    pool.waiting = sight.waiting.iter().map(|(_, tickets)| tickets).sum();
    pool.routers = sight.routers;
    pool.in_grace = sight.in_grace;
    pool.waiting_by_class = sight.waiting.iter().map(class).collect();
    pool
}

fn class((class, waiting): &(Class, u32)) -> ExplainedClass {
    ExplainedClass {
        model: class.model.to_string(),
        operation: class.operation.to_string(),
        keys: class.keys.iter().map(ToString::to_string).collect(),
        waiting: *waiting,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
