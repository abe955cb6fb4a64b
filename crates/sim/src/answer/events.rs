//! A streamed answer before it is timed or broken: its events, each told by what it means.

use serde_json::Value;

/// What an event of a stream means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Says who speaks; no content yet.
    Role,
    /// A piece of the answer.
    Content,
    /// What stands between pieces: the end of one part, the beginning of the next.
    Part,
    /// The finish reason.
    Finish,
    /// Token counts.
    Usage,
    /// The mark that nothing more comes.
    Done,
}

/// Events one behind the other in one allocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    pub(crate) bytes: Vec<u8>,
    /// Where each event ends, and what it is.
    pub(crate) marks: Vec<(usize, Kind)>,
}

impl Events {
    pub(crate) fn with_capacity(bytes: usize, events: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), marks: Vec::with_capacity(events) }
    }

    /// Adds an event that `write` appends whole.
    pub(crate) fn raw(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.marks.push((self.bytes.len(), kind));
    }

    /// Adds an event whose data `write` appends.
    pub(crate) fn add(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        self.raw(kind, |out| {
            out.extend_from_slice(b"data: ");
            write(out);
            out.extend_from_slice(b"\n\n");
        });
    }

    /// Adds an event with a name.
    pub(crate) fn named(&mut self, kind: Kind, name: &str, data: &Value) {
        self.raw(kind, |out| out.extend_from_slice(&named(name, data)));
    }

    /// Adds the mark at the end of a stream.
    pub(crate) fn done(mut self) -> Self {
        self.add(Kind::Done, |out| out.extend_from_slice(b"[DONE]"));
        self
    }
}

/// An event with a name, as bytes.
pub(crate) fn named(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
