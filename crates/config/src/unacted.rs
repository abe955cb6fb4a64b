//! Fields that are accepted and not acted on: each use is warned about, by name.
//!
//! Also fields that belong to another provider. Not for fields whose loss would change what a
//! request may do or reach: those are errors where they are read.

use jsonc_parser::ast::Value;

use crate::reader::Section;
use crate::report::Draft;

const MESSAGE: &str = "accepted, but this build does not act on it";

impl Section<'_> {
    /// Warns if the field is there and says something.
    pub(crate) fn unacted(&mut self, name: &'static str) {
        let Some(field) = self.field(name) else {
            return;
        };
        if !is_empty(field.value) && !field.reader.has_error_within(&field.path) {
            field.report(Draft::warning(MESSAGE));
        }
    }

    /// A flag that is warned about if it is on.
    pub(crate) fn unacted_flag(&mut self, name: &'static str) -> bool {
        let on = self.flag(name).unwrap_or_default();
        if on {
            self.unacted(name);
        }
        on
    }

    /// Refuses a field that only `owners` read, on a key of `vendor`.
    pub(crate) fn refuse(&mut self, name: &'static str, owners: &[&str], vendor: &str) {
        let Some(field) = self.field(name) else {
            return;
        };
        let draft = Draft::error(format!("not a field for {vendor}"));
        let owners = owners.join(", ");
        field.report(
            draft
                .expected(format!("only with {owners}"))
                .found(format!("a key of {vendor}"))
                .help("remove it; nothing would read it"),
        );
    }
}

/// Whether `value` says nothing: empty or off.
pub(crate) fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::StringLit(text) => text.value.is_empty(),
        Value::NumberLit(number) => number.value.parse::<f64>().is_ok_and(|n| n == 0.0),
        Value::BooleanLit(flag) => !flag.value,
        Value::Object(object) => object.properties.is_empty(),
        Value::Array(array) => array.elements.is_empty(),
        Value::NullKeyword(_) => true,
    }
}
