//! A stream's bytes on their way through: cut into events, held back up to the commit point,
//! passed on in large pieces after it.
//!
//! No I/O and no time here. Holds at most [`HELD_EVENTS_MAX`] events or [`HELD_BYTES_MAX`] bytes;
//! a stream that says nothing for longer is committed as it is.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use weir_dialect::openai_chat::stream::{Kind, read, skim};
use weir_framing::sse::{Decoder, Event};
use weir_types::Usage;

const HELD_EVENTS_MAX: usize = 64;
const HELD_BYTES_MAX: usize = 256 * 1024;

/// What a chunk brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More is to come.
    More,
    /// `[DONE]`.
    Done,
    /// The stream is of no further use.
    Broken(Broken),
}

/// Why a stream is of no further use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The provider says that it failed; the event's data.
    Error(Bytes),
    /// An event makes no sense.
    Garbage(&'static str),
}

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    decoder: Decoder,
    held: Vec<Bytes>,
    held_bytes: usize,
    /// The commit point has passed.
    pub(crate) is_committed: bool,
    /// Tokens, if reported so far.
    pub(crate) usage: Usage,
    /// The finish reason, if seen.
    pub(crate) finish: Option<String>,
}

/// What an event is to the relay.
#[derive(PartialEq, Eq)]
enum Verdict {
    Comment,
    Preamble,
    Commits,
    Done,
}

impl Events {
    /// Takes a chunk; what may be passed on goes to `out`.
    pub(crate) fn take(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) -> Step {
        let carried = self.decoder.carried();
        let whole = chunk.clone();
        self.decoder.push(chunk);
        // Events that follow each other within `whole` are passed on as one piece.
        let mut run: Range<usize> = 0..0;
        let mut is_first = true;
        let step = loop {
            let frame = match self.decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break Step::More,
                Err(_) => break Step::Broken(Broken::Garbage("an event is too long")),
            };
            let reaches_back = is_first && carried > 0;
            let end = run.end + frame.len() - if is_first { carried } else { 0 };
            is_first = false;
            let verdict = match self.judge(&frame) {
                Ok(verdict) => verdict,
                Err(broken) => break Step::Broken(broken),
            };
            if self.is_committed && !reaches_back {
                run.end = end;
            } else {
                run = end..end;
                if self.is_committed {
                    out.push_back(frame);
                } else {
                    self.hold(frame, &verdict, out);
                }
            }
            if verdict == Verdict::Done {
                break Step::Done;
            }
        };
        if !run.is_empty() {
            out.push_back(whole.slice(run));
        }
        step
    }

    /// The stream has ended in good order; a last event may lack its empty line.
    pub(crate) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        let rest = self.decoder.finish().unwrap_or_default();
        let rest = rest.trim_ascii_end();
        if rest.is_empty() {
            return Step::More;
        }
        let mut frame = BytesMut::from(rest);
        frame.extend_from_slice(b"\n\n");
        let frame = frame.freeze();
        let verdict = match self.judge(&frame) {
            Ok(verdict) => verdict,
            Err(Broken::Garbage(_)) => return Step::Broken(Broken::Garbage(ENDS_WITHIN)),
            Err(broken) => return Step::Broken(broken),
        };
        if self.is_committed {
            out.push_back(frame);
        } else {
            self.hold(frame, &verdict, out);
        }
        if verdict == Verdict::Done { Step::Done } else { Step::More }
    }

    /// Gives out what is held.
    pub(crate) fn commit(&mut self, out: &mut VecDeque<Bytes>) {
        self.is_committed = true;
        out.extend(self.held.drain(..));
    }

    fn hold(&mut self, frame: Bytes, verdict: &Verdict, out: &mut VecDeque<Bytes>) {
        // Comments only keep a connection open; before the commit point nobody misses them.
        if *verdict == Verdict::Comment {
            return;
        }
        self.held_bytes += frame.len();
        self.held.push(frame);
        let is_full = self.held.len() >= HELD_EVENTS_MAX || self.held_bytes > HELD_BYTES_MAX;
        if is_full || matches!(verdict, Verdict::Commits | Verdict::Done) {
            self.commit(out);
        }
    }

    fn judge(&mut self, frame: &Bytes) -> Result<Verdict, Broken> {
        let event = Event::parse(frame);
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            return Ok(Verdict::Comment);
        };
        let seen = match self.is_committed {
            true => skim(event.event, &data),
            false => read(event.event, &data),
        };
        let seen = seen.map_err(|_| Broken::Garbage("an event is not a JSON object"))?;
        if let Some(usage) = seen.usage {
            self.usage = usage;
        }
        let ends = seen.finish.is_some();
        if ends {
            self.finish = seen.finish;
        }
        match seen.kind {
            Kind::Error => Err(Broken::Error(Bytes::copy_from_slice(&data))),
            Kind::Done => Ok(Verdict::Done),
            Kind::Content => Ok(Verdict::Commits),
            // An answer may be empty: its finish reason is all there is.
            Kind::Preamble if ends => Ok(Verdict::Commits),
            Kind::Preamble => Ok(Verdict::Preamble),
        }
    }
}

const ENDS_WITHIN: &str = "the stream ends within an event";

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn feed(events: &mut Events, text: &str, out: &mut VecDeque<Bytes>) -> Step {
        events.take(Bytes::copy_from_slice(text.as_bytes()), out)
    }

    fn text(out: &VecDeque<Bytes>) -> String {
        out.iter().map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn a_preamble_is_held_until_content_comes() {
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        assert_eq!(feed(&mut events, &format!(": hi\n\n{ROLE}"), &mut out), Step::More);
        assert!(out.is_empty() && !events.is_committed);
        assert_eq!(feed(&mut events, TEXT, &mut out), Step::More);
        assert!(events.is_committed);
        assert_eq!(text(&out), format!("{ROLE}{TEXT}"));
    }

    #[test]
    fn any_split_passes_the_same_bytes_on() {
        let stream = format!("{ROLE}{TEXT}: c\n\n{TEXT}{STOP}{USAGE}{DONE}");
        for size in 1..stream.len() {
            let (mut events, mut out) = (Events::default(), VecDeque::new());
            let mut step = Step::More;
            for chunk in stream.as_bytes().chunks(size) {
                step = events.take(Bytes::copy_from_slice(chunk), &mut out);
            }
            assert_eq!((step, text(&out)), (Step::Done, stream.clone()), "size {size}");
            assert_eq!(events.finish.as_deref(), Some("stop"));
            assert_eq!(events.usage.input_tokens, 3);
        }
    }

    #[test]
    fn events_of_one_chunk_are_passed_on_as_one_piece() {
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        feed(&mut events, TEXT, &mut out);
        out.clear();
        let chunk = Bytes::from(TEXT.repeat(3) + "data: {");
        events.take(chunk.clone(), &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].as_ptr(), chunk.as_ptr());
        assert_eq!(out[0].len(), 3 * TEXT.len());
    }

    #[test]
    fn what_follows_an_error_or_garbage_is_not_passed_on() {
        for bad in ["data: {\"error\":{\"message\":\"x\"}}\n\n", "data: {oops\n\n", "data: no\n\n"]
        {
            let (mut events, mut out) = (Events::default(), VecDeque::new());
            let step = feed(&mut events, &format!("{TEXT}{TEXT}{bad}{TEXT}"), &mut out);
            assert!(matches!(step, Step::Broken(_)), "{bad}");
            assert_eq!(text(&out), format!("{TEXT}{TEXT}"));
        }
    }

    #[test]
    fn a_long_preamble_is_committed() {
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        feed(&mut events, &ROLE.repeat(63), &mut out);
        assert!(!events.is_committed);
        feed(&mut events, ROLE, &mut out);
        assert!(events.is_committed);
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        let big = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(HELD_BYTES_MAX));
        feed(&mut events, &big, &mut out);
        assert!(events.is_committed);
    }

    #[test]
    fn a_last_event_may_lack_its_empty_line() {
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        feed(&mut events, &format!("{TEXT}data: [DONE]"), &mut out);
        assert_eq!(events.finish(&mut out), Step::Done);
        assert_eq!(text(&out), format!("{TEXT}{DONE}"));
        let (mut events, mut out) = (Events::default(), VecDeque::new());
        feed(&mut events, &format!("{TEXT}data: {{\"choi"), &mut out);
        assert_eq!(events.finish(&mut out), Step::Broken(Broken::Garbage(ENDS_WITHIN)));
    }
}
