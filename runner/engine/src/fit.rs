//! What plainly fits a JSON Schema, seen without a validator. It knows the common keywords and says nothing of the rest.
//!
//! The library decides; but making its first validator takes longer than all else a short run does, and most values are
//! of a plain kind.

use serde_json::{Map, Value};
use sluice_plugin::SecretRef;

/// True only when the value is surely valid. False says nothing.
pub(crate) fn plainly_fits(schema: &Value, value: &Value) -> bool {
    fits(schema, value, Secrets::Unknown)
}

/// The same where a reference to a secret may stand for a text that is marked `x-secret`.
pub(crate) fn plainly_fits_a_call(schema: &Value, value: &Value) -> bool {
    fits(schema, value, Secrets::ByReference)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    /// Nothing is said of a place for one.
    Unknown,
    ByReference,
}

fn fits(schema: &Value, value: &Value, secrets: Secrets) -> bool {
    match schema {
        Value::Bool(anything) => *anything,
        Value::Object(keywords) => {
            let is_secret =
                || keywords.get("x-secret") == Some(&Value::Bool(true)) && SecretRef::from_json(value).is_some();
            secrets == Secrets::ByReference && is_secret()
                || keywords.iter().all(|(keyword, wanted)| keyword_fits(keyword, wanted, keywords, value, secrets))
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// True only when this is surely a JSON Schema. False says nothing.
pub(crate) fn plainly_schema(schema: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema.is_boolean() };
    keywords.iter().all(|(keyword, value)| match keyword.as_str() {
        "default" => true,
        "description" | "title" => value.is_string(),
        "type" => value.as_str().is_some_and(|name| TYPES.contains(&name)),
        "minimum" | "maximum" => value.is_number(),
        "items" => plainly_schema(value),
        _ => false,
    })
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

fn keyword_fits(keyword: &str, wanted: &Value, beside: &Map<String, Value>, value: &Value, secrets: Secrets) -> bool {
    match keyword {
        "title" | "description" | "default" | "examples" | "x-inventory" => true,
        "x-secret" => secrets == Secrets::ByReference,
        "type" => match wanted {
            Value::String(name) => is(name, value),
            Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| is(name, value)),
            _ => false,
        },
        "properties" => each(value, |name, field| match wanted.get(name) {
            Some(schema) => fits(schema, field, secrets),
            None => true,
        }),
        "additionalProperties" => {
            let named = |name: &str| beside.get("properties").is_some_and(|properties| properties.get(name).is_some());
            each(value, |name, field| named(name) || fits(wanted, field, secrets))
        }
        "required" => match (wanted, value) {
            (Value::Array(names), Value::Object(fields)) => {
                names.iter().all(|name| name.as_str().is_some_and(|name| fields.contains_key(name)))
            }
            (wanted, _) => wanted.is_array(),
        },
        "items" => match value {
            Value::Array(items) => items.iter().all(|item| fits(wanted, item, secrets)),
            _ => true,
        },
        "enum" => wanted.as_array().is_some_and(|values| values.contains(value)),
        "const" => wanted == value,
        "anyOf" => wanted.as_array().is_some_and(|branches| branches.iter().any(|branch| fits(branch, value, secrets))),
        "minimum" => whole(wanted, value, |wanted, value| value >= wanted),
        "maximum" => whole(wanted, value, |wanted, value| value <= wanted),
        "minItems" => counted(wanted, value, |wanted, count| count >= wanted),
        "maxItems" => counted(wanted, value, |wanted, count| count <= wanted),
        // The formats of texts are the library's; others do not have any.
        "format" => !value.is_string(),
        _ => false,
    }
}

fn is(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || name == "integer" && !number.is_f64(),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

fn each(value: &Value, fits: impl Fn(&str, &Value) -> bool) -> bool {
    value.as_object().is_none_or(|fields| fields.iter().all(|(name, field)| fits(name, field)))
}

/// Compares whole numbers; about fractions nothing is said.
fn whole(wanted: &Value, value: &Value, holds: fn(i64, i64) -> bool) -> bool {
    !value.is_number() || wanted.as_i64().zip(value.as_i64()).is_some_and(|(wanted, value)| holds(wanted, value))
}

/// Compares how many items there are.
fn counted(wanted: &Value, value: &Value, holds: fn(u64, u64) -> bool) -> bool {
    value.as_array().is_none_or(|items| wanted.as_u64().is_some_and(|wanted| holds(wanted, items.len() as u64)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn common_values_are_seen_to_fit() {
        let check = |schema: Value, value: Value, expect: bool| {
            assert_eq!(plainly_fits(&schema, &value), expect, "{schema} {value}");
        };
        let url = json!({
            "type": "object", "required": ["url"], "additionalProperties": false,
            "properties": { "url": { "type": "string" }, "codes": { "type": "array", "items":
                { "type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535 } } },
        });
        check(url.clone(), json!({ "url": "http://a", "codes": [200] }), true);
        check(url.clone(), json!({ "url": "http://a", "codes": [70000] }), false);
        check(url.clone(), json!({ "codes": [200] }), false);
        check(url, json!({ "url": "http://a", "other": 1 }), false);
        check(json!({ "type": ["string", "null"] }), json!(null), true);
        check(json!({ "anyOf": [{ "type": "null" }, { "enum": ["a"] }] }), json!("a"), true);
        check(json!({ "type": "string", "pattern": "^a" }), json!("a"), false);
        check(json!({ "type": "string", "format": "uri" }), json!("a"), false);
        check(json!({ "type": "string", "x-secret": true }), json!("a"), false);
        check(json!({ "type": "object", "x-inventory": "node" }), json!({}), true);
        check(json!({ "minItems": 1, "maxItems": 2 }), json!([1]), true);
        check(json!({ "minItems": 1, "maxItems": 2 }), json!([]), false);
        check(json!({ "minItems": 1, "maxItems": 2 }), json!([1, 2, 3]), false);
    }

    #[test]
    fn a_call_has_references_where_secrets_are_wanted() {
        let schema =
            json!({ "properties": { "token": { "type": "string", "x-secret": true }, "name": { "type": "string" } } });
        let check = |value: Value, expect: bool| assert_eq!(plainly_fits_a_call(&schema, &value), expect, "{value}");
        let reference = json!({ "$secret": "secrets.token" });
        check(json!({ "token": reference }), true);
        check(json!({ "token": "text" }), true);
        check(json!({ "token": 1 }), false);
        check(json!({ "token": { "$secret": "secrets.token", "more": 1 } }), false);
        check(json!({ "name": reference }), false);
        let optional = json!({ "anyOf": [{ "type": "string", "x-secret": true }, { "type": "null" }] });
        assert!(plainly_fits_a_call(&optional, &reference));
        assert!(!plainly_fits(&optional, &reference));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3i64..4).prop_map(Value::from),
            prop_oneof![Just(1.0), Just(0.5)].prop_map(Value::from),
            "[ab]{0,1}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 6, 3, |inner| {
            let fields = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
            let object = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
            prop_oneof![prop::collection::vec(inner, 0..3).prop_map(Value::from), object]
        })
    }

    fn schema() -> impl Strategy<Value = Value> {
        let of_type = prop::sample::select(TYPES.to_vec()).prop_map(Value::from);
        let types = prop::sample::subsequence(TYPES.to_vec(), 1..3).prop_map(Value::from);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            of_type.prop_map(|name| json!({ "type": name, "description": "d" })),
            types.prop_map(|names| json!({ "type": names })),
            value().prop_map(|one| json!({ "const": one })),
            prop::collection::vec(value(), 1..3).prop_map(|all| json!({ "enum": all })),
            (-3i64..4, -3i64..4).prop_map(|(least, most)| json!({ "minimum": least, "maximum": most })),
            (0u64..3, 0u64..3).prop_map(|(least, most)| json!({ "minItems": least, "maxItems": most })),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            let properties = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
            let required = prop::sample::subsequence(vec!["a", "b"], 0..2);
            let object = (properties, required, inner.clone()).prop_map(|(properties, required, others)| {
                json!({ "properties": properties, "required": required, "additionalProperties": others })
            });
            let any_of = prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({ "anyOf": all }));
            prop_oneof![object, any_of, inner.prop_map(|items| json!({ "items": items, "type": "array" }))]
        })
    }

    proptest! {
        #[test]
        fn what_plainly_fits_is_valid(schema in schema(), value in value()) {
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            prop_assert!(!plainly_fits(&schema, &value) || validator.is_valid(&value));
        }

        #[test]
        fn a_plain_schema_is_one(schema in schema()) {
            prop_assert!(!plainly_schema(&schema) || jsonschema::draft202012::new(&schema).is_ok());
        }
    }
}
