//! Sections of the format that Weir does not use.
//!
//! Each that is there is listed once. Those whose loss drops a protection are errors, unless the
//! user accepts it or the section asks for nothing.

use jsonc_parser::ast::Value;
use schemars::Schema;

use crate::reader::{Field, Section};
use crate::report::Draft;
use crate::unacted::is_empty;

/// Top-level names that are known and not used.
const SECTIONS: [&str; 23] = [
    "source_of_truth",
    "encryption_key",
    "env_label",
    "server",
    "framework",
    "mcp",
    "vector_store",
    "config_store",
    "logs_store",
    "plugins",
    "websocket",
    "feature_flags",
    "cluster_config",
    "scim_config",
    "saml_config",
    "load_balancer_config",
    "alerting",
    "circuit_breaker_config",
    "audit_logs",
    "large_payload_optimization",
    // These protect something.
    "guardrails_config",
    "auth_config",
    "access_profiles",
];

/// Top-level names whose loss drops a protection.
const PROTECTIONS: [&str; 3] = ["guardrails_config", "auth_config", "access_profiles"];

/// Parts of `governance` that steer nothing a request may do or cost.
const HARMLESS_GOVERNANCE: [&str; 2] = ["pricing_overrides", "complexity_analyzer_config"];

/// The other parts of `governance`.
const GOVERNANCE: [&str; 11] = [
    "budgets",
    "rate_limits",
    "customers",
    "teams",
    "business_units",
    "roles",
    "routing_rules",
    "model_configs",
    "providers",
    "auth_config",
    "projects",
];

pub(crate) fn read(root: &mut Section<'_>) {
    for name in SECTIONS {
        let Some(field) = root.field(name) else {
            continue;
        };
        if PROTECTIONS.contains(&name) {
            protection(&field);
        } else {
            field.ignore();
        }
    }
}

/// The parts of `governance` that are not served.
pub(crate) fn governance(section: &mut Section<'_>) {
    for name in GOVERNANCE {
        if let Some(part) = section.field(name) {
            protection(&part);
        }
    }
    for name in HARMLESS_GOVERNANCE {
        if let Some(part) = section.field(name) {
            part.ignore();
        }
    }
}

pub(crate) fn protection(field: &Field<'_>) {
    if is_inactive(field.value) || field.reader.options.accept_ignored {
        field.ignore();
        return;
    }
    field.report(
        Draft::error("limits and protections that this build does not have")
            .expected("nothing here, or --accept-ignored")
            .found(field.found())
            .help("remove it if it is not needed; --accept-ignored starts without its protection"),
    );
}

/// Whether a section says nothing, or says that it is off.
fn is_inactive(value: &Value<'_>) -> bool {
    let Value::Object(object) = value else {
        return is_empty(value);
    };
    let off = |name| object.get_boolean(name).is_some_and(|flag| !flag.value);
    object.properties.is_empty() || off("enabled") || off("is_enabled")
}

/// The names of the parts of `governance` that are not served, for the schema.
pub(crate) fn add_governance(schema: &mut Schema) {
    for name in GOVERNANCE.into_iter().chain(HARMLESS_GOVERNANCE) {
        let text = "A part of the format that Weir does not serve.";
        crate::schema::add_property(schema, name, serde_json::json!({ "description": text }));
    }
}

/// The sections' names for the schema.
pub(crate) fn add_sections(schema: &mut Schema) {
    for name in SECTIONS {
        let text = "A section of the format that Weir does not use.";
        let property = serde_json::json!({ "description": text });
        crate::schema::add_property(schema, name, property);
    }
}
