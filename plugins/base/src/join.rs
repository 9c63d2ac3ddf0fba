//! `base.join`: one object from several. What each of them does not know is left out, so that a field that is there has
//! always the same type.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::{Action, ActionSpec, Call, Effect, Host, Outcome, Problem};

use crate::describe::{example, input_of, output, spec};

pub(crate) struct Join;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A field of a later one takes the place of the same field of an earlier one; two lists become one. Fields that are
    /// null are left out.
    parts: Vec<Map<String, Value>>,
    /// Fields whose names are not known before: they come last.
    #[serde(default)]
    fields: Vec<Field>,
    /// Names of fields that are left out.
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    /// Anything.
    value: Value,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    value: Map<String, Value>,
}

#[async_trait]
impl Action for Join {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("join", "Make one object of several", Effect::Read);
        spec.idempotent = true;
        spec.examples = vec![example(
            "an event of two looks",
            json!({
                "parts": [{ "node": "node-1", "instance": null, "errors": ["jsz: timeout"] }, { "load": 0.2, "errors": [] }],
                "fields": [{ "name": "host", "value": "node-1" }]
            }),
            json!({ "value": { "node": "node-1", "errors": ["jsz: timeout"], "load": 0.2, "host": "node-1" } }),
        )];
        spec
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        output(&Output { value: joined(input) }).map(Outcome::plain)
    }
}

fn joined(input: Input) -> Map<String, Value> {
    let last = input.fields.into_iter().map(|field| (field.name, field.value));
    let all = input.parts.into_iter().flatten().chain(last);
    let mut joined = Map::new();
    for (name, value) in all.filter(|(name, value)| !value.is_null() && !input.without.contains(name)) {
        match (joined.get_mut(&name), value) {
            (Some(Value::Array(before)), Value::Array(more)) => before.extend(more),
            (_, value) => drop(joined.insert(name, value)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_fields_win_lists_grow_and_nothing_is_null() {
        let check = |with: Value, expect: Value| {
            let input: Input = serde_json::from_value(with.clone()).unwrap();
            assert_eq!(Value::Object(joined(input)), expect, "{with}");
        };
        check(json!({ "parts": [] }), json!({}));
        check(json!({ "parts": [{ "a": 1, "b": 1 }, { "b": 2, "c": null }] }), json!({ "a": 1, "b": 2 }));
        check(json!({ "parts": [{ "a": 1 }, { "a": null }] }), json!({ "a": 1 }));
        check(json!({ "parts": [{ "a": [1] }, { "a": [] }, { "a": [2] }] }), json!({ "a": [1, 2] }));
        check(json!({ "parts": [{ "a": [1] }, { "a": 2 }] }), json!({ "a": 2 }));
        check(json!({ "parts": [{ "a": 1, "b": 2 }], "without": ["b"] }), json!({ "a": 1 }));
        check(
            json!({ "parts": [{ "host": "x" }], "fields": [{ "name": "host", "value": "y" }, { "name": "z", "value": null }] }),
            json!({ "host": "y" }),
        );
    }
}
