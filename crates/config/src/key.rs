//! A key: a credential of a provider, its share of the traffic, and the models it serves.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use weir_types::{KeyName, KeyRules, ModelList};

use crate::aliases::{self, Alias};
use crate::builtin;
use crate::config::Version;
use crate::key_configs::{self, KeyBlocks};
use crate::models;
use crate::names;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text;

/// One key of a provider.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["name", "weight"]))]
#[schemars(transform = add_bookkeeping)]
pub struct Key {
    /// Name, unique within the provider: in logs, metrics and pins.
    #[schemars(with = "String")]
    pub name: KeyName,
    /// Another name, kept for pins by id.
    pub id: Option<String>,
    /// The API key.
    pub value: SecretRef,
    /// Share of the traffic, against the sum of the eligible keys' weights. 0: only if no key
    /// with a weight is eligible.
    #[schemars(with = "f64", range(min = 0, max = 1_000_000_000_000_u64))]
    pub weight: f64,
    /// Models this key serves, by the caller's names; `["*"]` for all. Empty: none, or all if
    /// the file's `version` is 1.
    #[schemars(with = "Option<Vec<String>>")]
    pub models: ModelList,
    /// Models this key does not serve; wins over `models`.
    #[schemars(with = "Option<Vec<String>>")]
    pub blacklisted_models: ModelList,
    /// Caller's name of a model to the provider's name of it.
    #[schemars(schema_with = "aliases::map_schema")]
    pub aliases: Vec<Alias>,
    /// Whether the key is used. Default: true.
    #[schemars(with = "Option<bool>")]
    pub enabled: bool,
    /// Whether batch and file calls may use the key.
    #[schemars(with = "Option<bool>")]
    pub use_for_batch_api: bool,
    /// Whether the provider's Anthropic-style endpoints are called (deepseek, fireworks, vllm, sgl).
    /// Default: for clients that speak Anthropic's format.
    pub use_anthropic_endpoints: Option<bool>,
    /// Free text.
    pub description: Option<String>,
    /// What the provider needs besides the value.
    #[schemars(flatten)]
    pub blocks: KeyBlocks,
}

impl Key {
    /// A key with defaults everywhere else: weight 1, no models.
    #[must_use]
    pub fn named(name: KeyName) -> Self {
        Self {
            name,
            id: None,
            value: SecretRef::None,
            weight: 1.0,
            models: ModelList::None,
            blacklisted_models: ModelList::None,
            aliases: Vec::new(),
            enabled: true,
            use_for_batch_api: false,
            use_anthropic_endpoints: None,
            description: None,
            blocks: KeyBlocks::default(),
        }
    }

    /// Which models the key serves, and their names at the provider.
    #[must_use]
    pub fn rules(&self) -> KeyRules {
        let pair = |alias: &Alias| (Arc::from(&*alias.name), Arc::from(&*alias.model_id));
        KeyRules {
            models: self.models.clone(),
            blacklisted_models: self.blacklisted_models.clone(),
            aliases: self.aliases.iter().map(pair).collect(),
            only_model: self.blocks.vllm_key_config.as_ref().map(|v| Arc::from(&*v.model_name)),
        }
    }

    /// The server's address, where the key carries it (azure, databricks, ollama, vllm, sgl).
    #[must_use]
    pub fn url(&self) -> Option<&SecretRef> {
        let blocks = &self.blocks;
        let hosts = blocks.ollama_key_config.as_ref().or(blocks.sgl_key_config.as_ref());
        let vllm = blocks.vllm_key_config.as_ref().map(|vllm| &vllm.url);
        let azure = blocks.azure_key_config.as_ref().map(|azure| &azure.endpoint);
        let databricks = blocks.databricks_key_config.as_ref().map(|block| &block.workspace_url);
        hosts.map(|host| &host.url).or(vllm).or(azure).or(databricks)
    }

    /// Whether the same server answers both keys of a provider: neither has an address or a region that
    /// the other has not.
    #[must_use]
    pub fn shares_server(&self, other: &Self) -> bool {
        let same = |one: Option<&SecretRef>, other: Option<&SecretRef>| {
            one.unwrap_or(&SecretRef::None).is_same(other.unwrap_or(&SecretRef::None))
        };
        same(self.url(), other.url()) && same(self.region(), other.region())
    }

    /// Whether files can be kept with it: a key of Bedrock's or Vertex AI's needs a bucket, and a
    /// credential that opens it.
    #[must_use]
    pub fn keeps_files(&self) -> bool {
        let (bedrock, vertex) = (&self.blocks.bedrock_key_config, &self.blocks.vertex_key_config);
        let at_bedrock =
            bedrock.as_ref().is_none_or(|block| block.has_buckets() && self.value.is_none());
        let at_vertex = vertex.as_ref().is_none_or(|block| {
            block.has_buckets() && (self.value.is_none() || !block.auth_credentials.is_none())
        });
        at_bedrock && at_vertex
    }

    /// The cloud's region, where the key names one (bedrock, bedrock_mantle, vertex).
    fn region(&self) -> Option<&SecretRef> {
        let blocks = &self.blocks;
        let bedrock = blocks.bedrock_key_config.as_ref().map(|block| &block.region);
        let mantle = blocks.bedrock_mantle_key_config.as_ref().map(|block| &block.region);
        let vertex = blocks.vertex_key_config.as_ref().map(|block| &block.region);
        bedrock.or(mantle).or(vertex)
    }
}

/// What reading a key depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) version: Version,
    /// The provider's own name.
    pub(crate) provider: &'c str,
    /// The built-in provider whose rules apply.
    pub(crate) vendor: &'c str,
    /// Whether calls need no credential.
    pub(crate) key_less: bool,
    /// `network_config.base_url`, where older files have a key's URL.
    pub(crate) base_url: Option<&'c SecretRef>,
}

pub(crate) fn read(field: &Field<'_>, context: &Context<'_>) -> Option<Key> {
    let mut section = field.section()?;
    let name = section
        .required("name", "a name, unique within the provider")
        .and_then(|field| names::read(&field).map(KeyName::from));
    let weight =
        section.required("weight", WEIGHT).and_then(|field| field.number(0.0..=WEIGHT_MAX, WEIGHT));
    let mut aliases = Vec::new();
    if let Some(field) = section.field("aliases") {
        aliases::read(&field, context.vendor, &mut aliases);
    }
    let own_aliases = aliases.len();
    let blocks = key_configs::read(&mut section, context, &mut aliases);
    let deployments = aliases.get(own_aliases..).unwrap_or_default();
    let models = served_models(&mut section, context, deployments);
    let value = section.secret("value", text::credential);
    if value.is_none() {
        note_missing_value(&mut section, context, &blocks);
    }
    let key = Key {
        id: section.text("id"),
        value,
        models,
        blacklisted_models: section
            .field("blacklisted_models")
            .map_or(ModelList::None, |field| models::read(&field, context.provider)),
        enabled: section.flag("enabled").unwrap_or(true),
        use_for_batch_api: for_batches(&mut section, context.vendor),
        use_anthropic_endpoints: anthropic_endpoints(&mut section, context.vendor),
        description: section.text("description"),
        aliases,
        blocks,
        ..Key::named(KeyName::from(""))
    };
    note_buckets(&mut section, &key);
    for (name, _) in BOOKKEEPING {
        let _ = section.text(name);
    }
    section.finish();
    Some(Key { name: name?, weight: weight?, ..key })
}

/// The largest weight: sums of weights stay exact enough and finite.
const WEIGHT_MAX: f64 = 1e12;
const WEIGHT: &str = "a number of 0 or more";

/// Fields that other tools write into files; they say nothing about calls.
const BOOKKEEPING: [(&str, &str); 2] = [
    ("status", "Written by other tools; says nothing here."),
    ("config_hash", "Written by other tools; says nothing here."),
];

fn add_bookkeeping(schema: &mut Schema) {
    for (name, description) in BOOKKEEPING {
        let property =
            serde_json::json!({ "description": description, "type": ["string", "null"] });
        crate::schema::add_property(schema, name, property);
    }
}

/// `models`, with the older meaning where the file asks for it: empty stands for all, and a
/// non-empty `deployments` map is a list of the models that there are.
fn served_models(
    section: &mut Section<'_>,
    context: &Context<'_>,
    deployments: &[Alias],
) -> ModelList {
    let field = section.field("models");
    let listed =
        field.as_ref().map_or(ModelList::None, |field| models::read(field, context.provider));
    match context.version {
        Version::Two => {
            if listed == ModelList::None {
                note_no_models(section, field.as_ref());
            }
            listed
        }
        Version::One => {
            let listed = if listed == ModelList::None { ModelList::All } else { listed };
            if deployments.is_empty() || context.vendor == "huggingface" {
                return listed;
            }
            let names = match &listed {
                ModelList::Names(names) => &names[..],
                ModelList::All | ModelList::None => &[],
            };
            let names: HashSet<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            let is_listed = |alias: &&Alias| {
                listed == ModelList::All || names.contains(&alias.name.to_ascii_lowercase())
            };
            let both = deployments.iter().filter(is_listed);
            let both: Vec<Arc<str>> = both.map(|alias| Arc::from(&*alias.name)).collect();
            if both.is_empty() { ModelList::None } else { ModelList::Names(both) }
        }
    }
}

/// In version 2 a key without models is never used, which is rarely intended.
fn note_no_models(section: &Section<'_>, field: Option<&Field<'_>>) {
    let help = "write \"models\": [\"*\"] for all, or \"version\": 1 for the older meaning";
    let draft = Draft::warning("the key serves no model, so it is never used").help(help);
    match field {
        Some(field) if field.items().is_some_and(|items| items.is_empty()) => field.report(draft),
        Some(_) => {}
        None => section.report(draft),
    }
}

fn note_missing_value(section: &mut Section<'_>, context: &Context<'_>, blocks: &KeyBlocks) {
    if context.key_less || builtin::value_is_optional(context.vendor) {
        let needs_one =
            context.vendor == "github-copilot" && blocks.github_copilot_key_config.is_none();
        if !needs_one {
            return;
        }
    }
    let there = section.field("value");
    let draft = Draft::warning("the key has no value, so it cannot be used")
        .expected("an API key, as \"env.NAME\"")
        .found("nothing");
    match there {
        // A value that is there and has another fault was reported with that fault.
        Some(field) if !crate::unacted::is_empty(field.value) => {}
        Some(field) => field.report(draft),
        None => section.report(draft),
    }
}

/// Vendors of whose keys files and batches are asked.
pub const STORING: [&str; 8] =
    ["anthropic", "azure", "bedrock", "gemini", "groq", "mistral", "openai", "vertex"];

/// Whether the key may serve them.
fn for_batches(section: &mut Section<'_>, vendor: &str) -> bool {
    const NAME: &str = "use_for_batch_api";
    match STORING.contains(&vendor) {
        true => section.flag(NAME).unwrap_or_default(),
        false => section.unacted_flag(NAME),
    }
}

/// A key that is to serve files and batches, and has nowhere to put them.
fn note_buckets(section: &mut Section<'_>, key: &Key) {
    if !key.use_for_batch_api || key.keeps_files() {
        return;
    }
    let draft = Draft::warning("files and batches will be refused");
    let has_none =
        |expected: &'static str| (expected, "no bucket", "name one, or remove use_for_batch_api");
    let shows_key = "an API key in `value`, which opens no bucket";
    let (expected, found, help) =
        match (&key.blocks.bedrock_key_config, &key.blocks.vertex_key_config) {
            (Some(block), _) if block.has_buckets() => (
                "access_key and secret_key, or the process's own AWS identity",
                shows_key,
                "remove `value`, or use_for_batch_api",
            ),
            (None, Some(block)) if block.has_buckets() => (
                "auth_credentials, or the process's own identity",
                shows_key,
                "add vertex_key_config.auth_credentials, or remove `value` or use_for_batch_api",
            ),
            (Some(_), _) => has_none("bedrock_key_config.batch_s3_config with a bucket"),
            (None, _) => has_none("vertex_key_config.batch_gcs_config with a bucket"),
        };
    let draft = draft.expected(expected).found(found).help(help);
    if let Some(field) = section.field("use_for_batch_api") {
        field.report(draft);
    }
}

fn anthropic_endpoints(section: &mut Section<'_>, vendor: &str) -> Option<bool> {
    const NAME: &str = "use_anthropic_endpoints";
    let owners = aliases::owners(NAME);
    let chosen = section.flag(NAME);
    if chosen == Some(true) && !owners.contains(&vendor) {
        section.refuse(NAME, owners, vendor);
    }
    chosen
}
