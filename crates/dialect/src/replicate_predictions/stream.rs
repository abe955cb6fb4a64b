//! Streams: server-sent events with the output's pieces as plain text.
//! <https://replicate.com/docs/topics/predictions/streaming>
//!
//! They say neither whose answer it is nor what it cost. That stands in the prediction, which whoever
//! fetches it puts into the stream as an event of its own, [`PREDICTION`]: as it was made at the
//! beginning, and as it ended after `done`.

use serde_json::{Map, Value};
use weir_framing::{Frame, Writer};

use super::answer::{self, Status, failure, text_of};
use super::{error, usage};
use crate::fault::{AnswerFault, Garbage};
use crate::format::{Kind, Observed, StreamReader};
use crate::ir::{self, Delta, Event, Finish, FinishReason, PartStart};
use crate::whole;

const PREDICTION: &str = "prediction";

/// What the reading of a stream needs of a prediction; the rest, which repeats the input, may be long.
const MEMBERS: [&str; 6] = ["id", "model", "status", "error", "output", "metrics"];

/// Writes a prediction as an event.
pub(super) fn write_document(body: &[u8], out: &mut Writer) -> Result<(), AnswerFault> {
    let mut prediction = whole::document(body)?;
    let counted = usage::of(&prediction);
    let kept = MEMBERS.iter().filter_map(|name| {
        let value = prediction.get_mut(*name).map(Value::take)?;
        Some(((*name).to_owned(), value))
    });
    let mut kept: Map<String, Value> = kept.collect();
    if !counted.is_empty() {
        let metrics = serde_json::json!({
            "input_token_count": counted.input_tokens,
            "output_token_count": counted.output_tokens,
            "reasoning_token_count": counted.reasoning_tokens,
        });
        kept.insert("metrics".to_owned(), metrics);
    }
    out.event(PREDICTION, Value::Object(kept).to_string().as_bytes());
    Ok(())
}

const NOT_TEXT: Garbage = Garbage("an event is not UTF-8");

/// What an event says.
enum Said {
    /// A piece of the output.
    Output(String),
    /// All of the output is there.
    Done,
    /// It failed.
    Failed(ir::Error),
    /// The prediction, as it is now.
    Prediction(Box<Value>),
    /// Nothing of the answer: a line of a log, a sign of life.
    Nothing,
}

fn said(frame: &Frame<'_>) -> Result<Said, Garbage> {
    let data = frame.data.as_deref().unwrap_or_default();
    let document = || serde_json::from_slice::<Value>(data).ok().filter(Value::is_object);
    match frame.name {
        b"output" => {
            let text = String::from_utf8(data.to_vec());
            text.map(Said::Output).map_err(|_| NOT_TEXT)
        }
        b"done" => {
            let reason = document().map(|document| text_of(&document, "reason"));
            match reason.as_deref() {
                Some("error") => Ok(failed("the prediction failed")),
                Some("canceled") => Ok(failed("the prediction is canceled")),
                _ => Ok(Said::Done),
            }
        }
        b"error" => Ok(match document() {
            Some(document) => Said::Failed(told(&error::read_value(&document))),
            None => failed(&String::from_utf8_lossy(data)),
        }),
        b"prediction" => {
            let prediction = document().ok_or(Garbage::NOT_AN_OBJECT)?;
            Ok(match answer::status(&prediction) {
                Some(Status::Failed) => failed(&failure(&prediction)),
                Some(_) => Said::Prediction(Box::new(prediction)),
                None => return Err(Garbage("a prediction has no status")),
            })
        }
        _ => Ok(Said::Nothing),
    }
}

fn failed(why: &str) -> Said {
    Said::Failed(ir::Error::new(0, why.trim()))
}

fn told(body: &crate::format::ErrorBody) -> ir::Error {
    let mut error = ir::Error::new(body.status.unwrap_or(0), body.message.clone());
    error.label.clone_from(&body.kind);
    error.code = (!body.code.is_empty()).then(|| body.code.clone());
    error
}

/// Looks at an event.
pub(super) fn observe(frame: &Frame<'_>) -> Result<Observed, Garbage> {
    let ended = |kind| Observed {
        choices: vec![(0, Some("succeeded".to_owned()))],
        ..Observed::plain(kind)
    };
    if frame.name == b"output" {
        let data = frame.data.as_deref().unwrap_or_default();
        return match std::str::from_utf8(data) {
            Ok(_) => Ok(Observed::plain(Kind::Content)),
            Err(_) => Err(NOT_TEXT),
        };
    }
    Ok(match said(frame)? {
        Said::Output(_) => Observed::plain(Kind::Content),
        Said::Done => ended(Kind::Preamble),
        // A failure in plain text is none that could be read as a body: its reader tells it.
        Said::Failed(_) if frame.data.as_deref().is_some_and(|data| !data.starts_with(b"{")) => {
            Observed::plain(Kind::Preamble)
        }
        // `done` says less of a failure than the reader knows.
        Said::Failed(_) if frame.name == b"done" => Observed::plain(Kind::Preamble),
        Said::Failed(_) => Observed::plain(Kind::Error),
        Said::Prediction(prediction) if answer::status(&prediction) == Some(Status::Succeeded) => {
            let usage = usage::of(&prediction);
            Observed { usage: (!usage.is_empty()).then_some(usage), ..ended(Kind::Done) }
        }
        Said::Prediction(_) | Said::Nothing => Observed::plain(Kind::Preamble),
    })
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    has_started: bool,
    is_open: bool,
    has_text: bool,
    has_finished: bool,
    has_ended: bool,
}

impl Reader {
    fn start(&mut self, id: String, model: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_started, true) {
            events.push(Event::Start { id, model, created: None, usage: Default::default() });
        }
    }

    fn text(&mut self, text: String, events: &mut Vec<Event>) {
        if text.is_empty() || self.has_finished {
            return;
        }
        self.start(String::new(), String::new(), events);
        if !std::mem::replace(&mut self.is_open, true) {
            events.push(Event::PartStart { choice: 0, part: 0, start: PartStart::Text });
        }
        self.has_text = true;
        let delta = Delta::Text(text);
        events.push(Event::Delta { choice: 0, part: 0, delta, logprobs: None });
    }

    fn finish_choice(&mut self, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_finished, true) {
            return;
        }
        self.start(String::new(), String::new(), events);
        if std::mem::take(&mut self.is_open) {
            events.push(Event::PartEnd { choice: 0, part: 0 });
        }
        events.push(Event::ending(0, Finish::new(FinishReason::Stop)));
    }
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        match said(frame)? {
            Said::Output(text) => self.text(text, events),
            Said::Done => self.finish_choice(events),
            Said::Failed(error) => events.push(Event::Error(error)),
            Said::Prediction(prediction) => {
                self.start(text_of(&prediction, "id"), text_of(&prediction, "model"), events);
                if answer::status(&prediction) != Some(Status::Succeeded) {
                    return Ok(());
                }
                if !self.has_text {
                    let output = prediction.get("output").unwrap_or(&Value::Null);
                    self.text(answer::output(output), events);
                }
                self.finish_choice(events);
                let usage = usage::of(&prediction);
                if !usage.is_empty() {
                    events.push(Event::Usage(usage));
                }
                return self.finish(events);
            }
            Said::Nothing => {}
        }
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if !self.has_finished {
            return Err(Garbage::ENDS_EARLY);
        }
        if !std::mem::replace(&mut self.has_ended, true) {
            events.push(Event::End);
        }
        Ok(())
    }
}
