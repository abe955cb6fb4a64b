//! The order of turns: calls after a user's turn, as many answers right after them; and the
//! signatures that newer models want to see again.

use serde_json::Value;

use super::rules::{has, list, member, word};
use crate::answer::reply::seal;
use crate::refusal::Refusal;
use crate::wire::Host;

/// What a part may hold, one at a time.
const DATA: [&str; 10] = [
    "text",
    "inlineData",
    "functionCall",
    "functionResponse",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "audioTranscription",
];
/// Signatures that stand for one that was never given.
const SENTINELS: [&str; 4] = [
    "skip_thought_signature_validator",
    "context_engineering_is_the_way_to_go",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
];

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// # Errors
/// The first turn or part that the service would not take.
pub(super) fn check(contents: &[Value], model: &str, host: Host) -> Result<(), Refusal> {
    if contents.is_empty() {
        return refuse("* GenerateContentRequest.contents: contents is not specified");
    }
    for (nth, content) in contents.iter().enumerate() {
        check_content(content, nth, contents.len() > 1, host)?;
    }
    for (nth, content) in contents.iter().enumerate() {
        let before = nth.checked_sub(1).and_then(|before| contents.get(before));
        check_order(before, content, contents.get(nth + 1))?;
    }
    check_signatures(contents, model)
}

fn check_content(content: &Value, nth: usize, several: bool, host: Host) -> Result<(), Refusal> {
    let role = word(content, "role");
    if !matches!(role, "user" | "model" | "function") && (several || !role.is_empty()) {
        return refuse("Please use a valid role: user, model.");
    }
    let parts = list(content, "parts");
    if parts.is_empty() {
        return refuse(format!(
            "* GenerateContentRequest.contents[{nth}].parts: contents.parts must not be empty."
        ));
    }
    for (at, part) in parts.iter().enumerate() {
        check_part(part, role, &format!("contents[{nth}].parts[{at}]"), host)?;
    }
    Ok(())
}

/// # Errors
/// A part that holds nothing, two things, or what this door does not take.
pub(super) fn check_part(part: &Value, role: &str, at: &str, host: Host) -> Result<(), Refusal> {
    match DATA.iter().filter(|name| has(part, name)).count() {
        0 => {
            return refuse(format!(
                "* GenerateContentRequest.{at}.data: required oneof field 'data' must have one \
                 initialized field"
            ));
        }
        1 => {}
        _ => {
            let message =
                format!("Invalid value at '{at}' (oneof): oneof field 'data' is already set.");
            return Err(Refusal::bad_request(message).about(at));
        }
    }
    let misplaced = (has(part, "functionCall") && role != "model")
        || (has(part, "functionResponse") && role == "model");
    if misplaced {
        return refuse(format!(
            "{at}: function calls come from the model, responses from the user"
        ));
    }
    let Some(file) = member(part, "fileData").map(|file| word(file, "fileUri")) else {
        return Ok(());
    };
    let taken = match host {
        Host::Vertex => file.starts_with("gs://") || file.starts_with("https://"),
        _ => {
            file.contains("generativelanguage.googleapis.com/")
                || file.starts_with("files/")
                || file.contains("youtube.com/")
                || file.contains("youtu.be/")
        }
    };
    if taken { Ok(()) } else { refuse(format!("Unsupported file uri: {file}")) }
}

/// The first version of the cloud's interface has no ids of calls.
///
/// # Errors
/// The first id.
pub(super) fn refuse_ids(contents: &[Value]) -> Result<(), Refusal> {
    for (nth, content) in contents.iter().enumerate() {
        for (at, part) in list(content, "parts").iter().enumerate() {
            let named =
                [("functionCall", "function_call"), ("functionResponse", "function_response")];
            let has_id = |name: &str| member(part, name).is_some_and(|call| has(call, "id"));
            if let Some((_, snake)) = named.iter().find(|(name, _)| has_id(name)) {
                let at = format!("contents[{nth}].parts[{at}]");
                let message = format!(
                    "Invalid JSON payload received. Unknown name \"id\" at '{at}.{snake}': Cannot \
                     find field."
                );
                return Err(Refusal::bad_request(message).about(&at));
            }
        }
    }
    Ok(())
}

fn count(content: Option<&Value>, name: &str) -> usize {
    let parts = content.map_or(&[][..], |content| list(content, "parts"));
    parts.iter().filter(|part| has(part, name)).count()
}

fn check_order(
    before: Option<&Value>,
    content: &Value,
    after: Option<&Value>,
) -> Result<(), Refusal> {
    let (calls, answers) =
        (count(Some(content), "functionCall"), count(Some(content), "functionResponse"));
    if calls > 0 {
        let role = before.map_or("", |before| word(before, "role"));
        if !matches!(role, "user" | "function") {
            return refuse(
                "Please ensure that function call turn comes immediately after a user turn or \
                 after a function response turn.",
            );
        }
        if count(after, "functionResponse") != calls {
            return refuse(
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn.",
            );
        }
    }
    if answers > 0 && count(before, "functionCall") == 0 {
        return refuse(
            "Please ensure that function response turn comes immediately after a function call \
             turn.",
        );
    }
    Ok(())
}

/// A signature must be one that was given here. Since Gemini 3 the first call of each step of the
/// current turn must have one.
fn check_signatures(contents: &[Value], model: &str) -> Result<(), Refusal> {
    let begins = |content: &Value| {
        word(content, "role") != "model" && count(Some(content), "functionResponse") == 0
    };
    let current = contents.iter().rposition(begins).unwrap_or(0);
    for (nth, content) in contents.iter().enumerate() {
        let parts = list(content, "parts").iter().enumerate();
        let calls = parts.filter_map(|(at, part)| Some((at, part, member(part, "functionCall")?)));
        for (order, (at, part, call)) in calls.enumerate() {
            let (name, signature) = (word(call, "name"), word(part, "thoughtSignature"));
            let place = format!("content.parts[{at}]");
            if signature.is_empty() {
                let needed = model.contains("gemini-3") && nth > current && order == 0;
                if needed {
                    return refuse(format!(
                        "Function call is missing a thought_signature in functionCall parts. This \
                         is required for tools to work correctly. Function call `{name}`, \
                         position {nth}, {place}."
                    ));
                }
                continue;
            }
            if signature != seal(name) && !SENTINELS.contains(&signature) {
                return refuse("Thought signature is not valid.");
            }
        }
    }
    Ok(())
}
