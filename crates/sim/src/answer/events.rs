//! A streamed answer before it is timed or broken: its events, each told by what it means.

/// What an event of a stream means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Says who speaks; no content yet.
    Role,
    /// A piece of the answer.
    Content,
    /// The finish reason.
    Finish,
    /// Token counts.
    Usage,
    /// `[DONE]`.
    Done,
}

/// Events one behind the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) bytes: Vec<u8>,
    /// Where each event ends, and what it is.
    pub(crate) marks: Vec<(usize, Kind)>,
}

impl Events {
    pub(crate) fn with_capacity(bytes: usize, events: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), marks: Vec::with_capacity(events) }
    }

    /// Adds an event whose data `write` appends.
    pub(crate) fn add(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(b"data: ");
        write(&mut self.bytes);
        self.bytes.extend_from_slice(b"\n\n");
        self.marks.push((self.bytes.len(), kind));
    }

    /// Adds the end mark of the dialect.
    pub(crate) fn done(mut self) -> Self {
        self.add(Kind::Done, |out| out.extend_from_slice(b"[DONE]"));
        self
    }
}
