//! The fields of a line of text without colours: `message name=value name=value`.
//!
//! The lines are those of `tracing-subscriber`'s own formatter, which goes through its colours for
//! every name although it has none; a request's line has some twenty fields. Control characters that a
//! terminal would obey are written as escapes, in every value. Does not know where lines go.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes fields as text without colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlainFields;

impl<'writer> FormatFields<'writer> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer: Obedient(writer), is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Obedient<'writer>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    /// Writes the name of `field`, then what `value` writes.
    fn write(
        &mut self,
        field: &Field,
        value: impl FnOnce(&mut Obedient<'_>) -> fmt::Result,
    ) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.0.write_char(' ')?;
        }
        let name = field.name();
        if name != "message" {
            self.writer.0.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.0.write_char('=')?;
        }
        value(&mut self.writer)
    }

    fn record(&mut self, field: &Field, value: impl FnOnce(&mut Obedient<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        self.record(field, |writer| writer.0.write_str(text));
    }
}

/// Each writes what `Debug` of its value does; the usual ones without going through `fmt`.
impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, |writer| write!(writer, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ if is_plain(value) => self.record(field, |writer| {
                writer.0.write_char('"')?;
                writer.0.write_str(value)?;
                writer.0.write_char('"')
            }),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.text(field, itoa::Buffer::new().format(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.text(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.text(field, if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match Thousandths::of(value) {
            Some(thousandths) => self.record(field, |writer| thousandths.write(&mut writer.0)),
            None => self.record_debug(field, &value),
        }
    }
}

/// Whether `Debug` writes `text` as it is, in quotation marks.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

/// A number that three digits after the point hold exactly, as milliseconds made of microseconds.
struct Thousandths(u64);

impl Thousandths {
    fn of(value: f64) -> Option<Self> {
        const MAX: f64 = 1e9;
        if !(0.0..MAX).contains(&value) || value.is_sign_negative() {
            return None;
        }
        let thousandths = (value * 1000.0).round();
        (thousandths / 1000.0 == value).then_some(Self(thousandths as u64))
    }

    /// At least one digit after the point, no zero at the end of more.
    fn write(&self, writer: &mut impl Write) -> fmt::Result {
        writer.write_str(itoa::Buffer::new().format(self.0 / 1000))?;
        let digit = |divisor| char::from(b'0' + (self.0 / divisor % 10) as u8);
        let digits = [digit(100), digit(10), digit(1)];
        let len = digits.iter().rposition(|digit| *digit != '0').map_or(1, |last| last + 1);
        writer.write_char('.')?;
        digits[..len].iter().try_for_each(|digit| writer.write_char(*digit))
    }
}

/// Writes what a terminal would obey as an escape: C0 but for tab and newline, delete, C1.
struct Obedient<'writer>(Writer<'writer>);

impl Write for Obedient<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The usual case, without a look at each character.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(is_obeyed) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut chars = from.chars();
            if let Some(control) = chars.next() {
                write!(self.0, "{}", control.escape_unicode())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

fn is_obeyed(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n')
}
