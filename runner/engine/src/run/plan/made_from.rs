//! Digests of everything a plan is made from, so that a change of any of it makes another plan.
//!
//! It reads what is given to it and looks nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sluice_plugin::ActionName;
use sluice_plugin::inventory::Aws;

use super::value::{MadeFrom, Sources};
use crate::digest::digest;
use crate::ids::Sha256;
use crate::registry::Registry;
use crate::runbook::Checked;
use crate::runbook::checked::{Call, InputKind};

pub(in crate::run) fn made_from(runbook: &Checked, registry: &Registry, inputs: &Value, sources: &Sources) -> MadeFrom {
    let (mut plain, mut of_inventory, mut thresholds) = (Map::new(), Map::new(), BTreeMap::new());
    for (name, value) in inputs.as_object().into_iter().flatten() {
        match runbook.inputs.get(name).map(|input| &input.kind) {
            Some(InputKind::Thresholds) => drop(thresholds.insert(name.clone(), digest(value))),
            Some(InputKind::Cluster | InputKind::Node { .. } | InputKind::Nodes { .. }) => {
                of_inventory.insert(name.clone(), value.clone());
            }
            Some(InputKind::Duration | InputKind::Plain(_)) | None => drop(plain.insert(name.clone(), value.clone())),
        }
    }
    thresholds.extend(left_to_called(runbook));
    MadeFrom {
        runbook: Sha256::of(runbook.source.text().as_bytes()),
        calls: calls(runbook),
        actions: contracts(runbook, registry),
        inputs: digest(&Value::Object(plain)),
        thresholds,
        inventory: digest(&json!({ "inputs": of_inventory, "uses": sources.uses })),
        policy: digest(&sources.policy),
    }
}

/// Every call there is, also in what is called.
fn all_calls(runbook: &Checked) -> Vec<&Call> {
    let called = runbook.called();
    runbook.calls().chain(called.iter().flat_map(|call| call.runbook.calls())).collect()
}

/// Two files may be called by one name, from two places: then the name stands for both.
fn calls(runbook: &Checked) -> BTreeMap<String, Sha256> {
    let mut texts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for call in all_calls(runbook) {
        let text = Sha256::of(call.runbook.source.text().as_bytes());
        texts.entry(&call.name).or_default().insert(text.to_hex());
    }
    texts.iter().map(|(name, texts)| ((*name).to_owned(), of_all(texts))).collect()
}

fn left_to_called(runbook: &Checked) -> BTreeMap<String, Sha256> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in all_calls(runbook) {
        for (input, rows) in &call.thresholds {
            tables.entry(format!("{}.{input}", call.name)).or_default().insert(digest(rows).to_hex());
        }
    }
    tables.iter().map(|(name, rows)| (name.clone(), of_all(rows))).collect()
}

/// One digest as it is, several together.
fn of_all(digests: &BTreeSet<String>) -> Sha256 {
    let only = digests.first().filter(|_| digests.len() == 1);
    only.and_then(|only| Sha256::from_hex(only)).unwrap_or_else(|| digest(&json!(digests)))
}

fn contracts(runbook: &Checked, registry: &Registry) -> Sha256 {
    let contract = |name: &ActionName| Some((name.to_string(), json!(registry.action(name)?.contract())));
    digest(&Value::Object(runbook.actions.keys().filter_map(contract).collect()))
}

/// Whom the arguments say to act as: every `aws` of the inventory in them, each once.
pub(in crate::run) fn identities(with: &Value) -> Vec<Aws> {
    let mut found = Vec::new();
    collect(with, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<Aws>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            let aws = fields.get("aws").and_then(|aws| serde_json::from_value::<Aws>(aws.clone()).ok());
            found.extend(aws.filter(|aws| !found.contains(aws)));
            fields.values().for_each(|field| collect(field, found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_found_wherever_it_stands_and_told_once() {
        let aws =
            |account: &str| json!({ "account": account, "region": "us-east-2", "profile": null, "act_role": null });
        let check = |with: Value, expect: &[&str]| {
            let found: Vec<_> = identities(&with).into_iter().filter_map(|aws| aws.account).collect();
            assert_eq!(found, expect, "{with}");
        };
        check(json!({ "aws": aws("1") }), &["1"]);
        check(
            json!({ "cluster": { "aws": aws("1"), "nodes": [{ "aws": aws("1") }, { "aws": aws("2") }] } }),
            &["1", "2"],
        );
        check(json!({ "aws": null, "value": { "aws": "us-east-2" } }), &[]);
        check(json!([]), &[]);
    }
}
