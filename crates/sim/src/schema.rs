//! What is wrong with a JSON Schema for services that hold a model to it. Pure.

use serde_json::Value;

/// What no service enforces, and those that are strict about it refuse.
const UNENFORCED: [&str; 9] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
];

/// Why a model cannot be held to `schema`: an object that is open, or a keyword that is not enforced.
pub(crate) fn flaw(schema: &Value) -> Option<String> {
    let kind = schema.get("type");
    let is_object = kind.is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    });
    if is_object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        let message = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Some(message.to_owned());
    }
    if let Some(name) = UNENFORCED.iter().find(|name| schema.get(name).is_some()) {
        return Some(format!("property '{name}' is not supported"));
    }
    let by_name = ["properties", "$defs", "definitions"].iter();
    let by_name = by_name.filter_map(|name| schema.get(name)?.as_object());
    let listed = ["anyOf", "allOf", "oneOf", "prefixItems"].iter();
    let listed = listed.filter_map(|name| schema.get(name)?.as_array());
    let inner = by_name.flat_map(|inner| inner.values());
    inner.chain(listed.flatten()).chain(schema.get("items")).find_map(flaw)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn open_objects_and_bounds_are_found_wherever_they_are() {
        let closed = json!({"type": "object", "additionalProperties": false, "properties":
            {"minimum": {"type": "integer"}, "list": {"type": "array", "items": {"$ref": "#/$defs/a"}}},
            "$defs": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}});
        assert_eq!(flaw(&closed), None);
        for (path, inner) in [
            ("/properties/list/items", json!({"type": "object"})),
            ("/$defs/a/anyOf/1", json!({"type": ["object", "null"], "additionalProperties": true})),
            ("/properties/minimum", json!({"type": "integer", "minimum": 1})),
            ("/additionalProperties", json!(true)),
        ] {
            let mut schema = closed.clone();
            *schema.pointer_mut(path).unwrap() = inner;
            assert!(flaw(&schema).is_some(), "{path}");
        }
    }
}
