//! A whole answer as the events of a stream: for those who asked for a stream and got none.

use super::answer::{ChatAnswer, Choice, Finish, FinishReason};
use super::event::{Delta, Event, PartStart};
use super::part::{Image, Media, Part, PartBody, Sealed, Thinking, ToolCall};

impl ChatAnswer {
    /// The events that a stream of this answer would have had, in the order that [`Event`] promises.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        let Self { id, model, created, choices, usage, .. } = self;
        let start = Event::Start { id, model, created, usage };
        let said = choices.into_iter().flat_map(of_choice);
        let end = [Event::Usage(usage), Event::End];
        std::iter::once(start).chain(said).chain(end).collect()
    }
}

fn of_choice(choice: Choice) -> Vec<Event> {
    let Choice { index, parts, finish, mut logprobs } = choice;
    let mut events = Vec::new();
    let mut count = 0;
    for part in parts {
        let Some((start, deltas)) = of_part(part) else { continue };
        events.push(Event::PartStart { choice: index, part: count, start });
        for delta in deltas {
            let logprobs = matches!(delta, Delta::Text(_)).then(|| logprobs.take()).flatten();
            events.push(Event::Delta { choice: index, part: count, delta, logprobs });
        }
        events.push(Event::PartEnd { choice: index, part: count });
        count += 1;
    }
    let finish = finish.unwrap_or(Finish::new(FinishReason::Stop));
    events.push(Event::Finish { choice: index, finish });
    events
}

/// `None`: no stream has a word for it.
fn of_part(part: Part) -> Option<(PartStart, Vec<Delta>)> {
    Some(match part.body {
        PartBody::Text { text, annotations } => {
            let annotations = annotations.into_iter().map(Delta::Annotation);
            (PartStart::Text, std::iter::once(Delta::Text(text)).chain(annotations).collect())
        }
        PartBody::Refusal(text) => (PartStart::Refusal, vec![Delta::Text(text)]),
        PartBody::Thinking(Thinking { redacted: Some(sealed), .. }) => {
            (PartStart::Redacted(sealed), Vec::new())
        }
        PartBody::Thinking(Thinking { text, signature, id, is_summary, .. }) => {
            (PartStart::Thinking { id, is_summary }, signed(Delta::Text(text), signature))
        }
        PartBody::ToolCall(ToolCall { id, name, arguments, is_custom, signature }) => (
            PartStart::ToolCall { id, name, is_custom },
            signed(Delta::Arguments(arguments), signature),
        ),
        PartBody::Image(Image { source, .. }) => {
            (PartStart::Image(Media { source, media_type: None }), Vec::new())
        }
        PartBody::Foreign { dialect, raw } => (PartStart::Foreign { dialect, raw }, Vec::new()),
        PartBody::Json(_)
        | PartBody::Document(_)
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::ToolResult(_) => return None,
    })
}

fn signed(delta: Delta, signature: Option<Sealed>) -> Vec<Delta> {
    std::iter::once(delta).chain(signature.map(Delta::Signature)).collect()
}
