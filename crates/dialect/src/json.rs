//! Lazy JSON: the top-level members of an object by byte range, without building values.
//!
//! A body is validated once and then cut where it must change; every other byte goes on as it
//! came. Knows nothing of what the members mean. Nesting is bounded, strings are checked, and a
//! member that is asked for must not occur twice: two readers could disagree about it.

mod cursor;
mod edit;
mod outlined;
mod scan;
mod splice;
mod string;
mod taken;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use cursor::Cursor;
pub use edit::{Cuts, Spot};
pub use splice::Splices;
pub use taken::Taken;
pub use write::{object, text};

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use weir_types::Outline;

use scan::Scanner;

/// Arrays and objects may be nested this deep, the document itself included.
pub const DEPTH_MAX: u32 = 128;

/// Why a body is not usable, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonFault {
    /// For people: what was expected and what was found, without the position.
    pub message: String,
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 1.
    pub column: usize,
}

impl From<Box<Self>> for JsonFault {
    fn from(fault: Box<Self>) -> Self {
        *fault
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.message, self.line, self.column)
    }
}

impl JsonFault {
    fn at(body: &[u8], at: usize, message: impl Into<String>) -> Self {
        let before = body.get(..at).unwrap_or(body);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |last| last + 1) + 1;
        Self { message: message.into(), line, column }
    }
}

/// Where one top-level member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, quotes included.
    pub key: Range<usize>,
    /// The value, without blanks around it.
    pub value: Range<usize>,
}

/// The top-level members of a JSON object, in order.
#[derive(Clone)]
pub struct Members<'a> {
    body: &'a [u8],
    found: Found,
}

/// What the scanner found.
#[derive(Debug, Clone)]
struct Found {
    list: Vec<Member>,
    /// Between the braces.
    inside: Range<usize>,
    /// Some name is written with an escape, which hardly any is.
    has_escapes: bool,
}

impl fmt::Debug for Members<'_> {
    /// Positions only: bodies are prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("found", &self.found).finish_non_exhaustive()
    }
}

impl<'a> Members<'a> {
    /// Validates `body` as one JSON object and notes where its members are.
    ///
    /// # Errors
    /// Not UTF-8, not JSON, not an object, or nested deeper than [`DEPTH_MAX`].
    pub fn scan(body: &'a [u8]) -> Result<Self, JsonFault> {
        if simdutf8::basic::from_utf8(body).is_err() {
            // Only the standard library's says where.
            let valid =
                std::str::from_utf8(body).map_or_else(|fault| fault.valid_up_to(), str::len);
            return Err(JsonFault::at(body, valid, "the body is not valid UTF-8"));
        }
        Self::part(body)
    }

    /// The members of `body` where `outline` says: somebody has scanned it, and says what was found.
    /// `None` if that cannot be.
    #[must_use]
    pub fn outlined(body: &'a [u8], outline: &Outline) -> Option<Self> {
        Some(Self { body, found: outlined::found(body, outline.positions())? })
    }

    /// What was found, for whoever is handed the same body; `None` if that is more than is handed on.
    #[must_use]
    pub fn outline(&self) -> Option<Outline> {
        outlined::outline(&self.found.list)
    }

    /// The members of an object that is a part of a document that was scanned: known to be UTF-8.
    ///
    /// # Errors
    /// It is not an object.
    pub fn part(raw: &'a [u8]) -> Result<Self, JsonFault> {
        Ok(Self { body: raw, found: Scanner::new(raw).document()? })
    }

    /// The same of the first element of an array that is such a part; what follows is not looked at.
    ///
    /// # Errors
    /// It is not an array that begins with an object.
    pub fn first_of(raw: &'a [u8]) -> Result<Self, JsonFault> {
        Ok(Self { body: raw, found: Scanner::new(raw).first_object()? })
    }

    /// Every member, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.found.list.iter()
    }

    /// The name of `member`, unescaped.
    #[must_use]
    pub fn name(&self, member: &Member) -> Cow<'a, str> {
        let raw = self.slice(&member.key);
        if !self.is_escaped(member) {
            let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
            return String::from_utf8_lossy(inner);
        }
        serde_json::from_slice(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Owned)
    }

    /// The member called `name`.
    ///
    /// # Errors
    /// There is more than one.
    pub fn find(&self, name: &str) -> Result<Option<&Member>, JsonFault> {
        let mut hits = self.found.list.iter().filter(|member| self.is_called(member, name));
        let first = hits.next();
        match hits.next() {
            None => Ok(first),
            Some(second) => {
                Err(self.fault_at(second.key.start, format!("member \"{name}\" occurs twice")))
            }
        }
    }

    /// The raw value of the member called `name`.
    ///
    /// # Errors
    /// There is more than one.
    pub fn raw(&self, name: &str) -> Result<Option<&'a [u8]>, JsonFault> {
        Ok(self.find(name)?.map(|member| self.slice(&member.value)))
    }

    /// The text of the member called `name`.
    ///
    /// # Errors
    /// It is not a string, or occurs twice.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, JsonFault> {
        let Some(member) = self.find(name)? else { return Ok(None) };
        let raw = self.slice(&member.value);
        if !raw.starts_with(b"\"") {
            return Err(self.unexpected(name, member, "a string"));
        }
        if !raw.contains(&b'\\') {
            let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
            return Ok(Some(String::from_utf8_lossy(inner)));
        }
        let text: Result<String, _> = serde_json::from_slice(raw);
        text.map(|text| Some(Cow::Owned(text)))
            .map_err(|_| self.unexpected(name, member, "a string of valid Unicode"))
    }

    /// The truth value of the member called `name`; `null` counts as absent.
    ///
    /// # Errors
    /// It is neither `true`, `false` nor `null`, or occurs twice.
    pub fn truth(&self, name: &str) -> Result<Option<bool>, JsonFault> {
        let Some(member) = self.find(name)? else { return Ok(None) };
        match self.slice(&member.value) {
            b"true" => Ok(Some(true)),
            b"false" => Ok(Some(false)),
            b"null" => Ok(None),
            _ => Err(self.unexpected(name, member, "true or false")),
        }
    }

    /// The value of the member called `name`, built; `null` counts as absent. For small values.
    ///
    /// # Errors
    /// It occurs twice, or holds what the validation does not look at (half a surrogate pair, a
    /// number out of range).
    pub fn value(&self, name: &str) -> Result<Option<Value>, JsonFault> {
        let Some(member) = self.find(name)? else { return Ok(None) };
        match serde_json::from_slice(self.slice(&member.value)) {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.unexpected(name, member, "valid text and numbers")),
        }
    }

    /// A fault at the value of the member called `name`, or at the start of the document.
    #[must_use]
    pub fn fault(&self, name: &str, message: impl Into<String>) -> JsonFault {
        let member = self.found.list.iter().find(|member| self.is_called(member, name));
        self.fault_at(member.map_or(0, |member| member.value.start), message)
    }

    fn unexpected(&self, name: &str, member: &Member, expected: &str) -> JsonFault {
        let found = match self.body.get(member.value.start) {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'n') => "null",
            Some(b't' | b'f') => "a truth value",
            _ => "a number",
        };
        let message = format!("\"{name}\" must be {expected}, found {found}");
        self.fault_at(member.value.start, message)
    }

    fn fault_at(&self, at: usize, message: impl Into<String>) -> JsonFault {
        JsonFault::at(self.body, at, message)
    }

    fn is_called(&self, member: &Member, name: &str) -> bool {
        if self.is_escaped(member) {
            return self.name(member) == name;
        }
        member.key.len() == name.len() + 2
            && self.body.get(member.key.start + 1..member.key.end - 1) == Some(name.as_bytes())
    }

    fn is_escaped(&self, member: &Member) -> bool {
        self.found.has_escapes && self.slice(&member.key).contains(&b'\\')
    }

    fn slice(&self, range: &Range<usize>) -> &'a [u8] {
        self.body.get(range.clone()).unwrap_or_default()
    }
}

/// Where the elements of the JSON array `raw` are; empty if it is not an array.
///
/// # Errors
/// It begins like an array and is not one. Not to be met in a part of a scanned document.
pub fn elements(raw: &[u8]) -> Result<Vec<Range<usize>>, JsonFault> {
    Ok(Scanner::new(raw).elements()?)
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quoted(text: &str) -> Bytes {
    let mut out = Vec::new();
    string::write(text, &mut out);
    Bytes::from(out)
}

/// Reads a whole document. Its text is checked once, and not string by string.
///
/// # Errors
/// It is not UTF-8, not JSON, or not what a `T` is.
pub fn read<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, serde_json::Error> {
    match simdutf8::basic::from_utf8(document) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(document),
    }
}
