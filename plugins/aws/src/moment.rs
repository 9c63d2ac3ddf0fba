//! Moments as inputs give them: RFC 3339, how long ago, or the milliseconds that other actions give out; and as outputs
//! give them: RFC 3339.

use aws_sdk_ssm::primitives::{DateTime, DateTimeFormat};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use sluice_plugin::{Problem, Timestamp, parse_duration, time};

/// In milliseconds.
pub(crate) const HOUR: i64 = 3_600_000;

/// A point in time in the words of an input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Moment {
    /// Milliseconds since 1970 in UTC.
    Millis(i64),
    /// `2h` for two hours ago, or `2026-11-22T17:54:46Z`.
    Text(String),
}

/// For an optional field: `#[schemars(schema_with = "moment::schema")]`.
pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "integer", "null"],
        "examples": ["2h", "2026-11-22T17:54:46Z", 1_795_370_086_927_i64],
    })
}

impl Moment {
    /// Milliseconds since 1970 in UTC. `pointer`: the field it comes from.
    pub(crate) fn at(&self, now: Timestamp, pointer: &str) -> Result<i64, Problem> {
        let text = match self {
            Self::Millis(millis) => return Ok(*millis),
            Self::Text(text) => text,
        };
        if let Ok(ago) = parse_duration(text) {
            return Ok(time::before(now, ago).0);
        }
        let shown: String = text.chars().take(80).collect();
        read(text).ok_or_else(|| {
            let message = format!(
                "`{}` is no moment; write how long ago (2h), RFC 3339 (2026-11-22T17:54:46Z), or milliseconds since 1970",
                shown.escape_debug()
            );
            Problem::bad_input(pointer, message)
        })
    }

    /// Where it does not count from now.
    pub(crate) fn fixed(&self) -> Option<i64> {
        match self {
            Self::Millis(millis) => Some(*millis),
            Self::Text(text) => read(text),
        }
    }
}

/// RFC 3339 with any offset; `None` of anything else.
pub(crate) fn read(text: &str) -> Option<i64> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).ok()?.to_millis().ok()
}

/// `2026-11-22T17:54:46.927Z`: always with three digits, so that texts sort like moments.
pub(crate) fn written(millis: i64) -> String {
    time::written(Timestamp(millis))
}

/// `2026-11-22 17:54:46.927`, as some write UTC.
pub(crate) fn read_spaced(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(' ')?;
    read(&format!("{date}T{clock}Z"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: i64 = 1_795_370_086_927;

    #[test]
    fn moments_are_read() {
        let check = |given: serde_json::Value, expect: Option<i64>| {
            let moment: Moment = serde_json::from_value(given.clone()).unwrap();
            let found = moment.at(Timestamp(AT), "/since");
            assert_eq!(found.as_ref().ok(), expect.as_ref(), "{given}");
            let Err(problem) = found else { return };
            assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_input", Some("/since")));
            assert!(!problem.message.contains('\n'), "{problem}");
        };
        check(json!(AT), Some(AT));
        check(json!("2h"), Some(AT - 7_200_000));
        check(json!("0s"), Some(AT));
        check(json!("2026-11-22T17:54:46.927Z"), Some(AT));
        check(json!("2026-11-22T18:54:46.927+01:00"), Some(AT));
        check(json!("2026-11-22T17:54:46Z"), Some(AT - 927));
        for wrong in [
            "",
            "yesterday",
            "2026-11-22",
            "17:54",
            "-2h",
            "2h; rm -rf /",
            "$(date)",
            "`date`",
            "a\nb",
            "99999999999999d",
        ] {
            check(json!(wrong), None);
        }
    }

    #[test]
    fn moments_are_written_to_the_millisecond() {
        let check = |millis: i64, expect: &str| {
            assert_eq!(written(millis), expect);
            assert_eq!(read(expect), Some(millis), "{expect}");
        };
        check(AT, "2026-11-22T17:54:46.927Z");
        check(AT - 927, "2026-11-22T17:54:46.000Z");
        check(AT - 877, "2026-11-22T17:54:46.050Z");
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        assert!(written(i64::MAX).ends_with('Z'));
    }

    #[test]
    fn a_blank_instead_of_a_t_is_read_where_it_is_usual() {
        assert_eq!(read_spaced("2026-11-22 17:54:46.927"), Some(AT));
        assert_eq!(read_spaced("2026-11-22T17:54:46.927Z"), None);
        assert_eq!(read_spaced("n/a"), None);
    }
}
