//! How a stream goes on: pieces of what is open.

use serde_json::{Value, json};
use weir_framing::Writer as Out;

use super::{EventWriter, Open, argument_names};
use crate::ir::Delta;
use crate::openai_responses::answer::logprobs_out;
use crate::openai_responses::{content, items};

impl EventWriter {
    pub(super) fn delta(&mut self, delta: Delta, logprobs: Option<&Value>, out: &mut Out) {
        match delta {
            Delta::Text(text) => self.text(&text, logprobs, out),
            Delta::Signature(sealed) => {
                let Some(data) = self.own(sealed) else { return };
                if let Open::Thinking { encrypted, .. } = &mut self.open {
                    *encrypted = Some(data);
                } else {
                    self.losses.add("thinking.signature", "calls of this format bear none");
                }
            }
            Delta::Arguments(text) => self.arguments(&text, out),
            Delta::Annotation(annotation) => self.annotation(&annotation, out),
            Delta::Audio(_) | Delta::Transcript(_) => {
                self.losses.add("audio", "the client's format has no such output");
            }
        }
    }

    fn text(&mut self, added: &str, logprobs: Option<&Value>, out: &mut Out) {
        let at = self.items.len();
        match &mut self.open {
            Open::Message { id, content, part: Some(words) } => {
                words.text.push_str(added);
                let mut members = json!({
                    "item_id": id, "output_index": at, "content_index": content.len(),
                    "delta": added,
                });
                if words.is_refusal {
                    self.tell("refusal.delta", members, out);
                    return;
                }
                let added = logprobs_out(logprobs);
                if let Value::Object(members) = &mut members {
                    members.insert("logprobs".to_owned(), json!(added));
                }
                words.logprobs.extend(added);
                self.tell("output_text.delta", members, out);
            }
            Open::Thinking { id, has_begun, text, .. } if !added.is_empty() => {
                let is_first = !std::mem::replace(has_begun, true);
                text.push_str(added);
                let id = id.clone();
                if is_first {
                    let item = items::reasoning(Some(&id), "", None);
                    let members = json!({ "output_index": at, "item": item });
                    self.tell("output_item.added", members, out);
                    let members = json!({
                        "item_id": id, "output_index": at, "summary_index": 0,
                        "part": items::summary_part(""),
                    });
                    self.tell("reasoning_summary_part.added", members, out);
                }
                let members = json!({
                    "item_id": id, "output_index": at, "summary_index": 0, "delta": added,
                });
                self.tell("reasoning_summary_text.delta", members, out);
            }
            _ => {}
        }
    }

    fn arguments(&mut self, added: &str, out: &mut Out) {
        let Open::Call { id, call, is_held } = &mut self.open else { return };
        call.arguments.push_str(added);
        if !*is_held && !added.is_empty() {
            let kind = argument_names(call.is_custom).0;
            let members =
                json!({ "item_id": id, "output_index": self.items.len(), "delta": added });
            self.tell(&format!("{kind}.delta"), members, out);
        }
    }

    fn annotation(&mut self, annotation: &Value, out: &mut Out) {
        let Open::Message { id, content, part: Some(words) } = &mut self.open else { return };
        let Some(flat) = content::flat(annotation) else {
            self.losses.add("annotations", "of a kind that the client's format lacks");
            return;
        };
        let members = json!({
            "item_id": id, "output_index": self.items.len(), "content_index": content.len(),
            "annotation_index": words.annotations.len(), "annotation": flat,
        });
        words.annotations.push(flat);
        self.tell("output_text.annotation.added", members, out);
    }
}
