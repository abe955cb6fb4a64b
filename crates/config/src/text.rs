//! What a text must be that stands in the file or in a variable: one judge for both.
//!
//! A judge says whether a text can be used, and may put another one in its place that means the same.
//! It never quotes the text. Judges of addresses and certificates stand in `endpoint` and `pem`; here
//! are the rest, and how any of them is asked.

use std::borrow::Cow;

use crate::report::Draft;

/// Whether a text can be used, and if another form of it is meant, which.
pub(crate) type Judge = fn(&str) -> Result<Option<Instead>, Draft>;

/// What a text stands for.
pub(crate) struct Instead {
    pub(crate) text: String,
    /// What the user should know of it.
    pub(crate) said: Option<Draft>,
}

/// A text that can be used.
pub(crate) struct Read<'t> {
    pub(crate) text: Cow<'t, str>,
    /// What was done to it.
    pub(crate) notes: Vec<Draft>,
}

/// `text` as `judge` has it, without white space around it.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn read(text: &str, judge: Judge) -> Result<Read<'_>, Draft> {
    let trimmed = trimmed(text);
    let mut notes = Vec::new();
    // Around several lines it means nothing: files end with a line break.
    if trimmed.len() < text.len() && !trimmed.contains('\n') {
        let draft = Draft::warning("white space around the value is cut off");
        notes.push(draft.help("store the value without it, line breaks at its end included"));
    }
    if trimmed.is_empty() {
        return Ok(Read { text: Cow::Borrowed(trimmed), notes });
    }
    Ok(match judge(trimmed)? {
        None => Read { text: Cow::Borrowed(trimmed), notes },
        Some(Instead { text, said }) => {
            notes.extend(said);
            Read { text: Cow::Owned(text), notes }
        }
    })
}

/// Without what editors and shells leave around a value, byte order marks included.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// One line of text.
pub(crate) fn line(text: &str) -> Result<Option<Instead>, Draft> {
    if text.chars().any(char::is_control) {
        let draft = Draft::error("not a line of text").expected("one line of text");
        return Err(draft.found("line breaks or control characters within it"));
    }
    Ok(None)
}

/// An API key or token, which is sent in a header.
pub(crate) fn credential(text: &str) -> Result<Option<Instead>, Draft> {
    let bad = |found: &str| {
        let draft = Draft::error("not a key that can be sent");
        Err(draft.expected("one line of ASCII characters").found(found))
    };
    if text.chars().any(char::is_control) {
        return bad("line breaks or control characters within it");
    }
    if !text.is_ascii() {
        return bad("characters that are not ASCII, as those of a text processor");
    }
    Ok(None)
}

/// The value of a header.
pub(crate) fn header(text: &str) -> Result<Option<Instead>, Draft> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        let draft = Draft::error("not a header's value").expected("one line of text");
        return Err(draft.found("control characters"));
    }
    Ok(None)
}

/// The name of a region: it becomes a part of hosts' names.
pub(crate) fn region(text: &str) -> Result<Option<Instead>, Draft> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(None);
    }
    let draft = Draft::error("not the name of a region");
    Err(draft.expected("letters, digits and hyphens, as us-east-1").found("other characters"))
}

/// The name of a bucket, which becomes a part of hosts' names too.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub(crate) fn bucket(text: &str) -> Result<Option<Instead>, Draft> {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let bytes = text.as_bytes();
    if (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(is_fit)
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !text.contains("..")
    {
        return Ok(None);
    }
    let draft = Draft::error("not the name of a bucket");
    let expected = "3 to 63 lower-case letters, digits, hyphens and dots, as \"my-batches\"";
    let found = match text {
        text if text.contains("://") => "an address",
        text if text.starts_with("arn:") => "an ARN",
        text if text.contains('/') => "a slash: what follows it goes into `prefix`",
        _ => "something else",
    };
    Err(draft.expected(expected).found(found))
}

/// What the names of objects in a bucket begin with, in characters that every service takes that is
/// told of them: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ModelInvocationJobS3InputDataConfig.html>
pub(crate) fn prefix(text: &str) -> Result<Option<Instead>, Draft> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-!_*'().".contains(&byte);
    let steps = text.trim_start_matches('/').trim_end_matches('/').split('/');
    let is_step = |step: &str| step.bytes().all(is_fit) && !matches!(step, "" | "." | "..");
    if text.trim_matches('/').is_empty() || (text.len() <= 400 && steps.into_iter().all(is_step)) {
        return Ok(None);
    }
    let draft = Draft::error("not what names of objects can begin with");
    let expected = "up to 400 letters, digits and any of -_.!*'(), in steps with a slash between";
    let found = if text.contains("://") { "an address" } else { "something else" };
    Err(draft.expected(expected).found(found))
}

/// The number of something.
pub(crate) fn digits(text: &str) -> Result<Option<Instead>, Draft> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    Err(Draft::error("not an id").expected("digits only").found("other characters"))
}

/// A service account of Google's: JSON, or that in base64.
pub(crate) fn service_account(text: &str) -> Result<Option<Instead>, Draft> {
    let bad = |found: &str| {
        let expected = "the JSON text of a service account, plain or in base64";
        Err(Draft::error("not a service account").expected(expected).found(found))
    };
    if text.starts_with('{') {
        return match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(None),
            Err(_) => bad("text that starts like JSON and is not"),
        };
    }
    let is_base64 =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/-_=".contains(c);
    if text.chars().all(is_base64) { Ok(None) } else { bad("something else") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_cut_off_and_said() {
        for (text, expected, notes) in [
            ("key", "key", 0),
            ("key\n", "key", 1),
            ("\u{feff} key\r\n\t", "key", 1),
            (" \n", "", 1),
        ] {
            let read = read(text, line).unwrap_or_else(|_| panic!("{text:?}"));
            assert_eq!((&*read.text, read.notes.len()), (expected, notes), "{text:?}");
        }
    }

    #[test]
    fn judges_tell_what_can_be_used() {
        let cases: &[(Judge, &[&str], &[&str])] = &[
            (line, &["a b", "ü"], &["a\nb", "a\u{0}"]),
            (credential, &["sk-1 2", "\"x\""], &["a\nb", "sk–1", "schlüssel"]),
            (header, &["a\tb", "ü"], &["a\nb", "a\rb"]),
            (region, &["us-east-1", "global"], &["us east", "us.east", "us/east"]),
            (digits, &["123"], &["12a"]),
            (service_account, &["{\"a\":1}", "eyJhIjoxfQ=="], &["{\"a\":", "a file.json", "~/x"]),
        ];
        for (judge, good, bad) in cases {
            good.iter().for_each(|text| assert!(read(text, *judge).is_ok(), "{text}"));
            bad.iter().for_each(|text| assert!(read(text, *judge).is_err(), "{text}"));
        }
    }
}
