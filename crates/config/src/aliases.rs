//! `aliases`: what a model is called at the provider, per key.
//!
//! A target is a name or an object that adds facts about the model. Some facts belong to one
//! provider only and are refused elsewhere. `deployments`, the older spelling, ends up here too.

use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::names;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text;

/// One alias of a key.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Alias {
    /// The caller's name for the model.
    #[schemars(skip)]
    pub name: String,
    /// The provider's name for the model.
    pub model_id: String,
    /// The model's common name. What is known of models is looked up by it.
    pub model_name: Option<String>,
    /// Whose model it is; decides the wire format where a provider has several. Default: what
    /// `model_name`, `model_id` or the alias tells, in this order.
    pub model_family: Option<ModelFamily>,
    /// Free text.
    pub description: Option<String>,
    /// Region of this model (bedrock, bedrock_mantle, vertex).
    pub region: SecretRef,
    /// Project of this model (vertex, bedrock, bedrock_mantle).
    pub project_id: SecretRef,
    /// Whether the provider's Anthropic-style endpoints are called (deepseek, fireworks, vllm, sgl).
    /// Default: as the key says.
    pub use_anthropic_endpoints: Option<bool>,
    /// API version (azure).
    pub api_version: SecretRef,
    /// Anthropic API version (azure).
    pub anthropic_version: SecretRef,
    /// Endpoint of this model (azure).
    pub endpoint: SecretRef,
    /// Project number (vertex).
    pub project_number: SecretRef,
    /// Use the region as it is written (vertex).
    #[schemars(with = "Option<bool>")]
    pub force_single_region: bool,
    /// Inference profile (bedrock).
    pub inference_profile_arn: SecretRef,
    /// Use the deployments endpoint (replicate).
    #[schemars(with = "Option<bool>")]
    pub use_deployments_endpoint: bool,
}

/// Who made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ModelFamily {
    Anthropic,
    OpenAI,
    Mistral,
    Cohere,
    Gemini,
    Gemma,
    Llama,
    Imagen,
    Veo,
    Nova,
    Titan,
}

const FAMILIES: [(&str, ModelFamily); 11] = [
    ("anthropic", ModelFamily::Anthropic),
    ("openai", ModelFamily::OpenAI),
    ("mistral", ModelFamily::Mistral),
    ("cohere", ModelFamily::Cohere),
    ("gemini", ModelFamily::Gemini),
    ("gemma", ModelFamily::Gemma),
    ("llama", ModelFamily::Llama),
    ("imagen", ModelFamily::Imagen),
    ("veo", ModelFamily::Veo),
    ("nova", ModelFamily::Nova),
    ("titan", ModelFamily::Titan),
];

/// Which providers read a field that is not for all.
const OWNERS: [(&str, &[&str]); 10] = [
    ("region", &["bedrock", "bedrock_mantle", "vertex"]),
    ("project_id", &["vertex", "bedrock", "bedrock_mantle"]),
    ("use_anthropic_endpoints", &["deepseek", "fireworks", "vllm", "sgl"]),
    ("api_version", &["azure"]),
    ("anthropic_version", &["azure"]),
    ("endpoint", &["azure"]),
    ("project_number", &["vertex"]),
    ("force_single_region", &["vertex"]),
    ("inference_profile_arn", &["bedrock"]),
    ("use_deployments_endpoint", &["replicate"]),
];

/// The providers that read `field`; none if all do.
pub(crate) fn owners(field: &str) -> &'static [&'static str] {
    let found = OWNERS.iter().find(|(name, _)| *name == field);
    found.map(|(_, owners)| *owners).unwrap_or_default()
}

/// The aliases in `field`, of a key of `vendor`, added to those that stand in `aliases`.
pub(crate) fn read(field: &Field<'_>, vendor: &str, aliases: &mut Vec<Alias>) {
    let mut seen = seen(aliases);
    for (name, target) in field.members().unwrap_or_default() {
        let alias =
            if target.is_object() { long_form(&target, vendor) } else { short_form(&target) };
        add(name, &target, alias, (aliases, &mut seen));
    }
}

/// The older spelling: caller's name to deployment, names only.
pub(crate) fn read_deployments(section: &mut Section<'_>, aliases: &mut Vec<Alias>) {
    let mut seen = seen(aliases);
    let Some(field) = section.field("deployments") else {
        return;
    };
    for (name, target) in field.members().unwrap_or_default() {
        let alias = short_form(&target);
        add(name, &target, alias, (aliases, &mut seen));
    }
}

/// The schema of `deployments`, which has no field of its own.
pub(crate) fn add_deployments(schema: &mut Schema) {
    let property = serde_json::json!({
        "description": "Older spelling of the key's `aliases`, names only.",
        "type": ["object", "null"],
        "additionalProperties": { "type": "string" }
    });
    crate::schema::add_property(schema, "deployments", property);
}

/// The schema of the whole map.
pub(crate) fn map_schema(generator: &mut SchemaGenerator) -> Schema {
    let alias = generator.subschema_for::<Alias>();
    json_schema!({
        "type": ["object", "null"],
        "additionalProperties": { "anyOf": [{ "type": "string" }, alias] }
    })
}

/// Where an alias stands in the list, by its name in lower case.
type Seen = HashMap<String, usize>;

fn seen(aliases: &[Alias]) -> Seen {
    let names = aliases.iter().map(|alias| alias.name.to_ascii_lowercase());
    names.zip(0..).collect()
}

fn add(
    name: &str,
    target: &Field<'_>,
    alias: Option<Alias>,
    (aliases, seen): (&mut Vec<Alias>, &mut Seen),
) {
    if let Some(fault) = names::fault(name) {
        let draft = Draft::error("not a usable name for an alias").found(fault);
        target.report(draft.expected("a name of 1 to 256 bytes, no blanks around it"));
        return;
    }
    let lower = name.to_ascii_lowercase();
    if let Some(earlier) = seen.get(&lower).and_then(|index| aliases.get(*index)) {
        let draft = Draft::error("duplicate alias").expected("each alias once, ignoring case");
        let found = format!("an alias like {}", names::shown(&earlier.name));
        target.report(draft.found(found));
        return;
    }
    if let Some(alias) = alias {
        seen.insert(lower, aliases.len());
        aliases.push(Alias { name: name.to_owned(), ..alias });
    }
}

fn short_form(target: &Field<'_>) -> Option<Alias> {
    let model_id = names::read(target)?.to_owned();
    Some(Alias { model_id, ..Alias::default() })
}

fn long_form(target: &Field<'_>, vendor: &str) -> Option<Alias> {
    let mut section = target.section()?;
    let model_id = section
        .required("model_id", "the provider's name of the model")
        .and_then(|field| names::read(&field).map(str::to_owned));
    let alias = Alias {
        name: String::new(),
        model_id: String::new(),
        model_name: section.field("model_name").and_then(|f| names::read(&f).map(str::to_owned)),
        model_family: section.choice("model_family", &FAMILIES),
        description: section.text("description"),
        region: section.judged("region", text::region),
        project_id: section.reference("project_id"),
        use_anthropic_endpoints: section.flag("use_anthropic_endpoints"),
        api_version: section.reference("api_version"),
        anthropic_version: section.reference("anthropic_version"),
        endpoint: section.judged("endpoint", crate::endpoint::https),
        project_number: section.reference("project_number"),
        force_single_region: section.flag("force_single_region").unwrap_or_default(),
        inference_profile_arn: section.judged("inference_profile_arn", crate::arn::any),
        use_deployments_endpoint: section.flag("use_deployments_endpoint").unwrap_or_default(),
    };
    for (name, owners) in OWNERS {
        if !owners.contains(&vendor) {
            section.refuse(name, owners, vendor);
        }
    }
    section.finish();
    Some(Alias { model_id: model_id?, ..alias })
}
