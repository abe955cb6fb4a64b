//! A value that fits a JSON Schema as far as its types, choices, properties and references say: the
//! arguments of a call, or an answer of a given form. Pure.

use serde_json::{Map, Value, json};

/// Deepest nesting of what is made up.
const DEPTH_MAX: u32 = 8;

/// An object that fits `schema`; empty if the schema is that of something else.
pub(crate) fn arguments(schema: &Value) -> Value {
    match value("arguments", schema) {
        object @ Value::Object(_) => object,
        _ => Value::Object(Map::new()),
    }
}

/// A value called `name` that fits `schema`.
pub(crate) fn value(name: &str, schema: &Value) -> Value {
    Sample { root: schema }.of(name, schema, 0)
}

struct Sample<'s> {
    /// Where references begin.
    root: &'s Value,
}

impl Sample<'_> {
    fn of(&self, name: &str, schema: &Value, depth: u32) -> Value {
        if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            return value.clone();
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        let meant = reference.and_then(|path| self.root.pointer(path.strip_prefix('#')?));
        let either = ["anyOf", "oneOf", "allOf"].iter().find_map(|of| schema.get(of)?.get(0));
        if let Some(other) = meant.or(either).filter(|_| depth < DEPTH_MAX) {
            return self.of(name, other, depth + 1);
        }
        let kind = schema.get("type");
        let kind = kind.and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
        let has_properties = schema.get("properties").is_some();
        // One vendor writes types in capitals.
        let kind = kind.unwrap_or(if has_properties { "object" } else { "string" });
        match kind.to_ascii_lowercase().as_str() {
            "object" if depth < DEPTH_MAX => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let samples = properties.into_iter().flatten();
                samples
                    .map(|(name, inner)| (name.clone(), self.of(name, inner, depth + 1)))
                    .collect()
            }
            "array" if depth < DEPTH_MAX => {
                let items = schema.get("items");
                items.map_or(json!([]), |inner| json!([self.of(name, inner, depth + 1)]))
            }
            "object" => json!({}),
            "array" => json!([]),
            "integer" => json!(7),
            "number" => json!(1.5),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(format!("sample {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_schema() {
        for (schema, expected) in [
            (
                json!({"type": "OBJECT", "properties": {"days": {"type": "INTEGER"}}}),
                json!({"days": 7}),
            ),
            (json!({"type": ["string", "null"]}), json!("sample x")),
            (json!({"enum": ["C", "F"]}), json!("C")),
            (json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}), json!(true)),
            (
                json!({"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"const": 3}}}),
                json!([3]),
            ),
            (json!({"$ref": "#/$defs/none"}), json!("sample x")),
        ] {
            assert_eq!(value("x", &schema), expected, "{schema}");
        }
        assert_eq!(arguments(&Value::Null), json!({}));
        let endless = json!({"$ref": "#"});
        assert_eq!(value("x", &endless), json!("sample x"));
    }
}
