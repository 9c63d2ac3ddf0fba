//! Durations as runbooks write them: `500ms`, `3s`, `2m`. Knows no clock.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A whole number of milliseconds, seconds, minutes or hours, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(crate) const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    fn parse(text: &str) -> Option<Self> {
        let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (count, unit) = text.split_at_checked(unit_at)?;
        let count: u64 = count.parse().ok()?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        count.checked_mul(factor).map(Self::millis)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a duration: write `500ms`, `3s`, `2m` or `1h`"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0 => out.write_str("0s"),
            _ if millis.is_multiple_of(60_000) => write!(out, "{}m", millis / 60_000),
            _ if millis.is_multiple_of(1_000) => write!(out, "{}s", millis / 1_000),
            _ => write!(out, "{millis}ms"),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, millis) in [("500ms", 500), ("3s", 3_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(Span::parse(text), Some(Span::millis(millis)), "{text}");
        }
        for text in ["", "3", "s", "3 s", "-3s", "3.5s", "3d", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert_eq!(Span::millis(90_000).to_string(), "90s");
        assert_eq!(Span::millis(120_000).to_string(), "2m");
    }
}
