//! A form with files (`multipart/form-data`) in pieces, as it arrives. All pieces put together are the
//! form again, so that one who passes it on may leave out, replace or add a part.
//!
//! A file is never held: its bytes are given out as they come. What is held is the head of a part, and
//! the few bytes that may be the beginning of the line between two parts. Knows no field.
//! <https://www.rfc-editor.org/rfc/rfc7578>, <https://www.rfc-editor.org/rfc/rfc2046#section-5.1>

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// The head of a part is no longer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// RFC 2046 has 70; clients are given some room.
const BOUNDARY_BYTES_MAX: usize = 200;
/// Blanks between a boundary and the end of its line.
const PADDING_MAX: usize = 64;

const LINE: &[u8] = b"\r\n";

/// A piece of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A part begins: the line before it, and its headers.
    Head(Head),
    /// Bytes of the part's content.
    Data(Bytes),
    /// The part has ended; the line feed that ends its content.
    Tail(Bytes),
    /// All parts have ended; the last line.
    Close(Bytes),
    /// What stands before the first part or after the last, which means nothing.
    Rest(Bytes),
}

/// What is known of a part from its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The line before the part, and its headers.
    pub raw: Bytes,
    /// The name of the field; empty if it has none.
    pub name: String,
    /// It has the name of a file, even if an empty one.
    pub is_file: bool,
}

impl Head {
    /// The name of the file; empty if it has none.
    #[must_use]
    pub fn file_name(&self) -> String {
        let head = String::from_utf8_lossy(&self.raw);
        let rest = parameters(&head).unwrap_or_default();
        parameter(rest, "filename").unwrap_or_default()
    }
}

/// Why bytes are no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The content type names no boundary that can be one.
    #[error(
        "the content type names no boundary; it must be \
         `multipart/form-data; boundary=...`, as form libraries write it by themselves"
    )]
    Boundary,
    /// The head of a part is too long.
    #[error("the headers of a part of the form are over {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// It ended in the middle.
    #[error("the form ended before its last boundary")]
    EndedEarly,
}

/// The boundary that a content type names, if it is that of a form.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameter(rest, "boundary")?;
    let is_one = !value.is_empty()
        && value.len() <= BOUNDARY_BYTES_MAX
        && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    is_one.then_some(value)
}

/// Cuts a form into pieces.
#[derive(Debug)]
pub struct Parts {
    /// `\r\n--boundary`.
    line: Vec<u8>,
    /// What has come and is not given out.
    kept: Bytes,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come.
    Start,
    /// Before the first part.
    Before,
    /// What is kept begins with the line before a part.
    Head,
    /// In the content of a part.
    Content,
    /// What is kept begins with the last line.
    Close,
    /// After the last line.
    After,
}

/// What follows a boundary.
enum Follows {
    Part,
    Close,
    /// It was none.
    Nothing,
    /// More has to come to tell.
    Unknown,
}

impl Parts {
    /// Those of a form with this content type.
    ///
    /// # Errors
    /// It is not that of a form.
    pub fn of(content_type: &str) -> Result<Self, FormError> {
        let boundary = boundary(content_type).ok_or(FormError::Boundary)?;
        let line = [b"\r\n--", boundary.as_bytes()].concat();
        Ok(Self { line, kept: Bytes::new(), state: State::Start })
    }

    /// Takes what came next.
    pub fn push(&mut self, chunk: Bytes) {
        if self.kept.is_empty() {
            self.kept = chunk;
        } else if !chunk.is_empty() {
            let mut both = BytesMut::with_capacity(self.kept.len() + chunk.len());
            both.extend_from_slice(&self.kept);
            both.extend_from_slice(&chunk);
            self.kept = both.freeze();
        }
    }

    /// The next piece; `None`: more has to come.
    ///
    /// # Errors
    /// It is no form.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, FormError> {
        loop {
            match self.state {
                State::Start => {
                    let first = self.line.get(LINE.len()..).unwrap_or_default();
                    let both = self.kept.len().min(first.len());
                    if self.kept.get(..both) != first.get(..both) {
                        self.state = State::Before;
                    } else if self.kept.len() < first.len() {
                        return Ok(None);
                    } else {
                        match follows(self.kept.get(first.len()..).unwrap_or_default()) {
                            Follows::Part => self.state = State::Head,
                            Follows::Close => self.state = State::Close,
                            Follows::Nothing => self.state = State::Before,
                            Follows::Unknown => return Ok(None),
                        }
                    }
                }
                State::Before => return Ok(self.up_to_line(Piece::Rest)),
                State::Content => return Ok(self.up_to_line(Piece::Data)),
                State::Head => return self.head(),
                State::Close => {
                    let length = self.line.len() - LINE.len() + 2;
                    self.state = State::After;
                    return Ok(Some(Piece::Close(self.kept.split_to(length))));
                }
                State::After => {
                    let rest = std::mem::take(&mut self.kept);
                    return Ok((!rest.is_empty()).then_some(Piece::Rest(rest)));
                }
            }
        }
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// The last line has not been there.
    pub fn finish(&self) -> Result<(), FormError> {
        if self.state == State::After { Ok(()) } else { Err(FormError::EndedEarly) }
    }

    /// What has come and was not given out, for one who looks no further.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        self.kept
    }

    /// The last line has been there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::After
    }

    /// The line that begins a part, to add one.
    #[must_use]
    pub fn opening(&self) -> &[u8] {
        self.line.get(LINE.len()..).unwrap_or_default()
    }

    /// What comes before the next line between parts, as `kind`; or, if nothing does, the line feed
    /// that begins it.
    fn up_to_line(&mut self, kind: fn(Bytes) -> Piece) -> Option<Piece> {
        let mut from = 0;
        while let Some(found) = memmem::find(self.kept.get(from..)?, &self.line) {
            let at = from + found;
            let end = at + self.line.len();
            let next = match follows(self.kept.get(end..).unwrap_or_default()) {
                Follows::Part => State::Head,
                Follows::Close => State::Close,
                Follows::Unknown => return self.give(at, kind),
                Follows::Nothing => {
                    from = end;
                    continue;
                }
            };
            if at > 0 {
                return self.give(at, kind);
            }
            let is_content = self.state == State::Content;
            self.state = next;
            let feed = self.kept.split_to(LINE.len());
            return Some(if is_content { Piece::Tail(feed) } else { Piece::Rest(feed) });
        }
        let sure = self.kept.len() - self.begun().min(self.kept.len() - from);
        self.give(sure, kind)
    }

    /// The first `length` bytes.
    fn give(&mut self, length: usize, kind: fn(Bytes) -> Piece) -> Option<Piece> {
        (length > 0).then(|| kind(self.kept.split_to(length)))
    }

    /// How many bytes at the end may be the beginning of a line between parts.
    fn begun(&self) -> usize {
        let most = self.kept.len().min(self.line.len() - 1);
        let ends =
            |length: &usize| self.kept.ends_with(self.line.get(..*length).unwrap_or_default());
        (1..=most).rev().find(ends).unwrap_or(0)
    }

    fn head(&mut self) -> Result<Option<Piece>, FormError> {
        const END: &[u8] = b"\r\n\r\n";
        let within = self.kept.len().min(HEAD_BYTES_MAX);
        let Some(at) = memmem::find(self.kept.get(..within).unwrap_or_default(), END) else {
            return if within == HEAD_BYTES_MAX { Err(FormError::HeadTooLong) } else { Ok(None) };
        };
        let raw = self.kept.split_to(at + END.len());
        self.state = State::Content;
        let (name, is_file) = disposition(&raw);
        Ok(Some(Piece::Head(Head { raw, name, is_file })))
    }
}

/// What follows a boundary, of which the bytes after it have come so far.
fn follows(after: &[u8]) -> Follows {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let blanks = after.iter().take(PADDING_MAX).take_while(is_blank).count();
    match after.get(blanks..).unwrap_or_default() {
        [b'-', b'-', ..] if blanks == 0 => Follows::Close,
        [b'\r', b'\n', ..] => Follows::Part,
        [] | [b'\r'] => Follows::Unknown,
        [b'-'] if blanks == 0 => Follows::Unknown,
        _ => Follows::Nothing,
    }
}

/// The field's name, and whether it is a file.
fn disposition(head: &[u8]) -> (String, bool) {
    let head = String::from_utf8_lossy(head);
    let Some(rest) = parameters(&head) else { return (String::new(), false) };
    let is_file = parameter(rest, "filename").or_else(|| parameter(rest, "filename*")).is_some();
    (parameter(rest, "name").unwrap_or_default(), is_file)
}

/// What a part's head says of it, behind its kind.
fn parameters(head: &str) -> Option<&str> {
    let found = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    found?.split_once(';').map(|(_, rest)| rest)
}

/// A parameter of a header's value, of which `rest` is what follows the first semicolon.
fn parameter(rest: &str, wanted: &str) -> Option<String> {
    let mut rest = rest;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start());
        if name.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A value, quoted or not, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.trim().to_owned(), after.trim_start_matches(';'));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let after = quoted.get(at + 1..).unwrap_or_default();
                return (value, after.trim_start().trim_start_matches(';'));
            }
            // Browsers write quotes as `%22`, and backslashes as they are.
            '\\' if quoted.get(at + 1..).is_some_and(|rest| rest.starts_with(['"', '\\'])) => {
                value.extend(letters.next().map(|(_, escaped)| escaped));
            }
            other => value.push(other),
        }
    }
    (value, "")
}
