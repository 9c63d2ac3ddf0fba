//! Templates to values, and which steps a template speaks of.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluice_plugin::Problem;

use crate::expr::{self, EvalError, Scope, Template};
use crate::machine::scope::StepScope;
use crate::machine::state::{Called, State};
use crate::runbook::checked::{Call, Checked, Session, Step, Tree};
use crate::runbook::step_of;

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
    expr::render_text(template, scope)
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

/// Those that can be told of a run that did not come to its end.
pub fn outputs_known(runbook: &Checked, state: &State) -> Map<String, Value> {
    let scope = StepScope::at_end(runbook, state);
    let known = |(name, tree): (&String, _)| Some((name.clone(), self::tree(tree, &scope).ok()?));
    runbook.outputs.iter().filter_map(known).collect()
}

/// What a called runbook gives.
pub fn outputs_of(call: &Call, called: &Called) -> Result<Value, Problem> {
    let scope = StepScope::at_end_of(call, called);
    let mut outputs = Map::new();
    for (name, tree) in &call.runbook.outputs {
        let place = format!("outputs.{name}");
        let value = self::tree(tree, &scope).map_err(|error| problem(&place, &error))?;
        if expr::holds_secret(&value) {
            let message = format!("`{place}` of {} would hold a secret", call.name);
            return Err(Problem::not_applied("secret", message));
        }
        outputs.insert(name.clone(), value);
    }
    Ok(Value::Object(outputs))
}

/// A failed evaluation as the failure of the step.
pub fn problem(place: &str, error: &EvalError) -> Problem {
    Problem::not_applied("expression", format!("`{place}` cannot be evaluated: {error}"))
}

/// The steps a step's own expressions name, with its `with`, conditions and expectations.
pub fn names_in_step(step: &Step) -> BTreeSet<String> {
    names(step.paths())
}

pub fn names_in_session(session: &Session) -> BTreeSet<String> {
    names(session.paths())
}

/// The steps that the outputs of a called runbook name, its own ones.
pub fn names_in_outputs(call: &Call) -> BTreeSet<String> {
    names(call.runbook.output_paths())
}

/// The steps that these paths lead to.
pub fn names(paths: Vec<&expr::Path>) -> BTreeSet<String> {
    paths.into_iter().filter_map(step_of).map(str::to_owned).collect()
}
