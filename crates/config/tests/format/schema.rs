//! The schema says what the readers do: same names everywhere, same required fields.
//!
//! The readers are asked through their own messages: an unknown field is answered with the list
//! of known ones, an empty object with its missing fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use weir_config::{Options, Report, parse, schema};

/// A name that is near no known one.
const UNKNOWN: &str = "zzzzzzzzzzzzzzzz";

/// One object of the format: where it is, and its schema.
#[derive(Debug, Clone)]
struct Place {
    steps: Vec<Step>,
    schema: Value,
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    /// A member with a name of the user's choice.
    Member,
    Item,
}

/// Every object with a fixed set of names.
fn places() -> Vec<Place> {
    let root = schema();
    let mut places = Vec::new();
    visit(&root, &root, &[], &mut places);
    places
}

fn visit(root: &Value, schema: &Value, steps: &[Step], places: &mut Vec<Place>) {
    let schema = resolve(root, schema);
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        visit(root, alternative, steps, places);
    }
    let then = |step: Step| [steps, &[step]].concat();
    if schema["items"].is_object() {
        visit(root, &schema["items"], &then(Step::Item), places);
    }
    let properties = schema["properties"].as_object();
    if properties.is_some() && is_closed(schema) {
        places.push(Place { steps: steps.to_vec(), schema: schema.clone() });
    }
    for (name, property) in properties.into_iter().flatten() {
        visit(root, property, &then(Step::Field(name.clone())), places);
    }
    if schema["additionalProperties"].is_object() {
        visit(root, &schema["additionalProperties"], &then(Step::Member), places);
    }
}

fn is_closed(schema: &Value) -> bool {
    ["additionalProperties", "unevaluatedProperties"].iter().any(|name| schema[*name] == false)
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => schema,
    }
}

impl Place {
    /// The provider under which an object of this kind can stand.
    fn provider(&self) -> &'static str {
        let blocks = [
            ("azure_key_config", "azure"),
            ("bedrock_key_config", "bedrock"),
            ("bedrock_mantle_key_config", "bedrock_mantle"),
            ("vertex_key_config", "vertex"),
            ("vllm_key_config", "vllm"),
            ("ollama_key_config", "ollama"),
            ("sgl_key_config", "sgl"),
            ("replicate_key_config", "replicate"),
            ("huggingface_key_config", "huggingface"),
            ("databricks_key_config", "databricks"),
            ("github_copilot_key_config", "github-copilot"),
            ("custom_provider_config", "acme"),
        ];
        let field = |name: &str| {
            self.steps.iter().any(|step| matches!(step, Step::Field(field) if field == name))
        };
        let found = blocks.iter().find(|(block, _)| field(block));
        found.map_or("openai", |(_, provider)| provider)
    }

    fn name(&self, index: usize) -> String {
        match &self.steps[index] {
            Step::Field(name) => name.clone(),
            Step::Member if index == 1 => self.provider().to_owned(),
            Step::Member => "member".to_owned(),
            Step::Item => unreachable!(),
        }
    }

    /// A file with `value` at this place.
    fn file(&self, value: Value) -> String {
        let wrap = |value, index: usize| match self.steps[index] {
            Step::Item => json!([value]),
            Step::Field(_) | Step::Member => {
                Value::Object(Map::from_iter([(self.name(index), value)]))
            }
        };
        let file = (0..self.steps.len()).rev().fold(value, wrap);
        serde_json::to_string_pretty(&file).unwrap()
    }

    fn path_of(&self, field: &str) -> String {
        let mut path = String::new();
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Item => path.push_str("[0]"),
                Step::Field(_) | Step::Member => path = format!("{path}.{}", self.name(index)),
            }
        }
        format!("{path}.{field}").trim_start_matches('.').to_owned()
    }

    fn report(&self, value: Value) -> Report {
        let options = Options::new(|_| true);
        let options = Options { variable: None, ..options };
        let file = self.file(value);
        parse("f", &file, &options).expect_err(&file)
    }
}

#[test]
fn the_readers_know_the_names_that_the_schema_lists() {
    let places = places();
    assert!(places.len() > 30, "only {} objects", places.len());
    for place in places {
        let report = place.report(json!({ UNKNOWN: 1 }));
        let path = place.path_of(UNKNOWN);
        let problem = report.problems.iter().find(|problem| problem.path == path);
        let problem = problem.unwrap_or_else(|| panic!("nothing at {path}:\n{report}"));
        let known = problem.expected.as_deref().unwrap().strip_prefix("one of: ").unwrap();
        let known: BTreeSet<&str> = known.split(", ").collect();
        let listed: BTreeSet<&str> =
            place.schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(known, listed, "left: the reader, right: the schema, at {path}");
    }
}

#[test]
fn the_readers_require_what_the_schema_requires() {
    let mut count = 0;
    for place in places() {
        for name in place.schema["required"].as_array().into_iter().flatten() {
            let report = place.report(json!({}));
            let path = place.path_of(name.as_str().unwrap());
            let missing = |message: &str| matches!(message, "missing field" | "unknown value");
            let found = report.problems.iter().any(|p| p.path == path && missing(&p.message));
            assert!(found, "{path} is not required:\n{report}");
            count += 1;
        }
    }
    assert!(count > 10, "only {count} required fields");
}

#[test]
fn every_example_fits_the_schema() {
    let root = schema();
    for (name, text) in crate::examples::all() {
        let file: Value = serde_json::from_str(&text).unwrap();
        fits(&root, &root, &file).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    let misfit = json!({ "providers": { "openai": { "keys": [{ "name": "a", "weight": "1" }] } } });
    assert!(fits(&root, &root, &misfit).is_err());
}

/// Whether `value` has the names and types that `schema` allows; enough of JSON Schema for ours.
fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(root, schema);
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let reasons: Vec<_> =
            alternatives.iter().filter_map(|schema| fits(root, schema, value).err()).collect();
        let none = reasons.len() == alternatives.len();
        return if none { Err(reasons.join("; ")) } else { Ok(()) };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |name: &Value| name == kind || name == "integer" && kind == "number";
    let fitting = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(is),
        Value::Null => true,
        name => is(name),
    };
    if !fitting {
        return Err(format!("{kind} instead of {}", schema["type"]));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(root, &schema["items"], item)?;
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let property = &schema["properties"][name];
        let additional = &schema["additionalProperties"];
        let schema = if property.is_null() { additional } else { property };
        if schema == false || schema.is_null() && is_closed(schema) {
            return Err(format!("no field {name}"));
        }
        fits(root, schema, member).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}
