//! The inputs that a runbook declares: a type of the inventory, or a JSON Schema made of a small set of keywords.

use indexmap::IndexMap;
use serde_json::Value;

use super::super::keys;
use super::super::model::{InputModel, InputType};
use super::{optional_text, variable};
use crate::diagnostic::{Code, Diagnostic, Findings, did_you_mean, list};
use crate::fit::plainly_schema;
use crate::yaml::fields::{self, Fields, Spanned};
use crate::yaml::{Key, Kind, Node};

pub(super) fn parse(node: &Node, findings: &mut Findings) -> IndexMap<String, InputModel> {
    let Some(map) = fields::map(node, "`inputs`", findings) else { return IndexMap::new() };
    let mut inputs = IndexMap::new();
    for entry in map.iter() {
        if let Some(key) = variable(&entry.key, "an input", findings) {
            let model = input(&key, &entry.value, findings);
            inputs.insert(key.name, model);
        }
    }
    inputs
}

/// A declaration that is wrong still declares: uses of the input are not reported as well.
fn input(key: &Key, node: &Node, findings: &mut Findings) -> InputModel {
    let unknown = InputModel { name: key.span, kind: None, description: None, default: None, from_last: None };
    if is_secret(node, findings) {
        return unknown;
    }
    let Some(fields) = Fields::open(node, "an input", keys::INPUT, findings) else { return unknown };
    let kind = match fields.require("type", findings) {
        Some(declared) => kind(node, declared, &fields, findings),
        None => None,
    };
    let description = optional_text(&fields, "description", findings);
    let from_last = fields.get("from_last").and_then(|node| {
        let value = fields::text(node, "`from_last`", findings)?.to_owned();
        Some(Spanned { value, span: node.span })
    });
    InputModel { name: key.span, kind, description, default: fields.get("default").cloned(), from_last }
}

/// Inputs are journaled and shown, so a secret must not come in through one.
fn is_secret(node: &Node, findings: &mut Findings) -> bool {
    let Kind::Map(map) = &node.kind else { return false };
    let named =
        map.get("type").is_some_and(|entry| matches!(&entry.value.kind, Kind::Text(text) if text.value == "secret"));
    let Some(entry) = map.get("x-secret").or_else(|| map.get("secret")).or_else(|| map.get("type").filter(|_| named))
    else {
        return false;
    };
    let found = Diagnostic::error(Code::NotYet, "an input cannot hold a secret");
    let found = found.at(findings.source(), entry.key.span, "");
    findings.push(found.help("name the secret in the inventory's `secrets`, or read it in a step"));
    true
}

fn kind(node: &Node, declared: &Node, fields: &Fields<'_>, findings: &mut Findings) -> Option<InputType> {
    let name = fields::text(declared, "`type`", findings)?;
    if keys::JSON_TYPES.contains(&name) {
        refuse(fields, &["of"], name, findings);
        return schema(node, findings);
    }
    if !keys::OWN_TYPES.contains(&name) {
        let all = || keys::OWN_TYPES.iter().chain(keys::JSON_TYPES).copied();
        let message = format!("`{name}` is not a type");
        let found = Diagnostic::error(Code::BadValue, message);
        let label = did_you_mean(name, all()).unwrap_or_default();
        let found = found.at(findings.source(), declared.span, label);
        findings.push(found.help(format!("the types are {}", list(all(), "and"))));
        return None;
    }
    let keywords: Vec<&str> =
        keys::SCHEMA.iter().copied().filter(|key| !["type", "description"].contains(key)).collect();
    refuse(fields, &keywords, name, findings);
    own_type(name, fields, findings)
}

fn own_type(name: &str, fields: &Fields<'_>, findings: &mut Findings) -> Option<InputType> {
    let mut of = || {
        let node = fields.require("of", findings)?;
        let value = fields::text(node, "`of`", findings)?.to_owned();
        Some(Spanned { value, span: node.span })
    };
    match name {
        "node" => Some(InputType::Node { of: of() }),
        "nodes" => Some(InputType::Nodes { of: of() }),
        "cluster" => {
            refuse(fields, &["of"], name, findings);
            Some(InputType::Cluster)
        }
        "thresholds" => {
            refuse(fields, &["of"], name, findings);
            Some(InputType::Thresholds)
        }
        _ => {
            refuse(fields, &["of"], name, findings);
            Some(InputType::Duration)
        }
    }
}

/// Keys that exist and mean nothing beside this type.
fn refuse(fields: &Fields<'_>, without: &[&str], name: &str, findings: &mut Findings) {
    for entry in fields.iter().filter(|entry| without.contains(&entry.key.name.as_str())) {
        let message = format!("`{}` means nothing for an input of type `{name}`", entry.key.name);
        findings.error(Code::UnknownKey, entry.key.span, message, "");
    }
}

/// The declaration as a JSON Schema, if it is one.
fn schema(node: &Node, findings: &mut Findings) -> Option<InputType> {
    let mut schema = node.to_json();
    if let Value::Object(object) = &mut schema {
        object.retain(|key, _| keys::SCHEMA.contains(&key.as_str()));
    }
    if !inner_schemas(node, findings) {
        return None;
    }
    if plainly_schema(&schema) {
        return Some(InputType::Plain(schema));
    }
    match jsonschema::draft202012::new(&schema) {
        Ok(_) => Some(InputType::Plain(schema)),
        Err(error) => {
            let place = node.at(error.instance_path().as_str());
            findings.error(Code::BadValue, place.span, format!("this is not a JSON Schema: {error}"), "");
            None
        }
    }
}

/// Looks at the schemas inside: they take the same keywords and only JSON's types.
fn inner_schemas(node: &Node, findings: &mut Findings) -> bool {
    let Kind::Map(map) = &node.kind else { return true };
    let mut inner: Vec<&Node> = map.get("items").map(|entry| &entry.value).into_iter().collect();
    if let Some(Kind::Map(properties)) = map.get("properties").map(|entry| &entry.value.kind) {
        inner.extend(properties.iter().map(|entry| &entry.value));
    }
    inner.into_iter().fold(true, |fine, inner| {
        let open = Fields::open(inner, "a schema", keys::SCHEMA, findings);
        let typed = open.as_ref().and_then(|fields| fields.get("type"));
        let known = typed.is_none_or(|node| super::json_type(node, "`type`", findings).is_some());
        inner_schemas(inner, findings) && open.is_some() && known && fine
    })
}
