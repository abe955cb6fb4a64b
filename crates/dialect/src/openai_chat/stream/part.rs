//! A part of a streamed answer: what it is, what of it is said already, and what waits.

use serde_json::Value;

use crate::ir::{Delta, Event, PartStart};

/// What a part is and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Text,
    Refusal,
    /// `at`: the detail's own number.
    Thinking {
        at: Option<u64>,
        is_summary: bool,
    },
    Audio {
        id: Option<String>,
    },
    Call {
        index: Option<u64>,
        id: String,
        name: String,
        is_custom: bool,
    },
    /// Complete as it begins.
    Whole,
}

impl Key {
    /// Thoughts that come as words alone.
    pub(super) const fn words() -> Self {
        Self::Thinking { at: None, is_summary: false }
    }
}

/// A part that is open or waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) key: Key,
    whole: Option<PartStart>,
    has_begun: bool,
    is_signed: bool,
    held: Vec<(Delta, Option<Value>)>,
    arguments: Scan,
}

impl Waiting {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            whole: None,
            has_begun: false,
            is_signed: false,
            held: Vec::new(),
            arguments: Scan::default(),
        }
    }

    pub(super) fn whole(start: PartStart) -> Self {
        Self { whole: Some(start), ..Self::new(Key::Whole) }
    }

    pub(super) fn call(index: Option<u64>, is_custom: bool) -> Self {
        let (id, name) = (String::new(), String::new());
        Self::new(Key::Call { index, id, name, is_custom })
    }

    pub(super) const fn is_call(&self) -> bool {
        matches!(self.key, Key::Call { .. })
    }

    pub(super) fn has_index(&self, wanted: u64) -> bool {
        matches!(&self.key, Key::Call { index, .. } if *index == Some(wanted))
    }

    pub(super) fn has_id(&self, wanted: &str) -> bool {
        matches!(&self.key, Key::Call { id, .. } if id == wanted)
    }

    pub(super) fn is_named(&self) -> bool {
        matches!(&self.key, Key::Call { name, .. } if !name.is_empty())
    }

    /// Whether the arguments are a whole JSON value.
    pub(super) const fn is_whole(&self) -> bool {
        self.arguments.is_whole()
    }

    /// Whether a signature that comes alone belongs here.
    pub(super) const fn takes_signature(&self) -> bool {
        matches!(self.key, Key::Thinking { .. }) && !self.is_signed
    }

    /// Whether `delta` of a part `key` goes on with this one.
    pub(super) fn goes_on_with(&self, key: &Key, delta: &Delta) -> bool {
        match (&self.key, key) {
            (Key::Thinking { .. }, Key::Thinking { .. }) => {
                self.key == *key && !(self.is_signed && matches!(delta, Delta::Text(_)))
            }
            (Key::Audio { .. }, Key::Audio { .. }) => true,
            (Key::Text, Key::Text) | (Key::Refusal, Key::Refusal) => true,
            _ => false,
        }
    }

    /// Takes over what a piece says of the call itself; what is known already stays.
    pub(super) fn name_call(&mut self, new_id: String, new_name: String) {
        if let Key::Call { id, name, .. } = &mut self.key {
            if id.is_empty() && !self.has_begun {
                *id = new_id;
            }
            if name.is_empty() {
                *name = new_name;
            }
        }
    }

    /// Keeps a delta until it may be said.
    pub(super) fn hold(&mut self, delta: Delta, logprobs: Option<Value>) {
        match &delta {
            Delta::Arguments(piece) => self.arguments.push(piece),
            Delta::Signature(_) => self.is_signed = true,
            _ => {}
        }
        self.held.push((delta, logprobs));
    }

    /// How much a delta takes.
    pub(super) fn weight(&self, delta: &Delta) -> usize {
        const OWN: usize = 128;
        OWN + match delta {
            Delta::Text(text)
            | Delta::Arguments(text)
            | Delta::Audio(text)
            | Delta::Transcript(text) => text.len(),
            Delta::Signature(sealed) => sealed.data.len(),
            Delta::Annotation(_) => OWN,
        }
    }

    /// Whether it may end now that another waits.
    pub(super) fn may_end(&self) -> bool {
        match &self.key {
            Key::Call { is_custom: false, .. } => self.arguments.is_whole(),
            // Plain text: nothing but the end says that it is complete.
            Key::Call { is_custom: true, .. } => false,
            _ => true,
        }
    }

    /// Says what it holds, if it may begin: a call needs a name.
    pub(super) fn say(&mut self, choice: u32, part: u32, events: &mut Vec<Event>) {
        if !self.has_begun {
            if self.is_call() && !self.is_named() {
                return;
            }
            self.begin(choice, part, events);
        }
        for (delta, logprobs) in self.held.drain(..) {
            events.push(Event::Delta { choice, part, delta, logprobs });
        }
    }

    fn begin(&mut self, choice: u32, part: u32, events: &mut Vec<Event>) {
        self.has_begun = true;
        let start = match &self.key {
            Key::Text => PartStart::Text,
            Key::Refusal => PartStart::Refusal,
            Key::Thinking { is_summary, .. } => {
                PartStart::Thinking { id: None, is_summary: *is_summary }
            }
            Key::Audio { id } => PartStart::Audio { id: id.clone() },
            Key::Call { id, name, is_custom, .. } => {
                PartStart::ToolCall { id: id.clone(), name: name.clone(), is_custom: *is_custom }
            }
            Key::Whole => match self.whole.take() {
                Some(start) => start,
                None => return,
            },
        };
        events.push(Event::PartStart { choice, part, start });
    }

    /// Ends it; `false` if it never began, because it is a call without a name.
    pub(super) fn end(&mut self, choice: u32, part: u32, events: &mut Vec<Event>) -> bool {
        if !self.has_begun {
            return false;
        }
        if matches!(self.key, Key::Call { is_custom: false, .. }) && self.arguments.is_blank() {
            let delta = Delta::Arguments("{}".to_owned());
            events.push(Event::Delta { choice, part, delta, logprobs: None });
        }
        events.push(Event::PartEnd { choice, part });
        true
    }
}

/// Follows JSON text piece by piece as far as its outermost braces.
#[derive(Debug, Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    has_begun: bool,
}

impl Scan {
    fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            self.has_begun |= !byte.is_ascii_whitespace();
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_whole(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.in_string
    }

    const fn is_blank(&self) -> bool {
        !self.has_begun
    }
}
