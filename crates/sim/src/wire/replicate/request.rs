//! From a body to what it asks for.

use serde_json::Value;

use super::schema;
use crate::ask::{Ask, Chat, LastWords, Task, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::{Flaw, Reading, What};
use crate::wire::{Route, count, items, text};

/// # Errors
/// What Replicate would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &'a [u8],
) -> Result<Ask<'a>, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))?;
    let (shape, model) = match &*route.model {
        "" => (&schema::OF_VERSION, text(&body, "version").to_owned()),
        model => (&schema::OF_MODEL, model.to_owned()),
    };
    shape.check(&body, Reading::default()).map_err(|flaw| invalid("", &flaw))?;
    if !model.starts_with("sim:") && !is_named(&model) {
        return Err(Refusal::of_status(404, &model));
    }
    let input = body.get("input").unwrap_or(&Value::Null);
    let reading = Reading { lenient: call.lenient, ..Reading::default() };
    schema::of(&model).check(input, reading).map_err(|flaw| invalid("input", &flaw))?;
    let messages = items(input, "messages");
    if messages.is_empty() && input.get("prompt").is_none() {
        return Err(unprocessable("input", "prompt is required"));
    }
    if !messages.is_empty() && input.get("prompt").is_some() {
        return Err(unprocessable("input", "prompt is not used together with messages"));
    }
    let last = messages.iter().rfind(|message| text(message, "role") == "user");
    let user = match last {
        Some(message) => text(message, "content"),
        None => last_words(text(input, "prompt")),
    };
    let words = LastWords { user: user.to_owned(), after_tool: false };
    let most = ["max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"];
    let task = Task::Chat(Chat {
        tokens_max: most.iter().find_map(|name| count(input, name)),
        ..Chat::new(input.to_string().into(), Words::Known(words))
    });
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    Ok(Ask { model: model.into(), stream, task })
}

/// `owner/name`, with a version or without, or a version.
fn is_named(model: &str) -> bool {
    let parts: Vec<&str> = model.split('/').collect();
    let is_hex = model.len() == 64 && model.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex || (parts.len() == 2 && parts.iter().all(|part| !part.is_empty()))
}

/// What the user said last in a record of a conversation; all of it if it is none.
fn last_words(prompt: &str) -> &str {
    let record = prompt.strip_suffix("\n\nAssistant:");
    let last = record.and_then(|record| record.rsplit_once("User: "));
    last.map_or(prompt, |(_, words)| words)
}

fn unprocessable(field: &str, why: &str) -> Refusal {
    let message = format!("- {field}: {why}\n");
    Refusal { message, ..Refusal::of_status(422, "") }.about(field)
}

fn invalid(above: &str, flaw: &Flaw) -> Refusal {
    let path = [above, &flaw.path];
    let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
    let path = path.join(".");
    unprocessable(
        &path,
        &match &flaw.what {
            What::Unknown(name) => format!("Additional property {name} is not allowed"),
            What::Missing(name) => format!("{name} is required"),
            What::Wrong(expected) => format!("must be {expected}"),
            What::Union(_) => "must have exactly one member".to_owned(),
        },
    )
}
