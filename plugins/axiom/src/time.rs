//! Moments as Axiom writes them: RFC 3339. Only what that says is read; no zone has a name here.

use std::time::Duration;

use sluice_plugin::Timestamp;

const DAY: i64 = 86_400_000;

/// With milliseconds, UTC: `2026-11-22T17:54:46.927Z`.
pub(crate) fn written(at: Timestamp) -> String {
    let (days, rest) = (at.0.div_euclid(DAY), at.0.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (seconds, milliseconds) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

pub(crate) fn before(at: Timestamp, back: Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(back.as_millis()).unwrap_or(i64::MAX)))
}

/// `None` of anything else. Below milliseconds is cut off.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (year, month, day) = three(date, '-', [4, 2, 2])?;
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let (hour, minute, second) = three(clock, ':', [2, 2, 2])?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let days = days_to(year, month, day);
    if !in_range || date_of(days) != (year, month, day) {
        return None;
    }
    let (milliseconds, zone) = fraction(rest)?;
    let offset = offset(zone)?;
    Some(Timestamp(days * DAY + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds))
}

fn three(text: &str, between: char, lengths: [usize; 3]) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(between);
    let mut next = |length: usize| number(parts.next().filter(|part| part.len() == length)?);
    let [first, second, third] = lengths;
    let three = (next(first)?, next(second)?, next(third)?);
    parts.next().is_none().then_some(three)
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Milliseconds, and what follows them.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = digits.split_at_checked(end)?;
    let padded = format!("{digits}000");
    number(digits)?;
    Some((number(padded.get(..3)?)?, rest))
}

/// In minutes east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Days since 1970 of a date, by years that begin in March, so that a leap day is the last of its year.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    (years + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        let check = |text: &str, milliseconds: i64, canonical: &str| {
            assert_eq!(read(text), Some(Timestamp(milliseconds)), "{text}");
            assert_eq!(written(Timestamp(milliseconds)), canonical);
        };
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z");
        check("2026-11-22T17:54:46.927Z", 1_795_370_086_927, "2026-11-22T17:54:46.927Z");
        check("2026-11-22T17:54:46.927999999Z", 1_795_370_086_927, "2026-11-22T17:54:46.927Z");
        check("2026-11-22T18:54:46.9+01:00", 1_795_370_086_900, "2026-11-22T17:54:46.900Z");
        check("2026-11-22 12:24:46-05:30", 1_795_370_086_000, "2026-11-22T17:54:46.000Z");
        check("2024-02-29T23:59:59Z", 1_709_251_199_000, "2024-02-29T23:59:59.000Z");
        check("1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22T17:54:46",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T17:54:46.Z",
            "2026-11-22T17:54:46+1",
            "2026-11-22T17:54:46Zx",
            "+026-11-22T17:54:46Z",
            "2026-11-22T17:54:46.5",
            "2026-11-2€T17:54:46Z",
            "1795370086",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_centuries_comes_back() {
        for day in -200_000..200_000 {
            let at = Timestamp(day * DAY + 1);
            if day > -135_000 {
                assert_eq!(read(&written(at)), Some(at));
            }
            let (year, month, date) = date_of(day);
            assert_eq!(days_to(year, month, date), day);
        }
    }
}
