//! `prompt_cache`: accepted and checked; cache marks are not injected by this build.

use schemars::JsonSchema;

use crate::reader::Field;

/// Where cache marks are put into prompts.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PromptCache {
    /// Whether marks are put without being asked for.
    #[schemars(with = "Option<bool>")]
    pub auto_inject: bool,
    /// How long the provider keeps what is marked: `1h`, or its default.
    #[schemars(extend("enum" = ["1h", null]))]
    pub ttl: Option<String>,
    /// Which messages are marked.
    #[schemars(with = "Option<Vec<InjectionPoint>>")]
    pub cache_control_injection_points: Vec<InjectionPoint>,
}

/// A message that is marked.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct InjectionPoint {
    /// Messages of this role.
    pub role: Option<String>,
    /// The message at this place; negative from the end.
    pub index: Option<i64>,
}

pub(crate) fn read(field: &Field<'_>) -> Option<PromptCache> {
    let mut section = field.section()?;
    let points = section.field("cache_control_injection_points").and_then(|field| field.items());
    let cache = PromptCache {
        auto_inject: section.flag("auto_inject").unwrap_or_default(),
        ttl: section.choice("ttl", &[("1h", "1h")]).map(str::to_owned),
        cache_control_injection_points: points
            .unwrap_or_default()
            .iter()
            .filter_map(point)
            .collect(),
    };
    section.finish();
    Some(cache)
}

fn point(field: &Field<'_>) -> Option<InjectionPoint> {
    let mut section = field.section()?;
    let point = InjectionPoint {
        role: section.text("role"),
        index: section.field("index").and_then(|field| field.place()),
    };
    section.finish();
    Some(point)
}
