//! The text of a file and the tree of its values, each with its place.
//!
//! Strict JSON in strict UTF-8: no byte order mark, comments, trailing commas or duplicate
//! members. The tree comes from `jsonc-parser`, which keeps positions and bounds the nesting;
//! `serde_json` has the last word on what is JSON, as it is stricter within strings and numbers.
//! Knows nothing of what the values mean.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions};

use crate::FILE_BYTES_MAX;
use crate::names;
use crate::places::Places;
use crate::report::{Draft, Problem, Report};

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
    places: Places,
    tree: Value<'a>,
}

impl<'a> Source<'a> {
    pub(crate) fn parse(name: &str, text: &'a str) -> Result<Self, Report> {
        let whole = |draft| Report::of_file(name, draft);
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(whole(too_large()));
        }
        if text.starts_with('\u{feff}') {
            let draft = not_json("text that starts with `{`", "a byte order mark");
            return Err(whole(draft.help("save the file as UTF-8 without a byte order mark")));
        }
        if text.trim().is_empty() {
            let draft = not_json("an object", "an empty file");
            return Err(whole(draft.help("the smallest configuration is {\"providers\": {}}")));
        }
        let places = Places::of(text);
        let fail = |(offset, draft): (usize, Draft)| {
            let at = places.position(text, offset);
            Report { problems: vec![draft.place(&Arc::from(name), at, String::new())] }
        };
        let tree = tree(text).map_err(fail)?;
        judge(text, &places).map_err(fail)?;
        Ok(Self { name: Arc::from(name), text, places, tree })
    }

    pub(crate) fn tree(&self) -> &Value<'a> {
        &self.tree
    }

    /// `draft` at byte `offset` of the text.
    pub(crate) fn place(&self, draft: Draft, offset: usize, path: String) -> Problem {
        draft.place(&self.name, self.places.position(self.text, offset), path)
    }

    /// Every member whose object has an earlier one of the same name.
    pub(crate) fn duplicates(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.find_duplicates(&self.tree, "", &mut problems);
        problems
    }

    fn find_duplicates(&self, value: &Value<'a>, path: &str, problems: &mut Vec<Problem>) {
        match value {
            Value::Array(array) => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.find_duplicates(element, &format!("{path}[{index}]"), problems);
                }
            }
            Value::Object(object) => {
                let mut first: HashMap<&str, usize> = HashMap::new();
                for member in &object.properties {
                    let name = member.name.as_str();
                    let offset = member.range.start;
                    let inner = format!("{path}{}", names::step(name));
                    let inner =
                        if path.is_empty() { inner.trim_start_matches('.') } else { &inner };
                    if let Some(earlier) = first.insert(name, offset) {
                        let (line, _) = self.places.position(self.text, earlier);
                        let draft = Draft::error("duplicate field")
                            .expected("each field once")
                            .found(format!("the same name as on line {line}"))
                            .help("remove one of them; only one could take effect");
                        problems.push(self.place(draft, offset, inner.to_owned()));
                    }
                    self.find_duplicates(&member.value, inner, problems);
                }
            }
            Value::StringLit(_)
            | Value::NumberLit(_)
            | Value::BooleanLit(_)
            | Value::NullKeyword(_) => {}
        }
    }
}

/// The bytes of the file at `path`, up to the limit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Draft> {
    let failed = |error: std::io::Error| {
        Draft::error("the file cannot be read")
            .expected("a readable file")
            .found(error.to_string())
            .help("name the configuration with --config FILE")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large());
    }
    Ok(bytes)
}

/// `bytes` as text.
pub(crate) fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Report> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    let valid = String::from_utf8_lossy(valid);
    let at = Places::of(&valid).position(&valid, valid.len());
    let draft = not_json("UTF-8 text", format!("the byte 0x{:02x}", rest.first().unwrap_or(&0)))
        .help("save the file as UTF-8");
    Err(Report { problems: vec![draft.place(&Arc::from(name), at, String::new())] })
}

fn too_large() -> Draft {
    let mebibytes = FILE_BYTES_MAX / (1024 * 1024);
    Draft::error("the file is too large")
        .expected(format!("at most {mebibytes} MiB"))
        .found("a larger file")
}

fn not_json(expected: impl Into<String>, found: impl Into<String>) -> Draft {
    Draft::error("this is not JSON").expected(expected).found(found)
}

/// The tree of `text`, or where and how it fails to be JSON.
fn tree(text: &str) -> Result<Value<'_>, (usize, Draft)> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &strict);
    match parsed {
        Ok(result) => result.value.ok_or_else(|| (0, not_json("an object", "nothing"))),
        Err(error) => Err((error.range().start, syntax(&error, text))),
    }
}

/// The parser's verdict in our words. Its own text could not quote a value either.
fn syntax(error: &ParseError, text: &str) -> Draft {
    use ParseErrorKind as Kind;
    let (before, rest) = text.split_at_checked(error.range().start).unwrap_or((text, ""));
    let not_a_number = ["NaN", "Infinity"].iter().any(|word| rest.starts_with(word));
    let leading_zero = before.ends_with('0') && rest.starts_with(|c: char| c.is_ascii_digit());
    if not_a_number || leading_zero {
        return other_number();
    }
    match error.kind() {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => {
            not_json("no comments", "a comment").help("remove it; JSON has no comments")
        }
        Kind::TrailingCommasNotAllowed => {
            not_json("another value after the comma", "the end of the list")
                .help("remove the last comma")
        }
        Kind::ExpectedComma => {
            not_json("a comma", "another value").help("put a comma between the two values")
        }
        Kind::NestingDepthExceeded => not_json("at most 256 levels", "deeper nesting"),
        Kind::ExpectedColonAfterObjectKey => {
            not_json("a colon between name and value", "something else")
        }
        Kind::UnterminatedObject => {
            not_json("`}` at the end of this object", "the end of the file")
        }
        Kind::UnterminatedArray => not_json("`]` at the end of this list", "the end of the file"),
        Kind::SingleQuotedStringsNotAllowed => not_json("double quotes", "single quotes"),
        Kind::ExpectedStringObjectProperty => {
            not_json("a name in double quotes", "a name without quotes")
        }
        Kind::MultipleRootJsonValues => {
            not_json("one value", "more text after its end").help("look for a stray bracket before")
        }
        Kind::HexadecimalNumbersNotAllowed
        | Kind::UnaryPlusNumbersNotAllowed
        | Kind::BareDecimalPointNumbersNotAllowed
        | Kind::NonFiniteNumbersNotAllowed => other_number(),
        Kind::UnexpectedWord
        | Kind::UnexpectedToken
        | Kind::UnexpectedTokenInObject
        | Kind::UnexpectedComma
        | Kind::UnexpectedColon
        | Kind::UnexpectedCloseBrace
        | Kind::UnexpectedCloseBracket => unexpected(rest),
        other => not_json("valid JSON", lower_first(&other.to_string())),
    }
}

fn other_number() -> Draft {
    not_json("a number as JSON writes it: 120, 0.5, 1e3", "another notation")
}

/// Something that no value starts with.
fn unexpected(rest: &str) -> Draft {
    let found = match rest.chars().next() {
        Some(sign) if sign.is_ascii_punctuation() => format!("`{sign}`"),
        Some(_) => "text without quotes".to_owned(),
        None => "the end of the file".to_owned(),
    };
    not_json("text in double quotes, a number, true, false, null, `{` or `[`", found)
}

/// Refuses what the tree's parser lets through: raw control characters, leading zeros, ...
fn judge(text: &str, places: &Places) -> Result<(), (usize, Draft)> {
    let mut json = serde_json::Deserializer::from_str(text);
    let verdict = <serde::de::IgnoredAny as serde::Deserialize>::deserialize(&mut json);
    let Err(error) = verdict.and_then(|_| json.end()) else {
        return Ok(());
    };
    let start = places.line_start(error.line());
    let mut offset = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let full = error.to_string();
    let found = full.split(" at line ").next().unwrap_or_default();
    Err((offset, not_json("valid JSON", lower_first(found))))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Where `value` starts, in bytes.
pub(crate) fn start(value: &Value<'_>) -> usize {
    value.range().start
}
