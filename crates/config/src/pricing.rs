//! `pricing_overrides` of a provider: accepted and checked; prices have no effect in this build.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::reader::Field;

/// Prices of the models that a pattern fits.
#[derive(Debug, Clone, PartialEq)]
pub struct PricingOverride {
    /// Which models.
    pub model_pattern: String,
    /// How the pattern is read.
    pub match_type: MatchType,
    /// For which request types; empty for all.
    pub request_types: Vec<String>,
    /// Costs in US dollars by the field's name, as `input_cost_per_token`.
    pub costs: BTreeMap<String, f64>,
}

/// How a pattern is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MatchType {
    /// The model's name.
    #[default]
    Exact,
    /// A name with `*`.
    Wildcard,
    /// A regular expression.
    Regex,
}

const MATCH_TYPES: [(&str, MatchType); 3] =
    [("exact", MatchType::Exact), ("wildcard", MatchType::Wildcard), ("regex", MatchType::Regex)];

/// The fields that are not costs.
const NAMED: [&str; 4] = ["id", "model_pattern", "match_type", "request_types"];

pub(crate) fn read(field: &Field<'_>) -> Option<PricingOverride> {
    let mut section = field.section()?;
    let model_pattern = section
        .required("model_pattern", "a model's name or a pattern")
        .and_then(|field| field.text().map(str::to_owned));
    let match_type = section.choice("match_type", &MATCH_TYPES).unwrap_or_default();
    let request_types = section.texts("request_types").unwrap_or_default();
    let _ = section.text("id");
    let mut costs = BTreeMap::new();
    for (name, cost) in field.members()? {
        let is_null = matches!(cost.value, jsonc_parser::ast::Value::NullKeyword(_));
        if NAMED.contains(&name) || is_null {
            continue;
        }
        if let Some(cost) = cost.number(0.0..=f64::MAX, "a cost: a number of 0 or more") {
            costs.insert(name.to_owned(), cost);
        }
    }
    Some(PricingOverride { model_pattern: model_pattern?, match_type, request_types, costs })
}

impl JsonSchema for PricingOverride {
    fn schema_name() -> Cow<'static, str> {
        "PricingOverride".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let types: Vec<&str> = MATCH_TYPES.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "description": "Prices of the models that a pattern fits. Every further field is a \
                cost in US dollars, as `input_cost_per_token`.",
            "type": "object",
            "properties": {
                "id": { "type": ["string", "null"], "description": "Free text." },
                "model_pattern": { "type": "string", "description": "Which models." },
                "match_type": { "enum": types, "description": "How the pattern is read." },
                "request_types": {
                    "type": ["array", "null"],
                    "items": json!({ "type": "string" }),
                    "description": "For which request types; empty for all."
                }
            },
            "x-required": ["model_pattern"],
            "additionalProperties": { "type": ["number", "null"], "minimum": 0 }
        })
    }
}
