//! How a stream ends what is open.

use serde_json::{Value, json};
use weir_framing::Writer as Out;

use super::{EventWriter, Open, argument_names};
use crate::custom;
use crate::ir::ToolCall;
use crate::openai_responses::answer::message_item;
use crate::openai_responses::items;

impl EventWriter {
    /// Ends a part. A message stays open, everything else is done.
    pub(super) fn part_end(&mut self, out: &mut Out) {
        let at = self.items.len();
        if let Open::Message { id, content, part } = &mut self.open {
            let Some(words) = part.take() else { return };
            let written = words.written();
            let place = content.len();
            content.push(written.clone());
            let id = id.clone();
            let (kind, mut members) = if words.is_refusal {
                ("refusal.done", json!({ "refusal": words.text }))
            } else {
                ("output_text.done", json!({ "text": words.text, "logprobs": words.logprobs }))
            };
            let mut part = json!({ "part": written });
            for members in [&mut members, &mut part].into_iter().filter_map(Value::as_object_mut) {
                members.insert("item_id".to_owned(), json!(id));
                members.insert("output_index".to_owned(), json!(at));
                members.insert("content_index".to_owned(), json!(place));
            }
            self.tell(kind, members, out);
            self.tell("content_part.done", part, out);
            return;
        }
        self.close("completed", out);
    }

    /// Ends the item that is open.
    pub(super) fn close(&mut self, status: &str, out: &mut Out) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            message @ Open::Message { .. } => {
                self.open = message;
                self.part_end(out);
                if let Open::Message { id, content, .. } =
                    std::mem::replace(&mut self.open, Open::Nothing)
                {
                    self.done(message_item(&id, status, &content), out);
                }
            }
            Open::Thinking { id, has_begun, text, encrypted } => {
                let item = items::reasoning(Some(&id), &text, encrypted.as_deref());
                if has_begun {
                    self.summary_done(&id, &text, out);
                    self.done(item, out);
                } else if encrypted.is_some() {
                    self.whole(item, out);
                }
            }
            Open::Call { id, call, is_held } => self.call_done(&id, call, is_held, out),
        }
    }

    fn summary_done(&mut self, id: &str, text: &str, out: &mut Out) {
        let at = self.at();
        let members =
            json!({ "item_id": id, "output_index": at, "summary_index": 0, "text": text });
        self.tell("reasoning_summary_text.done", members, out);
        let part = items::summary_part(text);
        let members =
            json!({ "item_id": id, "output_index": at, "summary_index": 0, "part": part });
        self.tell("reasoning_summary_part.done", members, out);
    }

    fn call_done(&mut self, id: &str, mut call: ToolCall, is_held: bool, out: &mut Out) {
        let at = self.at();
        let (kind, name) = argument_names(call.is_custom);
        let told = call.arguments.clone();
        call.arguments = match is_held {
            true => custom::unwrapped(&told),
            false => items::arguments_of(told.clone(), call.is_custom),
        };
        // Nothing of it has been told: it was held back, or there are no arguments.
        if (is_held || told.is_empty()) && !call.arguments.is_empty() {
            let members = json!({ "item_id": id, "output_index": at, "delta": call.arguments });
            self.tell(&format!("{kind}.delta"), members, out);
        }
        let mut members = json!({ "item_id": id, "output_index": at });
        if let Value::Object(members) = &mut members {
            members.insert(name.to_owned(), json!(call.arguments));
            if !call.is_custom {
                members.insert("name".to_owned(), json!(call.name));
            }
        }
        self.tell(&format!("{kind}.done"), members, out);
        let status = (!call.is_custom).then_some("completed");
        self.done(items::write_call(Some(id), &call, status), out);
    }
}
