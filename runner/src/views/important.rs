//! The one line of an output that a person wants to see when the step is over.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;
use sluice_plugin::SECRET_KEY;

use super::text;

/// Fields shown where an output has no `summary`.
const FIELDS: usize = 3;
const LONGEST_FIELD: usize = 60;

/// Its `summary`, else its first plain fields; empty when there is nothing short to say. Text from outside is escaped.
pub(crate) fn line(output: &Value) -> String {
    match output {
        Value::Object(object) => summary(output).unwrap_or_else(|| fields(object)),
        other => plain(other).unwrap_or_default(),
    }
}

fn fields(object: &Map<String, Value>) -> String {
    if let Some(value) = object.get("value").filter(|_| object.len() == 1) {
        return plain(value).unwrap_or_default();
    }
    let one =
        |(name, value): (&String, &Value)| Some(format!("{} {}", visible(&bare_name(name)), measured(name, value)?));
    object.iter().filter_map(one).take(FIELDS).collect::<Vec<_>>().join(", ")
}

/// `uptime_seconds` is read as `uptime`: the unit stands with the number.
pub(crate) fn bare_name(name: &str) -> String {
    let bare = ["_seconds", "_bytes", "_percent", "_ms"].into_iter().find_map(|unit| name.strip_suffix(unit));
    bare.unwrap_or(name).replace('_', " ")
}

/// As [`plain`], with the unit that the field's name ends in.
pub(crate) fn measured(name: &str, value: &Value) -> Option<String> {
    let unit = |suffix: &str| value.as_f64().filter(|_| name.ends_with(suffix));
    if let Some(seconds) = unit("_seconds") {
        return Duration::try_from_secs_f64(seconds).ok().map(text::duration);
    }
    if let Some(count) = unit("_bytes") {
        return Some(text::bytes(count));
    }
    if let Some(percent) = unit("_percent") {
        return Some(format!("{percent:.0} %"));
    }
    match plain(value) {
        Some(number) if unit("_ms").is_some() => Some(format!("{number} ms")),
        other => other,
    }
}

/// Its `summary`, where it has one.
pub(crate) fn summary(output: &Value) -> Option<String> {
    let summary = output.get("summary").and_then(Value::as_str)?;
    // Findings are shown below with the whole of it.
    let first = || summary.split_once("; ").map_or(summary, |(first, _)| first);
    Some(visible(if output.get("findings").is_some() { first() } else { summary }).into_owned())
}

/// A value that fits into a line. `None` of null, of lists and of objects.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(if *value { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.as_u64().map_or_else(|| number.to_string(), text::count)),
        Value::String(value) => Some(text::cut(&visible(value), LONGEST_FIELD)),
        Value::Object(object) if object.contains_key(SECRET_KEY) => Some("(secret)".to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_important_part_is_short_and_safe() {
        let check = |output: Value, expect: &str| assert_eq!(line(&output), expect);
        check(json!({ "summary": "3 of 3 nodes answer", "nodes": [] }), "3 of 3 nodes answer");
        check(json!({ "summary": "healthy; all answer", "findings": [] }), "healthy");
        check(json!({ "summary": "a\u{1b}[2Jb" }), "a\\u{1b}[2Jb");
        check(json!({ "status": 200, "bytes": 12345, "ok": true, "more": 1 }), "status 200, bytes 12,345, ok yes");
        check(json!({ "jwt": { "$secret": "steps.a#/jwt" } }), "jwt (secret)");
        check(json!({ "waited_ms": 1002, "size_bytes": 4_200_000 }), "waited 1,002 ms, size 4.2 MB");
        check(json!({ "value": "hello" }), "hello");
        check(json!("hello"), "hello");
        check(json!(null), "");
        check(json!([1, 2]), "");
    }
}
