//! The world of the tests: inputs, three steps that are resolved lazily, and a gate's sample.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{
    Expr, Inferred, Key, Layered, Part, Resolved, Scope, Ty, TypeScope, eval, expect_bool, infer, parse,
    parse_template, render,
};
use super::shown;

pub(super) fn names() -> Map<String, Value> {
    let Value::Object(names) = json!({
        "inputs": {
            "cluster": {
                "name": "nats-staging",
                "region": "us-east-2",
                "labels": { "tier": "staging" },
                "nodes": [
                    { "name": "node-1", "state": "up", "behind": 0, "ports": { "client": 4222 } },
                    { "name": "node-2", "state": "down", "behind": 7, "ports": { "client": 4223 } },
                    { "name": "node-3", "state": "up", "behind": 2, "ports": { "client": 4224 } },
                ],
            },
            "node": { "name": "node-1", "number": 1, "aws": null },
            "wait": "90m",
        },
        "seen": { "voters_left": 2, "majority": 2, "load": 0.5, "ok": true, "empty": [], "max": u64::MAX },
        "item": "node-2",
        "odd name": 1,
    }) else {
        unreachable!()
    };
    names
}

pub(super) fn outputs() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("instance", json!({ "id": "i-1", "old": null })),
        ("creds", json!({ "user": "admin", "jwt": { "$secret": "steps.creds#/jwt" }, "all": [{ "$secret": "a" }] })),
        ("token", json!({ "$secret": "secrets.token" })),
    ])
}

/// Answers `steps.<id>` with a borrow of that one output, as the engine does.
pub(super) struct Steps<T>(pub(super) BTreeMap<&'static str, T>);

impl<T: Clone> Steps<T> {
    fn find(&self, root: &str, path: &[Part]) -> Resolved<'_, T> {
        if root != "steps" {
            return Resolved::Unknown { known: vec!["steps".to_owned()] };
        }
        let known = || self.0.keys().map(|name| (*name).to_owned()).collect();
        match path.first().map(|part| &part.key) {
            Some(Key::Name(name)) if name == "idle" => {
                Resolved::Missing { used: 0, known: known(), why: Some("step `idle` was skipped".to_owned()) }
            }
            Some(Key::Name(name)) if self.0.contains_key(name.as_str()) => {
                Resolved::Found { value: Cow::Borrowed(&self.0[name.as_str()]), used: 1 }
            }
            _ => Resolved::Missing { used: 0, known: known(), why: None },
        }
    }
}

impl Scope for Steps<Value> {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Value> {
        self.find(root, path)
    }
}

impl TypeScope for Steps<Ty> {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Ty> {
        self.find(root, path)
    }
}

/// The types of the same names, as schemas give them.
pub(super) fn types() -> BTreeMap<String, Ty> {
    let node = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "state", "behind", "ports"],
        "properties": {
            "name": { "type": "string" }, "state": { "enum": ["up", "down"] }, "behind": { "type": "integer" },
            "note": { "type": "string" },
            "ports": { "type": "object", "required": ["client"], "properties": { "client": { "type": "integer" } } },
        },
    });
    let inputs = json!({
        "type": "object", "additionalProperties": false, "required": ["cluster", "node", "wait"],
        "properties": {
            "cluster": {
                "type": "object", "required": ["name", "region", "labels", "nodes"],
                "properties": {
                    "name": { "type": "string" }, "region": { "type": "string" },
                    "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                    "nodes": { "type": "array", "items": node },
                },
            },
            "node": {
                "type": "object", "required": ["name", "number", "aws"],
                "properties": {
                    "name": { "type": "string" }, "number": { "type": "integer" },
                    "aws": { "anyOf": [
                        { "type": "object", "required": ["region"], "properties": { "region": { "type": "string" } } },
                        { "type": "null" },
                    ] },
                },
            },
            "wait": { "type": "string" },
        },
    });
    let seen = json!({
        "type": "object", "required": ["voters_left", "majority", "load", "ok", "empty", "max"],
        "properties": {
            "voters_left": { "type": "integer" }, "majority": { "type": "integer" }, "load": { "type": "number" },
            "ok": { "type": "boolean" }, "empty": { "type": "array" }, "max": { "type": "integer" },
            "why": { "type": ["string", "null"] }, "free": true, "either": { "type": ["string", "integer"] },
        },
    });
    BTreeMap::from([
        ("inputs".to_owned(), Ty::from_schema(&inputs)),
        ("seen".to_owned(), Ty::from_schema(&seen)),
        ("item".to_owned(), Ty::Str),
    ])
}

pub(super) fn output_types() -> BTreeMap<&'static str, Ty> {
    let secret = json!({ "type": "string", "x-secret": true });
    let creds = json!({
        "type": "object", "required": ["user", "jwt", "all"], "additionalProperties": false,
        "properties": { "user": { "type": "string" }, "jwt": secret, "all": { "type": "array", "items": secret } },
    });
    let instance = json!({
        "type": "object", "required": ["id", "old"],
        "properties": { "id": { "type": ["string", "null"] }, "old": { "type": ["string", "null"] } },
    });
    BTreeMap::from([
        ("instance", Ty::from_schema(&instance)),
        ("creds", Ty::from_schema(&creds)),
        ("token", Ty::from_schema(&secret)),
    ])
}
/// The value as JSON, or the error.
pub(super) fn evaluated(text: &str) -> String {
    let (names, steps) = (names(), Steps(outputs()));
    let scope = Layered(&names as &dyn Scope, &steps as &dyn Scope);
    match parse(text) {
        Err(error) => shown(text, &error),
        Ok(expr) => match eval(&expr, &scope) {
            Ok(value) => value.to_string(),
            Err(error) => shown(text, &error),
        },
    }
}

/// The value of a leaf as JSON, or the error.
pub(super) fn rendered(text: &str) -> String {
    let (names, steps) = (names(), Steps(outputs()));
    let scope = Layered(&names as &dyn Scope, &steps as &dyn Scope);
    match render(&parse_template(text).unwrap(), &scope) {
        Ok(value) => value.to_string(),
        Err(error) => shown(text, &error),
    }
}

/// The type, and on further lines the errors and the notes.
pub(super) fn inferred(text: &str) -> String {
    let found = with_types(text, infer);
    let findings = findings(text, &found);
    std::iter::once(found.ty.to_string()).chain(findings).collect::<Vec<_>>().join("\n")
}

/// The errors and notes of a condition.
pub(super) fn condition(text: &str) -> String {
    findings(text, &with_types(text, expect_bool)).join("\n")
}

fn with_types(text: &str, look: fn(&Expr, &dyn TypeScope) -> Inferred) -> Inferred {
    let (names, steps) = (types(), Steps(output_types()));
    look(&parse(text).unwrap(), &Layered(&names as &dyn TypeScope, &steps as &dyn TypeScope))
}

fn findings(text: &str, found: &Inferred) -> Vec<String> {
    let errors = found.errors.iter().map(|error| shown(text, error));
    errors.chain(found.notes.iter().map(|note| format!("note {}", shown(text, note)))).collect()
}
