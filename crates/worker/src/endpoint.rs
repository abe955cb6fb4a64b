//! Where each operation of a key goes, and in which format: the vendor's routes with base URL, the
//! key's variables, overrides, and what the configuration allows.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use url::Url;
use weir_dialect::Quirks;
use weir_provider::{Choices, Family, Fit, ModelScope, Route, Template, Wanted};
use weir_types::headers::is_same_header;
use weir_types::{Operation, OperationSet, Secret};
use weir_upstream::Authorizer;

use crate::credential::{Authorizers, Given};
use crate::settings::{Custom, KeySettings, Settings, Variant};

/// The endpoints of one key.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    base: String,
    list: Vec<Endpoint>,
    /// Which of them serve what, by [`OperationSet::place`]: there are many, and most serve one operation.
    serving: Vec<Vec<usize>>,
    /// Whether an endpoint serves some models only.
    asks_model: bool,
}

/// One route of a key.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    pub(crate) quirks: Quirks,
    /// Headers that the route needs, unless the caller sends others.
    pub(crate) headers: HeaderMap,
    /// Headers with what the operator says, which win over the caller's.
    pub(crate) own_headers: HeaderMap,
    /// `None`: nothing is sent.
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    address: Address,
    /// Other addresses for single request types, by the configuration's name.
    overrides: Vec<(&'static str, Address)>,
    /// What may be sent here.
    allowed: OperationSet,
}

/// An address; most are the same for every request.
#[derive(Debug)]
enum Address {
    Fixed(Uri),
    Template(Template),
}

impl Endpoints {
    /// Those of a key's models, or of a variant of them.
    pub(crate) fn new(
        settings: &Settings,
        key: &KeySettings,
        variant: Option<&Variant>,
        authorizers: &Authorizers,
    ) -> Result<Self, String> {
        let base_url = variant.and_then(|variant| variant.base_url.as_ref());
        let base = base(settings, key, base_url.or(key.base_url.as_ref()))?;
        let own = variant.map(|variant| variant.variables.as_slice()).unwrap_or_default();
        let place = Place { base: &base, own, keys: &key.variables };
        let mut list = Vec::new();
        for route in settings.vendor.all_routes().cloned().chain(added(settings)) {
            let endpoint = Endpoint::new(settings, &place, authorizers, route)?;
            list.extend(endpoint.filter(|endpoint| endpoint.allowed != OperationSet::NONE));
        }
        let mut serving = vec![Vec::new(); OperationSet::PLACES];
        for (index, endpoint) in list.iter().enumerate() {
            for (operation, stream) in endpoint.allowed.iter() {
                serving[OperationSet::place(operation, stream)].push(index);
            }
        }
        let asks_model = list.iter().any(|one| one.route.models != ModelScope::All);
        Ok(Self { base, list, serving, asks_model })
    }

    /// The endpoint for a request: the first of the client's format, else the first that it can be
    /// translated for.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Option<(&Endpoint, Fit)> {
        let (operation, stream) = (wanted.operation, wanted.stream);
        let serving = self.serving.get(OperationSet::place(operation, stream)).map(Vec::as_slice);
        let allowed = serving.unwrap_or_default().iter().filter_map(|&index| self.list.get(index));
        let fits = allowed.filter_map(|endpoint| Some((endpoint, endpoint.route.fit(wanted)?)));
        // Of equals the first.
        fits.min_by_key(|(_, fit)| *fit)
    }

    /// Whose model it is, as stated or as its name tells, as far as it matters here: most vendors do
    /// not care, and looking at a name is not free.
    pub(crate) fn family(&self, model: &str, stated: Option<Family>) -> Family {
        if !self.asks_model {
            return Family::Other;
        }
        stated.unwrap_or_else(|| Family::of(model))
    }

    /// The endpoint of an operation that means the same in every format.
    pub(crate) fn of(&self, operation: Operation, choices: Choices) -> Option<&Endpoint> {
        self.list.iter().find(|endpoint| {
            endpoint.route.operation == operation && endpoint.route.is_chosen(choices)
        })
    }

    /// What must not be seen in what a provider answers, at this moment.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        // One authorizer serves many endpoints.
        let mut seen: Vec<&Arc<dyn Authorizer>> = Vec::new();
        for authorizer in self.list.iter().filter_map(|endpoint| endpoint.authorizer.as_ref()) {
            if !seen.iter().any(|other| Arc::ptr_eq(other, authorizer)) {
                seen.push(authorizer);
            }
        }
        seen.into_iter().flat_map(|authorizer| authorizer.secrets()).collect()
    }

    /// What tells servers of one provider apart.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

/// What addresses are made of.
struct Place<'a> {
    base: &'a str,
    /// Variables that win over the key's.
    own: &'a [(String, String)],
    keys: &'a [(String, String)],
}

impl Place<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        let mut all = self.own.iter().chain(self.keys);
        all.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Routes that only the configuration knows: overrides of request types that the vendor does not
/// offer. They speak the format of the vendor's first route.
fn added(settings: &Settings) -> Vec<Route> {
    let Some(first) = settings.vendor.routes.first() else { return Vec::new() };
    let overrides = settings.custom.as_ref().map(|custom| custom.path_overrides.as_slice());
    let named = |name: &str| overrides.unwrap_or_default().iter().any(|(of, _)| of == name);
    let mut routes = Vec::new();
    for operation in Operation::ALL {
        for stream in [false, true] {
            let is_new = (!stream || operation.streams())
                && named(operation.config_name(stream))
                && !settings.vendor.offers(operation, stream);
            if is_new {
                routes.push(Route::post(operation, "", first.dialect).only(stream));
            }
        }
    }
    routes
}

impl Endpoint {
    /// Whether this may be sent here.
    pub(crate) const fn may(&self, operation: Operation, stream: bool) -> bool {
        self.allowed.contains(operation, stream)
    }

    /// `None`: the key lacks a variable that the route needs, or has a credential that does not
    /// open it.
    fn new(
        settings: &Settings,
        place: &Place<'_>,
        authorizers: &Authorizers,
        route: Route,
    ) -> Result<Option<Self>, String> {
        let base = place.base;
        if route.wants.is_some_and(|wanted| place.variable(wanted).is_none()) {
            return Ok(None);
        }
        // Behind an address of the operator's own everything is there.
        let path = match route.template.split_once("://") {
            Some((_, rest)) if base != settings.vendor.base_url => {
                rest.find('/').map_or("", |at| rest.split_at(at).1)
            }
            _ => route.template,
        };
        let variable = |name: &str| place.variable(name).map(str::to_owned);
        let Ok(template) = Template::new(base, path, variable) else {
            return Ok(None);
        };
        let auth = route.auth.unwrap_or(settings.vendor.auth);
        let given = authorizers.of(auth, place.variable("region"));
        let authorizer = match given? {
            Given::Nothing => None,
            // Who calls, the operator says otherwise.
            Given::Authorizer(authorizer) if is_set(settings, authorizer.header()) => None,
            Given::Authorizer(authorizer) => Some(authorizer),
            Given::Unfit => return Ok(None),
        };
        let custom = settings.custom.as_ref();
        let allowed = allowed(&route, custom);
        let overrides = custom.map(|custom| custom.path_overrides.as_slice()).unwrap_or_default();
        let names = allowed.iter().map(|(operation, stream)| operation.config_name(stream));
        let overridden = names.filter_map(|name| {
            let (_, path) = overrides.iter().find(|(of, _)| of == name)?;
            Some(overriding(name, base, path.trim()).map(|address| (name, address)))
        });
        let (headers, own_headers) = headers(route.headers, place)?;
        Ok(Some(Self {
            quirks: route.quirks.copied().unwrap_or(settings.vendor.quirks),
            headers,
            own_headers,
            authorizer,
            address: Address::new(template, route.operation.config_name(false))?,
            overrides: overridden.collect::<Result<_, String>>()?,
            allowed,
            route,
        }))
    }

    /// The address of one request.
    pub(crate) fn uri(
        &self,
        operation: Operation,
        stream: bool,
        model: &str,
        resource: &str,
    ) -> Result<Uri, String> {
        let name = operation.config_name(stream);
        let overridden = self.overrides.iter().find(|(of, _)| *of == name);
        match overridden.map_or(&self.address, |(_, address)| address) {
            Address::Fixed(uri) => Ok(uri.clone()),
            Address::Template(template) => {
                let text = template.fill(model, resource)?;
                text.parse().map_err(|_| format!("the address of {name} is not a valid URL"))
            }
        }
    }
}

impl Address {
    fn new(template: Template, name: &str) -> Result<Self, String> {
        let Some(fixed) = template.fixed() else { return Ok(Self::Template(template)) };
        let uri = fixed.parse();
        uri.map(Self::Fixed).map_err(|_| format!("the address of {name} is not a valid URL"))
    }
}

/// Whether the operator sets the header `name` for every call.
fn is_set(settings: &Settings, name: Option<&HeaderName>) -> bool {
    let mut set = settings.extra_headers.iter().map(|(set, _)| set);
    name.is_some_and(|name| set.any(|set| is_same_header(set, name.as_str())))
}

/// What may be sent to `route`.
fn allowed(route: &Route, custom: Option<&Custom>) -> OperationSet {
    OperationSet::ALL
        .iter()
        .filter(|&(operation, stream)| {
            route.serves(operation, stream) && is_allowed(custom, operation, stream)
        })
        .collect()
}

/// An override: a path, or a whole address. `{model}` may stand in it.
fn overriding(name: &str, base: &str, path: &str) -> Result<Address, String> {
    if path.contains("://") {
        check(path)?;
    }
    let template = Template::new(base, path, |_| None).map_err(|unknown| {
        format!("the address of {name} has an unknown variable {{{unknown}}}")
    })?;
    Address::new(template, name)
}

/// The vendor's headers, and those with a value of the key's.
fn headers(
    list: &[(&'static str, &'static str)],
    place: &Place<'_>,
) -> Result<(HeaderMap, HeaderMap), String> {
    let (mut vendors, mut own) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in list {
        let header = HeaderName::from_static(name);
        let variable = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(variable) = variable else {
            vendors.insert(header, HeaderValue::from_static(value));
            continue;
        };
        if let Some(text) = place.variable(variable) {
            let value = HeaderValue::from_str(text);
            own.insert(header, value.map_err(|_| format!("{variable} cannot be sent in {name}"))?);
        }
    }
    Ok((vendors, own))
}

/// Whether the configuration allows `operation`.
pub(crate) fn is_allowed(custom: Option<&Custom>, operation: Operation, stream: bool) -> bool {
    let allowed = custom.and_then(|custom| custom.allowed_requests.as_ref());
    let name = operation.config_name(stream);
    allowed.is_none_or(|allowed| allowed.iter().any(|allowed| allowed == name))
}

fn base(settings: &Settings, key: &KeySettings, own: Option<&String>) -> Result<String, String> {
    let vendor = settings.vendor.base_url;
    let base = own.or(settings.base_url.as_ref()).map_or(vendor, String::as_str);
    let base = base.trim().trim_end_matches('/');
    if base.is_empty() {
        return Err(format!("key {} has no URL and the provider has none either", key.name));
    }
    // The vendor's own may hold variables, which no URL parser takes.
    if base != vendor {
        check(base)?;
    }
    Ok(base.to_owned())
}

fn check(text: &str) -> Result<(), String> {
    let unsaid = |error| Secret::new(text.to_owned()).retold(&error);
    let url =
        Url::parse(text).map_err(|error| format!("the URL is not valid: {}", unsaid(error)))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("the URL must be http:// or https:// with a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold credentials".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or a fragment".to_owned());
    }
    Ok(())
}
