//! A stream's configuration as one digest, the same whichever server tells it.
//!
//! Servers of different versions write different fields where nothing is set, and each adds a mark of its own to the
//! metadata; neither is a change of the stream.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::monitor::model::StreamConfig;

/// What servers write into a stream's metadata by themselves begins so.
const OF_SERVERS: &str = "_nats.";

pub(super) fn of(config: &StreamConfig) -> String {
    let mut fields: BTreeMap<String, Value> = config.other.clone();
    fields.insert("retention".to_owned(), json!(config.retention));
    fields.insert("subjects".to_owned(), json!(config.subjects));
    fields.insert("num_replicas".to_owned(), json!(config.num_replicas));
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with(OF_SERVERS));
    }
    let mut text = String::new();
    object(fields.iter(), &mut text);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys in order, without what is not set.
fn object<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, text: &mut String) {
    let set: BTreeMap<&String, &Value> = fields.filter(|(_, value)| is_set(value)).collect();
    text.push('{');
    for (at, (key, value)) in set.into_iter().enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        text.push_str(&format!("{}:", Value::String(key.clone())));
        canonical(value, text);
    }
    text.push('}');
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => object(fields.iter(), text),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                canonical(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(is_set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(config: Value) -> String {
        of(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn the_same_stream_has_the_same_digest_and_a_changed_one_another() {
        let told = json!({
            "name": "a", "subjects": ["x.>", "y.>"], "retention": "interest", "num_replicas": 3, "max_age": 0,
            "deny_purge": false, "consumer_limits": {}, "metadata": { "_nats.req.level": "0", "owner": "ana" }
        });
        let same = json!({
            "metadata": { "owner": "ana", "_nats.ver": "2.15.1" }, "num_replicas": 3, "retention": "interest",
            "subjects": ["x.>", "y.>"], "name": "a", "new_flag": false, "new_text": ""
        });
        assert_eq!(digest(told.clone()), digest(same));
        let changes = [
            ("subjects", json!(["y.>", "x.>"])),
            ("num_replicas", json!(1)),
            ("retention", json!("limits")),
            ("max_age", json!(1)),
            ("deny_purge", json!(true)),
            ("metadata", json!({ "owner": "bob" })),
            ("consumer_limits", json!({ "max_ack_pending": 5 })),
        ];
        for (key, value) in changes {
            let mut changed = told.clone();
            changed[key] = value;
            assert_ne!(digest(told.clone()), digest(changed), "{key}");
        }
    }
}
