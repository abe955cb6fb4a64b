//! The JSON Schema of the format, made from the settings' own types.
//!
//! The derived schema takes every field as required and lacks the older spellings; both are
//! corrected here and by the sections' `transform` attributes. A test compares the result with
//! what the readers accept.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::config::Config;

/// Marks the fields that are really required, until the derived list is gone.
const REQUIRED_MARK: &str = "x-required";

/// The JSON Schema of `config.json`.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(Required);
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<Config>();
    let property = json!({ "description": "Address of a schema, for editors.", "type": "string" });
    add_property(&mut schema, "$schema", property);
    schema.to_value()
}

/// Adds a property that no field of a settings struct stands for.
pub(crate) fn add_property(schema: &mut Schema, name: &str, property: Value) {
    let object = schema.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(name.to_owned(), property);
    }
}

/// Puts the marked list in the place of the derived one.
#[derive(Debug, Clone, Copy)]
struct Required;

impl Transform for Required {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("required");
        if let Some(required) = schema.remove(REQUIRED_MARK) {
            schema.insert("required".to_owned(), required);
        }
    }
}
