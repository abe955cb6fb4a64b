//! Moments as cloud interfaces write them. Pure; moments are seconds since 1970, in UTC. Knows no time
//! zone but that one.

const DAY: u64 = 24 * 3600;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;
/// Days of 400 years, 100 years, 4 years.
const ERA: u64 = 146_097;
const CENTURY: u64 = 36_524;
const OLYMPIAD: u64 = 1_460;

/// `20240131T235959Z`.
#[must_use]
pub fn compact(moment: u64) -> String {
    let (year, month, day) = date(moment / DAY);
    let (hour, minute, second) = (moment / 3600 % 24, moment / 60 % 60, moment % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2024-01-31T23:59:59Z`.
#[must_use]
pub fn written(moment: u64) -> String {
    let (year, month, day) = date(moment / DAY);
    let (hour, minute, second) = (moment / 3600 % 24, moment / 60 % 60, moment % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `Wed, 31 Jan 2024 23:59:59 GMT`, as headers of HTTP have it.
#[must_use]
pub fn parse_http(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.trim().split(' ').skip(1);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let (time, zone) = (parts.next()?, parts.next()?);
    if zone != "GMT" {
        return None;
    }
    parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// Reads `2024-01-31T23:59:59Z`, with or without fractions of a second, `+00:00` for `Z`.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (day, time) = text.split_once('T')?;
    let mut day = day.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let time = time.split('.').next()?;
    let mut time = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day <= 31;
    if !is_date || day == 0 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// The date of a day. Years begin in March here, so that leap days are their last ones.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + EPOCH;
    let (era, day) = (day / ERA, day % ERA);
    let year = (day - day / OLYMPIAD + day / CENTURY - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + in_year) - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read() {
        for (moment, compacted, written) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (951_782_399, "20000228T235959Z", "2000-02-28T23:59:59Z"),
            (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00.123Z"),
            (1_709_251_199, "20240229T235959Z", "2024-02-29T23:59:59Z"),
            (1_735_689_600, "20250101T000000Z", "2025-01-01T00:00:00Z"),
            (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(compact(moment), compacted);
            assert_eq!(parse(written), Some(moment), "{written}");
            assert_eq!(parse(&super::written(moment)), Some(moment));
        }
        assert_eq!(parse_http("Wed, 31 Jan 2024 23:59:59 GMT"), parse("2024-01-31T23:59:59Z"));
        for bad in ["", "Wed", "Wed, 31 Jan 2024 23:59:59 CET", "Wed, 31 Foo 2024 23:59:59 GMT"] {
            assert_eq!(parse_http(bad), None, "{bad}");
        }
        for bad in ["", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "1-1-1T1:1:1Z"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_some_centuries_is_read_as_it_is_written() {
        for day in 0..200_000 {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), day);
        }
    }
}
