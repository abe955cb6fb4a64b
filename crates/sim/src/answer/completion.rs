//! Text completions, the older prompt form.

use super::events::{Events, Kind};
use super::{
    CREATED, Tokens, push, push_head, push_number, push_string, push_usage, text, tokens_of,
};
use crate::request::{Request, text_of};

/// An answer, not yet written.
#[derive(Debug)]
pub(crate) struct Completion<'a> {
    id: String,
    model: &'a str,
    choices: u32,
    text: String,
    finish: &'static str,
    tokens: Tokens,
}

impl<'a> Completion<'a> {
    pub(crate) fn answer(request: &'a Request<'_>, answer_bytes: Option<usize>) -> Self {
        let (model, prompt) = (request.model(), request.question());
        let hash = text::hash(&[b"completion", model.as_bytes(), prompt.as_bytes()]);
        let whole = text::answer(hash, answer_bytes, || text_of(prompt).into());
        let (text, cut) = text::cut(whole, request.tokens_max().map(|max| max * 4));
        let choices = request.choices();
        let tokens = Tokens {
            prompt: tokens_of(prompt.len()),
            completion: tokens_of(text.len()) * choices as usize,
        };
        let finish = if cut { "length" } else { "stop" };
        Self { id: text::id("cmpl-", hash), model, choices, text, finish, tokens }
    }

    /// The body of the answer that is not streamed.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(640 + self.text.len());
        push_head(&mut out, &self.id, "text_completion", self.model, CREATED);
        for index in 0..self.choices {
            push(&mut out, if index == 0 { "" } else { "," });
            push_choice(&mut out, index, &self.text, Some(self.finish));
        }
        push(&mut out, "],");
        push_usage(&mut out, self.tokens);
        push(&mut out, "}");
        out
    }

    /// The events of the streamed answer, its text in `chunks` pieces.
    pub(crate) fn events(&self, chunks: u32, usage: bool) -> Events {
        let mut head = Vec::with_capacity(192);
        push_head(&mut head, &self.id, "text_completion", self.model, CREATED);
        let mut events = Events::with_capacity(256 * (chunks as usize + 2), chunks as usize + 3);
        let mut chunk = |kind, index, piece: &str, finish| {
            events.add(kind, |out| {
                out.extend_from_slice(&head);
                push_choice(out, index, piece, finish);
                push(out, if usage { "],\"usage\":null}" } else { "]}" });
            });
        };
        for index in 0..self.choices {
            for piece in text::split(&self.text, chunks) {
                chunk(Kind::Content, index, piece, None);
            }
            chunk(Kind::Finish, index, "", Some(self.finish));
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
}

fn push_choice(out: &mut Vec<u8>, index: u32, text: &str, finish: Option<&str>) {
    push(out, "{\"text\":");
    push_string(out, text);
    push(out, ",\"index\":");
    push_number(out, index as usize);
    push(out, ",\"logprobs\":null,\"finish_reason\":");
    match finish {
        Some(reason) => push_string(out, reason),
        None => push(out, "null"),
    }
    push(out, "}");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::request::Asked;

    #[test]
    fn a_stream_adds_up_to_the_whole_answer() {
        let body = br#"{"model":"m","prompt":["once","upon"],"stream":true}"#;
        let request = Request::parse(body, Asked::Completion).unwrap();
        let completion = Completion::answer(&request, None);
        let whole: Value = serde_json::from_slice(&completion.json()).unwrap();
        let text = whole["choices"][0]["text"].as_str().unwrap();
        assert!(text.ends_with("You said: once upon"), "{text}");
        let events = completion.events(4, true);
        assert_eq!(events.marks.len(), 4 + 3);
        let stream = String::from_utf8(events.bytes).unwrap();
        let parsed = stream
            .split("\n\n")
            .filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok());
        let joined: String = parsed
            .filter_map(|event| Some(event["choices"].get(0)?["text"].as_str()?.to_owned()))
            .collect();
        assert_eq!(joined, text);
        assert!(stream.ends_with("data: [DONE]\n\n"));
    }
}
