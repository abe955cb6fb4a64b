//! What the clients' keys may reach: a catalog of its own for each of them, made when it is first
//! needed. What a key may not reach is refused by name; nobody else serves it in its place.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use weir_rpc::RouterRequest;
use weir_types::{Fault, FaultCode, SeenModels};

use super::{Catalog, Route, StoredAt, Target, UsableKeys};
use crate::settings::{ClientKeySettings, ClientKeys, ProviderAccess, ProviderSettings};

/// The catalogs of all who may ask.
#[derive(Debug)]
pub(crate) struct Catalogs {
    all: Catalog,
    clients: HashMap<Arc<str>, Client>,
    is_key_required: bool,
}

/// One client's key.
#[derive(Debug)]
struct Client {
    settings: Arc<ClientKeySettings>,
    providers: Arc<[Arc<ProviderSettings>]>,
    usable: Arc<UsableKeys>,
    catalog: OnceLock<Catalog>,
}

/// How far one provider may be reached.
#[derive(Debug)]
pub(super) enum Access {
    /// As far as its keys reach.
    All,
    Denied,
    Only(Arc<ProviderAccess>),
}

impl Access {
    pub(super) fn admits(&self, key: &str, model: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Denied => false,
            Self::Only(access) => {
                let is_allowed = |model: &str| {
                    access.allowed_models.contains(model)
                        && !access.blacklisted_models.contains(model)
                };
                access.keys.contains(key) && model.is_none_or(is_allowed)
            }
        }
    }

    /// Its part of the requests for bare models, where it is given.
    pub(super) fn share(&self) -> Option<f64> {
        match self {
            Self::Only(access) => access.weight,
            Self::All | Self::Denied => None,
        }
    }
}

impl Client {
    fn catalog(&self) -> &Catalog {
        self.catalog.get_or_init(|| {
            Catalog::limited(&self.providers, &self.usable, |provider| self.access(provider))
        })
    }

    fn access(&self, provider: &str) -> Access {
        let is_named =
            |access: &&Arc<ProviderAccess>| access.provider.eq_ignore_ascii_case(provider);
        let accesses = &self.settings.providers;
        let named = accesses.iter().find(is_named);
        let any = || accesses.iter().find(|access| access.provider == "*");
        named.or_else(any).map_or(Access::Denied, |access| Access::Only(access.clone()))
    }
}

// === impl Catalogs ===

impl Catalogs {
    pub(crate) fn new(
        providers: &Arc<[Arc<ProviderSettings>]>,
        usable: &UsableKeys,
        keys: &ClientKeys,
    ) -> Self {
        let usable = Arc::new(usable.clone());
        let client = |settings: &Arc<ClientKeySettings>| {
            let client = Client {
                settings: settings.clone(),
                providers: providers.clone(),
                usable: usable.clone(),
                catalog: OnceLock::new(),
            };
            (settings.name.clone(), client)
        };
        Self {
            all: Catalog::new(providers, &usable),
            clients: keys.keys.iter().map(client).collect(),
            is_key_required: keys.are_required,
        }
    }

    /// What can be asked for without a client's key.
    pub(crate) fn of_all(&self) -> &Catalog {
        &self.all
    }

    /// Where a request goes, as far as whoever asks may reach.
    ///
    /// # Errors
    /// As [`Catalog::route`]; the client's key may not reach it, or there must be one and is none.
    pub(crate) fn route(&self, request: &RouterRequest) -> Result<Route, Fault> {
        if let weir_types::Target::Place { provider, place, .. } = &request.target {
            let client = self.client(request)?;
            let catalog = client.map_or(&self.all, Client::catalog);
            let is_alone = |provider: &str, key: &str| self.is_alone(provider, key);
            return catalog.at_place(request, provider.as_deref(), place, is_alone);
        }
        let Some(client) = self.client(request)? else { return self.all.route(request) };
        let own = client.catalog();
        let mut route = own.route(request);
        if !route.as_ref().is_ok_and(|route| route.primary.is_ok()) {
            let everybodys = self.all.route(request)?;
            if let Ok(target) = &everybodys.primary {
                return Err(forbidden(client, &named(target)));
            }
            // Nobody reaches it, for a reason that everybody is told; a fallback may be reached.
            if let Ok(route) = &mut route {
                route.primary = everybodys.primary;
            }
        }
        let reaches = |catalog: &Catalog, name: &str| catalog.can_serve(request, name);
        let mut fallbacks = request.fallbacks.iter();
        match fallbacks.find(|name| !reaches(own, name) && reaches(&self.all, name)) {
            Some(name) => Err(forbidden(client, &format!("the fallback `{name}`"))),
            None => route,
        }
    }

    /// Every provider that can list its models and that whoever asks may reach, or only the one that
    /// is named.
    ///
    /// # Errors
    /// As [`Catalog::listing`] and [`Catalogs::route`].
    pub(crate) fn listing(
        &self,
        request: &RouterRequest,
        only: Option<&str>,
        pin: Option<&str>,
    ) -> Result<Vec<Arc<Target>>, Fault> {
        let Some(client) = self.client(request)? else { return self.all.listing(only, pin) };
        match client.catalog().listing(only, pin) {
            Ok(targets) => Ok(targets),
            Err(_) => {
                self.all.listing(only, pin)?;
                let what = only.map_or_else(
                    || "any provider".to_owned(),
                    |name| format!("the provider `{name}`"),
                );
                Err(forbidden(client, &what))
            }
        }
    }

    /// The keys of which a list of what is stored is made. What is stored with a key is everybody's who
    /// uses it, so only those are listed that nobody else reaches.
    ///
    /// # Errors
    /// There is none; as [`Catalogs::route`].
    pub(crate) fn stores(
        &self,
        request: &RouterRequest,
        only: Option<&str>,
    ) -> Result<Vec<StoredAt>, Fault> {
        let is_alone = |provider: &str, key: &str| self.is_alone(provider, key);
        let Some(client) = self.client(request)? else {
            return self.all.stores(request, only, is_alone);
        };
        client.catalog().stores(request, only, is_alone)
    }

    /// Whether only one of those who ask reaches `key` of `provider`.
    fn is_alone(&self, provider: &str, key: &str) -> bool {
        let admits = |client: &&Client| client.access(provider).admits(key, None);
        let others = usize::from(!self.is_key_required);
        self.clients.is_empty() || self.clients.values().filter(admits).count() + others == 1
    }

    /// Which models of `targets` whoever asks may see, where that is not all that the worker lists.
    ///
    /// # Errors
    /// As [`Catalogs::route`].
    pub(crate) fn seen(
        &self,
        request: &RouterRequest,
        targets: &[Arc<Target>],
    ) -> Result<Vec<SeenModels>, Fault> {
        let Some(client) = self.client(request)? else { return Ok(Vec::new()) };
        let of = |target: &Arc<Target>| client.catalog().entry(&target.provider.name)?.seen();
        Ok(targets.iter().filter_map(of).collect())
    }

    /// Whether the client's key of `request` is one of these, if it has one.
    pub(crate) fn knows_client(&self, request: &RouterRequest) -> bool {
        request.client_key.as_ref().is_none_or(|name| self.clients.contains_key(name))
    }

    fn client(&self, request: &RouterRequest) -> Result<Option<&Client>, Fault> {
        let Some(name) = &request.client_key else {
            if self.is_key_required {
                let text = "requests need a client key, and the edge sent none on";
                return Err(Fault::new(FaultCode::Unauthenticated, text));
            }
            return Ok(None);
        };
        let unknown = || {
            let text = format!("the router's configuration has no client key \"{name}\"");
            Fault::new(FaultCode::Forbidden, text)
        };
        self.clients.get(name).map(Some).ok_or_else(unknown)
    }
}

fn named(target: &Target) -> String {
    let Target { provider, model, .. } = target;
    match model.is_empty() {
        true => format!("the provider `{}`", provider.name),
        false => format!("the model `{model}` of `{}`", provider.name),
    }
}

fn forbidden(client: &Client, what: &str) -> Fault {
    let name = &client.settings.name;
    let text = format!(
        "the client key \"{name}\" may not reach {what}; its provider_configs say what it may"
    );
    let mut fault = Fault::new(FaultCode::Forbidden, text);
    fault.detail.code = Some("key_not_allowed".into());
    fault
}
