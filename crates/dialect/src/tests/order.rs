//! The order that [`crate::ir::event`] promises, and an answer from the events of a stream.

use std::collections::BTreeMap;

use crate::ir::{
    ChatAnswer, Choice, Delta, Event, Media, Part, PartBody, PartStart, Source, Thinking, ToolCall,
};

#[derive(Default)]
struct Progress {
    next_part: u32,
    open: Option<PartStart>,
    is_finished: bool,
}

/// Says what is wrong with the order of `events`, which are a whole stream.
pub(crate) fn check(events: &[Event]) -> Result<(), String> {
    let mut choices: BTreeMap<u32, Progress> = BTreeMap::new();
    let mut usages_after_finish = 0;
    for (at, event) in events.iter().enumerate() {
        let wrong = |what: &str| Err(format!("event {at}: {what}: {event:?}"));
        if (at == 0) != matches!(event, Event::Start { .. }) {
            return wrong("a stream has one start, and it is first");
        }
        match event {
            Event::Start { .. } | Event::Error(_) | Event::End if at + 1 == events.len() => {}
            Event::Start { .. } => {}
            Event::Error(_) | Event::End => return wrong("something follows"),
            Event::Usage(_) => {
                usages_after_finish += usize::from(choices.values().any(|one| one.is_finished));
            }
            Event::PartStart { choice, part, start } => {
                let progress = choices.entry(*choice).or_default();
                if progress.is_finished || progress.open.is_some() || *part != progress.next_part {
                    return wrong("parts are numbered without gaps and do not overlap");
                }
                progress.next_part += 1;
                progress.open = Some(start.clone());
            }
            Event::Delta { choice, part, delta, .. } => {
                let progress = choices.entry(*choice).or_default();
                let Some(open) = &progress.open else { return wrong("the part is not open") };
                if part + 1 != progress.next_part || !is_of(delta, open) {
                    return wrong("it is not of the open part");
                }
            }
            Event::PartEnd { choice, part } => {
                let progress = choices.entry(*choice).or_default();
                if progress.open.take().is_none() || part + 1 != progress.next_part {
                    return wrong("the part is not open");
                }
            }
            Event::Finish { choice, .. } => {
                let progress = choices.entry(*choice).or_default();
                if progress.is_finished || progress.open.is_some() {
                    return wrong("a choice ends once, after its parts");
                }
                progress.is_finished = true;
            }
        }
    }
    if usages_after_finish > 1 {
        return Err("usage is given more than once at the end".to_owned());
    }
    let is_complete = choices.values().all(|one| one.is_finished) && !choices.is_empty();
    match events.last() {
        Some(Event::End) if is_complete => Ok(()),
        Some(Event::Error(_)) => Ok(()),
        _ => Err("it ends before all choices are finished".to_owned()),
    }
}

fn is_of(delta: &Delta, part: &PartStart) -> bool {
    match delta {
        Delta::Text(_) => {
            matches!(part, PartStart::Text | PartStart::Refusal | PartStart::Thinking { .. })
        }
        Delta::Signature(_) => {
            matches!(part, PartStart::Thinking { .. } | PartStart::ToolCall { .. })
        }
        Delta::Arguments(_) => matches!(part, PartStart::ToolCall { .. }),
        Delta::Annotation(_) => matches!(part, PartStart::Text),
        Delta::Audio(_) | Delta::Transcript(_) => matches!(part, PartStart::Audio { .. }),
    }
}

/// What the events of a stream say, as the answer that would have been given in one piece.
pub(crate) fn collected(events: &[Event]) -> ChatAnswer {
    let mut answer = ChatAnswer::default();
    let mut choices: BTreeMap<u32, Choice> = BTreeMap::new();
    for event in events {
        match event {
            Event::Start { id, model, created, usage } => {
                answer.id.clone_from(id);
                answer.model.clone_from(model);
                answer.created = *created;
                answer.usage.update(usage);
            }
            Event::PartStart { choice, start, .. } => {
                choices.entry(*choice).or_default().parts.push(Part::new(begun(start)));
            }
            Event::Delta { choice, part, delta, .. } => {
                let parts = &mut choices.entry(*choice).or_default().parts;
                if let Some(part) = parts.get_mut(*part as usize) {
                    add(&mut part.body, delta);
                }
            }
            Event::Finish { choice, finish } => {
                choices.entry(*choice).or_default().finish = Some(finish.clone());
            }
            Event::Usage(usage) => answer.usage.update(usage),
            Event::PartEnd { .. } | Event::Error(_) | Event::End => {}
        }
    }
    for (index, mut choice) in choices {
        choice.index = index;
        for part in &mut choice.parts {
            if let PartBody::ToolCall(call) = &mut part.body
                && call.arguments.is_empty()
                && !call.is_custom
            {
                "{}".clone_into(&mut call.arguments);
            }
        }
        answer.choices.push(choice);
    }
    answer
}

fn begun(start: &PartStart) -> PartBody {
    match start {
        PartStart::Text => PartBody::Text { text: String::new(), annotations: Vec::new() },
        PartStart::Refusal => PartBody::Refusal(String::new()),
        PartStart::Thinking { id, is_summary } => PartBody::Thinking(Thinking {
            id: id.clone(),
            is_summary: *is_summary,
            ..Thinking::default()
        }),
        PartStart::Redacted(sealed) => {
            PartBody::Thinking(Thinking { redacted: Some(sealed.clone()), ..Thinking::default() })
        }
        PartStart::ToolCall { id, name, is_custom } => PartBody::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: String::new(),
            is_custom: *is_custom,
            signature: None,
        }),
        PartStart::Audio { .. } => {
            let source = Source::Base64 { media_type: String::new(), data: String::new() };
            PartBody::Audio(Media { source, media_type: None })
        }
        PartStart::Image(media) => {
            PartBody::Image(crate::ir::Image { source: media.source.clone(), detail: None })
        }
        PartStart::Foreign { dialect, raw } => {
            PartBody::Foreign { dialect: *dialect, raw: raw.clone() }
        }
    }
}

fn add(body: &mut PartBody, delta: &Delta) {
    match (body, delta) {
        (PartBody::Text { text, .. } | PartBody::Refusal(text), Delta::Text(more)) => {
            text.push_str(more);
        }
        (PartBody::Text { annotations, .. }, Delta::Annotation(more)) => {
            annotations.push(more.clone());
        }
        (PartBody::Thinking(thinking), Delta::Text(more)) => thinking.text.push_str(more),
        (PartBody::Thinking(thinking), Delta::Signature(sealed)) => {
            thinking.signature = Some(sealed.clone());
        }
        (PartBody::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(more),
        (PartBody::ToolCall(call), Delta::Signature(sealed)) => {
            call.signature = Some(sealed.clone());
        }
        (PartBody::Audio(media), Delta::Audio(more)) => {
            if let Source::Base64 { data, .. } = &mut media.source {
                data.push_str(more);
            }
        }
        _ => {}
    }
}
