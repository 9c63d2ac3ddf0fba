//! The inputs that are declared: their types for expressions, and whether their defaults fit.

use indexmap::IndexMap;
use serde_json::Value;
use sluice_plugin::inventory::{Cluster, Node as ClusterNode};
use sluice_plugin::schema;

use super::super::checked::{Input, InputKind};
use super::super::model::{InputModel, InputType, Model};
use super::{Check, with};
use crate::diagnostic::{Code, Diagnostic, did_you_mean, list};
use crate::expr::Ty;
use crate::yaml::Node;
use crate::yaml::fields::{self, Spanned};

/// The type of `inputs`. Every input has a value once a run starts.
pub(super) fn types(model: &Model) -> Ty {
    Ty::record(model.inputs.iter().map(|(name, input)| (name.clone(), ty(input.kind.as_ref()))))
}

fn ty(kind: Option<&InputType>) -> Ty {
    match kind {
        None => Ty::Any,
        Some(InputType::Cluster) => Ty::from_schema(&schema::of::<Cluster>()),
        Some(InputType::Node { .. }) => Ty::from_schema(&schema::of::<ClusterNode>()),
        Some(InputType::Nodes { .. }) => Ty::list(Ty::from_schema(&schema::of::<ClusterNode>())),
        Some(InputType::Duration) => Ty::Str,
        Some(InputType::Thresholds) => Ty::from_schema(&serde_json::json!({ "type": "array" })),
        Some(InputType::Plain(schema)) => Ty::from_schema(schema),
    }
}

pub(super) fn check(check: &mut Check<'_>) -> Option<IndexMap<String, Input>> {
    let model = check.model;
    let inputs: Vec<_> =
        model.inputs.iter().map(|(name, input)| Some((name.clone(), one(check, name, input)?))).collect();
    inputs.into_iter().collect()
}

fn one(check: &mut Check<'_>, name: &str, model: &InputModel) -> Option<Input> {
    let kind = match model.kind.as_ref()? {
        InputType::Cluster => InputKind::Cluster,
        InputType::Node { of } => InputKind::Node { of: cluster(check, of.as_ref()?)? },
        InputType::Nodes { of } => InputKind::Nodes { of: cluster(check, of.as_ref()?)? },
        InputType::Duration => InputKind::Duration,
        InputType::Thresholds => InputKind::Thresholds,
        InputType::Plain(schema) => InputKind::Plain(schema.clone()),
    };
    let default = match &model.default {
        Some(node) => Some(default(check, name, node, &kind)?),
        None => None,
    };
    let from_last = match &model.from_last {
        Some(output) => Some(carried(check, name, model, output)?),
        None => None,
    };
    Some(Input { kind, description: model.description.clone(), default, from_last, span: model.name })
}

/// The output that `from_last` names. The first time there is none, so the input has a default.
fn carried(check: &mut Check<'_>, name: &str, input: &InputModel, output: &Spanned<String>) -> Option<String> {
    let outputs = || check.model.outputs.iter().map(|output| output.key.name.as_str());
    if !outputs().any(|known| known == output.value) {
        let found = Diagnostic::error(Code::UndefinedName, format!("`{}` is no output of this runbook", output.value));
        let label = did_you_mean(&output.value, outputs()).unwrap_or_default();
        let help = format!("the outputs: {}", list(outputs(), "and"));
        let found = found.at(check.findings.source(), output.span, label);
        check.findings.push(found.help(help));
        return None;
    }
    if input.default.is_none() {
        let message = format!("`{name}` is an output of the time before, and has no default for the first time");
        check.findings.helped(Code::MissingKey, output.span, message, "give it a `default`");
        return None;
    }
    Some(output.value.clone())
}

/// The input that `of` names, which must be a cluster.
fn cluster(check: &mut Check<'_>, of: &Spanned<String>) -> Option<String> {
    let model = check.model;
    let is_cluster = |input: &InputModel| matches!(input.kind, Some(InputType::Cluster) | None);
    if model.inputs.get(&of.value).is_some_and(is_cluster) {
        check.used_inputs.borrow_mut().insert(of.value.clone());
        return Some(of.value.clone());
    }
    let clusters = || model.inputs.iter().filter(|(_, input)| is_cluster(input)).map(|(name, _)| name.as_str());
    let found = Diagnostic::error(Code::UndefinedName, format!("`{}` is no input of type `cluster`", of.value));
    let label = did_you_mean(&of.value, clusters()).unwrap_or_default();
    let found = found.at(check.findings.source(), of.span, label);
    check.findings.push(found.help(format!("the inputs of type `cluster`: {}", list(clusters(), "and"))));
    None
}

fn default(check: &mut Check<'_>, name: &str, node: &Node, kind: &InputKind) -> Option<Value> {
    let what = format!("the default of `{name}`");
    let value = node.to_json();
    match kind {
        InputKind::Cluster | InputKind::Node { .. } | InputKind::Thresholds => {
            fields::text(node, &what, check.findings).map(|text| Value::String(text.to_owned()))
        }
        InputKind::Nodes { .. } => {
            let items = fields::seq(node, &what, check.findings)?;
            let names: Vec<_> = items.iter().map(|item| fields::text(item, &what, check.findings)).collect();
            names.into_iter().collect::<Option<Vec<_>>>().map(Value::from)
        }
        InputKind::Duration => fields::duration(node, &what, check.findings).map(|_| value),
        InputKind::Plain(schema) => with::valid(node, &value, schema, &what, check.findings).map(|()| value),
    }
}
