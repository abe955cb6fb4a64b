//! Answers that follow from the request alone: same question, same answer, same id.
//!
//! Pure. `text` makes the words, `chat`, `completion`, `embedding` and `models` the JSON around
//! them. The JSON is written by hand from fixed parts, because benchmarks use it as upstream.

pub(crate) mod chat;
pub(crate) mod completion;
pub(crate) mod embedding;
pub(crate) mod events;
pub(crate) mod models;
pub(crate) mod text;

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) prompt: usize,
    pub(crate) completion: usize,
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

/// Appends the members that come before the choices, which are left open.
pub(crate) fn push_head(out: &mut Vec<u8>, id: &str, object: &str, model: &str, created: u32) {
    push(out, "{\"id\":\"");
    push(out, id);
    push(out, "\",\"object\":\"");
    push(out, object);
    push(out, "\",\"created\":");
    push_number(out, created as usize);
    push(out, ",\"model\":");
    push_string(out, model);
    push(out, ",\"system_fingerprint\":\"fp_weir_sim\",\"choices\":[");
}

/// Appends `"usage":{...}` with the details that clients expect.
pub(crate) fn push_usage(out: &mut Vec<u8>, tokens: Tokens) {
    push(out, "\"usage\":{\"prompt_tokens\":");
    push_number(out, tokens.prompt);
    push(out, ",\"completion_tokens\":");
    push_number(out, tokens.completion);
    push(out, ",\"total_tokens\":");
    push_number(out, tokens.prompt + tokens.completion);
    push(out, ",\"prompt_tokens_details\":{\"cached_tokens\":0}");
    push(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":0}}");
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
