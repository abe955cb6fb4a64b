//! One JSON array whose elements are the events.
//!
//! A frame is an element and all that stands before it: the opening bracket, the comma, blanks. The
//! closing bracket and the blanks before it are a frame that carries nothing; blanks after it are
//! what is left at the end. An element is there with its last byte; a number or a word, which have
//! no last byte of their own, with the byte that follows. Brackets, strings and commas between
//! elements are all that is looked at: whether an element is JSON is for its reader to find out.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use crate::FrameError;
use crate::cut::Cut;

/// Cuts a byte stream into elements.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pub(crate) cut: Cut,
    state: State,
}

/// Where in the array the next byte stands.
#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Before the opening bracket.
    #[default]
    Start,
    /// After the opening bracket.
    First,
    /// After a comma.
    Next,
    /// In an element, this many brackets deep.
    Inside(usize),
    /// In a string of an element, this many brackets deep; 0 if the string is the element.
    Text(usize),
    /// The same, after a backslash.
    Escape(usize),
    /// In an element without brackets or quotes.
    Word,
    /// After an element.
    After,
    /// After the closing bracket.
    Closed,
}

/// What a byte does.
enum Step {
    /// It belongs to the present frame, which goes on.
    On(State),
    /// It is the last of the present frame.
    Ends(State),
    /// The present frame ended before it.
    Ended(State),
}

impl Decoder {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, state: State::default() }
    }

    /// The next element, with all that stands before it.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let is_whole = self.scan().map_err(|error| match self.cut.is_too_long() {
            true => FrameError::TooLong,
            false => error,
        })?;
        if is_whole {
            return self.cut.take().map(Some);
        }
        self.cut.keep().map(|()| None)
    }

    /// What is left when the stream has ended.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        self.state = State::Start;
        self.cut.finish()
    }

    /// Looks for the end of the frame.
    fn scan(&mut self) -> Result<bool, FrameError> {
        loop {
            let unseen = self.cut.unseen();
            if let State::Text(_) = self.state {
                let plain = memchr2(b'"', b'\\', unseen).unwrap_or(unseen.len());
                self.cut.advance(plain);
            }
            let Some(&byte) = self.cut.unseen().first() else { return Ok(false) };
            let (state, is_taken, is_end) = match self.state.step(byte)? {
                Step::On(state) => (state, true, false),
                Step::Ends(state) => (state, true, true),
                Step::Ended(state) => (state, false, true),
            };
            self.state = state;
            self.cut.advance(usize::from(is_taken));
            if is_end {
                return Ok(true);
            }
        }
    }
}

impl State {
    fn step(self, byte: u8) -> Result<Step, FrameError> {
        let is_blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self, byte) {
            (Self::Start | Self::First | Self::Next | Self::After | Self::Closed, _)
                if is_blank =>
            {
                Ok(Step::On(self))
            }
            (Self::Start, b'[') => Ok(Step::On(Self::First)),
            (Self::Start, _) => Err(FrameError::Malformed("it does not begin with a bracket")),
            (Self::First | Self::After, b']') => Ok(Step::Ends(Self::Closed)),
            (Self::First | Self::Next, _) => Self::begin(byte),
            (Self::After, b',') => Ok(Step::On(Self::Next)),
            (Self::After, _) => Err(FrameError::Malformed("there is no comma between elements")),
            (Self::Closed, _) => Err(FrameError::Malformed("something follows the array")),
            (Self::Word, b',' | b']') => Ok(Step::Ended(Self::After)),
            (Self::Word, _) if is_blank => Ok(Step::Ended(Self::After)),
            (Self::Word, _) => Ok(Step::On(Self::Word)),
            (Self::Inside(depth), b'{' | b'[') => Ok(Step::On(Self::Inside(depth + 1))),
            (Self::Inside(0 | 1), b'}' | b']') => Ok(Step::Ends(Self::After)),
            (Self::Inside(depth), b'}' | b']') => Ok(Step::On(Self::Inside(depth - 1))),
            (Self::Inside(depth), b'"') => Ok(Step::On(Self::Text(depth))),
            (Self::Inside(_), _) => Ok(Step::On(self)),
            (Self::Text(0), b'"') => Ok(Step::Ends(Self::After)),
            (Self::Text(depth), b'"') => Ok(Step::On(Self::Inside(depth))),
            (Self::Text(depth), b'\\') => Ok(Step::On(Self::Escape(depth))),
            (Self::Text(depth) | Self::Escape(depth), _) => Ok(Step::On(Self::Text(depth))),
        }
    }

    /// The first byte of an element.
    fn begin(byte: u8) -> Result<Step, FrameError> {
        match byte {
            b'{' | b'[' => Ok(Step::On(Self::Inside(1))),
            b'"' => Ok(Step::On(Self::Text(0))),
            b',' | b'}' | b']' => Err(FrameError::Malformed("an element is missing")),
            _ => Ok(Step::On(Self::Word)),
        }
    }
}

/// The element in a frame; `None` if there is none.
pub(crate) fn element(raw: &[u8]) -> Option<&[u8]> {
    let text = raw.trim_ascii();
    // Only the first frame has the bracket, and it has no comma: an element that is itself an array
    // is told from it.
    let inner = text.strip_prefix(b",").or_else(|| text.strip_prefix(b"["));
    let inner = inner.unwrap_or(text).trim_ascii_start();
    (!matches!(inner, b"" | b"]")).then_some(inner)
}

/// How far an array is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not begun.
    #[default]
    Nothing,
    /// Begun.
    Open,
    /// Closed; nothing can follow.
    Closed,
}

impl Progress {
    /// Writes an element.
    pub(crate) fn write(&mut self, out: &mut BytesMut, element: &[u8]) {
        let before: &[u8] = match self {
            Self::Nothing => b"[",
            Self::Open => b",\r\n",
            Self::Closed => return,
        };
        out.reserve(before.len() + element.len());
        out.extend_from_slice(before);
        out.extend_from_slice(element);
        *self = Self::Open;
    }

    /// Writes the end; an empty array if there are no elements.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        let end: &[u8] = match self {
            Self::Nothing => b"[]",
            Self::Open => b"]",
            Self::Closed => return,
        };
        out.extend_from_slice(end);
        *self = Self::Closed;
    }
}
