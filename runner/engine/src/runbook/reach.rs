//! Which actions a run can come to, as far as its inputs tell: a step whose `when` they rule out is not reached, nor what
//! is inside it. What is not known before the run is left open.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sluice_plugin::ActionName;

use super::checked::{Checked, Input, Kind, Step, Tree};
use crate::expr::{self, Expr, Scope};

/// What is known of an input before a run: its value, or that it will have one.
pub type Known = BTreeMap<String, Option<Value>>;

impl Checked {
    /// Called runbooks included. Where nothing is said of an input, its default counts.
    pub fn reaches(&self, inputs: &Known) -> BTreeSet<ActionName> {
        let value = |(name, input): (&String, &Input)| {
            let value = inputs.get(name).cloned().unwrap_or_else(|| input.default.clone())?;
            Some((name.clone(), value))
        };
        let values: Map<String, Value> = self.inputs.iter().filter_map(value).collect();
        let scope = Map::from_iter([("inputs".to_owned(), Value::Object(values))]);
        let mut found = BTreeSet::new();
        self.steps.iter().chain(&self.finally).for_each(|step| step.reaches(&scope, &mut found));
        found
    }
}

impl Step {
    /// Its `when` does not hold, whatever happens in the run: it was not asked for.
    pub fn is_ruled_out(&self, inputs: &Value) -> bool {
        let scope = Map::from_iter([("inputs".to_owned(), inputs.clone())]);
        self.when.as_ref().is_some_and(|when| is_surely_false(when, &scope))
    }

    fn reaches(&self, scope: &Map<String, Value>, found: &mut BTreeSet<ActionName>) {
        if self.when.as_ref().is_some_and(|when| is_surely_false(when, scope)) {
            return;
        }
        let picks = self.for_each.as_ref().and_then(|each| each.next_by.as_ref()?.read.as_ref());
        found.extend(picks.map(|read| read.action.clone()));
        match &self.kind {
            Kind::Use(used) => drop(found.insert(used.action.clone())),
            Kind::Gate(gate) => drop(found.insert(gate.action.clone())),
            Kind::Group(group) => group.steps.iter().for_each(|step| step.reaches(scope, found)),
            Kind::Call(call) => found.extend(call.runbook.reaches(&given(&call.with, scope))),
        }
    }
}

/// What a call says of the inputs.
fn given(with: &Tree, scope: &Map<String, Value>) -> Known {
    let value = |tree: &Tree| match tree {
        Tree::Constant(value) => Some(value.clone()),
        Tree::Leaf(template) => expr::render(template, scope).ok(),
        Tree::Seq(_) | Tree::Map(_) => None,
    };
    match with {
        Tree::Constant(Value::Object(fields)) => {
            fields.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
        }
        Tree::Map(fields) => fields.iter().map(|(name, tree)| (name.clone(), value(tree))).collect(),
        Tree::Constant(_) | Tree::Leaf(_) | Tree::Seq(_) => Known::new(),
    }
}

/// Whatever becomes of what is not known.
fn is_surely_false(expr: &Expr, scope: &dyn Scope) -> bool {
    match &expr.kind {
        expr::Kind::And { left, right } => is_surely_false(left, scope) || is_surely_false(right, scope),
        expr::Kind::Or { left, right } => is_surely_false(left, scope) && is_surely_false(right, scope),
        _ => expr::truth(expr, scope) == Ok(false),
    }
}
