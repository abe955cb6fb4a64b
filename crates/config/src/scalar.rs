//! Reading one value: flags, numbers, durations, texts, choices.
//!
//! Two ways in: methods of `Field` for a value at hand, and methods of `Section` of the same
//! names, which find the field first. A choice is quoted in a message only if it is near a valid
//! name, as it could be anything else.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use jsonc_parser::ast::Value;

use crate::reader::{Field, Section};
use crate::report::Draft;
use crate::suggest::nearest;

mod duration;

/// The largest integer that every JSON reader understands exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl<'a> Field<'a> {
    /// A text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        if let Value::StringLit(text) = self.value {
            return Some(&text.value);
        }
        self.wrong("a string");
        None
    }

    /// A list of texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        let items = self.items().unwrap_or_default();
        items.iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        if let Value::BooleanLit(flag) = self.value {
            return Some(flag.value);
        }
        self.unquoted("true or false", |text| matches!(text, "true" | "false"));
        None
    }

    /// A number within `range`.
    pub(crate) fn number(&self, range: RangeInclusive<f64>, expected: &str) -> Option<f64> {
        let Value::NumberLit(literal) = self.value else {
            self.unquoted(expected, |text| text.parse::<f64>().is_ok());
            return None;
        };
        let number = literal.value.parse::<f64>().ok().filter(|n| range.contains(n));
        if number.is_none() {
            self.out_of_range(expected);
        }
        number
    }

    /// A whole number within `range`. `120.0` is one too.
    pub(crate) fn whole(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let (min, max) = (*range.start(), *range.end());
        let expected = match max {
            u64::MAX => format!("a whole number of at least {min}"),
            _ => format!("a whole number from {min} to {max}"),
        };
        let Value::NumberLit(literal) = self.value else {
            self.unquoted(&expected, |text| text.parse::<u64>().is_ok());
            return None;
        };
        let number = whole_of(literal.value).filter(|number| range.contains(number));
        if number.is_none() {
            self.out_of_range(&expected);
        }
        number
    }

    /// A place in a list, negative from its end.
    pub(crate) fn place(&self) -> Option<i64> {
        let expected = "a whole number, negative to count from the end";
        let Value::NumberLit(literal) = self.value else {
            self.unquoted(expected, |text| text.parse::<i64>().is_ok());
            return None;
        };
        let place = literal.value.parse().ok();
        if place.is_none() {
            self.out_of_range(expected);
        }
        place
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let mut expected = "one of:".to_owned();
        for (index, (name, _)) in choices.iter().enumerate() {
            let _ = write!(expected, "{} \"{name}\"", if index == 0 { "" } else { "," });
        }
        let draft = Draft::error("unknown value").expected(expected);
        self.report(match nearest(text, choices.iter().map(|(name, _)| *name)) {
            Some(meant) => draft
                .found(format!("\"{}\"", text.escape_debug()))
                .help(format!("did you mean \"{meant}\"?")),
            None => draft.found("another string"),
        });
        None
    }

    fn out_of_range(&self, expected: &str) {
        self.report(Draft::error("out of range").expected(expected).found(self.found()));
    }

    /// A wrong type, with a hint if only the quotes are too many.
    fn unquoted(&self, expected: &str, fits: fn(&str) -> bool) {
        let quoted = matches!(self.value, Value::StringLit(text) if fits(&text.value));
        let help = quoted.then(|| "write it without quotes".to_owned());
        let draft = Draft::error("wrong type").expected(expected).found(self.found());
        self.report(draft.maybe_help(help));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number within the exact range"
)]
fn whole_of(literal: &str) -> Option<u64> {
    if let Ok(number) = literal.parse::<u64>() {
        return Some(number);
    }
    let number = literal.parse::<f64>().ok()?;
    let exact = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
    exact.then_some(number as u64)
}

impl Section<'_> {
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.field(name)?.text().map(str::to_owned)
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.field(name).map(|field| field.texts())
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.field(name)?.flag()
    }

    pub(crate) fn whole(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.field(name)?.whole(range)
    }

    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.field(name)?.choice(choices)
    }

    /// Seconds of at least 1, or `default` if absent. 0 stands for the default, as in the
    /// format's own loader, and is warned about: it reads like "no limit".
    pub(crate) fn seconds(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: Duration,
    ) -> Duration {
        let seconds = self.timing(name, range, default.as_secs(), "seconds");
        seconds.map_or(default, Duration::from_secs)
    }

    /// The same in milliseconds, or as a text with units: `500ms`, `1.5s`, `1m30s`.
    pub(crate) fn millis(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: Duration,
    ) -> Duration {
        let default_millis = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        if let Some(field) = self.field(name)
            && let Value::StringLit(text) = field.value
        {
            let read = duration::parse(&text.value).filter(|read| {
                u64::try_from(read.as_millis()).is_ok_and(|millis| range.contains(&millis))
            });
            if read.is_none() {
                let (min, max) = (range.start(), range.end());
                let expected = format!("\"500ms\", \"1.5s\" or the like, from {min} to {max} ms");
                field.report(
                    Draft::error("not a duration").expected(expected).found("another text"),
                );
            }
            return read.unwrap_or(default);
        }
        let millis = self.timing(name, range, default_millis, "milliseconds");
        millis.map_or(default, Duration::from_millis)
    }

    fn timing(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
        unit: &str,
    ) -> Option<u64> {
        let field = self.field(name)?;
        let zero = matches!(field.value, Value::NumberLit(n) if whole_of(n.value) == Some(0));
        if !zero {
            return field.whole(range);
        }
        let draft = Draft::warning(format!("0 stands for the default, {default} {unit}"));
        field.report(draft.help("leave the field out, or say how long"));
        None
    }
}
