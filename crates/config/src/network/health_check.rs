//! `network_config.health_check`: how servers of one's own are asked how they are.

use std::time::Duration;

use schemars::JsonSchema;

use crate::reader::{Field, Section};
use crate::report::Draft;

/// Providers whose keys are servers, and where each kind says how it is.
const PATHS: [(&str, &str); 3] = [("ollama", "/"), ("sgl", "/health"), ("vllm", "/health")];
const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time that can be set, in seconds.
const SECONDS_MAX: u64 = 3600;

/// How servers are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HealthCheck {
    /// Where, from the server's root on. Default: `/health`, for ollama `/`.
    #[schemars(with = "Option<String>", regex(pattern = "^/"))]
    pub path: String,
    /// The pause between two looks.
    #[schemars(rename = "interval_in_seconds")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 3600), extend("default" = 5))]
    pub interval: Duration,
    /// A look takes no longer.
    #[schemars(rename = "timeout_in_seconds")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 3600), extend("default" = 2))]
    pub timeout: Duration,
}

pub(super) fn read(network: &mut Section<'_>, vendor: &str) -> Option<HealthCheck> {
    let field = network.field("health_check")?;
    let usual = PATHS.iter().find(|(name, _)| *name == vendor).map(|(_, path)| *path);
    if usual.is_none() {
        let draft = Draft::error(format!("not a field for {vendor}"));
        let expected = "a provider whose keys are servers: ollama, sgl or vllm";
        field.report(draft.expected(expected).found(vendor.to_owned()).help("remove it"));
    }
    let mut section = field.section()?;
    let path = section.field("path").and_then(|path| checked(&path));
    let check = HealthCheck {
        path: path.or_else(|| usual.map(str::to_owned)).unwrap_or_default(),
        interval: section.seconds("interval_in_seconds", 1..=SECONDS_MAX, INTERVAL),
        timeout: section.seconds("timeout_in_seconds", 1..=SECONDS_MAX, TIMEOUT),
    };
    section.finish();
    Some(check)
}

/// A path that can stand behind any server's address.
fn checked(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let is_path = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !is_path {
        let draft = Draft::error("not a path").expected("a path that begins with one /");
        field.report(draft.found(format!("{text:?}")).help("write it as `/health`"));
        return None;
    }
    Some(text.to_owned())
}
