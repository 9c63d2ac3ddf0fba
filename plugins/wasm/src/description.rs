//! What a component says of itself, and whether that can be taken: it is untrusted, and ends up in checkers and on screens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_plugin::{ActionSpec, Effect, PluginSpec};

use crate::wit::exported::plugin_asks;

/// A component described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    pub spec: PluginSpec,
    pub asks: Asks,
}

/// What it needs to be granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    pub http: Vec<HttpAsk>,
    pub secrets: Vec<SecretAsk>,
}

/// An origin, the actions that write there, and the requests that only read although their method could do more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAsk {
    pub origin: String,
    pub write: Vec<String>,
    pub read: Vec<String>,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretAsk {
    pub name: String,
    pub why: String,
}

impl From<plugin_asks::Wants> for Asks {
    fn from(wants: plugin_asks::Wants) -> Self {
        let http = wants.http.into_iter().map(|ask| {
            let plugin_asks::HttpAsk { origin, write, read, why } = ask;
            HttpAsk { origin, write, read, why }
        });
        let secrets = wants.secrets.into_iter().map(|plugin_asks::SecretAsk { name, why }| SecretAsk { name, why });
        Self { http: http.collect(), secrets: secrets.collect() }
    }
}

/// Actions of one plugin; nobody reads more.
const MOST_ACTIONS: usize = 200;

/// Characters of one text for people.
const LONGEST_TEXT: usize = 2_000;

/// Levels of one schema inside another.
const DEEPEST: usize = 64;

/// What is wrong with it, if anything is.
pub(crate) fn check(described: &Described) -> Result<(), String> {
    let Described { spec, asks } = described;
    for text in [&spec.version, &spec.summary] {
        readable(text, "its own")?;
    }
    for power in &spec.powers {
        readable(&power.kind, "a power's")?;
        readable(&power.why, "a power's")?;
    }
    for ask in &asks.http {
        let texts = [&ask.origin, &ask.why].into_iter().chain(&ask.write).chain(&ask.read);
        texts.into_iter().try_for_each(|text| readable(text, "something it asks for in"))?;
    }
    for ask in &asks.secrets {
        readable(&ask.name, "a secret's")?;
        readable(&ask.why, "a secret's")?;
    }
    if spec.actions.is_empty() || spec.actions.len() > MOST_ACTIONS {
        return Err(format!("it has {} actions, and must have 1 to {MOST_ACTIONS}", spec.actions.len()));
    }
    let mut seen = BTreeSet::new();
    for action in &spec.actions {
        if action.name.plugin() != spec.name.as_str() {
            return Err(format!("it is called `{}`, and one of its actions `{}`", spec.name, action.name));
        }
        if !seen.insert(action.name.as_str()) {
            return Err(format!("it has two actions called `{}`", action.name));
        }
        check_action(action).map_err(|why| format!("`{}`: {why}", action.name))?;
    }
    Ok(())
}

fn check_action(action: &ActionSpec) -> Result<(), String> {
    readable(&action.summary, "its")?;
    for permission in &action.permissions {
        [&permission.service, &permission.right, &permission.on]
            .into_iter()
            .try_for_each(|text| readable(text, "a permission's"))?;
    }
    for example in &action.examples {
        readable(&example.summary, "an example's")?;
    }
    if action.gate.is_some() && action.effect != Effect::Read {
        return Err(format!("a gate only reads, and this one is said to {}", action.effect));
    }
    if action.effect == Effect::Destroy && action.idempotent {
        return Err("what destroys is never idempotent".to_owned());
    }
    if action.effect == Effect::Destroy && !action.abilities.preview {
        return Err("what destroys has to say beforehand what it would do (`preview`)".to_owned());
    }
    for (which, schema) in [("input", &action.input), ("output", &action.output)] {
        check_schema(schema).map_err(|why| format!("its {which} schema {why}"))?;
    }
    Ok(())
}

fn check_schema(schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("is no object".to_owned());
    }
    stands_alone(schema, 0)?;
    jsonschema::draft202012::new(schema).map(|_| ()).map_err(|error| format!("is no JSON Schema 2020-12: {error}"))
}

/// Nothing is looked up anywhere: not on the network, not in a file, not under another dialect.
fn stands_alone(value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("is nested more than {DEEPEST} levels deep"));
    }
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            let text = value.as_str();
            match (key.as_str(), text) {
                ("$ref" | "$dynamicRef", Some(target)) if !target.starts_with('#') => {
                    Err(format!("refers to `{target}`, and nothing outside of it is looked up"))
                }
                ("$id" | "$schema", Some(target)) => {
                    Err(format!("says `{key}: {target}`; it stands alone, as 2020-12"))
                }
                _ => stands_alone(value, depth + 1),
            }
        }),
        Value::Array(items) => items.iter().try_for_each(|item| stands_alone(item, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Control characters, and those that change the order of others or have no width: a person would read another text than
/// the one that is there.
fn hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(char, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text that goes onto a screen: one line, no control characters, not endless.
fn readable(text: &str, whose: &str) -> Result<(), String> {
    if text.chars().any(hidden) {
        return Err(format!("{whose} text holds characters that are not seen: {text:?}"));
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(format!("{whose} text is longer than {LONGEST_TEXT} characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(name: &str) -> Value {
        json!({
            "name": name, "summary": "Look", "effect": "read", "idempotent": true, "gate": null, "ephemeral": false,
            "input": { "type": "object" }, "output": { "type": "object" },
            "abilities": { "check": false, "preview": false, "reconcile": false },
            "permissions": [], "examples": [], "revision": 1,
        })
    }

    /// A description of one action, after it was changed.
    fn check(change: impl FnOnce(&mut Value), expect: &str) {
        let spec =
            json!({ "name": "acme", "version": "1", "summary": "s", "powers": [], "actions": [action("acme.look")] });
        let mut described = json!({ "spec": spec, "asks": { "http": [], "secrets": [] } });
        change(&mut described);
        let described: Described = serde_json::from_value(described).unwrap();
        let found = super::check(&described).err().unwrap_or_default();
        assert!(found.contains(expect) && found.is_empty() == expect.is_empty(), "{found:?}, not {expect:?}");
    }

    #[test]
    fn what_it_says_of_itself_is_looked_at() {
        check(|_| {}, "");
        let set = |pointer: &'static str, to: Value| move |all: &mut Value| *all.pointer_mut(pointer).unwrap() = to;
        check(set("/spec/summary", json!("a\u{1b}[2Jb")), "not seen");
        check(set("/spec/actions/0/summary", json!("abc\u{202e}txt")), "not seen");
        check(set("/spec/actions/0/summary", json!("x".repeat(3000))), "longer than");
        check(
            set("/spec/actions/0/name", json!("aws.terminate_instance")),
            "one of its actions `aws.terminate_instance`",
        );
        check(set("/spec/actions", json!([])), "0 actions");
        check(set("/spec/actions", json!([action("acme.look"), action("acme.look")])), "two actions");
        check(set("/spec/actions/0/effect", json!("destroy")), "never idempotent");
        check(
            |all| {
                let action = all.pointer_mut("/spec/actions/0").unwrap();
                action["effect"] = json!("destroy");
                action["idempotent"] = json!(false);
            },
            "say beforehand",
        );
        check(
            |all| {
                let action = all.pointer_mut("/spec/actions/0").unwrap();
                action["effect"] = json!("change");
                action["gate"] = json!("data");
            },
            "a gate only reads",
        );
        check(
            |all| all["asks"]["http"] = json!([{ "origin": "https://a\u{200b}b", "write": [], "read": [], "why": "" }]),
            "not seen",
        );
    }

    #[test]
    fn a_schema_stands_alone() {
        let input = |schema: Value| move |all: &mut Value| *all.pointer_mut("/spec/actions/0/input").unwrap() = schema;
        check(input(json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string" } } })), "");
        check(input(json!({ "$ref": "https://example.com/schema.json" })), "nothing outside of it");
        check(input(json!({ "properties": { "a": { "$ref": "file:///etc/passwd" } } })), "nothing outside of it");
        check(input(json!({ "allOf": [{ "$dynamicRef": "other.json" }] })), "nothing outside of it");
        check(input(json!({ "$schema": "http://json-schema.org/draft-04/schema#" })), "stands alone");
        check(input(json!({ "$id": "https://example.com/mine" })), "stands alone");
        check(input(json!({ "type": "wrong" })), "is no JSON Schema");
        check(input(json!({ "pattern": "(" })), "is no JSON Schema");
        check(input(json!(true)), "is no object");
        let deep = (0..100).fold(json!({}), |inner, _| json!({ "not": inner }));
        check(input(deep), "levels deep");
    }
}
