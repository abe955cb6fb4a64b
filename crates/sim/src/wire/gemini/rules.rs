//! Members in either spelling, and what excludes what among settings and tools.

use serde_json::Value;

use crate::refusal::Refusal;
use crate::shape::proto_member;

/// A member that is there and not `null`.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    proto_member(value.as_object()?, name).filter(|value| !value.is_null())
}

pub(super) fn has(value: &Value, name: &str) -> bool {
    member(value, name).is_some()
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    member(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    member(value, name).and_then(Value::as_str).unwrap_or_default()
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// The functions that are declared.
pub(super) fn declarations(body: &Value) -> impl Iterator<Item = &Value> {
    list(body, "tools").iter().flat_map(|tool| list(tool, "functionDeclarations"))
}

/// How functions may be called.
pub(super) fn calling(body: &Value) -> &Value {
    let config = member(body, "toolConfig");
    config.and_then(|config| member(config, "functionCallingConfig")).unwrap_or(&Value::Null)
}

/// # Errors
/// The first rule that the body breaks.
pub(super) fn check(body: &Value, model: &str) -> Result<(), Refusal> {
    check_tools(body)?;
    let Some(config) = member(body, "generationConfig") else {
        return Ok(());
    };
    let (schema, json) = (has(config, "responseSchema"), has(config, "responseJsonSchema"));
    if schema && json {
        return refuse("Only one of response_schema and response_json_schema can be set.");
    }
    let kind = word(config, "responseMimeType");
    if (schema || json) && !matches!(kind, "application/json" | "text/x.enum") {
        return refuse(
            "* GenerateContentRequest.generation_config.response_schema: only allowed when \
             response_mime_type is application/json",
        );
    }
    if !matches!(kind, "" | "text/plain" | "application/json" | "text/x.enum") {
        return refuse(format!("* response_mime_type: allowed mimetypes do not include '{kind}'"));
    }
    let is_set = |name| member(config, name).and_then(Value::as_f64).is_some_and(|it| it != 0.0);
    if model.contains("gemini-2.5") && (is_set("presencePenalty") || is_set("frequencyPenalty")) {
        return refuse(format!("Penalty is not enabled for models/{model}"));
    }
    let thinking = member(config, "thinkingConfig").unwrap_or(&Value::Null);
    if has(thinking, "thinkingBudget") && has(thinking, "thinkingLevel") {
        return refuse("You can only set only one of thinking budget and thinking level.");
    }
    Ok(())
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let names: Vec<&str> = declarations(body).map(|one| word(one, "name")).collect();
    for (nth, declaration) in declarations(body).enumerate() {
        let name = word(declaration, "name");
        if names.iter().take(nth).any(|earlier| *earlier == name) {
            return refuse(format!("Duplicate function declaration found: {name}"));
        }
        for (schema, json) in
            [("parameters", "parametersJsonSchema"), ("response", "responseJsonSchema")]
        {
            if has(declaration, schema) && has(declaration, json) {
                return refuse(format!("{name}: only one of {schema} and {json} can be set"));
            }
        }
        let parameters =
            member(declaration, "parameters").filter(|it| !word(it, "type").is_empty());
        if parameters.is_some_and(|it| !word(it, "type").eq_ignore_ascii_case("object")) {
            return refuse(format!(
                "* GenerateContentRequest.tools[0].function_declarations[{nth}].parameters: the \
                 type of {name}'s parameters should be OBJECT"
            ));
        }
    }
    let calling = calling(body);
    let (mode, allowed) = (word(calling, "mode"), list(calling, "allowedFunctionNames"));
    if !allowed.is_empty() && !matches!(mode, "ANY" | "VALIDATED") {
        return refuse("allowed_function_names should be set only when the mode is ANY.");
    }
    let unknown = allowed.iter().filter_map(Value::as_str).find(|name| !names.contains(name));
    if let Some(name) = unknown {
        return refuse(format!("allowed_function_names: '{name}' is not declared"));
    }
    if mode == "ANY" && names.is_empty() {
        return refuse("Function calling mode ANY is set without function_declarations.");
    }
    Ok(())
}
