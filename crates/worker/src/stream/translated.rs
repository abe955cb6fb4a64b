//! A stream whose client speaks another format than the provider: read, and written anew.

use std::collections::VecDeque;

use bytes::Bytes;
use weir_dialect::ir::{Event, Losses};
use weir_dialect::names::Renames;
use weir_dialect::{Format, Kind, StreamReader, StreamWriter};
use weir_framing::{Decoder, Writer};
use weir_types::Usage;

use super::finishes::Finishes;
use super::{Broken, ENDS_WITHIN, Framings, Held, Step, is_comment, readable};
use crate::way::Translation;

/// One stream.
pub(crate) struct Translated {
    /// The provider's, which looks at each event as it does where events pass.
    format: &'static dyn Format,
    pub(super) decoder: Decoder,
    reader: Box<dyn StreamReader>,
    writer: Box<dyn StreamWriter>,
    out: Writer,
    renames: Renames,
    /// Reused, so that an event costs no list of its own.
    events: Vec<Event>,
    pub(super) held: Held,
    pub(super) usage: Usage,
    pub(super) finishes: Finishes,
    /// The provider's last event has been read.
    is_done: bool,
    /// The client's last event has been written.
    is_ended: bool,
}

impl Translated {
    /// `None`: streams of one of the formats cannot be translated.
    pub(super) fn new(translation: &Translation, framings: Framings, held: Held) -> Option<Self> {
        Some(Self {
            format: translation.provider,
            decoder: framings.decoder(),
            reader: translation.provider.stream_reader()?,
            writer: translation.client.stream_writer(&translation.asked())?,
            out: Writer::new(framings.client),
            renames: translation.renames.clone(),
            events: Vec::new(),
            held,
            usage: Usage::default(),
            finishes: Finishes::new(translation.choices()),
            is_done: false,
            is_ended: false,
        })
    }

    pub(super) fn take(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) -> Step {
        self.decoder.push(chunk);
        let mut commits = false;
        let step = loop {
            let frame = match self.decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break Step::More,
                Err(error) => break Step::Broken(error.into()),
            };
            match self.read(&frame) {
                Ok(has_content) => commits |= has_content,
                Err(broken) => break Step::Broken(broken),
            }
            if self.is_done {
                self.flush(commits, out);
                return self.complete(out);
            }
        };
        self.flush(commits, out);
        step
    }

    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        if let Some(rest) = self.decoder.finish().filter(|rest| !rest.trim_ascii().is_empty()) {
            let mut frame = rest.trim_ascii_end().to_vec();
            frame.extend_from_slice(b"\n\n");
            match self.read(&frame) {
                Ok(commits) => self.flush(commits, out),
                Err(Broken::Garbage(_)) => return Step::Broken(Broken::Garbage(ENDS_WITHIN)),
                Err(broken) => return Step::Broken(broken),
            }
        }
        if self.is_done { self.complete(out) } else { Step::More }
    }

    pub(super) fn complete(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        if self.is_ended {
            return Step::Done;
        }
        let mut events = std::mem::take(&mut self.events);
        if let Err(garbage) = self.reader.finish(&mut events) {
            return Step::Broken(garbage.into());
        }
        match self.write(&mut events) {
            Ok(_) => {
                self.flush(true, out);
                Step::Done
            }
            Err(broken) => Step::Broken(broken),
        }
    }

    pub(super) fn losses(&mut self) -> Losses {
        self.writer.losses()
    }

    /// Reads one event of the provider's; whether the client would miss what it says.
    fn read(&mut self, raw: &[u8]) -> Result<bool, Broken> {
        let frame = self.decoder.parse(raw)?;
        if is_comment(&frame) {
            self.held.hears_comment();
            return Ok(false);
        }
        let clean = readable(&frame);
        let frame = clean.as_ref().unwrap_or(&frame);
        let depth = self.held.depth(&self.finishes);
        let seen = self.format.observe(frame, depth)?;
        if seen.kind == Kind::Error {
            let data = frame.data.as_deref().unwrap_or_default();
            return Err(Broken::Error(Bytes::copy_from_slice(data)));
        }
        self.is_done = seen.kind == Kind::Done;
        if let Some(usage) = &seen.usage {
            self.usage.update(usage);
        }
        let says = seen.kind != Kind::Preamble;
        let ends = self.finishes.observe(seen);
        self.held.hears(ends || says, depth);
        let mut events = std::mem::take(&mut self.events);
        if let Err(garbage) = self.reader.read(frame, &mut events) {
            return Err(garbage.into());
        }
        let read = self.write(&mut events);
        self.events = events;
        read
    }

    fn write(&mut self, events: &mut Vec<Event>) -> Result<bool, Broken> {
        let mut has_content = false;
        if let Some(proof) = &mut self.held.proof {
            proof.count(events, events.iter().any(Event::is_content));
            if events.iter().any(|event| matches!(event, Event::Finish { .. } | Event::End)) {
                proof.end();
            }
        }
        for mut event in events.drain(..) {
            has_content |= event.is_content();
            match &event {
                Event::Start { usage, .. } | Event::Usage(usage) => self.usage.update(usage),
                Event::End => self.is_ended = true,
                // A provider's failure that its event does not call one.
                Event::Error(error) => {
                    return Err(Broken::Error(self.format.write_error(error)));
                }
                _ => {}
            }
            self.renames.restore_event(&mut event);
            let is_end = matches!(event, Event::End);
            self.writer.write(event, &mut self.out);
            if is_end {
                self.out.end();
            }
        }
        Ok(has_content)
    }

    fn flush(&mut self, commits: bool, out: &mut VecDeque<Bytes>) {
        let commits = commits || self.is_ended;
        if self.out.is_empty() {
            if commits {
                self.held.content(out);
            }
            return;
        }
        let piece = self.out.take();
        self.held.add(piece, commits, out);
    }
}
