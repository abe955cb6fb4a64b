//! The validator behind [`super::Members`]: one pass, no recursion, no allocation but the list.
//!
//! Follows RFC 8259. Nested values are checked with a stack of bits, so depth costs no memory and
//! hostile nesting cannot exhaust the thread's stack.

use std::ops::Range;

use super::{DEPTH_MAX, Found, JsonFault, Member, string};

/// The fault is in a box: what is checked comes back in registers.
pub(super) type Checked<T> = Result<T, Box<JsonFault>>;

/// A position in a document that is known to be UTF-8.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The one object that the document is.
    pub(super) fn document(&mut self) -> Checked<Found> {
        let found = self.object()?;
        self.end()?;
        Ok(found)
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Checked<()> {
        self.skip_blanks();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("expected the end of the body after the object")),
        }
    }

    /// The same of the first element of the array at the start.
    pub(super) fn first_object(&mut self) -> Checked<Found> {
        if self.peek() != Some(b'[') {
            return Err(self.unexpected("'['"));
        }
        self.at += 1;
        self.object()
    }

    fn object(&mut self) -> Checked<Found> {
        self.skip_blanks();
        match self.peek() {
            None => return Err(self.fault("the body is empty, expected a JSON object")),
            Some(b'{') => self.at += 1,
            Some(_) => {
                let start = self.at;
                self.value(0)?;
                return Err(self.fault_at(start, "expected a JSON object"));
            }
        }
        let start = self.at;
        let mut list = Vec::with_capacity(16);
        let mut has_escapes = false;
        self.skip_blanks();
        while self.peek() != Some(b'}') {
            let key_start = self.at;
            has_escapes |= self.string("a member name in quotes")?;
            let key = key_start..self.at;
            self.colon()?;
            self.skip_blanks();
            let value_start = self.at;
            self.value(1)?;
            list.push(Member { key, value: value_start..self.at });
            self.skip_blanks();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_blanks();
                    if self.peek() == Some(b'}') {
                        return Err(self.fault("expected a member after the comma"));
                    }
                }
                Some(b'}') => {}
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
        let inside = start..self.at;
        self.at += 1;
        Ok(Found { list, inside, has_escapes })
    }

    /// Skips the value that follows, which stands `depth` levels deep; as it is written.
    pub(super) fn skipped(&mut self, depth: u32) -> Checked<&'a [u8]> {
        self.skip_blanks();
        let start = self.at;
        self.value(depth)?;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// Steps over the comma, or over the closing bracket: whether there is more before that.
    pub(super) fn continues(&mut self, close: u8) -> Checked<bool> {
        self.skip_blanks();
        let found = self.peek();
        if found != Some(b',') && found != Some(close) {
            return Err(self.unexpected("',' or a closing bracket"));
        }
        self.at += 1;
        Ok(found == Some(b','))
    }

    /// Steps over a member's name and the colon: what stands between its quotes, `None` if that has
    /// escapes.
    pub(super) fn member_name(&mut self) -> Checked<Option<&'a [u8]>> {
        self.skip_blanks();
        let name = self.plain_string()?;
        self.colon()?;
        Ok(name)
    }

    /// What stands between the quotes of the string that follows; `None` if that has escapes.
    pub(super) fn plain_string(&mut self) -> Checked<Option<&'a [u8]>> {
        let start = self.at + 1;
        let is_escaped = self.string("a string")?;
        Ok(self.bytes.get(start..self.at - 1).filter(|_| !is_escaped))
    }

    /// Where the elements of the array at the start are; empty if it is no array.
    pub(super) fn elements(&mut self) -> Checked<Vec<Range<usize>>> {
        let mut list = Vec::new();
        if self.peek() != Some(b'[') || !self.open(b']')? {
            return Ok(list);
        }
        loop {
            self.skip_blanks();
            let start = self.at;
            self.value(1)?;
            list.push(start..self.at);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(list),
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    /// Skips one value that stands `depth` levels deep.
    fn value(&mut self, mut depth: u32) -> Checked<()> {
        let outer = depth;
        let mut is_object: u128 = 0;
        loop {
            self.skip_blanks();
            let opened = match self.peek() {
                Some(b'{') => self.open(b'}')?.then_some(true),
                Some(b'[') => self.open(b']')?.then_some(false),
                Some(b'"') => self.string("a string").map(|_| None)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| None)?,
                Some(b't') => self.literal(b"true").map(|()| None)?,
                Some(b'f') => self.literal(b"false").map(|()| None)?,
                Some(b'n') => self.literal(b"null").map(|()| None)?,
                _ => return Err(self.unexpected("a value")),
            };
            if let Some(object) = opened {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(self.fault(format!("nested deeper than {DEPTH_MAX} levels")));
                }
                is_object = is_object << 1 | u128::from(object);
                if object {
                    self.name()?;
                }
                continue;
            }
            loop {
                if depth == outer {
                    return Ok(());
                }
                self.skip_blanks();
                let object = is_object & 1 == 1;
                match (self.peek(), object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if object {
                            self.skip_blanks();
                            self.name()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        depth -= 1;
                        is_object >>= 1;
                    }
                    (_, true) => return Err(self.unexpected("',' or '}'")),
                    (_, false) => return Err(self.unexpected("',' or ']'")),
                }
            }
        }
    }

    /// Steps over an opening bracket; false if the closing one follows, which it steps over too.
    pub(super) fn open(&mut self, close: u8) -> Checked<bool> {
        self.at += 1;
        self.skip_blanks();
        match self.peek() {
            Some(found) if found == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(self.unexpected("a value")),
        }
    }

    fn name(&mut self) -> Checked<()> {
        self.string("a member name in quotes")?;
        self.colon()
    }

    fn colon(&mut self) -> Checked<()> {
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("':'"));
        }
        self.at += 1;
        Ok(())
    }

    /// Skips a string; says whether it holds escapes.
    fn string(&mut self, expected: &str) -> Checked<bool> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected(expected));
        }
        let start = self.at;
        self.at += 1;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(false);
        }
        self.rest_of_string(start)
    }

    /// Skips the string that begins at `start` from where it is no longer plain.
    fn rest_of_string(&mut self, start: usize) -> Checked<bool> {
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    self.at += 1;
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.fault("control characters in strings must be escaped")),
                None => return Err(self.fault_at(start, "the string is not closed")),
            }
            self.skip_plain();
        }
    }

    fn skip_plain(&mut self) {
        self.at += string::plain_len(self.bytes.get(self.at..).unwrap_or_default());
    }

    /// Skips what follows a backslash.
    fn escape(&mut self) -> Checked<()> {
        let hex = self.bytes.get(self.at + 1..self.at + 5);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') if hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                self.at += 5;
            }
            _ => return Err(self.fault("invalid escape in a string")),
        }
        Ok(())
    }

    fn number(&mut self) -> Checked<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(self.unexpected("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Checked<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a digit"));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Checked<()> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(literal)) {
            return Err(self.unexpected("a value"));
        }
        self.at += literal.len();
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn unexpected(&self, expected: &str) -> Box<JsonFault> {
        match self.peek() {
            None => self.fault(format!("expected {expected}, found the end of the body")),
            Some(byte @ 0x21..=0x7e) => {
                self.fault(format!("expected {expected}, found '{}'", char::from(byte)))
            }
            Some(_) => self.fault(format!("expected {expected}")),
        }
    }

    fn fault(&self, message: impl Into<String>) -> Box<JsonFault> {
        self.fault_at(self.at, message)
    }

    fn fault_at(&self, at: usize, message: impl Into<String>) -> Box<JsonFault> {
        Box::new(JsonFault::at(self.bytes, at, message))
    }
}
