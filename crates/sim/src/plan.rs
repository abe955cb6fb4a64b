//! An answer in time: what is sent when, and where it breaks. Pure; `body` plays it.

use std::time::Duration;

use bytes::Bytes;

use crate::answer::events::{Events, Kind};
use crate::behaviour::{At, Behaviour, Breakage, How};

/// A body that is no JSON.
const GARBAGE_BODY: &[u8] = b"{\"id\":\"chatcmpl-broken\",\"choices\":[{\"mess";

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Wait(Duration),
    Send(Bytes),
    /// The same again and again, for ever.
    Repeat {
        bytes: Bytes,
        interval: Duration,
    },
    /// Nothing more, for ever.
    Stall,
    /// The connection is closed.
    Cut,
    /// The connection is reset.
    Reset,
}

/// What happens after the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In order.
    pub(crate) steps: Vec<Step>,
    /// `content-length`, where it is announced: it is the whole length even if the body breaks.
    pub(crate) announced: Option<u64>,
}

impl Plan {
    /// A body that is not a stream. It breaks in its middle; `error` is what an error says.
    pub(crate) fn whole(
        body: impl Into<Bytes>,
        behaviour: &Behaviour,
        error: impl FnOnce() -> String,
    ) -> Self {
        let body = body.into();
        let Some(Breakage::InBody { how, .. }) = behaviour.breakage else {
            return Self::plain(body);
        };
        let broken = match how {
            How::Garbage => return Self::plain(Bytes::from_static(GARBAGE_BODY)),
            How::Error => return Self::plain(error().into()),
            How::Stall => Step::Stall,
            How::Cut => Step::Cut,
            How::Reset => Step::Reset,
        };
        let announced = Some(body.len() as u64);
        let half = body.slice(..body.len() / 2);
        Self { steps: vec![Step::Send(half), broken], announced }
    }

    /// A body that nothing happens to.
    pub(crate) fn plain(body: Bytes) -> Self {
        Self { announced: Some(body.len() as u64), steps: vec![Step::Send(body)] }
    }

    /// A stream, with `interval` between its content events. `spoil` writes the events that are
    /// garbage or an error, after so many others.
    pub(crate) fn stream(
        events: Events,
        interval: Duration,
        behaviour: &Behaviour,
        spoil: impl Fn(Spoil, usize) -> Vec<u8>,
    ) -> Self {
        let mut rest = Bytes::from(events.bytes);
        let mut steps = Vec::with_capacity(events.marks.len() * 2 + 2);
        steps.extend(behaviour.first_chunk.map(Step::Wait));
        let mut break_at = match behaviour.breakage {
            Some(Breakage::InBody { how, at }) => Some((how, at)),
            _ => None,
        };
        let (mut contents, mut start) = (0, 0);
        for (nth, (end, kind)) in events.marks.into_iter().enumerate() {
            // Where a break is due: before the first event, or once its chunks are out, or,
            // if there are fewer of them, before the finish reason.
            let due = break_at.filter(|(_, at)| match at {
                At::First => true,
                At::Chunk(after) => {
                    (*after <= contents && kind != Kind::Role) || kind == Kind::Finish
                }
            });
            if let Some((how, _)) = due {
                break_at = None;
                if !push_break(&mut steps, how, |what| spoil(what, nth)) {
                    return Self { steps, announced: None };
                }
            }
            let bytes = rest.split_to(end - start);
            start = end;
            match kind {
                Kind::Content => {
                    if contents > 0 && !interval.is_zero() {
                        steps.push(Step::Wait(interval));
                    }
                    contents += 1;
                }
                Kind::Finish | Kind::Usage if behaviour.no_finish => continue,
                Kind::Done if behaviour.no_finish || behaviour.no_done => continue,
                Kind::Role | Kind::Part | Kind::Finish | Kind::Usage | Kind::Done => {}
            }
            steps.push(Step::Send(bytes));
        }
        Self { steps, announced: None }
    }
}

/// An event that does not belong into a good stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    Garbage,
    Error,
}

/// Adds a break; says whether the stream goes on after it.
fn push_break(steps: &mut Vec<Step>, how: How, spoil: impl Fn(Spoil) -> Vec<u8>) -> bool {
    match how {
        How::Stall => steps.push(Step::Stall),
        How::Cut => steps.push(Step::Cut),
        How::Reset => steps.push(Step::Reset),
        How::Garbage => steps.push(Step::Send(spoil(Spoil::Garbage).into())),
        How::Error => steps.push(Step::Send(spoil(Spoil::Error).into())),
    }
    how == How::Garbage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(contents: usize) -> Events {
        let mut events = Events::default();
        events.add(Kind::Role, |out| out.push(b'R'));
        for _ in 0..contents {
            events.add(Kind::Content, |out| out.push(b'c'));
        }
        events.add(Kind::Finish, |out| out.push(b'F'));
        events.add(Kind::Usage, |out| out.push(b'U'));
        events.done()
    }

    /// The plan in one letter per step: the first of its data, w for a wait, S C X for breaks.
    fn letters(text: &str, interval_ms: u64) -> String {
        let behaviour = Behaviour::parse(text).unwrap();
        let plan =
            Plan::stream(events(3), Duration::from_millis(interval_ms), &behaviour, |what, nth| {
                match what {
                    Spoil::Garbage => b"data: {".to_vec(),
                    Spoil::Error => format!("data: E{nth}").into_bytes(),
                }
            });
        let letter = |step: &Step| match step {
            Step::Wait(_) => 'w',
            Step::Repeat { .. } => 'r',
            Step::Stall => 'S',
            Step::Cut => 'C',
            Step::Reset => 'X',
            Step::Send(bytes) => char::from(bytes[6]),
        };
        plan.steps.iter().map(letter).collect()
    }

    #[test]
    fn streams_break_where_they_are_told_to() {
        for (text, expected) in [
            ("", "RcccFU["),
            ("no-done", "RcccFU"),
            ("no-finish", "Rccc"),
            ("error", "E"),
            ("error=2", "RccE"),
            ("cut=first", "C"),
            ("cut=0", "RC"),
            ("reset=0", "RX"),
            ("reset=first", "X"),
            ("stall=1", "RcS"),
            ("garbage=1", "Rc{ccFU["),
            ("cut=3", "RcccC"),
            ("cut=99", "RcccC"),
            ("first-chunk=5", "wRcccFU["),
        ] {
            assert_eq!(letters(text, 0), expected, "{text}");
        }
        assert_eq!(letters("", 5), "RcwcwcFU[");
    }

    #[test]
    fn a_whole_body_breaks_in_its_middle_and_announces_all_of_it() {
        let plan = |text| Plan::whole("12345678", &Behaviour::parse(text).unwrap(), || "E".into());
        assert_eq!(plan("").steps, [Step::Send("12345678".into())]);
        let cut = plan("cut=5");
        assert_eq!(cut.steps, [Step::Send("1234".into()), Step::Cut]);
        assert_eq!(cut.announced, Some(8));
        assert_eq!(plan("reset=first").steps[1], Step::Reset);
        assert_eq!(plan("error").steps, [Step::Send("E".into())]);
        assert_eq!(plan("garbage").steps, [Step::Send(GARBAGE_BODY.into())]);
    }
}
