//! Writes values. Prompts are mostly long strings, which `serde_json` writes byte by byte.

use std::io::Write as _;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::string;

/// The JSON text of `value`, without blanks.
#[must_use]
pub fn text(value: &Value) -> Bytes {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    Bytes::from(out)
}

/// The JSON text of an object with these members, without blanks.
#[must_use]
pub fn object(members: &Map<String, Value>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    write_members(members, &mut out);
    Bytes::from(out)
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::String(text) => string::write(text, out),
        Value::Object(members) => write_members(members, out),
        Value::Array(list) => {
            out.push(b'[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(value, out);
            }
            out.push(b']');
        }
        Value::Number(number) => {
            // A list of bytes takes whatever is written to it.
            let _ = write!(out, "{number}");
        }
    }
}

fn write_members(members: &Map<String, Value>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string::write(name, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_serde_json_writes_them() {
        let values = [
            json!(null),
            json!([]),
            json!({}),
            json!([true, false, null, 0, -1, 1.5, 1e300, u64::MAX, i64::MIN, 0.1, 2.0]),
            json!({"a": {"b": [{"c\n\"": "d\u{1}"}, [[]], {}]}, "": "", "ä": ["€"]}),
        ];
        for value in values {
            assert_eq!(text(&value), value.to_string());
            if let Value::Object(members) = &value {
                assert_eq!(object(members), value.to_string());
            }
        }
    }
}
