//! The words of a behaviour, each with the value that it takes.

use std::time::Duration;

use super::{At, Behaviour, Breakage, Hint, How};

/// A chunk count or time above these is a mistake of the test, not a wish.
const CHUNKS_MAX: u32 = 10_000;
const MS_MAX: u64 = 3_600_000;
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why a text is not a behaviour.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GrammarError {
    /// No such word.
    #[error("unknown word '{0}'; see docs/simulator.md for the list")]
    Unknown(String),
    /// The word needs another kind of value.
    #[error("'{word}' expects {expected}, found '{found}'")]
    Value {
        /// The word.
        word: String,
        /// What it expects.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl Behaviour {
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), GrammarError> {
        match name {
            "latency" => self.latency = Some(millis(name, value)?),
            "first-chunk" => self.first_chunk = Some(millis(name, value)?),
            "interval" => self.interval = Some(millis(name, value)?),
            "chunks" => {
                self.chunks = Some(number(name, value, "a number from 1 to 10000", |&n: &u32| {
                    (1..=CHUNKS_MAX).contains(&n)
                })?);
            }
            "answer-bytes" => {
                let expected = "a number of bytes up to 64 MiB";
                self.answer_bytes =
                    Some(number(name, value, expected, |&n: &usize| n <= ANSWER_BYTES_MAX)?);
            }
            "status" => {
                let expected = "an HTTP status from 400 to 599";
                self.status = Some(number(name, value, expected, |n| (400..600).contains(n))?);
            }
            "code" => self.code = Some(text(name, value)?),
            "retry-after" => self.hints.push(Hint::RetryAfter(text(name, value)?)),
            "retry-after-ms" => self.hints.push(Hint::RetryAfterMs(text(name, value)?)),
            "retry-after-date" => {
                let seconds = number(name, value, "seconds", |&n: &u64| n <= MS_MAX)?;
                self.hints.push(Hint::RetryAfterDate(seconds));
            }
            "reset-requests" => self.hints.push(Hint::ResetRequests(text(name, value)?)),
            "reset-tokens" => self.hints.push(Hint::ResetTokens(text(name, value)?)),
            "no-done" => self.no_done = flag(name, value)?,
            "no-finish" => self.no_finish = flag(name, value)?,
            "html" => self.html = flag(name, value)?,
            "gzip" => self.gzip = flag(name, value)?,
            "trailing" => self.trailing = flag(name, value)?,
            "linger" => self.linger = flag(name, value)?,
            "content-type" => self.content_type = Some(text(name, value)?),
            "split" => {
                let expected = "a number of bytes over 0";
                self.split = Some(number(name, value, expected, |&n: &usize| n > 0)?);
            }
            "comments" => self.comments = Some(millis(name, value)?),
            "for" => self.lasts = Some(millis(name, value)?),
            "lenient" => self.lenient = flag(name, value)?,
            "skip" => self.skip = number(name, value, "a number", |_| true)?,
            "times" => self.times = Some(number(name, value, "a number", |_| true)?),
            // Only tells apart model names that ask for the same: rules count per name.
            "tag" => drop(text(name, value)?),
            _ => self.breakage = Some(breakage(name, value)?),
        }
        Ok(())
    }
}

fn breakage(name: &str, value: Option<&str>) -> Result<Breakage, GrammarError> {
    let how = match (name, value) {
        ("silence", None) => return Ok(Breakage::Silence),
        ("reset" | "cut", None) => {
            return Ok(Breakage::BeforeHead { reset: name == "reset" });
        }
        ("silence", Some(found)) => return Err(wrong(name, "no value", found)),
        ("stall", _) => How::Stall,
        ("cut", _) => How::Cut,
        ("reset", _) => How::Reset,
        ("garbage", _) => How::Garbage,
        ("error", _) => How::Error,
        _ => return Err(GrammarError::Unknown(name.to_owned())),
    };
    let at = match value {
        None | Some("first") => At::First,
        Some(_) => At::Chunk(number(name, value, "'first' or a number of chunks", |_| true)?),
    };
    Ok(Breakage::InBody { how, at })
}

fn millis(name: &str, value: Option<&str>) -> Result<Duration, GrammarError> {
    number(name, value, "milliseconds, at most an hour", |&n| n <= MS_MAX)
        .map(Duration::from_millis)
}

fn number<N: std::str::FromStr>(
    name: &str,
    value: Option<&str>,
    expected: &'static str,
    fits: impl Fn(&N) -> bool,
) -> Result<N, GrammarError> {
    let found = value.unwrap_or_default();
    found.parse().ok().filter(fits).ok_or_else(|| wrong(name, expected, found))
}

/// Header values are made of it, so it must fit into one.
fn text(name: &str, value: Option<&str>) -> Result<String, GrammarError> {
    let found = value.unwrap_or_default();
    let fits = !found.is_empty() && found.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if fits { Ok(found.to_owned()) } else { Err(wrong(name, "printable ASCII", found)) }
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, GrammarError> {
    value.map_or(Ok(true), |found| Err(wrong(name, "no value", found)))
}

fn wrong(word: &str, expected: &'static str, found: &str) -> GrammarError {
    GrammarError::Value { word: word.to_owned(), expected, found: found.to_owned() }
}
