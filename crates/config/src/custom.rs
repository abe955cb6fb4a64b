//! `custom_provider_config`: a provider of one's own that speaks a known wire format.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use weir_types::Operation;

use crate::endpoint;
use crate::reader::Field;
use crate::report::Draft;

/// What a custom provider speaks, and what may be asked of it.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["base_provider_type"]))]
pub struct Custom {
    /// The built-in provider whose wire format it speaks.
    pub base_provider_type: BaseProvider,
    /// Whether it is called without a credential.
    #[schemars(with = "Option<bool>")]
    pub is_key_less: bool,
    /// What may be asked of it. Absent: everything. Present: only what is true here.
    pub allowed_requests: Option<Requests>,
    /// Paths, or whole addresses, in place of the base's own, by request type.
    #[schemars(schema_with = "overrides_schema")]
    pub request_path_overrides: Vec<(String, String)>,
    /// Its streams end without `[DONE]`.
    #[schemars(with = "Option<bool>")]
    pub does_not_send_done_marker: bool,
    /// Its streams end with a usage report after the finish reason.
    #[schemars(with = "Option<bool>")]
    pub wait_for_usage: bool,
}

/// What a custom provider can be based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum BaseProvider {
    Anthropic,
    Bedrock,
    Cohere,
    Gemini,
    OpenAI,
    Huggingface,
    Replicate,
}

impl BaseProvider {
    /// The built-in provider's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = BASES.iter().find(|(_, base)| *base == self);
        found.map_or("openai", |(name, _)| name)
    }
}

const BASES: [(&str, BaseProvider); 7] = [
    ("anthropic", BaseProvider::Anthropic),
    ("bedrock", BaseProvider::Bedrock),
    ("cohere", BaseProvider::Cohere),
    ("gemini", BaseProvider::Gemini),
    ("openai", BaseProvider::OpenAI),
    ("huggingface", BaseProvider::Huggingface),
    ("replicate", BaseProvider::Replicate),
];

/// A set of request types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests(BTreeSet<&'static str>);

impl Requests {
    /// Whether the request type `name` (one of [`Operation::config_names`]) is in the set.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The request types in the set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

pub(crate) fn read(field: &Field<'_>) -> Option<Custom> {
    let mut section = field.section()?;
    let base = section
        .required("base_provider_type", "the built-in provider whose wire format it speaks")
        .and_then(|field| field.choice(&BASES));
    let custom = Custom {
        base_provider_type: BaseProvider::OpenAI,
        is_key_less: section.flag("is_key_less").unwrap_or_default(),
        allowed_requests: section.field("allowed_requests").and_then(|f| requests(&f)),
        request_path_overrides: section
            .field("request_path_overrides")
            .map(|field| overrides(&field))
            .unwrap_or_default(),
        does_not_send_done_marker: section.flag("does_not_send_done_marker").unwrap_or_default(),
        wait_for_usage: section.flag("wait_for_usage").unwrap_or_default(),
    };
    // Their addresses hold more than a path: the model, and whether a stream is wanted.
    let impossible: &[&'static str] = match base {
        Some(BaseProvider::Bedrock) => &["is_key_less", "request_path_overrides"],
        Some(BaseProvider::Gemini) => &["request_path_overrides"],
        _ => &[],
    };
    for name in impossible.iter().copied() {
        let said = |field: &Field<'_>| !crate::unacted::is_empty(field.value);
        if let (Some(base), Some(field)) = (base, section.field(name).filter(said)) {
            let base = base.name();
            let draft = Draft::error(format!("not possible with the base {base}"));
            field.report(draft.expected("another base").found(base).help("remove it"));
        }
    }
    section.finish();
    Some(Custom { base_provider_type: base?, ..custom })
}

fn requests(field: &Field<'_>) -> Option<Requests> {
    let mut section = field.section()?;
    let mut allowed = BTreeSet::new();
    for name in Operation::config_names() {
        if section.flag(name) == Some(true) {
            allowed.insert(name);
        }
    }
    section.finish();
    Some(Requests(allowed))
}

fn overrides(field: &Field<'_>) -> Vec<(String, String)> {
    let Some(mut section) = field.section() else {
        return Vec::new();
    };
    let mut overrides = Vec::new();
    for name in Operation::config_names() {
        let Some(path) = section.field(name) else {
            continue;
        };
        match path.text().map(|text| (text, endpoint::path_or_address(text))) {
            Some((text, Ok(()))) => overrides.push((name.to_owned(), text.to_owned())),
            Some((_, Err(draft))) => path.report(draft),
            None => {}
        }
    }
    section.finish();
    overrides
}

impl JsonSchema for Requests {
    fn schema_name() -> Cow<'static, str> {
        "Requests".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        by_request_type("Request types that are allowed.", &json!({ "type": ["boolean", "null"] }))
    }
}

fn overrides_schema(_: &mut SchemaGenerator) -> Schema {
    by_request_type(
        "A path or an address per request type.",
        &json!({ "type": ["string", "null"] }),
    )
}

fn by_request_type(description: &str, value: &Value) -> Schema {
    let properties: Map<String, Value> =
        Operation::config_names().map(|name| (name.to_owned(), value.clone())).collect();
    json_schema!({
        "description": description,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false
    })
}
