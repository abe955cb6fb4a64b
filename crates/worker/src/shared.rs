//! What the cores of a worker share: resolved keys, limits, connection permits.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use weir_dialect::buckets::Bucket;
use weir_provider::{StreamEnd, Vendor};
use weir_rpc::{Description, UsableKey};
use weir_telemetry::Telemetry;
use weir_types::headers::{HeaderClass, header_class};
use weir_types::{Fault, KeyName, KeyRules, ProviderName, UpstreamAnswer};
use weir_upstream::Transport;

use crate::credential::Authorizers;
use crate::endpoint::Endpoints;
use crate::headers::{self, Template};
use crate::hidden::Hidden;
use crate::memory::Memory;
use crate::settings::{
    Credential, Custom, HealthCheck, KeySettings, ModelSettings, Models, Settings, Storage,
    Timeouts, Variant,
};

/// One key, ready for use.
pub(crate) struct Key {
    pub(crate) name: KeyName,
    pub(crate) rules: KeyRules,
    pub(crate) model: ModelSettings,
    aliases: Vec<ModelSettings>,
    /// What must not be seen in what a provider answers.
    pub(crate) hidden: Hidden,
    pub(crate) endpoints: Endpoints,
    variants: Vec<(Variant, Endpoints)>,
    /// What the vendor's addresses need of it.
    variables: Vec<(String, String)>,
    pub(crate) storage: Storage,
    /// What it shows is a value, and no signature.
    pub(crate) shows_value: bool,
}

/// A model as a key knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolved<'k, 'm> {
    /// The provider's name of it, which says whose it is.
    pub(crate) name: &'m str,
    /// What the provider is told instead.
    pub(crate) wire_name: Option<&'k str>,
    pub(crate) endpoints: &'k Endpoints,
    pub(crate) settings: &'k ModelSettings,
    /// The model's own, and the key's.
    variables: [&'k [(String, String)]; 2],
}

impl Resolved<'_, '_> {
    /// A variable of the vendor's addresses.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let mut all = self.variables.iter().copied().flatten();
        all.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Key {
    /// What `model`, as the client names it, is here.
    pub(crate) fn resolve<'k: 'm, 'm>(&'k self, model: &'m str) -> Resolved<'k, 'm> {
        let at = self.rules.alias_at(model);
        let alias = at.and_then(|at| self.rules.aliases.get(at));
        let name = alias.map_or(model, |(_, target)| &**target);
        let is_meant = |variant: &Variant| match &variant.models {
            Models::Alias(name) => alias.is_some_and(|(alias, _)| **alias == **name),
            Models::Beginning(names) => names.iter().any(|begin| name.starts_with(begin)),
        };
        let variant = self.variants.iter().find(|(variant, _)| is_meant(variant));
        Resolved {
            name,
            variables: [
                variant.map(|(variant, _)| variant.variables.as_slice()).unwrap_or_default(),
                &self.variables,
            ],
            wire_name: variant.and_then(|(variant, _)| variant.model.as_deref()),
            endpoints: variant.map_or(&self.endpoints, |(_, endpoints)| endpoints),
            settings: at.and_then(|at| self.aliases.get(at)).unwrap_or(&self.model),
        }
    }

    /// Takes out of `fault`, which is about a call with this key, what must not be seen.
    pub(crate) fn hide_in(&self, fault: &mut Fault) {
        self.hidden.in_fault(fault, || self.endpoints.secrets());
    }

    /// Takes what must not be seen out of a provider's error answer.
    pub(crate) fn hide_in_answer(&self, answer: &mut UpstreamAnswer) {
        self.hidden.in_answer(answer, || self.endpoints.secrets());
    }

    /// `text` without what must not be seen.
    pub(crate) fn hide(&self, text: &mut String) {
        self.hidden.in_text(text, || self.endpoints.secrets());
    }
}

/// One provider's settings, checked and resolved.
pub struct Shared {
    pub(crate) provider: ProviderName,
    pub(crate) vendor: &'static Vendor,
    pub(crate) custom: Option<Custom>,
    pub(crate) stream_end: StreamEnd,
    pub(crate) waits_for_usage: bool,
    /// What every call sends.
    pub(crate) headers: Template,
    pub(crate) keys: Vec<Key>,
    pub(crate) unusable: Vec<(KeyName, String)>,
    pub(crate) timeouts: Timeouts,
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) request_bytes_max: usize,
    pub(crate) answer_bytes_max: usize,
    pub(crate) event_bytes_max: usize,
    pub(crate) held_bytes_max: usize,
    pub(crate) memory: Memory,
    pub(crate) transport: Arc<Transport>,
    /// Every way that calls may still be under way by, this one and those before.
    ways: Arc<Ways>,
    settings: Settings,
    pub(crate) telemetry: Telemetry,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Shared {
    /// Checks and resolves the settings. What cannot be used is no error: it costs its key, and where
    /// all calls need it, every key; the worker says so and lives on.
    #[must_use]
    pub fn new(settings: Settings, telemetry: Telemetry) -> Arc<Self> {
        Self::made(settings, telemetry, None)
    }

    /// `self` where `settings` are its own; else the same by them, with the connections that there are
    /// if the way to the provider stays.
    #[must_use]
    pub fn renewed(self: &Arc<Self>, settings: Settings) -> Arc<Self> {
        if self.settings == settings {
            return Arc::clone(self);
        }
        Self::made(settings, self.telemetry.clone(), Some(self))
    }

    fn made(settings: Settings, telemetry: Telemetry, before: Option<&Self>) -> Arc<Self> {
        let (headers, transport, broken) = match ways(&settings, before) {
            Ok((headers, transport)) => (headers, transport, None),
            // No key is left that could call by this way.
            Err(why) => (Template::default(), Arc::new(Transport::closed()), Some(why)),
        };
        let count = || counted(&settings.provider, &telemetry);
        let ways = before.map_or_else(count, |before| Arc::clone(&before.ways));
        note(&ways, &transport);
        let mut keys = Vec::new();
        let mut unusable = Vec::new();
        for key in &settings.keys {
            let why = match broken.clone().or_else(|| reason(&settings, key)) {
                Some(why) => why,
                None => match endpoints(&settings, key) {
                    Ok((endpoints, variants)) => {
                        keys.push(Key {
                            name: key.name.clone(),
                            rules: key.rules.clone(),
                            model: key.model.clone(),
                            aliases: key.aliases.clone(),
                            hidden: hidden(&settings, key),
                            endpoints,
                            variants,
                            variables: key.variables.clone(),
                            storage: key.storage.clone(),
                            shows_value: matches!(key.credential, Credential::Secret(_)),
                        });
                        continue;
                    }
                    Err(why) => why,
                },
            };
            unusable.push((key.name.clone(), why));
        }
        let provider = settings.provider.as_str();
        for (key, why) in &unusable {
            tracing::error!(provider, key = key.as_str(), why, "key cannot be used");
        }
        if keys.is_empty() {
            tracing::error!(provider, "no key can be used");
        }
        telemetry.metrics.insecure(provider, settings.upstream.insecure_skip_verify);
        if settings.upstream.insecure_skip_verify {
            tracing::warn!(provider, "insecure_skip_verify: certificates are not checked");
        }
        let custom = settings.custom.as_ref();
        let no_done = custom.is_some_and(|custom| custom.does_not_send_done_marker);
        let waits_for_usage = custom.is_some_and(|custom| custom.wait_for_usage);
        let vendors = settings.vendor.stream_end;
        let kept = settings.clone();
        Arc::new(Self {
            stream_end: if no_done { StreamEnd::FinishReasonEnough } else { vendors },
            provider: settings.provider,
            vendor: settings.vendor,
            custom: settings.custom,
            waits_for_usage,
            headers,
            keys,
            unusable,
            timeouts: settings.timeouts,
            health_check: settings.health_check,
            request_bytes_max: settings.request_bytes_max,
            answer_bytes_max: settings.answer_bytes_max,
            event_bytes_max: settings.event_bytes_max,
            held_bytes_max: settings.held_bytes_max,
            memory: settings.memory,
            transport,
            ways,
            settings: kept,
            telemetry,
        })
    }

    /// What the worker says of itself.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            provider: self.provider.clone(),
            keys: self.keys.iter().map(usable).collect(),
            unusable: self.unusable.clone(),
            checked: Vec::new(),
        }
    }

    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| &*key.name == name)
    }
}

fn usable(key: &Key) -> UsableKey {
    let places = key.storage.buckets.iter().map(Bucket::place).collect();
    UsableKey { name: key.name.clone(), places }
}

/// The endpoints of a key and of its variants.
type KeyEndpoints = (Endpoints, Vec<(Variant, Endpoints)>);

/// What all calls share.
fn ways(
    settings: &Settings,
    before: Option<&Shared>,
) -> Result<(Template, Arc<Transport>), String> {
    let headers = headers::template(settings)?;
    let same = before.filter(|before| before.settings.upstream == settings.upstream);
    if let Some(before) = same.filter(|before| !before.transport.is_closed()) {
        return Ok((headers, Arc::clone(&before.transport)));
    }
    let transport = Transport::new(settings.upstream.clone()).map_err(|error| error.to_string())?;
    Ok((headers, Arc::new(transport)))
}

type Ways = Mutex<Vec<Weak<Transport>>>;

/// Ways that the metrics count the calls of.
fn counted(provider: &str, telemetry: &Telemetry) -> Arc<Ways> {
    let ways = Arc::<Ways>::default();
    let count = Arc::downgrade(&ways);
    telemetry.metrics.upstream_connections(provider, move || {
        let ways = count.upgrade()?;
        let ways = ways.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = ways.iter().filter_map(Weak::upgrade);
        Some(in_use.map(|transport| transport.calls_in_flight()).sum())
    });
    ways
}

/// Counts calls by `transport` from now on, and no longer those by ways that are gone.
fn note(ways: &Ways, transport: &Arc<Transport>) {
    let mut ways = ways.lock().unwrap_or_else(PoisonError::into_inner);
    ways.retain(|way| way.strong_count() > 0);
    let way = Arc::downgrade(transport);
    if !ways.iter().any(|known| known.ptr_eq(&way)) {
        ways.push(way);
    }
}

/// What must not be seen of what goes out with `key`.
fn hidden(settings: &Settings, key: &KeySettings) -> Hidden {
    let is_credential = |name: &str| header_class(name) == Some(HeaderClass::Credential);
    let headers = settings.extra_headers.iter().filter(|(name, _)| is_credential(name));
    let own = key.credential.secrets();
    let fixed = own.iter().chain(headers.map(|(_, value)| value)).chain(&settings.hidden);
    Hidden::new(fixed, key.credential.fetches())
}

/// The endpoints of `key`, or why it cannot be used.
fn endpoints(settings: &Settings, key: &KeySettings) -> Result<KeyEndpoints, String> {
    let authorizers = Authorizers::new(&key.credential, settings.vendor.auth)?;
    let of = |variant| Endpoints::new(settings, key, variant, &authorizers);
    let variants = key.variants.iter().map(|one| Ok((one.clone(), of(Some(one))?)));
    Ok((of(None)?, variants.collect::<Result<_, String>>()?))
}

/// Why `key` cannot be used.
fn reason(settings: &Settings, key: &KeySettings) -> Option<String> {
    if key.unusable.is_some() {
        return key.unusable.clone();
    }
    let is_key_less = settings.custom.as_ref().is_some_and(|custom| custom.is_key_less);
    let may_be_empty = settings.vendor.keys_may_be_empty || is_key_less;
    (key.credential.is_empty() && !may_be_empty).then(|| "it has no value".to_owned())
}
