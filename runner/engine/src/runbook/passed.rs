//! The inputs of a called runbook: what the call gives, the defaults behind it, and whether each is what it has to be.
//!
//! Things of the inventory are passed on whole; a name does not become one here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{parse_duration, schema};

use super::checked::{Call, Input, InputKind};
use crate::expr::holds_secret;
use crate::fit::plainly_fits;

impl Call {
    /// What the runbook sees as `inputs`. `given` is the filled-in `with`.
    pub fn inputs(&self, given: &Value) -> Result<Value, String> {
        let mut values = Map::new();
        for (name, input) in &self.runbook.inputs {
            values.insert(name.clone(), self.one(name, input, given.get(name))?);
        }
        for (name, input) in &self.runbook.inputs {
            let value = values.get(name).unwrap_or(&Value::Null);
            fits(input, value, &values).map_err(|why| format!("the input `{name}` of {}: {why}", self.name))?;
        }
        Ok(Value::Object(values))
    }

    fn one(&self, name: &str, input: &Input, given: Option<&Value>) -> Result<Value, String> {
        let default = || match input.kind {
            InputKind::Thresholds => self.thresholds.get(name),
            InputKind::Duration | InputKind::Plain(_) => input.default.as_ref(),
            // Their default is a name of the inventory, which is not known here.
            InputKind::Cluster | InputKind::Node { .. } | InputKind::Nodes { .. } => None,
        };
        let value = given.or_else(default).cloned();
        value.ok_or_else(|| format!("{} needs the input `{name}`, and the call does not give it", self.name))
    }
}

/// The schema of a value of this kind.
pub(super) fn schema_of(kind: &InputKind) -> Value {
    match kind {
        InputKind::Cluster => schema::of::<Cluster>(),
        InputKind::Node { .. } => schema::of::<Node>(),
        InputKind::Nodes { .. } => schema::of::<Vec<Node>>(),
        InputKind::Duration => serde_json::json!({ "type": "string" }),
        InputKind::Thresholds => serde_json::json!({ "type": "array" }),
        InputKind::Plain(schema) => schema.clone(),
    }
}

/// True for an input that a call may leave out.
pub(super) fn may_be_left_out(input: &Input) -> bool {
    match input.kind {
        InputKind::Cluster | InputKind::Node { .. } | InputKind::Nodes { .. } => false,
        InputKind::Thresholds => true,
        InputKind::Duration | InputKind::Plain(_) => input.default.is_some(),
    }
}

fn fits(input: &Input, value: &Value, all: &Map<String, Value>) -> Result<(), String> {
    if holds_secret(value) {
        return Err("an input cannot hold a secret".to_owned());
    }
    valid(&schema_of(&input.kind), value)?;
    match &input.kind {
        InputKind::Node { of } => is_of(value, of, all),
        InputKind::Nodes { of } => {
            let mut seen = BTreeSet::new();
            for node in value.as_array().into_iter().flatten() {
                is_of(node, of, all)?;
                let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
                if !seen.insert(name) {
                    return Err(format!("the node `{name}` is there twice"));
                }
            }
            Ok(())
        }
        InputKind::Duration => {
            let text = value.as_str().unwrap_or_default();
            parse_duration(text).map(drop)
        }
        InputKind::Cluster | InputKind::Thresholds | InputKind::Plain(_) => Ok(()),
    }
}

/// The node is one of the cluster that was given beside it, to the last field: names of two clusters may be alike.
fn is_of(node: &Value, of: &str, all: &Map<String, Value>) -> Result<(), String> {
    let cluster = all.get(of).unwrap_or(&Value::Null);
    let mut nodes = cluster.get("nodes").and_then(Value::as_array).into_iter().flatten();
    if nodes.any(|known| known == node) {
        return Ok(());
    }
    let name = |thing: &Value| thing.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
    Err(format!("`{}` is no node of the cluster `{}`", name(node), name(cluster)))
}

fn valid(schema: &Value, value: &Value) -> Result<(), String> {
    if plainly_fits(schema, value) {
        return Ok(());
    }
    let validator = jsonschema::draft202012::new(schema).map_err(|error| error.to_string())?;
    match validator.iter_errors(value).map(|error| error.to_string()).reduce(|all, one| format!("{all}; {one}")) {
        None => Ok(()),
        Some(why) => Err(why),
    }
}
