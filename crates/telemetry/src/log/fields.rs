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
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.0.write_char(' ')?;
        }
        let name = field.name();
        if name != "message" {
            self.writer.0.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.0.write_char('=')?;
        }
        write!(self.writer, "{value:?}")
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
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
