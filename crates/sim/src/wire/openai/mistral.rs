//! Mistral's door: chat and embeddings that look like OpenAI's and are not quite.
//!
//! It refuses members that it does not know, has words of its own (`any`, `document_url`,
//! `random_seed`), takes ids of calls of nine letters and digits, and streams calls whole. Knows
//! nothing of OpenAI's other hosts.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::media::{self, House};
use super::{OpenAi, chat, embedding, messages, request, tools};
use crate::answer::Done;
use crate::answer::events::Events;
use crate::ask::{Ask, Chat, Embed, Encoding, Task, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::{ANY, COUNT, FILLED, FLAG, NUMBER, POSITIVE, Reading, Shape, What, may, must};
use crate::wire::{Asked, Route, Spoken, Told, Wire, count, items, question, text};

#[derive(Debug)]
pub(crate) struct Mistral;

static CHAT: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("messages", &Shape::List(&Shape::Object)),
    may("stream", &FLAG),
    may("temperature", &Shape::Number(0.0, 1.5)),
    may("top_p", &Shape::Number(0.0, 1.0)),
    may("top_k", &COUNT),
    may("max_tokens", &COUNT),
    may("min_tokens", &COUNT),
    may("stop", &ANY),
    may("random_seed", &COUNT),
    may("metadata", &Shape::Object),
    may("response_format", &Shape::Object),
    may("tools", &Shape::List(&Shape::Object)),
    may("tool_choice", &ANY),
    may("parallel_tool_calls", &FLAG),
    may("presence_penalty", &NUMBER),
    may("frequency_penalty", &NUMBER),
    may("repetition_penalty", &NUMBER),
    may("logprobs", &FLAG),
    may("top_logprobs", &COUNT),
    may("prompt_logprobs", &COUNT),
    may("top_prompt_logprobs", &COUNT),
    may("n", &POSITIVE),
    may("prediction", &Shape::Object),
    may("reasoning_effort", &ANY),
    may("prompt_mode", &ANY),
    may("guardrails", &ANY),
    may("prompt_cache_key", &FILLED),
    may("service_tier", &FILLED),
    may("safe_prompt", &FLAG),
]);

static EMBEDDINGS: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("input", &ANY),
    may("metadata", &Shape::Object),
    may("output_dimension", &POSITIVE),
    may("output_dtype", &FILLED),
    may("encoding_format", &FILLED),
]);

impl Wire for Mistral {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        if call.is_get() {
            return None;
        }
        if call.path.contains("/publishers/mistralai/models/") {
            let (_, verb) = call.path.rsplit_once(':')?;
            let asked = matches!(verb, "rawPredict" | "streamRawPredict");
            return asked.then(|| Route::to(Asked::Chat));
        }
        if !call.path.contains("/mistral/") {
            return None;
        }
        let ends = [("/chat/completions", Asked::Chat), ("/embeddings", Asked::Embeddings)];
        let asked = ends.into_iter().find(|(end, _)| call.path.ends_with(end));
        let media = || Some(Asked::Media(media::asked(call.path, House::Mistral)?));
        Some(Route::to(asked.map(|(_, asked)| asked).or_else(media)?))
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        if let Asked::Media(media) = route.asked {
            return media::read(call, route, media, body, House::Mistral);
        }
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad_request(format!("Invalid JSON: {error}")))?;
        let shape = if route.asked == Asked::Chat { &CHAT } else { &EMBEDDINGS };
        let reading = Reading { lenient: call.lenient, ..Reading::default() };
        shape.check(&body, reading).map_err(|flaw| {
            let (name, why) = match flaw.what {
                What::Unknown(name) => (name, "Extra inputs are not permitted".to_owned()),
                What::Missing(name) => (name, "Field required".to_owned()),
                What::Wrong(expected) => (flaw.path, format!("Input should be {expected}")),
                What::Union(_) => (flaw.path, "Input should be one of several".to_owned()),
            };
            Refusal { status: 422, ..Refusal::bad_request(why).about(&name) }
        })?;
        let task = match route.asked {
            Asked::Chat => Task::Chat(chat_of(&body)?),
            _ => Task::Embed(embed_of(&body)),
        };
        let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
        Ok(Ask { model: text(&body, "model").to_owned().into(), stream, task })
    }

    fn whole(&self, route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        match (done, &ask.task) {
            (Done::Vectors(vectors), Task::Embed(embed)) => {
                let mut out = b"{\"id\":\"sim-embedding\",".to_vec();
                let plain = embedding::whole(&ask.model, embed, vectors);
                out.extend(plain.into_iter().skip(1));
                out
            }
            _ => OpenAi.whole(route, ask, done),
        }
    }

    fn stream(&self, _route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events {
        chat::events(&ask.model, told)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        OpenAi.models(route, names)
    }

    fn error(&self, route: &Route<'_>, refusal: &Refusal) -> Spoken {
        match &refusal.param {
            Some(name) if refusal.status == 422 => {
                let detail = json!([{"type": "extra_forbidden", "loc": ["body", name],
                    "msg": refusal.message, "input": null}]);
                Spoken::plain(422, json!({"detail": detail}).to_string())
            }
            _ => OpenAi.error(route, refusal),
        }
    }

    fn error_event(&self, route: &Route<'_>, refusal: &Refusal, earlier: usize) -> Vec<u8> {
        OpenAi.error_event(route, refusal, earlier)
    }
}

fn chat_of(body: &Value) -> Result<Chat<'static>, Refusal> {
    let mut turns = Value::from(items(body, "messages"));
    for turn in turns.as_array_mut().into_iter().flatten() {
        check_ids(turn)?;
        soften(turn);
    }
    let words = messages::last_words(&turns.to_string())?;
    let question = question(body, &["messages"]);
    let plain = Chat::new(Cow::Owned(question), Words::Known(words));
    let (tools, choice) = match body.get("tools").filter(|tools| !tools.is_null()) {
        Some(list) => {
            let choice = body.get("tool_choice").filter(|choice| !choice.is_null());
            let choice = choice.map(|choice| match choice.as_str() {
                Some("any") => json!("required").to_string(),
                _ => choice.to_string(),
            });
            tools::read(&list.to_string(), choice.as_deref())?
        }
        None => (plain.tools, plain.choice),
    };
    Ok(Chat {
        tools,
        choice,
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true),
        form: body.get("response_format").and_then(request::form),
        tokens_max: count(body, "max_tokens"),
        choices: count(body, "n").and_then(|n| u32::try_from(n).ok()).unwrap_or(1).min(16),
        usage: true,
        whole_calls: true,
        words: plain.words,
        question: plain.question,
        ..Chat::new("".into(), Words::Known(crate::ask::LastWords::default()))
    })
}

/// # Errors
/// The 400 for an id that is not of nine letters and digits.
fn check_ids(turn: &Value) -> Result<(), Refusal> {
    let calls = items(turn, "tool_calls").iter().map(|call| text(call, "id"));
    let answered = turn.get("tool_call_id").and_then(Value::as_str);
    for id in calls.chain(answered) {
        if id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Refusal::bad_request(format!(
                "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
            )));
        }
    }
    Ok(())
}

/// Leaves out of a turn what OpenAI's messages do not have.
fn soften(turn: &mut Value) {
    let parts = turn.get_mut("content").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        if matches!(text(part, "type"), "document_url" | "thinking" | "reference") {
            *part = json!({"type": "text", "text": ""});
        }
    }
    let calls = turn.get_mut("tool_calls").and_then(Value::as_array_mut);
    for function in calls.into_iter().flatten().filter_map(|call| call.get_mut("function")) {
        if let Some(arguments) = function.get_mut("arguments").filter(|it| it.is_object()) {
            *arguments = Value::from(arguments.to_string());
        }
    }
}

fn embed_of(body: &Value) -> Embed<'static> {
    let inputs = match body.get("input") {
        Some(Value::String(one)) => vec![Cow::Owned(one.clone())],
        _ => {
            let texts = items(body, "input").iter().filter_map(Value::as_str);
            texts.map(|one| Cow::Owned(one.to_owned())).collect()
        }
    };
    let encoding = match text(body, "encoding_format") {
        "base64" => Encoding::Base64,
        _ => Encoding::Float,
    };
    Embed { inputs, dimensions: count(body, "output_dimension"), encodings: vec![encoding] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::post;

    const PATH: &str = "/mistral/v1/chat/completions";

    #[test]
    fn vertex_has_a_door_for_its_models() {
        let body = json!({"model": "mistral-small-2503",
            "messages": [{"role": "user", "content": "hi"}]});
        let path = "/v1/projects/p/locations/r/publishers/mistralai/models/mistral-small-2503";
        let said = post(&format!("{path}:rawPredict"), &[], &body).json();
        assert_eq!(said["object"], "chat.completion");
    }

    fn ask(patch: &Value) -> Value {
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
        let mut body = json!({"model": "mistral-small", "tools": [tool],
            "messages": [{"role": "user", "content": "call f"}]});
        for (name, value) in patch.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn its_own_words_are_taken_and_others_words_are_not() {
        let document = json!([{"role": "user", "content":
            [{"type": "text", "text": "x"}, {"type": "document_url", "document_url": "https://h"}]}]);
        for patch in [json!({"random_seed": 1}), json!({"messages": document})] {
            assert_eq!(post(PATH, &[], &ask(&patch)).status, 200, "{patch}");
        }
        for name in ["seed", "user", "stream_options", "max_completion_tokens", "logit_bias"] {
            let said = post(PATH, &[], &ask(&json!({name: 1})));
            assert_eq!((said.status, &said.json()["detail"][0]["loc"][1]), (422, &json!(name)));
        }
        let call = |id: &str| {
            let call = json!({"id": id, "function": {"name": "f", "arguments": "{}"}});
            json!({"messages": [{"role": "user", "content": "x"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": id, "content": "y"}]})
        };
        assert_eq!(post(PATH, &[], &ask(&call("abcDEF123"))).status, 200);
        assert_eq!(post(PATH, &[], &ask(&call("call_1"))).status, 400);
    }

    #[test]
    fn calls_are_streamed_whole_and_tokens_unasked() {
        let said = post(PATH, &[], &ask(&json!({"stream": true, "tool_choice": "any"})));
        let calls: Vec<Value> = said
            .events()
            .iter()
            .filter_map(|(_, data)| data.pointer("/choices/0/delta/tool_calls/0").cloned())
            .collect();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0]["function"]["arguments"], "{}");
        assert_eq!(calls[0]["id"].as_str().map(str::len), Some(9));
        assert!(said.events().iter().any(|(_, data)| data["usage"]["total_tokens"].is_u64()));
        let vectors = json!({"model": "mistral-embed", "input": ["a"], "output_dimension": 8});
        let vectors = post("/mistral/v1/embeddings", &[], &vectors).json();
        assert!(vectors["id"].is_string());
        assert_eq!(vectors["data"][0]["embedding"].as_array().map(Vec::len), Some(8));
    }
}
