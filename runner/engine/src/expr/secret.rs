//! Where a secret may stand: alone, and nowhere else. Knows only the shape of a reference, never a secret.

use serde_json::Value;
use sluice_plugin::SECRET_KEY;

pub(super) const ALONE: &str = "a secret may only stand alone in a field that takes secrets";
pub(super) const SELECT: &str = "select what you need of it, without the secret";

/// True of an object whose only key is `$secret`, whatever is behind it.
pub(super) fn is_secret(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key(SECRET_KEY))
}

/// True when the value is a reference or holds one at any depth.
pub(crate) fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(fields) => is_secret(value) || fields.values().any(holds_secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_found_at_any_depth() {
        let check = |value: Value, expect: (bool, bool)| {
            assert_eq!((is_secret(&value), holds_secret(&value)), expect, "{value}");
        };
        check(json!({ "$secret": "a" }), (true, true));
        check(json!({ "$secret": 1 }), (true, true));
        check(json!({ "a": [{ "b": { "$secret": "a" } }] }), (false, true));
        check(json!({ "$secret": "a", "b": 1 }), (false, false));
        check(json!("$secret"), (false, false));
        check(json!([]), (false, false));
    }
}
