//! A call whose arguments come in pieces (`partialArgs`, on Vertex AI where a client asks for it):
//! each piece is a value and the JSONPath of where it belongs.

use serde_json::{Map, Value};

/// Deeper than any function's arguments.
const DEPTH_MAX: usize = 64;
/// Longer than any list that comes in pieces.
const INDEX_MAX: usize = 10_000;
/// Longer than any call's arguments.
const BYTES_MAX: usize = 1 << 20;

/// A call that goes on.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Its id, if it has one.
    pub(super) id: Option<String>,
    /// The function.
    pub(super) name: String,
    /// A signature that came with any of its pieces.
    pub(super) signature: Option<String>,
    args: Map<String, Value>,
    bytes: usize,
}

impl Partial {
    /// Takes over whole arguments.
    pub(super) fn merge(&mut self, args: Map<String, Value>) {
        self.args.extend(args);
    }

    /// Takes over one piece; one that makes no sense is left out.
    pub(super) fn add(&mut self, piece: &Value) {
        let Some(path) = piece.get("jsonPath").and_then(Value::as_str) else { return };
        let Some(steps) = steps(path) else { return };
        let text = piece.get("stringValue").and_then(Value::as_str);
        self.bytes += path.len() + text.map_or(16, str::len);
        if self.bytes > BYTES_MAX {
            return;
        }
        let other = ["numberValue", "boolValue"].iter().find_map(|name| piece.get(*name));
        let value = match (text, other) {
            (Some(text), _) => Value::from(text),
            (None, Some(value)) => value.clone(),
            (None, None) => Value::Null,
        };
        let mut root = Value::Object(std::mem::take(&mut self.args));
        if let Some(place) = place(&mut root, &steps) {
            match (place, value) {
                (Value::String(so_far), Value::String(more)) => so_far.push_str(&more),
                (place, value) => *place = value,
            }
        }
        if let Value::Object(args) = root {
            self.args = args;
        }
    }

    /// The arguments as JSON text.
    pub(super) fn arguments(&self) -> String {
        serde_json::to_string(&self.args).unwrap_or_else(|_| "{}".to_owned())
    }
}

enum Step {
    Name(String),
    Index(usize),
}

/// `$.a[0]['b']` as steps.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= DEPTH_MAX {
            return None;
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at_checked(end)?;
            steps.push(Step::Name(name.to_owned()));
            rest = left;
        } else {
            let (inside, left) = rest.strip_prefix('[')?.split_once(']')?;
            let name = inside.trim_matches(['\'', '"']);
            steps.push(match inside.parse::<usize>() {
                Ok(index) if index <= INDEX_MAX => Step::Index(index),
                Ok(_) => return None,
                Err(_) => Step::Name(name.to_owned()),
            });
            rest = left;
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// Where `steps` lead; objects and lists are made on the way.
fn place<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    let mut at = root;
    for step in steps {
        at = match step {
            Step::Name(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(name.as_str()).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if at.is_null() {
                    *at = Value::Array(Vec::new());
                }
                let list = at.as_array_mut()?;
                // One after the other: a piece cannot make a long list by itself.
                if *index > list.len() {
                    return None;
                }
                if *index == list.len() {
                    list.push(Value::Null);
                }
                list.get_mut(*index)?
            }
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_become_arguments() {
        let mut call = Partial::default();
        for piece in [
            json!({"jsonPath": "$.city", "stringValue": "Bos", "willContinue": true}),
            json!({"jsonPath": "$.city", "stringValue": "ton"}),
            json!({"jsonPath": "$.days[0].n", "numberValue": 3}),
            json!({"jsonPath": "$['wet']", "boolValue": false}),
            json!({"jsonPath": "$.none", "nullValue": "NULL_VALUE"}),
            json!({"jsonPath": "$.days[9]", "numberValue": 1}),
            json!({"jsonPath": "city", "numberValue": 1}),
            json!({"jsonPath": "$.city.x", "numberValue": 1}),
        ] {
            call.add(&piece);
        }
        let args: Value = serde_json::from_str(&call.arguments()).unwrap();
        assert_eq!(args, json!({"city": "Boston", "days": [{"n": 3}], "wet": false, "none": null}));
    }
}
