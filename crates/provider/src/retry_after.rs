//! How long a vendor asks to wait, in every form in which vendors say so.
//!
//! From precise to vague: `retry-after-ms`, `retry-after` (seconds or a date), the reset of a
//! rate limit whose remainder is 0, Google's `RetryInfo` in the body.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use weir_types::FailureClass;

/// Longer waits are nonsense; the caller caps much lower.
const SECONDS_MAX: f64 = 366.0 * 24.0 * 3600.0;

/// What the vendor asks to wait after a failure of this class.
#[must_use]
pub fn retry_after(
    class: FailureClass,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Option<Duration> {
    let limited = class == FailureClass::RateLimited;
    text(headers, "retry-after-ms")
        .and_then(|text| seconds(text.parse::<f64>().ok()? / 1000.0))
        .or_else(|| standard(text(headers, "retry-after")?, now))
        .or_else(|| limited.then(|| reset(headers, now)).flatten())
        .or_else(|| retry_info(body))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(SECONDS_MAX)))
}

/// RFC 9110 §10.2.3: seconds or a date; some vendors write fractions.
fn standard(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The longest reset among the limits of which nothing remains.
fn reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let spent = headers.iter().filter_map(|(name, value)| {
        let limit = name.as_str().strip_prefix("x-ratelimit-remaining")?;
        let remaining: f64 = value.to_str().ok()?.trim().parse().ok()?;
        (remaining <= 0.0).then_some(limit)
    });
    spent
        .filter_map(|limit| {
            let value = text(headers, &format!("x-ratelimit-reset{limit}"))?;
            moment_or_duration(value, now)
        })
        .max()
}

/// `1.5` seconds, `1741305600` or `1741305600000` since 1970, `6m0s`, `20ms`, or a date.
fn moment_or_duration(text: &str, now: SystemTime) -> Option<Duration> {
    const EPOCH_SECONDS: f64 = 1e9;
    const EPOCH_MILLIS: f64 = 1e12;
    let Ok(number) = text.parse::<f64>() else {
        return compound(text).or_else(|| standard(text, now));
    };
    if number.is_nan() {
        return None;
    }
    if number < EPOCH_SECONDS {
        return seconds(number);
    }
    let since = if number < EPOCH_MILLIS { number } else { number / 1000.0 };
    // A moment that no clock reaches is as far away as anything gets.
    let at = Duration::try_from_secs_f64(since)
        .ok()
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let Some(at) = at else { return seconds(SECONDS_MAX) };
    Some(at.duration_since(now).unwrap_or_default().min(Duration::from_secs_f64(SECONDS_MAX)))
}

/// Go's way to write durations: numbers with units, `1h2m3.5s`.
fn compound(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(end);
        let scale = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    (!text.is_empty()).then(|| seconds(total)).flatten()
}

/// `google.rpc.RetryInfo`: `"retryDelay": "33.5s"` somewhere in the error's details.
fn retry_info(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"retryDelay\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (value, _) = value.split_once('"')?;
    compound(value)
}
