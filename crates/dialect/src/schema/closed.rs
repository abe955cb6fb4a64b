//! JSON Schema as Anthropic and Bedrock take it for structured output and strict tools: objects are
//! closed, and what no grammar can enforce is left out.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>, "JSON Schema
//! limitations"; <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>.
//! Anthropic's own SDK narrows schemas alike. Knows no request.

use serde_json::{Map, Value};

/// Keywords that are refused.
const REFUSED: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
    "patternProperties",
];
/// Keywords that hold a schema.
const SCHEMA: [&str; 2] = ["items", "additionalItems"];
/// Keywords that hold a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "allOf", "oneOf", "prefixItems"];
/// Keywords that hold schemas by name.
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];
/// Bodies are never nested deeper.
const DEPTH_MAX: u32 = 128;

/// Closes every object of `schema` and takes out what is refused; whether that changed what the
/// schema means.
#[must_use]
pub fn close(schema: &mut Value) -> bool {
    closed(schema, DEPTH_MAX)
}

fn closed(schema: &mut Value, depth: u32) -> bool {
    let Value::Object(schema) = schema else { return false };
    let Some(depth) = depth.checked_sub(1) else { return false };
    let mut changed = false;
    for keyword in REFUSED {
        changed |= schema.shift_remove(keyword).is_some();
    }
    if schema.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 1) {
        schema.insert("minItems".into(), 1.into());
        changed = true;
    }
    // Exactly one of several: a grammar does not count, and neither do SDKs.
    if let Some(list) = schema.shift_remove("oneOf") {
        schema.entry("anyOf").or_insert(list);
    }
    if is_object(schema) {
        let before = schema.insert("additionalProperties".into(), false.into());
        changed |= before.is_some_and(|before| before != Value::Bool(false));
    }
    for keyword in SCHEMA {
        if let Some(inner) = schema.get_mut(keyword) {
            changed |= closed(inner, depth);
        }
    }
    for keyword in LISTS {
        if let Some(Value::Array(list)) = schema.get_mut(keyword) {
            changed |= list.iter_mut().fold(false, |any, inner| closed(inner, depth) | any);
        }
    }
    for keyword in MAPS {
        if let Some(Value::Object(map)) = schema.get_mut(keyword) {
            changed |= map.values_mut().fold(false, |any, inner| closed(inner, depth) | any);
        }
    }
    changed
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_closed_wherever_they_are() {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "list": {"type": "array", "items": {"type": ["object", "null"], "properties": {}}},
                "either": {"oneOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]},
                "properties": {"type": "string"}
            },
            "$defs": {"a": {"properties": {"x": {"type": "integer"}}}}
        });
        assert!(!close(&mut schema));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["list"]["items"]["additionalProperties"], false);
        assert_eq!(schema["$defs"]["a"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["either"]["anyOf"][1]["type"], "string");
        assert_eq!(schema["properties"]["properties"], json!({"type": "string"}));
    }

    #[test]
    fn what_changes_the_meaning_is_said() {
        for mut schema in [
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "array", "minItems": 3, "items": {"type": "string"}}),
        ] {
            assert!(close(&mut schema), "{schema}");
            assert!(!close(&mut schema), "{schema}");
        }
    }
}
