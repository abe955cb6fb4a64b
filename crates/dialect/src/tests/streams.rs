//! Streams: the same however they are split, in the promised order, and the same in every format.

use bytes::Bytes;
use proptest::prelude::*;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Operation;

use super::Problems;
use super::fixture::{Fixture, asked, every, formats, frames, plain_request, reader};
use super::meaning::Said;
use super::order;
use crate::ir::{Event, Losses};
use crate::{Depth, Format, Garbage, Kind, Observed};

/// All that a stream says.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    frames: Vec<Bytes>,
    full: Vec<Result<Observed, Garbage>>,
    skimmed: Vec<Result<Observed, Garbage>>,
    /// Empty if the format's streams are not translated.
    events: Vec<Event>,
    fault: Option<Garbage>,
}

impl Heard {
    /// Whether the provider itself says that all is well.
    fn is_good(&self) -> bool {
        let seen = || self.full.iter().flatten();
        let is_error = |seen: &Observed| seen.kind == Kind::Error;
        // A word for "broken off" is passed on to those who know it, and told to others.
        let is_broken = matches!(self.events.last(), Some(Event::Error(_)));
        seen().any(|seen| seen.finish().is_some())
            && !is_broken
            && !seen().any(is_error)
            && self.full.iter().all(Result::is_ok)
    }

    fn has_failed(&self) -> bool {
        self.fault.is_some() || matches!(self.events.last(), Some(Event::Error(_)))
    }
}

/// Hears a stream that comes in pieces of `sizes`.
fn hear(format: &dyn Format, framing: Framing, stream: &Bytes, sizes: &[usize]) -> Heard {
    let decoder = Decoder::new(framing);
    let mut heard = Heard { frames: frames(framing, stream, sizes), ..Heard::default() };
    let mut reader = reader(format.dialect(), Operation::Chat).stream_reader();
    for raw in &heard.frames {
        let Ok(frame) = decoder.parse(raw) else {
            heard.fault = Some(Garbage("the frame is broken"));
            break;
        };
        if frame.data.is_none() {
            continue;
        }
        heard.full.push(format.observe(&frame, Depth::Full));
        heard.skimmed.push(format.observe(&frame, Depth::Skim));
        if let (Some(reader), false) = (&mut reader, heard.has_failed_in(&heard.events)) {
            heard.fault = reader.read(&frame, &mut heard.events).err();
        }
    }
    if let (Some(reader), false) = (&mut reader, heard.has_failed()) {
        heard.fault = reader.finish(&mut heard.events).err();
    }
    heard
}

impl Heard {
    /// As [`Heard::has_failed`], while the stream goes on.
    fn has_failed_in(&self, events: &[Event]) -> bool {
        self.fault.is_some() || events.iter().any(|event| matches!(event, Event::Error(_)))
    }
}

/// Writes a stream in `format`, one event after the other, as many pieces as there are events.
fn write(format: &dyn Format, framing: Framing, events: &[Event]) -> Option<(Bytes, Losses)> {
    let request = plain_request(format.dialect());
    let asked = asked(format.dialect(), Operation::Chat, &request);
    let mut writer = format.stream_writer(&asked)?;
    let mut out = Writer::new(framing);
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    out.end();
    Some((out.take(), writer.losses()))
}

/// Streams that are translated.
fn chat_streams() -> Vec<(&'static dyn Format, Fixture)> {
    every("streams").into_iter().filter(|(_, fixture)| fixture.is_read()).collect()
}

#[test]
fn streams_are_read_in_order_or_their_fault_is_seen() {
    let mut problems = Problems::default();
    for (format, fixture) in chat_streams() {
        let (framing, stream) = fixture.stream();
        let heard = hear(format, framing, &stream, &[]);
        if heard.is_good() && heard.fault.is_none() {
            problems.extend(&fixture.label(), order::check(&heard.events).err());
        } else {
            problems.check(!heard.is_good() && heard.has_failed(), || {
                format!("{}: good: {}, {:?}", fixture.label(), heard.is_good(), heard.fault)
            });
        }
        for sizes in [1, 7, 64] {
            let other = hear(format, framing, &stream, &[sizes]);
            problems.check(other == heard, || format!("{}: split by {sizes}", fixture.label()));
        }
    }
    problems.report();
}

#[test]
fn skimming_sees_what_reading_sees() {
    let mut problems = Problems::default();
    for (format, fixture) in every("streams") {
        let (framing, stream) = fixture.stream();
        let heard = hear(format, framing, &stream, &[]);
        for (at, (full, skimmed)) in heard.full.iter().zip(&heard.skimmed).enumerate() {
            let (Ok(full), Ok(skimmed)) = (full, skimmed) else { continue };
            let ends = |kind: Kind| matches!(kind, Kind::Error | Kind::Done);
            let is_same = full.finish() == skimmed.finish()
                && full.usage == skimmed.usage
                && (full.kind == skimmed.kind || !(ends(full.kind) || ends(skimmed.kind)));
            problems.check(is_same, || {
                format!("{}: event {at}: {full:?}, skimmed {skimmed:?}", fixture.label())
            });
        }
    }
    problems.report();
}

#[test]
fn usage_that_is_observed_is_what_is_read() {
    let mut problems = Problems::default();
    for (format, fixture) in chat_streams() {
        let (framing, stream) = fixture.stream();
        let heard = hear(format, framing, &stream, &[]);
        if heard.events.is_empty() || heard.has_failed() {
            continue;
        }
        let mut observed = weir_types::Usage::default();
        for usage in heard.full.iter().flatten().filter_map(|seen| seen.usage) {
            observed.update(&usage);
        }
        let read = order::collected(&heard.events).usage;
        problems.check(observed == read, || {
            format!("{}: observed {observed:?}, read {read:?}", fixture.label())
        });
    }
    problems.report();
}

/// What is wrong with `events` as `to` writes them.
fn check_written(to: &dyn Format, framing: Framing, events: &[Event]) -> Vec<String> {
    let Some((stream, losses)) = write(to, framing, events) else {
        return vec!["there is no writer".to_owned()];
    };
    let heard = hear(to, framing, &stream, &[]);
    let mut found = Vec::new();
    if !heard.is_good() {
        found.push("it is no stream that ends well".to_owned());
    }
    if let Some(fault) = heard.fault {
        found.push(format!("it is not read back: {fault}"));
        return found.into_iter().map(|text| format!("{text}: {stream:?}")).collect();
    }
    found.extend(order::check(&heard.events).err());
    let before = Said::by(&order::collected(events));
    let read = Said::by(&order::collected(&heard.events));
    found.extend(before.differs(&read, !losses.is_empty()));
    let done = heard.full.iter().flatten().filter(|seen| seen.kind == Kind::Done).count();
    if done > 1 || (done == 0 && to.terminator(Operation::Chat).is_some()) {
        found.push(format!("{done} events end the stream"));
    }
    found.into_iter().map(|text| format!("{text}\n    in {stream:?}")).collect()
}

#[test]
fn a_stream_says_the_same_in_every_format() {
    let mut problems = Problems::default();
    for (from, fixture) in chat_streams() {
        let (framing, stream) = fixture.stream();
        let heard = hear(from, framing, &stream, &[]);
        if heard.events.is_empty() || heard.has_failed() {
            continue;
        }
        for to in formats() {
            let place = format!("{} as {:?}", fixture.label(), to.dialect());
            problems.extend(&place, check_written(to, to.framing(), &heard.events));
        }
    }
    problems.report();
}

proptest! {
    #[test]
    fn no_split_changes_what_is_heard_or_written(
        which in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1..300usize, 1..12),
    ) {
        let all = every("streams");
        if all.is_empty() {
            return Ok(());
        }
        let (format, fixture) = which.get(&all);
        let (framing, stream) = fixture.stream();
        let whole = hear(*format, framing, &stream, &[]);
        let split = hear(*format, framing, &stream, &sizes);
        prop_assert_eq!(&split, &whole, "{}", fixture.label());
        if !whole.events.is_empty() && !whole.has_failed() {
            for to in formats() {
                let one = write(to, to.framing(), &whole.events);
                prop_assert_eq!(write(to, to.framing(), &split.events), one);
            }
        }
    }
}
