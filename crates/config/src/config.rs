//! The file as a whole.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::client::{self, Client};
use crate::governance::{self, Governance};
use crate::ignored;
use crate::provider::{self, Provider};
use crate::quota_store::{self, QuotaStore};
use crate::reader::{Field, Reader};
use crate::report::Draft;

/// Settings of a whole gateway, defaults applied.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(title = "Weir's config.json", deny_unknown_fields, transform = ignored::add_sections)]
pub struct Config {
    /// Meaning of empty lists.
    #[schemars(schema_with = "version_schema")]
    pub version: Version,
    /// What clients may do.
    #[schemars(with = "Option<Client>")]
    pub client: Client,
    /// Providers that this build serves, in declared order.
    #[schemars(schema_with = "providers_schema")]
    pub providers: Vec<Provider>,
    /// Who may call, and what they may reach.
    #[schemars(with = "Option<Governance>")]
    pub governance: Governance,
    /// Weir's extension: where limits are kept.
    #[schemars(with = "Option<QuotaStore>")]
    pub quota_store: QuotaStore,
}

/// Which generation of the format a file is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// Older: an empty list of models allows all.
    One,
    /// Newer: an empty list of models allows none, `["*"]` allows all.
    #[default]
    Two,
}

pub(crate) fn read(reader: &Reader<'_>) -> Option<Config> {
    let mut root = reader.root().section()?;
    let _ = root.text("$schema");
    let version = root.field("version").map_or(Version::Two, |field| version(&field));
    let client = root.field("client").and_then(|field| client::read(&field));
    let providers = root.field("providers");
    if providers.is_none() {
        let draft = Draft::warning("no provider is configured");
        root.report(draft.expected("a section \"providers\"").found("none"));
    }
    let providers: Vec<Provider> =
        providers.map(|f| provider::read_all(&f, version)).unwrap_or_default();
    let config = Config {
        version,
        client: client.unwrap_or_default(),
        governance: root
            .field("governance")
            .and_then(|field| governance::read(&field, version, &providers))
            .unwrap_or_default(),
        providers,
        quota_store: root
            .field("quota_store")
            .and_then(|field| quota_store::read(&field))
            .unwrap_or_default(),
    };
    ignored::read(&mut root);
    root.finish_open();
    Some(config)
}

fn version(field: &Field<'_>) -> Version {
    match field.whole(1..=2) {
        Some(1) => Version::One,
        _ => Version::Two,
    }
}

fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": [1, 2, null], "default": 2 })
}

fn providers_schema(generator: &mut SchemaGenerator) -> Schema {
    let provider = generator.subschema_for::<Provider>();
    json_schema!({ "type": ["object", "null"], "additionalProperties": provider })
}
