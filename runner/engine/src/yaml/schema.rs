//! Small builders for the JSON Schemas that editors read. They are made of the same lists of keys as the parsers use.

use serde_json::{Map, Value, json};
use sluice_plugin::duration::DURATION_PATTERN;

/// A mapping with exactly these keys. `property` gives the schema of each.
pub(crate) fn object(keys: &[&str], required: &[&str], property: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), property(key))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A mapping whose keys have this form and whose values fit.
pub(crate) fn map_of(pattern: &str, value: Value) -> Value {
    json!({ "type": "object", "patternProperties": { pattern: value }, "additionalProperties": false })
}

pub(crate) fn list_of(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

pub(crate) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(crate) fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

pub(crate) fn duration(description: &str) -> Value {
    json!({ "type": "string", "pattern": DURATION_PATTERN, "description": description })
}

pub(crate) fn words(words: &[&str], description: &str) -> Value {
    json!({ "enum": words, "description": description })
}

/// The same schema with this said of it.
pub(crate) fn described(mut schema: Value, description: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), description.into());
    }
    schema
}
