//! Cuts log lines that are too long: clients and providers choose some of what stands in them.
//!
//! In a line of JSON each text is cut, so that it stays one; of any other line the end. Runs on the log
//! thread only, and only for lines that are long.

use serde_json::Value;
use weir_types::{told, told_within};

/// Lines up to this are as they are.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Whether [`bounded`] may cut it.
pub(super) fn is_long(line: &[u8]) -> bool {
    line.len() > LINE_BYTES_MAX
}

/// `line`, no longer than it may be but for many short values.
pub(super) fn bounded(line: Vec<u8>) -> Vec<u8> {
    if !is_long(&line) {
        return line;
    }
    let mut cut = match serde_json::from_slice::<Value>(&line) {
        Ok(mut value @ Value::Object(_)) => {
            shorten(&mut value);
            value.to_string().into_bytes()
        }
        _ => {
            let text = String::from_utf8_lossy(&line);
            told_within(text.trim_end(), LINE_BYTES_MAX).into_owned().into_bytes()
        }
    };
    cut.push(b'\n');
    cut
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = told(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        String::from_utf8(bounded(line.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn long_lines_are_cut_and_stay_lines() {
        let short = "a line\n";
        assert_eq!(text(short), short);
        let cut = text(&format!("{}\n", "ü".repeat(30_000)));
        assert!(cut.len() <= LINE_BYTES_MAX + 1 && cut.ends_with("ü…\n"));
        let line =
            serde_json::json!({"a": "x".repeat(60_000), "fields": {"b": "y".repeat(60_000)}});
        let cut = text(&format!("{line}\n"));
        let read: Value = serde_json::from_str(&cut).unwrap();
        assert!(cut.len() < 3_000 && cut.ends_with('\n'));
        let begins =
            |value: &Value, with: &str| value.as_str().is_some_and(|v| v.starts_with(with));
        assert!(begins(&read["a"], "xxx") && begins(&read["fields"]["b"], "yyy"));
    }
}
