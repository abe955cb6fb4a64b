//! Lists of models: `GET /v1/models`, whose dates are text where others count seconds.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::json;
use crate::models::Models;

/// Members of an entry that are written as they stand, where the list has them.
const KEPT: [&str; 7] = [
    "max_input_tokens",
    "max_tokens",
    "capabilities",
    "line",
    "lifecycle",
    "deprecated_at",
    "retires_at",
];

/// Reads one page.
///
/// # Errors
/// It is not a list.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let document: Value = json::read(body).map_err(|_| AnswerFault::NotAList)?;
    let list = document.get("data").and_then(Value::as_array).ok_or(AnswerFault::NotAList)?;
    let mut models = Models::default();
    for entry in list {
        let Some(id) = entry.get("id").and_then(Value::as_str) else { continue };
        let Some(members) = entry.as_object() else { continue };
        let created = members.get("created_at").and_then(Value::as_str).and_then(seconds);
        let mut entry: Map<String, Value> = members.clone();
        entry.shift_remove("type");
        entry.shift_remove("created_at");
        entry.insert("object".into(), json!("model"));
        entry.entry("created").or_insert(json!(created.unwrap_or(0)));
        entry.entry("owned_by").or_insert(json!("anthropic"));
        models.insert(id, entry);
    }
    Ok(models)
}

/// Writes the whole list as one page.
pub(super) fn write(models: &Models) -> Bytes {
    let entry = |id: &str, known: &Map<String, Value>| {
        let name = known.get("display_name").or_else(|| known.get("name"));
        let name = name.and_then(Value::as_str).unwrap_or(id);
        let created = known.get("created").and_then(Value::as_u64).unwrap_or(0);
        let mut entry = Map::new();
        entry.insert("type".into(), json!("model"));
        entry.insert("id".into(), json!(id));
        entry.insert("display_name".into(), json!(name));
        entry.insert("created_at".into(), json!(timestamp(created)));
        // Whatever is listed can be used.
        entry.insert("lifecycle".into(), json!("active"));
        for name in KEPT {
            if let Some(value) = known.get(name) {
                entry.insert(name.into(), value.clone());
            }
        }
        Value::Object(entry)
    };
    // Lists are put together from several providers: an entry's own id wins over its place.
    let data: Vec<_> = models
        .iter()
        .map(|(id, known)| entry(known.get("id").and_then(Value::as_str).unwrap_or(id), known))
        .collect();
    let id = |entry: Option<&Value>| entry.and_then(|entry| entry.get("id")).cloned();
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    let document =
        json!({ "data": data, "has_more": false, "first_id": first_id, "last_id": last_id });
    Bytes::from(document.to_string())
}

/// Seconds since 1970 of a date as RFC 3339 writes it; `None` before 1970 or if it is no date.
/// Offsets from UTC are taken for none: it is the day that counts.
fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let of_day = match (number(11..13), number(14..16), number(17..19)) {
        (Some(hour), Some(minute), Some(second)) => hour * 3600 + minute * 60 + second,
        _ => 0,
    };
    Some(days(year, month, day) * 86_400 + of_day)
}

/// A date as RFC 3339 writes it.
fn timestamp(seconds: u64) -> String {
    // The last second of the year 9999; later ones cannot be written.
    let seconds = seconds.min(253_402_300_799);
    let (day, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).unwrap_or(1);
    let date = day - days(year, month, 1) + 1;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = leaps(year) > leaps(year - 1);
    let before = usize::try_from(month - 1).ok().and_then(|at| BEFORE.get(at)).copied();
    let leap_day = u64::from(is_leap && month > 2);
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before.unwrap_or(0) + leap_day + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for (text, count) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2025-09-29T00:00:00Z", 1_759_104_000),
            ("2100-03-01T23:59:59Z", 4_107_628_799),
        ] {
            assert_eq!(seconds(text), Some(count), "{text}");
            assert_eq!(timestamp(count), text);
        }
        assert_eq!(seconds("2025-09-29"), Some(1_759_104_000));
        assert_eq!(seconds("soon"), None);
        assert_eq!(timestamp(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
