//! Parts, read: of messages and of answers alike.
//!
//! A signature on a text or an image has no place there between formats: it is read as thinking
//! without words that follows, and the writer puts it back onto the part before it.

use serde_json::Value;
use weir_types::Dialect;

use super::super::calls::Calls;
use super::super::{camel, media};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Part, PartBody, Sealed, Thinking, ToolCall, ToolResult};

/// What only Google knows.
const FOREIGN: [&str; 8] = [
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "videoMetadata",
    "audioTranscription",
    "partMetadata",
    "mediaProcessing",
];

/// A signature of this format.
pub(in super::super) const fn seal(data: String) -> Sealed {
    Sealed { origin: Dialect::GeminiGenerate, data }
}

/// Thinking of which there is only a signature.
fn signature_alone(data: String) -> Part {
    let signature = Some(seal(data));
    Part::new(PartBody::Thinking(Thinking { signature, is_summary: true, ..Thinking::default() }))
}

/// Reads one part; what it says goes to `out`.
pub(in super::super) fn read(
    value: Value,
    path: String,
    calls: &mut Calls,
    out: &mut Vec<Part>,
) -> Result<(), RequestFault> {
    let mut part = camel::fields(value, path)?;
    let is_thought = part.peek("thought") == Some(&Value::Bool(true));
    if FOREIGN.iter().any(|name| part.has(name)) || (is_thought && !part.has("text")) {
        out.push(foreign(part));
        return Ok(());
    }
    let signature = part.text("thoughtSignature")?.filter(|data| !data.is_empty());
    if let Some(text) = part.text("text")? {
        if is_thought {
            if !text.is_empty() || signature.is_some() {
                let signature = signature.map(seal);
                let thinking =
                    Thinking { text, signature, is_summary: true, ..Thinking::default() };
                out.push(Part::new(PartBody::Thinking(thinking)));
            }
            return Ok(());
        }
        if !text.is_empty() {
            out.push(Part::text(text));
        }
    } else if let Some(call) = camel::object(&mut part, "functionCall")? {
        out.push(Part::new(function_call(call, signature, calls)?));
        return Ok(());
    } else if let Some(result) = camel::object(&mut part, "functionResponse")? {
        out.push(Part::new(function_response(result, calls)?));
    } else if let Some(data) = camel::object(&mut part, "inlineData")? {
        out.push(with_detail(media::blob(data)?, &mut part)?);
    } else if let Some(data) = camel::object(&mut part, "fileData")? {
        out.push(with_detail(media::file(data)?, &mut part)?);
    } else {
        part.any("thought");
        let rest = part.rest();
        if !rest.is_empty() {
            out.push(Part::new(raw(Value::Object(rest))));
        }
    }
    out.extend(signature.map(signature_alone));
    Ok(())
}

fn foreign(part: Fields) -> Part {
    Part::new(raw(Value::Object(part.rest())))
}

const fn raw(raw: Value) -> PartBody {
    PartBody::Foreign { dialect: Dialect::GeminiGenerate, raw }
}

fn with_detail(body: PartBody, part: &mut Fields) -> Result<Part, RequestFault> {
    let mut body = body;
    if let PartBody::Image(image) = &mut body {
        image.detail = media::detail(part)?;
    }
    Ok(Part::new(body))
}

fn function_call(
    mut call: Fields,
    signature: Option<String>,
    calls: &mut Calls,
) -> Result<PartBody, RequestFault> {
    let name = call.required_text("name")?;
    let given = call.text("id")?;
    let arguments = match call.any("args") {
        None => "{}".to_owned(),
        Some(args @ Value::Object(_)) => args.to_string(),
        Some(_) => return Err(call.wrong("args", "must be an object")),
    };
    let id = calls.call(given, &name);
    let signature = signature.map(seal);
    Ok(PartBody::ToolCall(ToolCall { id, name, arguments, is_custom: false, signature }))
}

fn function_response(mut result: Fields, calls: &mut Calls) -> Result<PartBody, RequestFault> {
    let name = result.required_text("name")?;
    let given = result.text("id")?;
    let mut parts = Vec::new();
    let is_error = match result.any("response") {
        None => None,
        Some(response) => content(response, &mut parts),
    };
    for (path, value) in camel::many(&mut result, "parts") {
        read(value, path, &mut Calls::default(), &mut parts)?;
    }
    let call_id = calls.result(given, &name);
    Ok(PartBody::ToolResult(ToolResult { call_id, name: Some(name), parts, is_error }))
}

/// What a function answers: by Google's convention alone under `output` or `error`, or as it is.
fn content(response: Value, parts: &mut Vec<Part>) -> Option<bool> {
    let only = |name: &str| {
        let members = response.as_object().filter(|members| members.len() == 1)?;
        members.get(name).cloned()
    };
    let (value, is_error) = match (only("output"), only("error")) {
        (Some(value), _) => (value, None),
        (None, Some(value)) => (value, Some(true)),
        (None, None) => (response, None),
    };
    parts.push(match value {
        Value::String(text) => Part::text(text),
        value => Part::new(PartBody::Json(value)),
    });
    is_error
}
