//! The one line of an output that a person wants to see when the step is over.

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
        Value::Object(object) => match object.get("summary").and_then(Value::as_str) {
            Some(summary) => visible(summary).into_owned(),
            None => fields(object),
        },
        other => plain(other).unwrap_or_default(),
    }
}

fn fields(object: &Map<String, Value>) -> String {
    let shown = object.iter().filter_map(|(key, value)| Some(format!("{} {}", visible(key), plain(value)?)));
    shown.take(FIELDS).collect::<Vec<_>>().join(", ")
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
        check(json!({ "summary": "a\u{1b}[2Jb" }), "a\\u{1b}[2Jb");
        check(json!({ "status": 200, "bytes": 12345, "ok": true, "more": 1 }), "status 200, bytes 12,345, ok yes");
        check(json!({ "jwt": { "$secret": "steps.a#/jwt" } }), "jwt (secret)");
        check(json!("hello"), "hello");
        check(json!(null), "");
        check(json!([1, 2]), "");
    }
}
