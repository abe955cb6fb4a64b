//! Two languages for schemas: Google's own (`parameters`, `responseSchema`: types in capitals,
//! `nullable`, counts as text) and JSON Schema (`parametersJsonSchema`, `responseJsonSchema`). Both
//! are read, the second is written.

use serde_json::{Map, Value, json};

use super::camel::camel;

/// Members that hold schemas by name.
const MAPS: [&str; 3] = ["properties", "$defs", "patternProperties"];
/// Members that hold one schema.
const SINGLES: [&str; 3] = ["items", "additionalProperties", "not"];
/// Members that hold a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Members that hold a count, which Google may write as text.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// `schema`, which is in Google's language, as JSON Schema. Already being JSON Schema does no harm.
/// The depth is that of the document, which is bounded.
pub(super) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(members) = schema else { return schema };
    let mut out = Map::with_capacity(members.len());
    let (mut nullable, mut order) = (false, None);
    for (name, value) in members {
        match camel(&name).as_ref() {
            "nullable" => nullable = value == Value::Bool(true),
            "propertyOrdering" => order = Some(value),
            "type" => {
                if let Some(kind) = lower(value) {
                    out.insert(name, kind);
                }
            }
            "format" if value == "enum" => {}
            "example" => {
                out.insert("examples".to_owned(), json!([value]));
            }
            "ref" => {
                out.insert("$ref".to_owned(), value);
            }
            "defs" => {
                out.insert("$defs".to_owned(), each_of_map(value));
            }
            counted if COUNTS.contains(&counted) => {
                let count = value.as_str().and_then(|text| text.parse::<u64>().ok());
                out.insert(counted.to_owned(), count.map_or(value, Value::from));
            }
            map if MAPS.contains(&map) => {
                out.insert(map.to_owned(), each_of_map(value));
            }
            single if SINGLES.contains(&single) => {
                out.insert(single.to_owned(), to_json_schema(value));
            }
            list if LISTS.contains(&list) => {
                out.insert(list.to_owned(), each_of_list(value));
            }
            _ => {
                out.insert(name, value);
            }
        }
    }
    if let Some(Value::Array(order)) = order {
        reorder(&mut out, &order);
    }
    if nullable {
        allow_null(&mut out);
    }
    Value::Object(out)
}

/// The type in small letters; `None` where it says nothing.
fn lower(kind: Value) -> Option<Value> {
    match kind {
        Value::String(text) if text == "TYPE_UNSPECIFIED" => None,
        Value::String(text) => Some(Value::from(text.to_ascii_lowercase())),
        Value::Array(list) => Some(list.into_iter().filter_map(lower).collect()),
        other => Some(other),
    }
}

fn each_of_map(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members = members.into_iter().map(|(name, value)| (name, to_json_schema(value)));
    Value::Object(members.collect())
}

fn each_of_list(value: Value) -> Value {
    let Value::Array(list) = value else { return to_json_schema(value) };
    list.into_iter().map(to_json_schema).collect()
}

/// Puts the properties in the order that the model is to write them in.
fn reorder(schema: &mut Map<String, Value>, order: &[Value]) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let mut rest = std::mem::take(properties);
    for name in order.iter().filter_map(Value::as_str) {
        if let Some((name, value)) = rest.remove_entry(name) {
            properties.insert(name, value);
        }
    }
    properties.extend(rest);
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get_mut("type")
        && kind.is_string()
    {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.push(json!({ "type": "null" }));
    }
}

/// `schema`, which is JSON Schema, as Google takes it: beside `$ref` only members that begin with
/// `$` may stand, and one constant is a list of one.
pub(super) fn tidy(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    members.shift_remove("$schema");
    if members.contains_key("$ref") {
        members.retain(|name, _| name.starts_with('$'));
    }
    if let Some(constant) = members.shift_remove("const") {
        members.entry("enum").or_insert_with(|| Value::Array(vec![constant]));
    }
    for (name, value) in members {
        let name = name.as_str();
        if MAPS.contains(&name) || name == "definitions" {
            value.as_object_mut().into_iter().flatten().for_each(|(_, schema)| tidy(schema));
        } else if SINGLES.contains(&name) {
            tidy(value);
        } else if LISTS.contains(&name) {
            value.as_array_mut().into_iter().flatten().for_each(tidy);
        }
    }
}

/// Whether `schema` describes an object without any members: a function that takes nothing, which
/// Google wants to be said by leaving the schema out.
pub(super) fn takes_nothing(schema: &Value) -> bool {
    let Some(members) = schema.as_object() else { return schema.is_null() };
    let is_empty = |value: &Value| match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Null => true,
        _ => false,
    };
    let harmless = ["type", "title", "description", "$schema", "strict"];
    members.iter().all(|(name, value)| match name.as_str() {
        "additionalProperties" => *value == Value::Bool(false),
        name => harmless.contains(&name) || is_empty(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_schema_becomes_json_schema() {
        let google = json!({"type": "OBJECT", "propertyOrdering": ["b", "a"], "properties": {
            "a": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": true},
            "b": {"type": "ARRAY", "min_items": "2", "items": {"type": "TYPE_UNSPECIFIED",
                "any_of": [{"type": "INTEGER"}, {"type": "NUMBER"}]}},
            "type": {"type": "STRING", "example": "t"}}, "required": ["a"]});
        let expected = json!({"type": "object", "properties": {
            "b": {"type": "array", "minItems": 2, "items":
                {"anyOf": [{"type": "integer"}, {"type": "number"}]}},
            "a": {"type": ["string", "null"], "enum": ["x", null]},
            "type": {"type": "string", "examples": ["t"]}}, "required": ["a"]});
        let read = to_json_schema(google);
        assert_eq!(read, expected);
        assert_eq!(read["properties"].as_object().unwrap().keys().next().unwrap(), "b");
        assert_eq!(to_json_schema(expected.clone()), expected);
    }

    #[test]
    fn a_reference_stands_alone() {
        let mut schema = json!({"$schema": "x", "type": "object", "properties": {
            "n": {"$ref": "#/$defs/n", "description": "gone"}, "const": {"const": 1}},
            "$defs": {"n": {"type": "object", "properties": {"$ref": {"type": "string"}}}}});
        tidy(&mut schema);
        assert_eq!(
            schema,
            json!({"type": "object", "properties": {
                "n": {"$ref": "#/$defs/n"}, "const": {"enum": [1]}},
                "$defs": {"n": {"type": "object", "properties": {"$ref": {"type": "string"}}}}})
        );
    }

    #[test]
    fn no_arguments_are_told_from_any_arguments() {
        assert!(takes_nothing(&json!({"type": "object", "properties": {}, "required": [],
            "additionalProperties": false})));
        assert!(takes_nothing(&Value::Null));
        assert!(!takes_nothing(&json!({"type": "object", "additionalProperties": true})));
        assert!(!takes_nothing(&json!({"$ref": "#/$defs/a"})));
    }
}
