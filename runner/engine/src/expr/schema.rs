//! JSON Schema lowered to a type: the part of 2020-12 that schemars and people write. What it does not know becomes
//! [`Ty::Any`], so that a schema is never read as narrower than it is, with one exception: an object that lists its
//! properties and is silent on others is read as having no others, or no misspelt name would ever be found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::ty::{Field, Object, Rest, Ty};

const MAX_DEPTH: usize = 32;
/// Says that a leaf may hold a reference to a secret.
const SECRET: &str = "x-secret";

impl Ty {
    /// The type of the values that a schema allows.
    pub fn from_schema(schema: &Value) -> Self {
        lower(schema, 0)
    }
}

fn lower(schema: &Value, depth: usize) -> Ty {
    match schema {
        Value::Bool(false) => Ty::NEVER,
        Value::Object(keys) if depth < MAX_DEPTH => lower_keys(keys, depth),
        _ => Ty::Any,
    }
}

fn lower_keys(keys: &Map<String, Value>, depth: usize) -> Ty {
    let ty = known(keys, depth);
    let nullable = keys.get("nullable").and_then(Value::as_bool) == Some(true);
    if nullable { ty.or_null() } else { ty }
}

fn known(keys: &Map<String, Value>, depth: usize) -> Ty {
    if keys.get(SECRET).and_then(Value::as_bool) == Some(true) {
        return if type_names(keys).contains(&"null") { Ty::Secret.or_null() } else { Ty::Secret };
    }
    if let Some(value) = keys.get("const") {
        return Ty::of(value);
    }
    if let Some(values) = list(keys, "enum") {
        return Ty::union(values.iter().map(Ty::of));
    }
    if let Some(branches) = list(keys, "allOf") {
        return branches
            .iter()
            .try_fold(without(keys, "allOf"), |all, branch| merged(&all, branch))
            .map_or(Ty::Any, |all| lower_keys(&all, depth + 1));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(branches) = list(keys, key) {
            return alternatives(&without(keys, key), branches, depth);
        }
    }
    if keys.contains_key("$ref") {
        return Ty::Any;
    }
    by_type(keys, depth)
}

fn alternatives(base: &Map<String, Value>, branches: &[Value], depth: usize) -> Ty {
    Ty::union(branches.iter().map(|branch| match merged(base, branch) {
        Some(keys) => lower_keys(&keys, depth + 1),
        None => lower(branch, depth + 1),
    }))
}

/// Both schemas in one: properties of both, and the keys of `branch` where both have one.
fn merged(base: &Map<String, Value>, branch: &Value) -> Option<Map<String, Value>> {
    let mut all = base.clone();
    for (key, value) in branch.as_object()? {
        let joined = match (key.as_str(), all.get(key), value) {
            ("properties", Some(Value::Object(before)), Value::Object(more)) => {
                Value::Object(before.iter().chain(more).map(|(name, schema)| (name.clone(), schema.clone())).collect())
            }
            ("required", Some(Value::Array(before)), Value::Array(more)) => {
                Value::Array(before.iter().chain(more).cloned().collect())
            }
            _ => value.clone(),
        };
        all.insert(key.clone(), joined);
    }
    Some(all)
}

fn by_type(keys: &Map<String, Value>, depth: usize) -> Ty {
    let names = type_names(keys);
    if names.is_empty() && keys.contains_key("properties") {
        return object(keys, depth);
    }
    if names.is_empty() {
        return Ty::Any;
    }
    Ty::union(names.into_iter().map(|name| match name {
        "null" => Ty::Null,
        "boolean" => Ty::Bool,
        "integer" => Ty::Int,
        "number" => Ty::number(),
        "string" => Ty::Str,
        "array" => Ty::list(items(keys, depth)),
        "object" => object(keys, depth),
        _ => Ty::Any,
    }))
}

fn type_names(keys: &Map<String, Value>) -> Vec<&str> {
    match keys.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn items(keys: &Map<String, Value>, depth: usize) -> Ty {
    let rest = keys.get("items").map_or(Ty::Any, |schema| lower(schema, depth + 1));
    let first = list(keys, "prefixItems").unwrap_or_default().iter().map(|schema| lower(schema, depth + 1));
    Ty::union(first.chain([rest]))
}

fn object(keys: &Map<String, Value>, depth: usize) -> Ty {
    let required: BTreeSet<&str> =
        list(keys, "required").unwrap_or_default().iter().filter_map(Value::as_str).collect();
    let properties = keys.get("properties").and_then(Value::as_object);
    let field = |(name, schema): (&String, &Value)| {
        (name.clone(), Field { ty: lower(schema, depth + 1), required: required.contains(name.as_str()) })
    };
    let fields: BTreeMap<String, Field> = properties.into_iter().flatten().map(field).collect();
    let rest = rest(keys, fields.is_empty(), depth);
    Ty::Object(Object { fields, rest })
}

fn rest(keys: &Map<String, Value>, lists_none: bool, depth: usize) -> Rest {
    if keys.contains_key("patternProperties") {
        return Rest::Open(Box::new(Ty::Any));
    }
    match keys.get("additionalProperties").or_else(|| keys.get("unevaluatedProperties")) {
        Some(Value::Bool(false)) => Rest::Closed,
        Some(schema) => Rest::Open(Box::new(lower(schema, depth + 1))),
        None if lists_none => Rest::Open(Box::new(Ty::Any)),
        None => Rest::Unsaid,
    }
}

fn list<'a>(keys: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    keys.get(key)?.as_array().map(Vec::as_slice)
}

fn without(keys: &Map<String, Value>, key: &str) -> Map<String, Value> {
    keys.iter().filter(|(name, _)| *name != key).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(ty: &Ty) -> String {
        match ty {
            Ty::List(items) => format!("[{}]", shape(items)),
            Ty::Object(object) => {
                let fields = object.fields.iter().map(|(name, field)| {
                    format!("{name}{}: {}", if field.required { "" } else { "?" }, shape(&field.ty))
                });
                let rest = match &object.rest {
                    Rest::Closed => None,
                    Rest::Unsaid => Some("...".to_owned()),
                    Rest::Open(rest) => Some(format!("*: {}", shape(rest))),
                };
                format!("{{{}}}", fields.chain(rest).collect::<Vec<_>>().join(", "))
            }
            Ty::Union(parts) => format!("({})", parts.iter().map(shape).collect::<Vec<_>>().join(" | ")),
            other => other.to_string(),
        }
    }

    #[test]
    fn schemas_are_lowered() {
        let check = |schema: Value, expect: &str| assert_eq!(shape(&Ty::from_schema(&schema)), expect, "{schema}");
        check(json!(true), "anything");
        check(json!({}), "anything");
        check(json!(false), "()");
        check(json!({ "type": "string" }), "a string");
        check(json!({ "type": "integer", "minimum": 1 }), "an integer");
        check(json!({ "type": "number" }), "(an integer | a float)");
        check(json!({ "type": ["string", "null"] }), "(a string | none)");
        check(json!({ "type": "string", "nullable": true }), "(a string | none)");
        check(json!({ "type": "string", "x-secret": true }), "a secret");
        check(json!({ "type": ["string", "null"], "x-secret": true }), "(a secret | none)");
        check(json!({ "type": "string", "x-secret": false }), "a string");
        check(json!({ "enum": ["up", "down"] }), r#""down" or "up""#);
        check(json!({ "enum": ["up", null, 1] }), r#"("up" | none | an integer)"#);
        check(json!({ "const": "up" }), r#""up""#);
        check(json!({ "type": "array" }), "[anything]");
        check(json!({ "type": "array", "items": { "type": "boolean" } }), "[a boolean]");
        check(json!({ "type": "array", "prefixItems": [{ "type": "string" }], "items": false }), "[a string]");
        check(json!({ "type": "object" }), "{*: anything}");
        check(json!({ "type": "object", "additionalProperties": { "type": "string" } }), "{*: a string}");
        check(json!({ "type": "object", "additionalProperties": false }), "{}");
        check(json!({ "$ref": "#/$defs/a" }), "anything");
        check(json!({ "type": "sorcery" }), "anything");
        check(
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" }, "b": true } }),
            "{a: a string, b?: anything, ...}",
        );
        check(json!({ "properties": { "a": { "type": "string" } }, "additionalProperties": false }), "{a?: a string}");
        check(json!({ "properties": { "a": {} }, "patternProperties": { "^x-": {} } }), "{a?: anything, *: anything}");
        check(json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), "(a string | none)");
        check(json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }), r#""a" or "b""#);
        check(
            json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string" } },
                    "oneOf": [{ "required": ["x"], "properties": { "x": { "type": "integer" } } }, { "properties": {} }] }),
            "({kind: a string, x: an integer, ...} | {kind: a string, ...})",
        );
        check(
            json!({ "allOf": [{ "properties": { "a": { "type": "string" } } }, { "required": ["a"] }] }),
            "{a: a string, ...}",
        );
    }

    #[test]
    fn the_schema_of_a_rust_type_is_understood() {
        let ty = Ty::from_schema(&sluice_plugin::schema::of::<sluice_plugin::inventory::Node>());
        assert_eq!(
            shape(&ty),
            "{aws?: ({account?: (a string | none), act_role?: (a string | none), profile?: (a string | none), region: a string} | none), \
             cluster: a string, group: a string, host: a string, name: a string, number: an integer, \
             ports: {client: an integer, cluster: an integer, monitor: an integer}}"
        );
    }

    #[test]
    fn a_schema_may_be_deep() {
        let deep = (0..200).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
        assert!(shape(&Ty::from_schema(&deep)).contains("anything"));
    }
}
