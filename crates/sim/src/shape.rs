//! Shapes of JSON as tables, and the check of a body against one.
//!
//! A format declares what its service takes; the check says what is wrong and where, and the
//! format says it in the vendor's words. Rules that a table cannot hold (the order of turns, what
//! excludes what) are the format's own code. Pure.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use serde_json::{Map, Value};

/// What a value must be.
pub(crate) enum Shape {
    Any,
    Text,
    /// Text with at least one character.
    Filled,
    /// A number from the first to the second.
    Number(f64, f64),
    /// A whole number of at least this.
    Whole(i64),
    Flag,
    /// Bytes in base64, at least one.
    Base64,
    /// An object of any members.
    Object,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// Text that the function takes; the words say which.
    Like(fn(&str) -> bool, &'static str),
    List(&'static Self),
    /// A text, or else this.
    TextOr(&'static Self),
    /// An object whose values have this shape.
    MapOf(&'static Self),
    /// These members and no others.
    Members(&'static [Member]),
    /// These members, and others that nobody looks at.
    Open(&'static [Member]),
    /// Exactly one of these members.
    Union(&'static [Member]),
    /// The text of a member decides which shape the object has: `""` is for objects without it,
    /// the last one, if it is given, for every other text.
    Tagged(&'static str, &'static [(&'static str, &'static Self)], Option<&'static Self>),
}

/// A member of an object.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    shape: &'static Shape,
    required: bool,
}

/// A member that must be there.
pub(crate) const fn must(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: true }
}

/// A member that may be there. `null` counts as left out.
pub(crate) const fn may(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: false }
}

/// Shapes that every format needs.
pub(crate) static ANY: Shape = Shape::Any;
pub(crate) static TEXT: Shape = Shape::Text;
pub(crate) static FILLED: Shape = Shape::Filled;
pub(crate) static TEXTS: Shape = Shape::List(&TEXT);
pub(crate) static FLAG: Shape = Shape::Flag;
pub(crate) static OBJECT: Shape = Shape::Object;
pub(crate) static BASE64: Shape = Shape::Base64;
pub(crate) static COUNT: Shape = Shape::Whole(0);
pub(crate) static POSITIVE: Shape = Shape::Whole(1);
pub(crate) static WHOLE: Shape = Shape::Whole(i64::MIN);
pub(crate) static NUMBER: Shape = Shape::Number(f64::MIN, f64::MAX);
pub(crate) static UNIT: Shape = Shape::Number(0.0, 1.0);
pub(crate) static UP_TO_TWO: Shape = Shape::Number(0.0, 2.0);

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where: `messages.0.content`; empty for the body itself.
    pub(crate) path: String,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The object at `path` has a member that it must not have.
    Unknown(String),
    /// The object at `path` lacks a member.
    Missing(String),
    /// The value at `path` is not what it should be.
    Wrong(String),
    /// The object at `path` has not exactly one of the members of a union; how many it has.
    Union(usize),
}

/// How strictly, and under which names, a body is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// Unknown members are let through.
    pub(crate) lenient: bool,
    /// `function_call` is read as `functionCall`, as protobuf's JSON does.
    pub(crate) snake: bool,
}

enum Step<'v> {
    Member(&'v str),
    Index(usize),
}

struct Check<'v> {
    reading: Reading,
    path: Vec<Step<'v>>,
}

impl Shape {
    /// Checks a whole body.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn check(&self, value: &Value, reading: Reading) -> Result<(), Flaw> {
        Check { reading, path: Vec::new() }.value(value, self)
    }
}

impl<'v> Check<'v> {
    fn flaw(&self, what: What) -> Flaw {
        let mut path = String::new();
        for step in &self.path {
            let dot = if path.is_empty() { "" } else { "." };
            // Writing to a string cannot fail.
            let _written = match step {
                Step::Member(name) => write!(path, "{dot}{name}"),
                Step::Index(nth) => write!(path, "{dot}{nth}"),
            };
        }
        Flaw { path, what }
    }

    fn wrong(&self, expected: &str) -> Flaw {
        self.flaw(What::Wrong(expected.to_owned()))
    }

    fn inside(&mut self, step: Step<'v>, value: &'v Value, shape: &Shape) -> Result<(), Flaw> {
        self.path.push(step);
        self.value(value, shape)?;
        self.path.pop();
        Ok(())
    }

    fn value(&mut self, value: &'v Value, shape: &Shape) -> Result<(), Flaw> {
        let (fits, expected) = match shape {
            Shape::Any => (true, ""),
            Shape::Text => (value.is_string(), "a valid string"),
            Shape::Filled => (value.as_str().is_some_and(|s| !s.is_empty()), "a non-empty string"),
            Shape::Number(low, high) => {
                let fits = value.as_f64().is_some_and(|n| (*low..=*high).contains(&n));
                if value.is_number() && !fits {
                    return Err(self.wrong(&format!("a number from {low} to {high}")));
                }
                (fits, "a valid number")
            }
            Shape::Whole(low) => {
                let whole = value.is_i64() || value.is_u64();
                if whole && value.as_i64().is_some_and(|n| n < *low) {
                    return Err(self.wrong(&format!("greater than or equal to {low}")));
                }
                (whole, "a valid integer")
            }
            Shape::Flag => (value.is_boolean(), "a valid boolean"),
            Shape::Base64 => (value.as_str().is_some_and(is_base64), "valid base64"),
            Shape::Object => (value.is_object(), "an object"),
            Shape::Word(words) => {
                if value.as_str().is_some_and(|word| words.contains(&word)) {
                    return Ok(());
                }
                let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                return Err(self.wrong(&words.join(", ")));
            }
            Shape::Like(fits, expected) => (value.as_str().is_some_and(fits), *expected),
            Shape::TextOr(_) if value.is_string() => (true, ""),
            Shape::TextOr(other) => return self.value(value, other),
            Shape::List(item) => {
                let items = value.as_array().ok_or_else(|| self.wrong("a valid list"))?;
                let mut items = items.iter().enumerate();
                return items.try_for_each(|(nth, one)| self.inside(Step::Index(nth), one, item));
            }
            Shape::MapOf(inner) => {
                let members = value.as_object().ok_or_else(|| self.wrong("an object"))?;
                let mut members = members.iter();
                return members.try_for_each(|(k, v)| self.inside(Step::Member(k), v, inner));
            }
            Shape::Members(members) => return self.members(value, members, true),
            Shape::Open(members) => return self.members(value, members, false),
            Shape::Union(members) => return self.union(value, members),
            Shape::Tagged(tag, shapes, other) => {
                let object = value.as_object().ok_or_else(|| self.wrong("an object"))?;
                let found = object.get(*tag).map_or("", |tag| tag.as_str().unwrap_or("?"));
                let known = shapes.iter().find(|(name, _)| *name == found).map(|(_, shape)| shape);
                if let Some(shape) = known.or_else(|| other.as_ref().filter(|_| !found.is_empty()))
                {
                    return self.value(value, shape);
                }
                if found.is_empty() {
                    return Err(self.flaw(What::Missing((*tag).to_owned())));
                }
                let names: Vec<String> =
                    shapes.iter().map(|(name, _)| format!("'{name}'")).collect();
                self.path.push(Step::Member(tag));
                return Err(self.wrong(&names.join(", ")));
            }
        };
        if fits { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn members(&mut self, value: &'v Value, all: &[Member], closed: bool) -> Result<(), Flaw> {
        let object = value.as_object().ok_or_else(|| self.wrong("an object"))?;
        for (name, inner) in object {
            let Some(member) = self.find(all, name) else {
                if closed && !self.reading.lenient {
                    return Err(self.flaw(What::Unknown(name.clone())));
                }
                continue;
            };
            if !inner.is_null() {
                self.inside(Step::Member(name), inner, member.shape)?;
            }
        }
        let lacks = |member: &&Member| member.required && self.get(object, member.name).is_none();
        match all.iter().find(lacks) {
            Some(member) => Err(self.flaw(What::Missing(member.name.to_owned()))),
            None => Ok(()),
        }
    }

    fn union(&mut self, value: &'v Value, all: &[Member]) -> Result<(), Flaw> {
        self.members(value, all, true)?;
        let object = value.as_object();
        let has = |member: &&Member| object.is_some_and(|o| self.get(o, member.name).is_some());
        match all.iter().filter(has).count() {
            1 => Ok(()),
            count => Err(self.flaw(What::Union(count))),
        }
    }

    fn find<'m>(&self, all: &'m [Member], name: &str) -> Option<&'m Member> {
        let exact = all.iter().find(|member| member.name == name);
        if exact.is_some() || !self.reading.snake {
            return exact;
        }
        all.iter().find(|member| is_snake_of(name, member.name))
    }

    fn get<'o>(&self, object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
        if self.reading.snake { proto_member(object, name) } else { object.get(name) }
            .filter(|value| !value.is_null())
    }
}

/// A member under its name in protobuf's JSON or under its original one.
pub(crate) fn proto_member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    object.get(name).or_else(|| {
        object.iter().find(|(found, _)| is_snake_of(found, name)).map(|(_, value)| value)
    })
}

/// Whether `snake` is what `camel` is called with underscores.
fn is_snake_of(snake: &str, camel: &str) -> bool {
    if !snake.contains('_') {
        return false;
    }
    let mut expected = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            expected.push('_');
        }
        expected.push(c.to_ascii_lowercase());
    }
    snake == expected
}

/// Both alphabets, with padding or without.
fn is_base64(text: &str) -> bool {
    const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    const EITHER: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, ANY_PADDING);
    let standard = text.replace('-', "+").replace('_', "/");
    !text.is_empty() && (STANDARD.decode(text).is_ok() || EITHER.decode(standard).is_ok())
}

/// Whether a text is 1 to `most` of ASCII letters, digits and `more`.
pub(crate) fn is_name(text: &str, most: usize, more: &str) -> bool {
    (1..=most).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static INNER: Shape = Shape::Members(&[must("name", &FILLED), may("howMany", &POSITIVE)]);
    static PART: Shape = Shape::Union(&[may("text", &TEXT), may("data", &BASE64)]);
    static BLOCK: Shape = Shape::Tagged("type", &[("inner", &TAGGED)], None);
    static TAGGED: Shape = Shape::Members(&[must("type", &TEXT), may("next", &BLOCK)]);
    static ROOT: Shape = Shape::Members(&[
        must("list", &LIST),
        may("part", &PART),
        may("block", &BLOCK),
        may("word", &Shape::Word(&["a", "b"])),
        may("share", &UNIT),
    ]);
    static LIST: Shape = Shape::List(&INNER);

    fn flaw(value: &Value, reading: Reading) -> Option<(String, What)> {
        ROOT.check(value, reading).err().map(|flaw| (flaw.path, flaw.what))
    }

    #[test]
    fn flaws_are_named_with_their_place() {
        let strict = Reading::default();
        let at = |path: &str, what| Some((path.to_owned(), what));
        let wrong = |text: &str| What::Wrong(text.to_owned());
        for (value, expected) in [
            (json!({"list": [{"name": "x", "howMany": 1}]}), None),
            (json!({"list": [], "word": null}), None),
            (json!({}), at("", What::Missing("list".into()))),
            (json!({"list": null}), at("", What::Missing("list".into()))),
            (json!({"list": [], "more": 1}), at("", What::Unknown("more".into()))),
            (json!({"list": [{"name": "x", "a": 1}]}), at("list.0", What::Unknown("a".into()))),
            (json!({"list": [{"name": ""}]}), at("list.0.name", wrong("a non-empty string"))),
            (
                json!({"list": [{"name": "x", "howMany": 0}]}),
                at("list.0.howMany", wrong("greater than or equal to 1")),
            ),
            (json!({"list": [], "part": {}}), at("part", What::Union(0))),
            (json!({"list": [], "part": {"text": "", "data": "AA=="}}), at("part", What::Union(2))),
            (json!({"list": [], "part": {"data": "%"}}), at("part.data", wrong("valid base64"))),
            (json!({"list": [], "word": "c"}), at("word", wrong("'a', 'b'"))),
            (json!({"list": [], "share": 2}), at("share", wrong("a number from 0 to 1"))),
            (
                json!({"list": [], "block": {"type": "inner", "next": {"type": "other"}}}),
                at("block.next.type", wrong("'inner'")),
            ),
        ] {
            assert_eq!(flaw(&value, strict), expected, "{value}");
        }
    }

    #[test]
    fn other_readings_let_more_through() {
        let lenient = Reading { lenient: true, ..Reading::default() };
        assert_eq!(flaw(&json!({"list": [], "more": 1}), lenient), None);
        let snake = Reading { snake: true, ..Reading::default() };
        assert_eq!(flaw(&json!({"list": [{"name": "x", "how_many": 2}]}), snake), None);
        assert!(flaw(&json!({"list": [{"name": "x", "how_many": 0}]}), snake).is_some());
        assert!(flaw(&json!({"list": [{"name": "x", "how_many": 2}]}), lenient).is_none());
        assert!(flaw(&json!({"list": [{"name": "x", "how__many": 2}]}), snake).is_some());
    }

    #[test]
    fn names_and_bytes() {
        assert!(is_name("get_weather-2", 64, "_-"));
        assert!(!is_name("", 64, "_-") && !is_name("a.b", 64, "_-") && !is_name("aaa", 2, ""));
        assert!(is_base64("AAA=") && is_base64("_-8") && !is_base64("") && !is_base64("a b"));
    }
}
