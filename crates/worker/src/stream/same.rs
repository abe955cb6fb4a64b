//! A stream whose client speaks the provider's format: its bytes pass as they came.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use weir_dialect::{Format, Kind};
use weir_framing::{Decoder, Framing, Writer};
use weir_types::{Operation, Usage};

use super::finishes::Finishes;
use super::{Broken, ENDS_WITHIN, Framings, Held, Step, is_comment, readable};

/// One stream.
pub(crate) struct Same {
    format: &'static dyn Format,
    pub(super) decoder: Decoder,
    framing: Framing,
    /// Set where the client wants the same events framed in another way.
    reframed: Option<Writer>,
    pub(super) held: Held,
    pub(super) usage: Usage,
    pub(super) finishes: Finishes,
    pub(super) id: Option<String>,
    /// What is added where the provider leaves out the last event.
    terminator: Option<Bytes>,
}

/// What an event is to the relay.
#[derive(PartialEq, Eq)]
enum Verdict {
    Comment,
    /// It is not passed on.
    Nothing,
    Preamble,
    Commits,
    Done,
}

impl Same {
    pub(super) fn new(
        format: &'static dyn Format,
        operation: Operation,
        choices: u32,
        framings: Framings,
        held: Held,
    ) -> Self {
        let differs = framings.client != framings.provider;
        Self {
            format,
            decoder: framings.decoder(),
            framing: framings.provider,
            reframed: differs.then(|| Writer::new(framings.client)),
            held,
            usage: Usage::default(),
            finishes: Finishes::new(choices),
            id: None,
            terminator: format.terminator(operation),
        }
    }

    pub(super) fn take(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) -> Step {
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
                Err(error) => break Step::Broken(error.into()),
            };
            let reaches_back = is_first && carried > 0;
            let end = run.end + frame.len() - if is_first { carried } else { 0 };
            is_first = false;
            let verdict = match self.judge(&frame) {
                Ok(verdict) => verdict,
                Err(broken) => break Step::Broken(broken),
            };
            if verdict == Verdict::Nothing {
                out.extend((!run.is_empty()).then(|| whole.slice(run)));
                run = end..end;
            } else if self.held.is_committed && !reaches_back && self.reframed.is_none() {
                run.end = end;
            } else {
                run = end..end;
                self.pass(frame, &verdict, out);
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

    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        let rest = self.decoder.finish().unwrap_or_default();
        let rest = rest.trim_ascii_end();
        if rest.is_empty() {
            return Step::More;
        }
        let mut frame = BytesMut::from(rest);
        if self.framing == Framing::Sse {
            frame.extend_from_slice(b"\n\n");
        }
        let frame = frame.freeze();
        let verdict = match self.judge(&frame) {
            Ok(verdict) => verdict,
            Err(Broken::Garbage(_)) => return Step::Broken(Broken::Garbage(ENDS_WITHIN)),
            Err(broken) => return Step::Broken(broken),
        };
        self.pass(frame, &verdict, out);
        if verdict == Verdict::Done { Step::Done } else { Step::More }
    }

    pub(super) fn complete(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        self.held.commit(out);
        out.extend(self.terminator.take());
        if let Some(writer) = &mut self.reframed {
            writer.end();
            let end = writer.take();
            out.extend((!end.is_empty()).then_some(end));
        }
        Step::Done
    }

    fn pass(&mut self, frame: Bytes, verdict: &Verdict, out: &mut VecDeque<Bytes>) {
        // Comments only keep a connection open; before the commit point nobody misses them.
        let is_late = self.held.is_committed && self.reframed.is_none();
        if *verdict == Verdict::Nothing || (*verdict == Verdict::Comment && !is_late) {
            return;
        }
        let commits = matches!(verdict, Verdict::Commits | Verdict::Done);
        let piece = match &mut self.reframed {
            None => frame,
            Some(writer) => {
                if let Ok(event) = self.decoder.parse(&frame) {
                    let name = self.format.event_name(&event);
                    writer.event(&name, event.data.as_deref().unwrap_or_default());
                }
                if *verdict == Verdict::Done {
                    writer.end();
                }
                writer.take()
            }
        };
        self.held.add(piece, commits, out);
    }

    fn judge(&mut self, frame: &Bytes) -> Result<Verdict, Broken> {
        let event = self.decoder.parse(frame)?;
        if is_comment(&event) {
            self.held.hears_comment();
            // Some clients expect something to read in everything that is neither comment nor blank.
            let is_harmless = event.raw.starts_with(b":") || event.raw.trim_ascii().is_empty();
            return Ok(if is_harmless { Verdict::Comment } else { Verdict::Nothing });
        }
        if event.is_exception {
            let data = event.data.as_deref().unwrap_or_default();
            return Err(Broken::Error(Bytes::copy_from_slice(data)));
        }
        let depth = self.held.depth(&self.finishes);
        let mut seen = match (self.format.observe(&event, depth), &event) {
            (Ok(seen), _) => seen,
            // Numbers that are none pass as they came.
            (Err(garbage), event) => match readable(event) {
                Some(event) => self.format.observe(&event, depth)?,
                None => return Err(garbage.into()),
            },
        };
        if let Some(usage) = &seen.usage {
            self.usage.update(usage);
        }
        self.id = self.id.take().or_else(|| seen.id.take());
        let kind = seen.kind;
        let ends = self.finishes.observe(seen);
        self.held.hears(ends || kind != Kind::Preamble, depth);
        if let Some(proof) = &mut self.held.proof {
            match ends || kind == Kind::Done {
                true => proof.end(),
                false => proof.read(&event, kind == Kind::Content),
            }
        }
        match kind {
            Kind::Error => Err(Broken::Error(Bytes::copy_from_slice(
                event.data.as_deref().unwrap_or_default(),
            ))),
            Kind::Done => Ok(Verdict::Done),
            Kind::Content => Ok(Verdict::Commits),
            // An answer may be empty: its finish reason is all there is.
            Kind::Preamble if ends => Ok(Verdict::Commits),
            Kind::Preamble => Ok(Verdict::Preamble),
        }
    }
}
