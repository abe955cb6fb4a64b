//! Chat completions: text or tool calls, whole or as a stream.

use super::events::{Events, Kind};
use super::{CREATED, Tokens, push, push_number, push_string, push_usage, text, tokens_of};
use crate::refusal::Refusal;
use crate::request::{LastWords, Request, last_words};
use crate::tool::{self, ToolCall};

/// An answer, not yet written.
#[derive(Debug)]
pub(crate) struct Chat<'a> {
    id: String,
    model: &'a str,
    choices: u32,
    content: Content,
    finish: &'static str,
    tokens: Tokens,
}

/// Appends the members of a delta.
type Delta<'d> = &'d dyn Fn(&mut Vec<u8>);

#[derive(Debug)]
enum Content {
    Text(String),
    Calls(Vec<ToolCall>),
}

impl<'a> Chat<'a> {
    /// The answer to `request`, its text `answer_bytes` long if that is set.
    ///
    /// # Errors
    /// The 400 for tools that make no sense.
    pub(crate) fn answer(
        request: &'a Request<'_>,
        answer_bytes: Option<usize>,
    ) -> Result<Self, Refusal> {
        let question = request.question();
        let needs_words = answer_bytes.is_none() || request.tools.is_some();
        let said = if needs_words { last_words(question) } else { LastWords::default() };
        let model = request.model();
        let hash = text::hash(&[b"chat", model.as_bytes(), question.as_bytes()]);
        let calls = tool::calls(request, &said)?;
        let (content, finish, bytes) = if calls.is_empty() {
            let whole = text::answer(hash, answer_bytes, || said.user.into());
            let (text, cut) = text::cut(whole, request.tokens_max().map(|max| max * 4));
            let bytes = text.len();
            (Content::Text(text), if cut { "length" } else { "stop" }, bytes)
        } else {
            let bytes = calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
            (Content::Calls(calls), "tool_calls", bytes)
        };
        let choices = request.choices();
        let tokens = Tokens {
            prompt: tokens_of(question.len()),
            completion: tokens_of(bytes) * choices as usize,
        };
        Ok(Self { id: text::id("chatcmpl-", hash), model, choices, content, finish, tokens })
    }

    /// The body of the answer that is not streamed.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut out = self.head("chat.completion", 640);
        for index in 0..self.choices {
            self.choice(&mut out, index);
        }
        push(&mut out, "],");
        push_usage(&mut out, self.tokens);
        push(&mut out, "}");
        out
    }

    fn choice(&self, out: &mut Vec<u8>, index: u32) {
        push(out, if index == 0 { "{\"index\":" } else { ",{\"index\":" });
        push_number(out, index as usize);
        push(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
        match &self.content {
            Content::Text(text) => push_string(out, text),
            Content::Calls(calls) => {
                push(out, "null,\"tool_calls\":[");
                for (nth, call) in calls.iter().enumerate() {
                    push(out, if nth == 0 { "{" } else { ",{" });
                    self.call(out, index, nth, call, &call.arguments);
                    push(out, "}");
                }
                push(out, "]");
            }
        }
        push(out, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"");
        push(out, self.finish);
        push(out, "\"}");
    }

    fn call(&self, out: &mut Vec<u8>, index: u32, nth: usize, call: &ToolCall, arguments: &str) {
        let parts = [self.id.as_bytes(), &index.to_le_bytes(), &nth.to_le_bytes()];
        push(out, "\"id\":\"");
        push(out, &text::id("call_", text::hash(&parts)));
        push(out, "\",\"type\":\"function\",\"function\":{\"name\":");
        push_string(out, &call.name);
        push(out, ",\"arguments\":");
        push_string(out, arguments);
        push(out, "}");
    }

    /// The events of the streamed answer, its content in `chunks` pieces.
    pub(crate) fn events(&self, chunks: u32, usage: bool) -> Events {
        let head = self.head("chat.completion.chunk", 0);
        let room = (head.len() + 128) * (chunks as usize + 3) * self.choices as usize;
        let finish = format!("\"{}\"", self.finish);
        let mut events = Events::with_capacity(room, chunks as usize + 4);
        let chunk = |events: &mut Events, kind, index, delta: Delta<'_>, finish| {
            events.add(kind, |out| {
                out.extend_from_slice(&head);
                push(out, "{\"index\":");
                push_number(out, index as usize);
                push(out, ",\"delta\":{");
                delta(out);
                push(out, "},\"logprobs\":null,\"finish_reason\":");
                push(out, finish);
                push(out, if usage { "}],\"usage\":null}" } else { "}]}" });
            });
        };
        for index in 0..self.choices {
            let role = |out: &mut Vec<u8>| match self.content {
                Content::Text(_) => push(out, "\"role\":\"assistant\",\"content\":\"\""),
                Content::Calls(_) => push(out, "\"role\":\"assistant\",\"content\":null"),
            };
            chunk(&mut events, Kind::Role, index, &role, "null");
            self.pieces(index, chunks, &mut |delta| {
                chunk(&mut events, Kind::Content, index, delta, "null");
            });
            chunk(&mut events, Kind::Finish, index, &|_| {}, &finish);
        }
        if usage {
            events.add(Kind::Usage, |out| {
                out.extend_from_slice(&head);
                push(out, "],");
                push_usage(out, self.tokens);
                push(out, "}");
            });
        }
        events.done()
    }

    /// Hands every content delta of one choice to `emit`, in order.
    fn pieces(&self, index: u32, chunks: u32, emit: &mut dyn FnMut(Delta<'_>)) {
        let calls = match &self.content {
            Content::Calls(calls) => calls,
            Content::Text(text) => {
                for piece in text::split(text, chunks) {
                    emit(&|out| {
                        push(out, "\"content\":");
                        push_string(out, piece);
                    });
                }
                return;
            }
        };
        for (nth, call) in calls.iter().enumerate() {
            let open = |out: &mut Vec<u8>| {
                push(out, "\"tool_calls\":[{\"index\":");
                push_number(out, nth);
            };
            emit(&|out| {
                open(out);
                push(out, ",");
                self.call(out, index, nth, call, "");
                push(out, "}]");
            });
            for piece in text::split(&call.arguments, chunks) {
                emit(&|out| {
                    open(out);
                    push(out, ",\"function\":{\"arguments\":");
                    push_string(out, piece);
                    push(out, "}}]");
                });
            }
        }
    }

    /// The members that come before the choices, which are left open.
    fn head(&self, object: &str, room: usize) -> Vec<u8> {
        let text = match &self.content {
            Content::Text(text) => text.len(),
            Content::Calls(_) => 0,
        };
        let mut out = Vec::with_capacity(192 + room + if room > 0 { text } else { 0 });
        super::push_head(&mut out, &self.id, object, self.model, CREATED);
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::request::Asked;

    fn body(extra: &str) -> String {
        format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"hello"}}]{extra}}}"#)
    }

    const TOOL: &str = r#","tools":[{"type":"function","function":{"name":"f","parameters":
        {"properties":{"a":{"type":"integer"}}}}}],"tool_choice":"required""#;

    fn whole(extra: &str) -> Value {
        let body = body(extra);
        let request = Request::parse(body.as_bytes(), Asked::Chat).unwrap();
        serde_json::from_slice(&Chat::answer(&request, None).unwrap().json()).unwrap()
    }

    /// Every event as JSON; `[DONE]` as null.
    fn stream(extra: &str, chunks: u32) -> Vec<Value> {
        let body = body(extra);
        let request = Request::parse(body.as_bytes(), Asked::Chat).unwrap();
        let chat = Chat::answer(&request, None).unwrap();
        let events = chat.events(chunks, request.wants_usage());
        let text = String::from_utf8(events.bytes).unwrap();
        let data = text.trim_end().split("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
        data.map(|data| serde_json::from_str(data).unwrap_or(Value::Null)).collect()
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_another_one_another() {
        assert_eq!(whole(""), whole(""));
        let answer = whole(r#","temperature":1"#);
        assert_eq!(answer["id"], whole("")["id"]);
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.ends_with("You said: hello"), "{text}");
        assert_eq!(answer["usage"]["total_tokens"], 9 + text.len().div_ceil(4));
    }

    #[test]
    fn a_stream_adds_up_to_the_whole_answer() {
        let events = stream(r#","stream":true,"stream_options":{"include_usage":true},"n":2"#, 5);
        assert_eq!(events.len(), 2 * (1 + 5 + 1) + 2);
        let whole = whole(r#","n":2"#);
        for index in 0..2 {
            let of_choice = events.iter().filter(|event| event["choices"][0]["index"] == index);
            let text: String = of_choice
                .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
                .collect();
            assert_eq!(text, whole["choices"][index]["message"]["content"]);
        }
        assert_eq!(events[events.len() - 2]["usage"], whole["usage"]);
        assert_eq!(events[events.len() - 2]["choices"], serde_json::json!([]));
        assert_eq!(events[1]["id"], whole["id"]);
        assert!(stream("", 5).iter().all(|event| event.get("usage").is_none()));
    }

    #[test]
    fn tool_calls_are_the_same_whole_and_streamed() {
        let whole = whole(TOOL);
        let message = &whole["choices"][0]["message"];
        assert_eq!(message["content"], Value::Null);
        let call = &message["tool_calls"][0];
        assert_eq!((&call["type"], &call["function"]["name"]), (&"function".into(), &"f".into()));
        assert_eq!(call["function"]["arguments"], r#"{"a":7}"#);
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        let events = stream(TOOL, 3);
        let deltas: Vec<_> = events
            .iter()
            .filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0"))
            .collect();
        assert_eq!(deltas[0]["id"], call["id"]);
        let arguments: String =
            deltas.iter().filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
        assert_eq!(arguments, r#"{"a":7}"#);
    }

    #[test]
    fn lengths_are_as_asked() {
        let cut = whole(r#","max_tokens":2"#);
        assert_eq!(cut["choices"][0]["finish_reason"], "length");
        assert_eq!(cut["choices"][0]["message"]["content"], "This is ");
        let body = body("");
        let request = Request::parse(body.as_bytes(), Asked::Chat).unwrap();
        let long = Chat::answer(&request, Some(1024)).unwrap().json();
        let long: Value = serde_json::from_slice(&long).unwrap();
        assert_eq!(long["choices"][0]["message"]["content"].as_str().unwrap().len(), 1024);
    }
}
