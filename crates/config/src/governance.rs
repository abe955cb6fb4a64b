//! `governance`: client keys (`virtual_keys`), and what each of them may reach.
//!
//! Budgets, rate limits, teams and routing rules of the section are not served: each is an error
//! unless the user accepts the loss, because requests would cost or reach more than they should.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::{JsonSchema, Schema};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use weir_types::ModelList;

use crate::config::Version;
use crate::ignored::protection;
use crate::models;
use crate::names;
use crate::provider::Provider;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text::{self, Instead};

/// Who may call.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, transform = crate::ignored::add_governance)]
pub struct Governance {
    /// Keys that the gateway's own clients present.
    #[schemars(with = "Option<Vec<VirtualKey>>")]
    pub virtual_keys: Vec<VirtualKey>,
}

/// One client's key.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["name", "value"]))]
#[schemars(transform = add_unserved)]
pub struct VirtualKey {
    /// Kept for other tools; Weir goes by the name.
    pub id: Option<String>,
    /// Name, unique: in logs, traces and metrics.
    pub name: String,
    /// What clients present, at least 16 characters, or `sha256:` and the 64 hexadecimal digits of
    /// its hash (`weir key new` makes both).
    pub value: SecretRef,
    /// Free text.
    pub description: Option<String>,
    /// Whether it may be used. Default: true.
    #[schemars(with = "Option<bool>")]
    pub is_active: bool,
    /// When it ends: `2027-01-31T00:00:00Z`.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<SystemTime>,
    /// What it may reach. None: nothing, or everything if the file's `version` is 1.
    #[schemars(with = "Option<Vec<ProviderConfig>>")]
    pub provider_configs: Vec<ProviderConfig>,
}

/// One provider that a client's key may reach.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["provider"]))]
#[schemars(transform = add_limits)]
pub struct ProviderConfig {
    /// Kept for other tools.
    pub id: Option<String>,
    /// The provider's name; Weir's extension: `*` for all.
    pub provider: String,
    /// Its share of requests for a model without a provider's name. Absent: none, it is reached by its
    /// name only; where no provider has a share, all are chosen by the weights of their keys.
    #[schemars(range(min = 0, max = 1_000_000_000_000_u64))]
    pub weight: Option<f64>,
    /// Models that may be asked for, by the caller's names. Absent: all that its keys serve. Empty:
    /// none, or all if the file's `version` is 1.
    #[schemars(with = "Option<Vec<String>>")]
    pub allowed_models: ModelList,
    /// Models that may not; wins over `allowed_models`.
    #[schemars(with = "Option<Vec<String>>")]
    pub blacklisted_models: ModelList,
    /// Names or ids of the provider's keys that may be used. Absent or `["*"]`: all. Empty: none, or
    /// all if the file's `version` is 1.
    #[schemars(with = "Option<Vec<String>>")]
    pub key_ids: ModelList,
}

impl ProviderConfig {
    /// Everything that `provider` serves.
    #[must_use]
    pub fn all_of(provider: &str) -> Self {
        Self {
            id: None,
            provider: provider.to_owned(),
            weight: None,
            allowed_models: ModelList::All,
            blacklisted_models: ModelList::None,
            key_ids: ModelList::All,
        }
    }
}

pub(crate) fn read(field: &Field<'_>, version: Version, known: &[Provider]) -> Option<Governance> {
    let mut section = field.section()?;
    let items = section.field("virtual_keys").and_then(|field| field.items()).unwrap_or_default();
    let mut virtual_keys: Vec<VirtualKey> = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for item in &items {
        let Some(key) = virtual_key(item, version, known) else { continue };
        if !seen.insert(key.name.clone()) {
            let found = format!("a second {}", names::shown(&key.name));
            item.report(Draft::error("duplicate name").expected("each name once").found(found));
        }
        virtual_keys.push(key);
    }
    crate::ignored::governance(&mut section);
    section.finish_open();
    Some(Governance { virtual_keys })
}

fn virtual_key(field: &Field<'_>, version: Version, known: &[Provider]) -> Option<VirtualKey> {
    let mut section = field.section()?;
    let name = section
        .required("name", "a name, unique among client keys")
        .and_then(|field| names::read(&field).map(str::to_owned));
    let value = section
        .required("value", "\"env.NAME\", or \"sha256:\" and the value's hash (`weir key new`)")
        .and_then(|field| value(&field));
    let configs = section.field("provider_configs");
    let provider_configs = match &configs {
        Some(field) => {
            let items = field.items().unwrap_or_default();
            items.iter().filter_map(|item| provider_config(item, version, known)).collect()
        }
        None => Vec::new(),
    };
    let provider_configs = match version {
        Version::One if provider_configs.is_empty() => vec![ProviderConfig::all_of("*")],
        _ => provider_configs,
    };
    let id = section.text("id");
    let description = section.text("description");
    let is_active = section.flag("is_active").unwrap_or(true);
    let expires_at = section.field("expires_at").and_then(|field| moment(&field));
    if provider_configs.is_empty() && is_active {
        let draft = Draft::warning("a client key that may reach nothing");
        let expected = "\"provider_configs\": [{\"provider\": \"*\"}], or those that it may reach";
        section.report(draft.expected(expected).found("no provider"));
    }
    UNSERVED.into_iter().for_each(|name| section.unacted(name));
    limits(&mut section);
    section.finish();
    let (name, value) = (name?, value?);
    Some(VirtualKey { id, name, value, description, is_active, expires_at, provider_configs })
}

/// Parts of a key that steer nothing that Weir has.
const UNSERVED: [&str; 4] = ["team_id", "customer_id", "mcp_configs", "calendar_aligned"];
/// What would limit a client's key further.
const LIMITS: [&str; 5] = ["rate_limit_id", "rate_limit", "budget_id", "budget", "budgets"];

fn limits(section: &mut Section<'_>) {
    for name in LIMITS {
        if let Some(field) = section.field(name) {
            protection(&field);
        }
    }
}

fn add_unserved(schema: &mut Schema) {
    for name in UNSERVED {
        let text = "A part of the format that Weir does not serve.";
        crate::schema::add_property(schema, name, serde_json::json!({ "description": text }));
    }
    add_limits(schema);
}

fn add_limits(schema: &mut Schema) {
    for name in LIMITS {
        let text = "Not served yet: an error unless it is empty.";
        crate::schema::add_property(schema, name, serde_json::json!({ "description": text }));
    }
}

/// The value, which better stands elsewhere; its hash may stand in the file.
fn value(field: &Field<'_>) -> Option<SecretRef> {
    let reference = field.reference(client_key)?;
    if reference.is_none() {
        field.report(Draft::error("empty").expected("a client key").found("an empty string"));
    }
    if reference.literal().is_some_and(|text| !text.starts_with(HASH)) {
        let draft = Draft::warning("a secret stands in this file");
        let expected = "a reference, as \"env.NAME\", or the value's hash, as \"sha256:…\"";
        field.report(draft.expected(expected).found("a string"));
    }
    Some(reference)
}

/// How the hash of a client key begins.
pub const HASH: &str = "sha256:";
/// A shorter value could be guessed.
const VALUE_BYTES_MIN: usize = 16;

fn client_key(text: &str) -> Result<Option<Instead>, Draft> {
    if let Some(digits) = text.strip_prefix(HASH) {
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let draft = Draft::error("not the hash of a client key");
        return Err(draft.expected("sha256: and 64 hexadecimal digits").found("another string"));
    }
    let bad = |found: String| {
        let draft = Draft::error("not a client key");
        let expected = "at least 16 visible ASCII characters without blanks and `/`";
        Err(draft.expected(expected).found(found).help("make one with `weir key new`"))
    };
    if text.len() < VALUE_BYTES_MIN && !text.is_empty() {
        return bad(format!("{} characters", text.len()));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
        return bad("another character".to_owned());
    }
    text::credential(text)
}

fn moment(field: &Field<'_>) -> Option<SystemTime> {
    let text = field.text()?;
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    if moment.is_none() {
        let draft = Draft::error("not a moment");
        field.report(draft.expected("date and time, as 2027-01-31T00:00:00Z").found("a string"));
    }
    moment.map(SystemTime::from)
}

fn provider_config(
    field: &Field<'_>,
    version: Version,
    known: &[Provider],
) -> Option<ProviderConfig> {
    let mut section = field.section()?;
    let provider = section.required("provider", "a provider's name, or \"*\"");
    let provider = provider.and_then(|field| {
        let name = names::read(&field).map(str::to_ascii_lowercase)?;
        if !known.is_empty() && named(known, &name).next().is_none() {
            let draft = Draft::warning("no provider of this name is served");
            let found = names::shown(&name);
            field.report(draft.expected("a name of \"providers\", or \"*\"").found(found));
        }
        Some(name)
    });
    let name = provider.clone().unwrap_or_default();
    let expected = "a number from 0 to 1e12";
    let id = section.text("id");
    let weight = section.field("weight").and_then(|field| field.number(0.0..=1e12, expected));
    let allowed_models = list(&mut section, "allowed_models", &name, version);
    let denied = section.field("blacklisted_models").map(|field| models::read(&field, &name));
    let blacklisted_models = denied.unwrap_or_default();
    let key_ids = list(&mut section, "key_ids", "", version);
    if let (Some(field), ModelList::Names(wanted)) = (section.field("key_ids"), &key_ids) {
        unknown_keys(&field, wanted, known, &name);
    }
    limits(&mut section);
    section.finish();
    let provider = provider?;
    Some(ProviderConfig { id, provider, weight, allowed_models, blacklisted_models, key_ids })
}

/// Those of `known` that are meant by `name`.
fn named<'a>(known: &'a [Provider], name: &str) -> impl Iterator<Item = &'a Provider> {
    known.iter().filter(move |one| name == "*" || one.name.eq_ignore_ascii_case(name))
}

/// Says which of the keys in the list `field` there are not, where the provider is known.
fn unknown_keys(field: &Field<'_>, wanted: &[Arc<str>], known: &[Provider], provider: &str) {
    let is_known = |wanted: &Arc<str>| {
        let mut keys = named(known, provider).flat_map(|provider| &provider.keys);
        keys.any(|key| *key.name == **wanted || key.id.as_deref() == Some(&**wanted))
    };
    let unknown = wanted.iter().find(|wanted| !is_known(wanted));
    if let Some(unknown) = unknown.filter(|_| named(known, provider).next().is_some()) {
        let draft = Draft::warning("no key of this name or id is there");
        let expected = "names or ids of the provider's keys";
        field.report(draft.expected(expected).found(names::shown(unknown)));
    }
}

/// A list that allows; absent it allows all.
fn list(
    section: &mut Section<'_>,
    name: &'static str,
    provider: &str,
    version: Version,
) -> ModelList {
    match section.field(name).map(|field| models::read(&field, provider)) {
        None => ModelList::All,
        Some(ModelList::None) if version == Version::One => ModelList::All,
        Some(list) => list,
    }
}
