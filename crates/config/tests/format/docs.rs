//! The manual names every field.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use weir_config::{BUILTIN_PROVIDERS, schema};

fn names(schema: &Value, names: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        names.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(members) => members.values().for_each(|value| self::names(value, names)),
        Value::Array(items) => items.iter().for_each(|value| self::names(value, names)),
        _ => {}
    }
}

#[test]
fn every_field_and_provider_is_in_the_manual() {
    let manual = fs::read_to_string("../../docs/configuration.md").unwrap();
    let mut wanted = BTreeSet::new();
    names(&schema(), &mut wanted);
    assert!(wanted.len() > 150, "only {} fields", wanted.len());
    wanted.extend(BUILTIN_PROVIDERS.iter().map(|&name| name.to_owned()));
    let missing: Vec<_> =
        wanted.iter().filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}
