//! What depends on the model alone: schemas, and texts to stop at.

use serde_json::json;

use super::*;
use crate::ir::{Tool, ToolBody};

#[test]
fn schemas_are_what_each_model_takes_of_them() {
    let mut asks = chat(vec![user("Hi")]);
    let schema = json!({
        "$schema": "s", "title": "T", "type": "object", "additionalProperties": false,
        "properties": { "at": { "$ref": "#/$defs/at" }, "list": { "items": { "$ref": "#/$defs/at" } } },
        "$defs": { "at": { "type": "string", "title": "kept" } }, "required": ["at"],
    });
    let tool = |parameters: Value, strict| {
        let (name, description) = ("f".to_owned(), None);
        let parameters = Some(parameters);
        Tool { body: ToolBody::Function { name, description, parameters, strict }, cache: None }
    };
    let written = |asks: &Chat, model: &str| {
        let (body, lost) = write(asks, model);
        (body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"].clone(), lost)
    };
    asks.tools = vec![tool(schema.clone(), None)];
    assert_eq!(written(&asks, CLAUDE), (schema, vec![]));
    // Nova takes three members at the top; what only describes is no loss.
    let at = json!({ "type": "string", "title": "kept" });
    let properties = json!({ "at": at, "list": { "items": at } });
    let flat = json!({ "type": "object", "properties": properties, "required": ["at"] });
    assert_eq!(written(&asks, "us.amazon.nova-pro-v1:0"), (flat, vec![]));
    asks.tools = vec![tool(json!({ "anyOf": [{}], "properties": {} }), None)];
    let (flat, lost) = written(&asks, "us.amazon.nova-pro-v1:0");
    assert_eq!(flat, json!({ "type": "object", "properties": {} }));
    assert_eq!(lost, ["tools.parameters"]);
    let endless = json!({ "type": "object", "properties": { "a": { "$ref": "#" } } });
    asks.tools = vec![tool(endless.clone(), None)];
    assert_eq!(written(&asks, "us.amazon.nova-pro-v1:0"), (endless, vec![]));
    // A strict tool is bound to closed objects.
    asks.tools = vec![tool(json!({ "type": "object", "properties": {} }), Some(true))];
    assert_eq!(written(&asks, CLAUDE).0["additionalProperties"], false);
}

#[test]
fn claude_is_given_no_blanks_to_stop_at() {
    let mut asks = chat(vec![user("Hi")]);
    asks.sampling.stop = vec!["END".to_owned(), "\n\n".to_owned()];
    let (body, lost) = write(&asks, CLAUDE);
    assert_eq!(body["inferenceConfig"]["stopSequences"], json!(["END"]));
    assert_eq!(lost, ["stop"]);
    let (body, lost) = write(&asks, "amazon.nova-pro-v1:0");
    assert_eq!(body["inferenceConfig"]["stopSequences"], json!(["END", "\n\n"]));
    assert_eq!(lost, Vec::<String>::new());
}
