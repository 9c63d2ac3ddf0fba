//! Durations as runbooks and inventories write them: `500ms`, `30s`, `10m`, `2h`, `1d`.
//!
//! One number and one unit; nothing is added up, nothing is signed, and a bare number is refused because nobody can
//! tell what it counts. What a duration is for is not known here.

use std::fmt::Write as _;
use std::time::Duration;

use schemars::{Schema, SchemaGenerator, json_schema};

/// What [`parse_duration`] accepts, for JSON Schemas.
pub const DURATION_PATTERN: &str = "^[0-9]+(ms|s|m|h|d)$";

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `30s`. The error says what was wrong and what would be right, without the place.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("`{text}` {why}; write a whole number and a unit: 500ms, 30s, 10m, 2h, 1d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(wrong("is not a duration"));
    }
    if unit.is_empty() {
        return Err(wrong("has no unit"));
    }
    let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let millis = millis.ok_or_else(|| wrong("has a unit that is not known"))?;
    let number: u64 = number.parse().map_err(|_| wrong("is too long"))?;
    // Past this a timestamp in milliseconds would overflow, and no run waits for a hundred years.
    let total = number.checked_mul(millis).filter(|total| *total <= 100 * 366 * 86_400_000);
    total.map(Duration::from_millis).ok_or_else(|| wrong("is too long"))
}

/// Writes a duration the way [`parse_duration`] reads it: in the largest unit that leaves no rest, `90s`, `2h`.
/// What is shorter than a millisecond is dropped.
pub fn format_duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, unit): &&(&str, u64)| millis >= *unit && millis.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().rev().find(fits).copied().unwrap_or(("s", 1_000));
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(text, "{}{name}", millis / unit);
    text
}

/// For `#[schemars(schema_with = "sluice_plugin::duration::schema")]` on a field that holds a duration's text.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "10m"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_number_and_one_unit() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("0s", 0);
        check("500ms", 500);
        check("30s", 30_000);
        check("10m", 600_000);
        check("2h", 7_200_000);
        check("1d", 86_400_000);
        check("007s", 7_000);
    }

    #[test]
    fn refuses_everything_else_and_says_what_is_right() {
        let check = |text: &str, why: &str| {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` {why}")) && error.contains("30s"), "{error}");
        };
        check("", "is not a duration");
        check("s", "is not a duration");
        check("-1s", "is not a duration");
        check("30", "has no unit");
        check("1.5s", "has a unit that is not known");
        check("30 s", "has a unit that is not known");
        check("30S", "has a unit that is not known");
        check("1h30m", "has a unit that is not known");
        check("3w", "has a unit that is not known");
        check("5é", "has a unit that is not known");
        check("99999999999999999999s", "is too long");
        check("18446744073709551615d", "is too long");
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0s", "1ms", "500ms", "1500ms", "1s", "90s", "2m", "1h", "36h", "2d"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(format_duration(Duration::from_secs(60)), "1m");
    }
}
