//! Streams: a line per piece of text, and a last one that says why it ended and what it cost.

use serde_json::{Value, json};
use weir_framing::{Frame, Writer};
use weir_types::Usage;

use super::{answer, error};
use crate::fault::Garbage;
use crate::format::{Kind, Observed, StreamReader, StreamWriter};
use crate::ir::{self, Delta, Event, Losses, PartStart};

fn document(frame: &Frame<'_>) -> Result<Value, Garbage> {
    let data = frame.data.as_deref().unwrap_or_default();
    let document: Option<Value> = serde_json::from_slice(data).ok();
    document.filter(Value::is_object).ok_or(Garbage::NOT_AN_OBJECT)
}

/// What a line is to a stream that is passed on.
pub(super) fn observe(frame: &Frame<'_>) -> Result<Observed, Garbage> {
    let line = document(frame)?;
    if line.get("oops").is_some() {
        return Ok(Observed::plain(Kind::Error));
    }
    if let Some(why) = line.get("end").and_then(Value::as_str) {
        let usage = Some(answer::usage(&line)).filter(|usage| !usage.is_empty());
        let choices = vec![(0, Some(why.to_owned()))];
        return Ok(Observed { choices, usage, ..Observed::plain(Kind::Done) });
    }
    let is_content = line.get("+").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let kind = if is_content { Kind::Content } else { Kind::Preamble };
    Ok(Observed { choices: vec![(0, None)], ..Observed::plain(kind) })
}

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    has_begun: bool,
    is_open: bool,
    has_ended: bool,
}

impl Reader {
    fn begin(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let (id, model, usage) = (String::new(), String::new(), Usage::default());
            events.push(Event::Start { id, model, created: None, usage });
        }
    }

    fn text(&mut self, text: &str, events: &mut Vec<Event>) {
        let (choice, part) = (0, 0);
        if !std::mem::replace(&mut self.is_open, true) {
            events.push(Event::PartStart { choice, part, start: PartStart::Text });
        }
        let delta = Delta::Text(text.to_owned());
        events.push(Event::Delta { choice, part, delta, logprobs: None });
    }
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let line = document(frame)?;
        self.begin(events);
        if line.get("oops").is_some() {
            let error = error::read(frame.data.as_deref().unwrap_or_default());
            let error = ir::Error::new(error.status.unwrap_or(500), error.message);
            events.push(Event::Error(error));
        } else if let Some(why) = line.get("end").and_then(Value::as_str) {
            if self.is_open {
                events.push(Event::PartEnd { choice: 0, part: 0 });
            }
            events.push(Event::Finish { choice: 0, finish: answer::finish(why) });
            let usage = answer::usage(&line);
            if !usage.is_empty() {
                events.push(Event::Usage(usage));
            }
            events.push(Event::End);
            self.has_ended = true;
        } else if let Some(text) = line.get("+").and_then(Value::as_str) {
            self.text(text, events);
        }
        Ok(())
    }

    /// The line that ends a stream says all; without it there is no good end.
    fn finish(&mut self, _: &mut Vec<Event>) -> Result<(), Garbage> {
        if self.has_ended { Ok(()) } else { Err(Garbage::ENDS_EARLY) }
    }
}

/// Writes one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Whether what comes is text of the answer, and not reasoning or the like.
    is_text: bool,
    why: Option<String>,
    usage: Usage,
    losses: Losses,
}

impl StreamWriter for Lines {
    fn write(&mut self, event: Event, out: &mut Writer) {
        match event {
            Event::Start { usage, .. } | Event::Usage(usage) => self.usage.update(&usage),
            Event::PartStart { choice, start, .. } => {
                self.is_text = choice == 0 && matches!(start, PartStart::Text | PartStart::Refusal);
                self.losses.add_if(!self.is_text, "message", "a stream is one text");
            }
            Event::Delta { delta: Delta::Text(text), .. } if self.is_text => {
                out.event("", json!({ "+": text }).to_string().as_bytes());
            }
            Event::Delta { .. } | Event::PartEnd { .. } | Event::Error(_) => {}
            Event::Finish { choice, finish } => {
                if choice == 0 {
                    self.why = Some(answer::word(&finish).to_owned());
                }
            }
            Event::End => {
                let mut last = json!({ "end": self.why.as_deref().unwrap_or("end") });
                answer::put_usage(&mut last, &self.usage);
                out.event("", last.to_string().as_bytes());
            }
        }
    }

    fn losses(&mut self) -> Losses {
        self.losses.clone()
    }
}
