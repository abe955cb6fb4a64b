//! Reads what a stream says in words: text, refusals, reasoning, and what the text refers to.

use serde_json::Value;
use weir_types::Dialect;

use super::read::{Reader, Said};
use super::slots::{Place, Shape};
use crate::fault::Garbage;
use crate::ir::{Delta, Event, PartStart, Sealed, Thinking};
use crate::openai_responses::answer::logprobs_in;
use crate::openai_responses::{content, items};

impl Reader {
    /// An event of any other type; what is of no interest is passed over.
    pub(super) fn words(
        &mut self,
        kind: &str,
        mut said: Said,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let place = self.place(&said);
        match kind {
            "output_text.delta" => {
                let logprobs = logprobs_in(said.take("logprobs"));
                self.more(place, PartStart::Text, said.text("delta"), logprobs, events)
            }
            "refusal.delta" => {
                self.more(place, PartStart::Refusal, said.text("delta"), None, events)
            }
            "output_text.done" => self.all(place, PartStart::Text, said.text("text"), events),
            "refusal.done" => self.all(place, PartStart::Refusal, said.text("refusal"), events),
            "output_text.annotation.added" => {
                let annotation = said.take("annotation");
                self.annotations(place, 0, annotation.into_iter().collect(), events)
            }
            "reasoning_summary_text.delta" => {
                let part = said.index("summary_index").unwrap_or(0);
                self.thought(place.0, said.text("delta"), (true, part), events)
            }
            "reasoning_text.delta" => {
                let part = said.index("content_index").unwrap_or(0);
                self.thought(place.0, said.text("delta"), (false, part), events)
            }
            _ => Ok(()),
        }
    }

    fn place(&self, said: &Said) -> Place {
        (self.output(), said.index("content_index").unwrap_or(0))
    }

    /// The part at `place`, which is new unless it has appeared.
    fn slot(&mut self, place: Place, shape: Shape) -> Result<Option<usize>, Garbage> {
        match self.slots.find(place) {
            None => self.slots.add(place, shape).map(Some),
            Some(at) => Ok(self.slots.get(at).filter(|slot| slot.shape == shape).map(|_| at)),
        }
    }

    fn more(
        &mut self,
        place: Place,
        start: PartStart,
        text: &str,
        logprobs: Option<Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if text.is_empty() && logprobs.is_none() {
            return Ok(());
        }
        let Some(at) = self.slot(place, Shape::Words)? else { return Ok(()) };
        self.has_refusal |= start == PartStart::Refusal;
        self.slots.start(at, start, events)?;
        self.slots.delta(at, Delta::Text(text.to_owned()), logprobs, events)
    }

    /// The whole text, if none of it has come.
    fn all(
        &mut self,
        place: Place,
        start: PartStart,
        text: &str,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let at = self.slots.find(place);
        if at.and_then(|at| self.slots.get(at)).is_some_and(|slot| slot.has_words) {
            return Ok(());
        }
        self.more(place, start, text, None, events)
    }

    /// A part of a message is complete.
    pub(super) fn part_done(
        &mut self,
        place: Place,
        part: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "output_text" => self.all(place, PartStart::Text, text("text"), events)?,
            "refusal" => self.all(place, PartStart::Refusal, text("refusal"), events)?,
            _ => return Ok(()),
        }
        let annotations = part.get("annotations").and_then(Value::as_array);
        let annotations = annotations.cloned().unwrap_or_default();
        let Some(at) = self.slots.find(place) else { return Ok(()) };
        let known = self.slots.get(at).map_or(0, |slot| slot.annotations);
        self.annotations(place, known, annotations, events)?;
        self.slots.end(at, events)
    }

    /// What the text refers to, but for the first `known` of them.
    fn annotations(
        &mut self,
        place: Place,
        known: usize,
        list: Vec<Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let Some(at) = self.slots.find(place) else { return Ok(()) };
        for annotation in list.into_iter().skip(known) {
            let delta = Delta::Annotation(content::nested(annotation));
            self.slots.delta(at, delta, None, events)?;
            if let Some(slot) = self.slots.get(at) {
                slot.annotations += 1;
            }
        }
        Ok(())
    }

    /// Reasoning goes on; `from` says whether it is a summary, and which part of it.
    fn thought(
        &mut self,
        output: u64,
        text: &str,
        from: (bool, u64),
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if text.is_empty() {
            return Ok(());
        }
        let Some(at) = self.slot((output, 0), Shape::Thinking)? else { return Ok(()) };
        let Some(slot) = self.slots.get(at) else { return Ok(()) };
        let (is_summary, part) = from;
        // The reasoning itself and its summary are not one text: what comes first stands.
        if *slot.is_summary.get_or_insert(is_summary) != is_summary {
            return Ok(());
        }
        let is_next = slot.has_words && slot.summary != part;
        slot.summary = part;
        let start = PartStart::Thinking { id: slot.id.clone(), is_summary };
        self.slots.start(at, start, events)?;
        let text = if is_next { format!("{}{text}", items::PARAGRAPH) } else { text.to_owned() };
        self.slots.delta(at, Delta::Text(text), None, events)
    }

    /// A block of reasoning is complete.
    pub(super) fn reasoning_done(
        &mut self,
        output: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let found = self.slots.find_shaped((output, 0), Shape::Thinking);
        let Some(at) = found else { return Ok(()) };
        let has_words = self.slots.get(at).is_some_and(|slot| slot.has_words);
        let fields = crate::fields::Fields::new(item.clone(), "item");
        let thinking = fields.and_then(|mut fields| items::thinking(&mut fields));
        let Ok(Thinking { text, is_summary, .. }) = thinking else {
            return Err(Garbage("a reasoning item is not of its format"));
        };
        if !has_words {
            self.thought(output, &text, (is_summary, 0), events)?;
        }
        let data = item.get("encrypted_content").and_then(Value::as_str);
        let sealed =
            data.map(|data| Sealed { origin: Dialect::OpenAiResponses, data: data.to_owned() });
        let has_begun = self.slots.get(at).is_some_and(|slot| slot.has_begun);
        match sealed {
            Some(sealed) if has_begun => {
                self.slots.delta(at, Delta::Signature(sealed), None, events)
            }
            Some(sealed) => self.slots.start(at, PartStart::Redacted(sealed), events),
            None => Ok(()),
        }
    }
}
