//! Templates to values, and which steps a template speaks of.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluice_plugin::Problem;

use crate::expr::{self, EvalError, Key, Scope, Template};
use crate::machine::scope::StepScope;
use crate::machine::state::State;
use crate::runbook::checked::{Checked, Kind, Session, Step, Tree};

/// The value of a tree of templates.
pub fn tree(tree: &Tree, scope: &dyn Scope) -> Result<Value, EvalError> {
    match tree {
        Tree::Constant(value) => Ok(value.clone()),
        Tree::Leaf(template) => expr::render(template, scope),
        Tree::Seq(items) => {
            items.iter().map(|item| self::tree(item, scope)).collect::<Result<_, _>>().map(Value::Array)
        }
        Tree::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key.clone(), self::tree(value, scope)?);
            }
            Ok(Value::Object(object))
        }
    }
}

/// The text of a template that stands where only text can.
pub fn text(template: &Template, scope: &dyn Scope) -> Result<String, EvalError> {
    Ok(match expr::render(template, scope)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// What the runbook gives, once its steps are over. One that cannot be made says why in its place.
pub fn outputs(runbook: &Checked, state: &State) -> Map<String, Value> {
    let scope = StepScope::at_end(runbook, state);
    let value = |tree| match self::tree(tree, &scope) {
        Ok(value) => value,
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    };
    runbook.outputs.iter().map(|(name, tree)| (name.clone(), value(tree))).collect()
}

/// A failed evaluation as the failure of the step.
pub fn problem(place: &str, error: &EvalError) -> Problem {
    Problem::not_applied("expression", format!("`{place}` cannot be evaluated: {error}"))
}

/// The steps a step's own expressions name, with its `with`, conditions and expectations.
pub fn names_in_step(step: &Step) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    step.when.iter().for_each(|when| names_in_expr(when, &mut names));
    step.for_each.iter().for_each(|each| names_in_tree(&each.over, &mut names));
    match &step.kind {
        Kind::Use(used) => names_in_tree(&used.with, &mut names),
        Kind::Gate(gate) => {
            names_in_tree(&gate.with, &mut names);
            for expect in &gate.expect {
                names_in_expr(&expect.that, &mut names);
                expect.otherwise.iter().for_each(|template| names_in_template(template, &mut names));
            }
        }
        Kind::Group(_) => {}
    }
    names
}

pub fn names_in_session(session: &Session) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let templates = session.command.iter().chain(session.env.values()).chain(&session.banner);
    templates.for_each(|template| names_in_template(template, &mut names));
    names
}

fn names_in_tree(tree: &Tree, names: &mut BTreeSet<String>) {
    match tree {
        Tree::Constant(_) => {}
        Tree::Leaf(template) => names_in_template(template, names),
        Tree::Seq(items) => items.iter().for_each(|item| names_in_tree(item, names)),
        Tree::Map(entries) => entries.values().for_each(|value| names_in_tree(value, names)),
    }
}

fn names_in_template(template: &Template, names: &mut BTreeSet<String>) {
    template.exprs().into_iter().for_each(|expr| names_in_expr(expr, names));
}

fn names_in_expr(expr: &expr::Expr, names: &mut BTreeSet<String>) {
    for path in expr::roots(expr) {
        if let ("steps", Some(Key::Name(name))) = (path.root.as_str(), path.parts.first().map(|part| &part.key)) {
            names.insert(name.clone());
        }
    }
}
