//! JSON Schema made to fit formats that know less of it than clients use.
//!
//! Both helpers know which members of a schema are schemas themselves: a property that happens to
//! be called `$ref` or `pattern` is a property and no keyword, and what stands in `enum`, `const`,
//! `default` or `examples` is data. Nothing else of a schema is understood or checked.

pub mod closed;

use serde_json::{Map, Value};

use crate::fault::RequestFault;
use crate::json::DEPTH_MAX;

/// No schema is larger with its references written out; about as much memory as it takes.
const BYTES_MAX: usize = 4 << 20;

/// Keywords that are a schema, or an array of schemas.
const SCHEMAS: [&str; 17] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "extends",
];

/// Keywords that are schemas by name.
const MAPS: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Keywords that only describe: the ones beside a reference stand in for the referred schema's.
const ANNOTATIONS: [&str; 9] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    "nullable",
];

/// The same schema with every reference replaced by what it refers to, and without the definitions
/// that are of no use then.
///
/// # Errors
/// A reference leads out of the schema, to nothing, or back to itself: such a schema has no end. Or
/// the result would be too large or too deep.
pub fn inline_refs(schema: &Value) -> Result<Value, RequestFault> {
    Inliner { root: schema, open: vec![""], bytes: 0 }.schema(schema, 1)
}

/// The same schema without `keywords`, wherever they are keywords.
#[must_use]
pub fn without(schema: &Value, keywords: &[&str]) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !keywords.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), without_in(name, value, keywords)));
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

fn without_in(name: &str, value: &Value, keywords: &[&str]) -> Value {
    match value {
        Value::Object(members) if MAPS.contains(&name) => {
            let each = members.iter();
            let each = each.map(|(name, schema)| (name.clone(), without(schema, keywords)));
            Value::Object(each.collect())
        }
        Value::Array(list) if SCHEMAS.contains(&name) => {
            list.iter().map(|schema| without(schema, keywords)).collect()
        }
        value if SCHEMAS.contains(&name) => without(value, keywords),
        other => other.clone(),
    }
}

struct Inliner<'a> {
    root: &'a Value,
    /// The references that are being written out, each within the one before; the document itself
    /// first.
    open: Vec<&'a str>,
    /// What is written so far.
    bytes: usize,
}

// === impl Inliner ===

impl<'a> Inliner<'a> {
    fn schema(&mut self, schema: &'a Value, depth: u32) -> Result<Value, RequestFault> {
        let Value::Object(members) = schema else { return self.data(schema, depth) };
        self.check(depth, 2)?;
        let mut own = Map::new();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("$ref", Value::String(_)) | ("$defs" | "definitions", Value::Object(_)) => {}
                ("$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    let why = format!("`{name}` \"{reference}\" cannot be written out");
                    return Err(refuse(&why));
                }
                _ => {
                    self.check(depth, name.len())?;
                    own.insert(name.clone(), self.member(name, value, depth)?);
                }
            }
        }
        match members.get("$ref") {
            Some(Value::String(reference)) => Ok(beside(self.reference(reference, depth)?, own)),
            _ => Ok(Value::Object(own)),
        }
    }

    fn member(&mut self, name: &str, value: &'a Value, depth: u32) -> Result<Value, RequestFault> {
        match value {
            Value::Object(members) if MAPS.contains(&name) => {
                let mut schemas = Map::new();
                for (name, schema) in members {
                    self.check(depth, name.len())?;
                    schemas.insert(name.clone(), self.schema(schema, depth + 2)?);
                }
                Ok(Value::Object(schemas))
            }
            Value::Array(list) if SCHEMAS.contains(&name) => {
                list.iter().map(|schema| self.schema(schema, depth + 2)).collect()
            }
            value if SCHEMAS.contains(&name) => self.schema(value, depth + 1),
            other => self.data(other, depth + 1),
        }
    }

    /// What `reference` leads to.
    fn reference(&mut self, reference: &'a str, depth: u32) -> Result<Value, RequestFault> {
        let Some(pointer) = reference.strip_prefix('#') else {
            let why = format!("`$ref` \"{reference}\" leads out of the schema");
            return Err(refuse(&why));
        };
        if self.open.contains(&pointer) {
            let why = format!(
                "`$ref` \"{reference}\" leads back to itself; no schema without end is taken"
            );
            return Err(refuse(&why));
        }
        let found = decoded(pointer).and_then(|path| self.root.pointer(&path));
        let Some(target) = found else {
            let why = format!("`$ref` \"{reference}\" leads to nothing");
            return Err(RequestFault::invalid("", why));
        };
        self.open.push(pointer);
        // A reference to a reference is one level deeper, so that a long chain has an end.
        let schema = self.schema(target, depth + 1);
        self.open.pop();
        schema
    }

    /// Something that is no schema, as it is.
    fn data(&mut self, value: &Value, depth: u32) -> Result<Value, RequestFault> {
        match value {
            Value::String(text) => self.check(depth, text.len())?,
            Value::Array(list) => {
                self.check(depth, 2)?;
                return list.iter().map(|value| self.data(value, depth + 1)).collect();
            }
            Value::Object(members) => {
                self.check(depth, 2)?;
                let mut copy = Map::new();
                for (name, value) in members {
                    self.check(depth, name.len())?;
                    copy.insert(name.clone(), self.data(value, depth + 1)?);
                }
                return Ok(Value::Object(copy));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.check(depth, 4)?,
        }
        Ok(value.clone())
    }

    /// Counts `bytes` more and what keeping them takes.
    fn check(&mut self, depth: u32, bytes: usize) -> Result<(), RequestFault> {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(size_of::<Value>());
        if self.bytes > BYTES_MAX {
            let why = format!("with its references written out it is over {BYTES_MAX} bytes");
            return Err(refuse(&why));
        }
        if depth > DEPTH_MAX {
            let why = format!("with its references written out it is over {DEPTH_MAX} levels deep");
            return Err(refuse(&why));
        }
        Ok(())
    }
}

/// The schema that asks for `referred` and for what stands beside the reference.
fn beside(referred: Value, own: Map<String, Value>) -> Value {
    let mut referred = match referred {
        _ if own.is_empty() => return referred,
        Value::Object(referred) => referred,
        Value::Bool(true) => return Value::Object(own),
        other => return other,
    };
    let is_twice = |name: &String| referred.contains_key(name);
    if own.keys().any(|name| is_twice(name) && !ANNOTATIONS.contains(&name.as_str())) {
        let both = Value::Array(vec![Value::Object(referred), Value::Object(own)]);
        return Value::Object(Map::from_iter([("allOf".to_owned(), both)]));
    }
    referred.extend(own);
    Value::Object(referred)
}

/// A fragment without its percent signs; `None` if it is none.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn refuse(why: &str) -> RequestFault {
    RequestFault::unsupported("", format!("a JSON schema cannot be sent to this provider: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inlined(schema: &Value) -> Value {
        inline_refs(schema).unwrap()
    }

    fn fault(schema: &Value) -> RequestFault {
        inline_refs(schema).unwrap_err()
    }

    #[test]
    fn references_become_what_they_refer_to() {
        let schema = json!({
            "type": "object",
            "properties": {
                "home": { "$ref": "#/$defs/address" },
                "others": { "type": "array", "items": { "$ref": "#/$defs/address" } },
                "either": { "anyOf": [{ "$ref": "#/definitions/a~1b" }, { "type": "null" }] },
                "percent": { "$ref": "#/definitions/x%20y" },
                "again": { "$ref": "#/properties/home" },
            },
            "$defs": { "address": { "type": "object", "properties": {
                "country": { "$ref": "#/$defs/country" } } }, "country": { "enum": ["no", "it"] } },
            "definitions": { "a/b": { "type": "string" }, "x y": true },
        });
        let address = json!({ "type": "object",
            "properties": { "country": { "enum": ["no", "it"] } } });
        let expected = json!({
            "type": "object",
            "properties": {
                "home": address,
                "others": { "type": "array", "items": address },
                "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                "percent": true,
                "again": address,
            },
        });
        assert_eq!(inlined(&schema), expected);
    }

    #[test]
    fn what_stands_beside_a_reference_counts() {
        let with = |beside: Value| {
            let mut property = json!({ "$ref": "#/$defs/a" });
            property.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
            let a = json!({ "type": "string", "description": "old", "maxLength": 9 });
            inlined(&json!({ "items": property, "$defs": { "a": a } }))["items"].clone()
        };
        let expected =
            json!({ "type": "string", "description": "new", "maxLength": 9, "minLength": 1 });
        assert_eq!(with(json!({ "description": "new", "minLength": 1 })), expected);
        let a = json!({ "type": "string", "description": "old", "maxLength": 9 });
        let expected = json!({ "allOf": [a, { "maxLength": 5 }] });
        assert_eq!(with(json!({ "maxLength": 5 })), expected);
    }

    #[test]
    fn properties_and_data_are_no_keywords() {
        let schema = json!({
            "properties": {
                "$ref": { "type": "string" },
                "definitions": { "type": "string" },
                "x": { "const": { "$ref": "#/nothing" }, "enum": [{ "$ref": "?" }] },
            },
            "default": { "$ref": "#/nothing", "pattern": "p" },
        });
        assert_eq!(inlined(&schema), schema);
        assert_eq!(without(&schema, &["$ref", "definitions", "pattern"]), schema);
        assert_eq!(inlined(&json!(true)), json!(true));
    }

    #[test]
    fn schemas_without_end_are_refused() {
        let direct = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        let around = json!({ "items": { "$ref": "#/$defs/a" }, "$defs": {
            "a": { "items": { "$ref": "#/$defs/b" } }, "b": { "not": { "$ref": "#/$defs/a" } } } });
        let whole = json!({ "properties": { "child": { "$ref": "#" } } });
        let above = json!({ "properties": { "a": { "items": { "$ref": "#/properties/a" } } } });
        for schema in [direct, around, whole, above] {
            let fault = fault(&schema);
            assert!(fault.is_targets && fault.message.contains("leads back to itself"), "{fault}");
        }
        assert!(fault(&json!({ "$recursiveRef": "#" })).is_targets);
        assert!(fault(&json!({ "$ref": "https://example.com/s.json" })).is_targets);
        assert!(!fault(&json!({ "$ref": "#/$defs/none" })).is_targets);
        assert!(!fault(&json!({ "$ref": "#/%zz" })).is_targets);
        assert!(!fault(&json!({ "$ref": "#/%f" })).is_targets);
    }

    #[test]
    fn growth_has_a_bound() {
        let mut defs = Map::new();
        defs.insert("0".to_owned(), json!({ "description": "x".repeat(1000) }));
        for level in 1..40 {
            let below = json!({ "$ref": format!("#/$defs/{}", level - 1) });
            let doubled = json!({ "properties": { "a": below, "b": below } });
            defs.insert(level.to_string(), doubled);
        }
        let fault = fault(&json!({ "$ref": "#/$defs/39", "$defs": defs }));
        assert!(fault.message.contains("over 4194304 bytes"), "{fault}");
        let mut defs = Map::new();
        for level in 0..1000 {
            let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
            defs.insert(level.to_string(), next);
        }
        let fault = self::fault(&json!({ "$ref": "#/$defs/0", "$defs": defs }));
        assert!(fault.message.contains("levels deep"), "{fault}");
    }

    #[test]
    fn keywords_are_taken_out_everywhere() {
        let schema = json!({
            "$schema": "s", "type": "object", "additionalProperties": false,
            "properties": { "pattern": { "type": "string", "pattern": "^a" } },
            "items": [{ "pattern": "b" }], "anyOf": [{ "not": { "pattern": "c" } }],
            "$defs": { "d": { "pattern": "d", "type": "string" } },
        });
        let expected = json!({
            "type": "object",
            "properties": { "pattern": { "type": "string" } },
            "items": [{}], "anyOf": [{ "not": {} }],
            "$defs": { "d": { "type": "string" } },
        });
        assert_eq!(without(&schema, &["pattern", "$schema", "additionalProperties"]), expected);
    }
}
