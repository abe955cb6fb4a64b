//! What a key and its aliases say of where models are called: the variables of the vendor's
//! addresses, and which models differ from the rest of their key.

use weir_config::{Alias, ApiFormat, Arn, AzureKey, BedrockKey, Key, SecretRef, VertexKey};
use weir_worker::{Models, Variant};

use super::Missing;

/// Of a key.
pub(super) struct Places {
    pub(super) variables: Variables,
    pub(super) variants: Vec<Variant>,
}

type Variables = Vec<(String, String)>;

/// What `key` says.
pub(super) fn of(key: &Key, missing: &mut Missing) -> Places {
    let blocks = &key.blocks;
    let mut add = Add { variables: Vec::new(), missing };
    let mut variants = Vec::new();
    if let Some(azure) = &blocks.azure_key_config {
        of_azure(key, azure, &mut add, &mut variants);
    }
    if let Some(bedrock) = &blocks.bedrock_key_config {
        of_bedrock(key, bedrock, &mut add, &mut variants);
    }
    if let Some(mantle) = &blocks.bedrock_mantle_key_config {
        add.region(&mantle.region);
        add.text("project", "project_id", &mantle.project_id);
        aliases(key, &mut add, &mut variants, |alias, add| {
            add.region(&alias.region);
            add.text("project", "project_id", &alias.project_id);
            Variation::default()
        });
    }
    if let Some(databricks) = &blocks.databricks_key_config {
        let interfaces: &[&str] = match databricks.api_format {
            ApiFormat::Auto => &["auto", "model_serving"],
            ApiFormat::ModelServing => &["model_serving"],
            ApiFormat::AiGateway => &["ai_gateway"],
        };
        interfaces.iter().for_each(|name| add.put(name, String::new()));
    }
    if let Some(vertex) = &blocks.vertex_key_config {
        of_vertex(key, vertex, &mut add, &mut variants);
    }
    Places { variables: add.variables, variants }
}

/// Variables as they are found.
struct Add<'a> {
    variables: Variables,
    missing: &'a mut Missing,
}

impl Add<'_> {
    fn put(&mut self, name: &str, value: String) {
        self.variables.push((name.to_owned(), value));
    }

    fn text(&mut self, name: &str, path: &str, value: &SecretRef) -> Option<String> {
        let value = self.missing.text(path, value)?;
        self.put(name, value.clone());
        Some(value)
    }

    fn arn(&mut self, path: &str, value: &SecretRef) -> Option<Arn> {
        let text = self.missing.text(path, value)?;
        let arn = Arn::parse(&text);
        if arn.is_none() {
            self.missing.note(&format!("{path}: not an ARN"));
        }
        arn
    }

    fn region(&mut self, value: &SecretRef) -> Option<String> {
        self.text("region", "region", value)
    }
}

/// What an alias says besides variables.
#[derive(Default)]
struct Variation {
    base_url: Option<String>,
    model: Option<String>,
}

/// A variant for each alias of `key` that says anything of its own.
fn aliases(
    key: &Key,
    add: &mut Add<'_>,
    variants: &mut Vec<Variant>,
    mut of: impl FnMut(&Alias, &mut Add<'_>) -> Variation,
) {
    for alias in &key.aliases {
        let within = format!("aliases.{}.", alias.name);
        let mut own = Missing::within(&within);
        let mut own_add = Add { variables: Vec::new(), missing: &mut own };
        let Variation { base_url, model } = of(alias, &mut own_add);
        let variables = own_add.variables;
        if let Some(why) = own.reason() {
            add.missing.note(&why);
        }
        if variables.is_empty() && base_url.is_none() && model.is_none() {
            continue;
        }
        let models = Models::Alias(alias.name.clone());
        variants.push(Variant { models, base_url, variables, model });
    }
}

fn of_azure(key: &Key, azure: &AzureKey, add: &mut Add<'_>, variants: &mut Vec<Variant>) {
    add.text("api_version", "api_version", &azure.api_version);
    aliases(key, add, variants, |alias, add| {
        add.text("api_version", "api_version", &alias.api_version);
        add.text("anthropic_version", "anthropic_version", &alias.anthropic_version);
        let base_url = add.missing.text("endpoint", &alias.endpoint);
        Variation { base_url, model: None }
    });
}

/// The variable that stands before the names of Bedrock's models.
const ARN: &str = "arn";
/// The same where a name alone is not understood.
const MODEL_ARN: &str = "model_arn";

/// What stands before the name of a model that is everybody's.
fn foundation_model(region: &str) -> String {
    let partition = match region {
        china if china.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:bedrock:{region}::foundation-model/")
}

fn of_bedrock(key: &Key, bedrock: &BedrockKey, add: &mut Add<'_>, variants: &mut Vec<Variant>) {
    let region = add.region(&bedrock.region);
    add.text("project", "project_id", &bedrock.project_id);
    let prefix = match add.arn("arn", &bedrock.arn) {
        None => String::new(),
        Some(Arn::Kind(prefix)) => prefix,
        Some(Arn::Thing(_)) => {
            add.missing.note("arn: it is what stands before models' names");
            String::new()
        }
    };
    let has_prefix = !prefix.is_empty();
    match region {
        Some(region) if !has_prefix => add.put(MODEL_ARN, foundation_model(&region)),
        _ => add.put(MODEL_ARN, prefix.clone()),
    }
    add.put(ARN, prefix);
    aliases(key, add, variants, |alias, add| {
        if let Some(region) = add.region(&alias.region).filter(|_| !has_prefix) {
            add.put(MODEL_ARN, foundation_model(&region));
        }
        add.text("project", "project_id", &alias.project_id);
        let mut model = None;
        match add.arn("inference_profile_arn", &alias.inference_profile_arn) {
            None if has_prefix && alias.model_id.starts_with("arn:") => {
                add.put(ARN, String::new());
            }
            None => {}
            Some(Arn::Kind(prefix)) => {
                // Of two the first counts.
                add.variables.retain(|(name, _)| name != MODEL_ARN);
                add.put(MODEL_ARN, prefix.clone());
                add.put(ARN, prefix);
            }
            Some(Arn::Thing(profile)) => {
                add.put(ARN, String::new());
                model = Some(profile);
            }
        }
        Variation { base_url: None, model }
    });
    if has_prefix {
        // Who writes a whole one down means it.
        variants.push(Variant {
            models: Models::Beginning(&["arn:"]),
            base_url: None,
            variables: vec![(ARN.to_owned(), String::new())],
            model: None,
        });
    }
}

fn of_vertex(key: &Key, vertex: &VertexKey, add: &mut Add<'_>, variants: &mut Vec<Variant>) {
    let project = add.text("project", "project_id", &vertex.project_id);
    let number = add.text("project_number", "project_number", &vertex.project_number);
    if let (None, Some(project)) = (number, &project) {
        add.put("project_number", project.clone());
    }
    let region = add.missing.text("region", &vertex.region);
    place(region.as_deref(), add);
    let pool = region.as_deref().filter(|_| !vertex.force_single_region).and_then(pool_of);
    aliases(key, add, variants, |alias, add| {
        let project = add.text("project", "project_id", &alias.project_id);
        let number = add.text("project_number", "project_number", &alias.project_number);
        if let (None, Some(project)) = (number, project) {
            add.put("project_number", project);
        }
        let own = add.missing.text("region", &alias.region);
        let is_single = vertex.force_single_region || alias.force_single_region;
        let at = own.as_deref().or(region.as_deref());
        let pool = at.filter(|_| !is_single && is_multi_region_only(&alias.model_id));
        match (pool.and_then(pool_of), own) {
            (Some(pool), _) => place(Some(pool), add),
            (None, Some(own)) => place(Some(&own), add),
            // Said here, so that the key's own pool does not count.
            (None, None) if alias.force_single_region => place(region.as_deref(), add),
            (None, None) => {}
        }
        Variation::default()
    });
    if let Some(pool) = pool {
        let mut add = Add { variables: Vec::new(), missing: add.missing };
        place(Some(pool), &mut add);
        variants.push(Variant {
            models: Models::Beginning(MULTI_REGION_ONLY),
            base_url: None,
            variables: add.variables,
            model: None,
        });
    }
}

fn place(region: Option<&str>, add: &mut Add<'_>) {
    let Some(region) = region else { return };
    add.put("vertex_host", vertex_host(region));
    add.put("region", region.to_owned());
    let (host, location) = ranking(region);
    add.put("ranking_host", host.to_owned());
    add.put("ranking_location", location.to_owned());
}

/// Where Vertex AI ranks documents for a key of `region`, and what that place is called. It is nowhere but
/// in Europe, in the United States and everywhere, and what is to stay in Europe does.
/// <https://docs.cloud.google.com/generative-ai-app-builder/docs/locations>
fn ranking(region: &str) -> (&'static str, &'static str) {
    match region {
        "us" => ("us-discoveryengine.googleapis.com", "us"),
        europe if europe == "eu" || pool_of(europe) == Some("eu") => {
            ("eu-discoveryengine.googleapis.com", "eu")
        }
        _ => ("discoveryengine.googleapis.com", "global"),
    }
}

/// Vertex AI's server for `region`.
fn vertex_host(region: &str) -> String {
    match region {
        "global" => "aiplatform.googleapis.com".to_owned(),
        // Regions that span a continent.
        "us" | "eu" => format!("aiplatform.{region}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    }
}

/// Models that Vertex AI serves in regions that span a continent and in the global one, but in no
/// single one. Names may stand behind their publisher's.
const MULTI_REGION_ONLY: &[&str] = &[
    "gemini-3.5",
    "gemini-embedding-2",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "google/gemini-3.5",
    "google/gemini-embedding-2",
];

fn is_multi_region_only(model: &str) -> bool {
    MULTI_REGION_ONLY.iter().any(|name| model.starts_with(name))
}

/// The region that spans the continent on which `region` is.
fn pool_of(region: &str) -> Option<&'static str> {
    match region.split_once('-')?.0 {
        "us" => Some("us"),
        "europe" => Some("eu"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
