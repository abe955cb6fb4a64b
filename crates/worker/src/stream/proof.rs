//! Whether a stream begins fast enough: it is held back until so many characters have come. No time
//! here; whoever reads the stream gives it up when it takes too long.

use weir_dialect::StreamReader;
use weir_dialect::ir::{Delta, Event, PartStart};
use weir_framing::Frame;

/// A stream under test.
pub(super) struct Proof {
    /// Characters that are still to come.
    missing: usize,
    has_begun: bool,
    is_over: bool,
    /// Reads events that pass as they are.
    reader: Option<Box<dyn StreamReader>>,
}

impl Proof {
    /// `reader`: of events that nobody else reads.
    pub(super) fn new(characters: usize, reader: Option<Box<dyn StreamReader>>) -> Self {
        Self { missing: characters, has_begun: false, is_over: false, reader }
    }

    /// Characters have come, and more are wanted.
    pub(super) fn is_running(&self) -> bool {
        self.has_begun && !self.is_over
    }

    /// Enough has come, or there is nothing that could be counted.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Counts what an event says, which says something that a client would miss if `is_content`.
    pub(super) fn read(&mut self, frame: &Frame<'_>, is_content: bool) {
        let mut events = Vec::new();
        let read = self.reader.as_mut().map(|reader| reader.read(frame, &mut events));
        if !matches!(read, Some(Ok(()))) {
            self.is_over |= is_content;
            return;
        }
        self.count(&events, is_content);
    }

    /// The same, of an event that has been read.
    pub(super) fn count(&mut self, events: &[Event], is_content: bool) {
        let characters: usize = events.iter().map(characters).sum();
        self.missing = self.missing.saturating_sub(characters);
        self.has_begun |= characters > 0;
        // What begins with a picture or with sealed thoughts cannot be measured.
        self.is_over |= self.missing == 0 || (is_content && !self.has_begun);
    }
}

fn characters(event: &Event) -> usize {
    match event {
        Event::Delta { delta, .. } => match delta {
            Delta::Text(text) | Delta::Arguments(text) | Delta::Transcript(text) => {
                text.chars().count()
            }
            Delta::Signature(_) | Delta::Annotation(_) | Delta::Audio(_) => 0,
        },
        Event::PartStart { start: PartStart::ToolCall { name, .. }, .. } => name.chars().count(),
        _ => 0,
    }
}
