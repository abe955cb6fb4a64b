//! Answers that follow from the request alone: same question, same answer, same id.
//!
//! Pure, and the same for every format: `reply` decides what is said, `text` makes the words,
//! `vector` and `rank` the numbers, `events` holds a stream. The JSON around them is written by
//! the formats, with the small writers here, because benchmarks use some of it as upstream.

pub(crate) mod events;
pub(crate) mod rank;
pub(crate) mod reply;
pub(crate) mod text;
pub(crate) mod vector;

use crate::ask::{Ask, Task};
use crate::refusal::Refusal;
use reply::Reply;

/// What was made of a request.
#[derive(Debug)]
pub(crate) enum Done {
    Reply(Reply),
    Tokens(usize),
    Vectors(Vec<Vec<f32>>),
    /// Which document, and how well it fits; the best first.
    Scores(Vec<(usize, f64)>),
    /// What the format has made already.
    Bytes(Vec<u8>),
}

/// What the settings say about answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Making {
    /// Length of a text; `None`: a short sentence.
    pub(crate) answer_bytes: Option<usize>,
    /// Length of a vector if the request names none.
    pub(crate) dimensions: usize,
}

/// Does what is asked. `salt` keeps apart what is asked for in different ways.
///
/// # Errors
/// What turns out to be wrong when the request is read to its end.
pub(crate) fn work(ask: &Ask<'_>, salt: &str, making: Making) -> Result<Done, Refusal> {
    Ok(match &ask.task {
        Task::Chat(chat) => Done::Reply(Reply::to(&ask.model, chat, salt, making.answer_bytes)?),
        Task::Count(bytes) => Done::Tokens(tokens_of(*bytes)),
        Task::Embed(embed) => {
            let length = embed.dimensions.unwrap_or(making.dimensions);
            let made = embed.inputs.iter().map(|input| vector::of(&ask.model, input, length));
            Done::Vectors(made.collect())
        }
        Task::Rerank(rerank) => Done::Scores(rank::scores(rerank)),
        Task::Media(ready) => Done::Bytes(match making.answer_bytes.filter(|_| ready.is_long) {
            Some(length) => ready.body.iter().copied().cycle().take(length).collect(),
            None => ready.body.clone(),
        }),
    })
}

/// Four bytes make a token here.
pub(crate) fn tokens_of(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

/// Every answer was made at this second: answers must not change with the clock.
pub(crate) const CREATED: u32 = 1_750_000_000;

/// Appends text that needs no escaping.
pub(crate) fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends `text` as a JSON string; control characters that have no short escape become blanks.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "\\u0020",
            _ => continue,
        };
        push(out, text.get(clean..at).unwrap_or_default());
        push(out, escape);
        clean = at + 1;
    }
    push(out, text.get(clean..).unwrap_or_default());
    out.push(b'"');
}

pub(crate) fn push_number(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_json() {
        let text = "a\"b\\c\nd\re\tf\u{1}é🎉";
        let mut out = Vec::new();
        push_string(&mut out, text);
        let read: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, text.replace('\u{1}', " "));
        for number in [0, 7, 10, 1234, usize::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
