//! From the model to a runbook that may be run: every name exists, every value fits, nothing is promised that is not
//! kept. Finds everything that is wrong at once. It evaluates nothing and calls no action.

mod asked;
mod ends;
mod gate;
mod inputs;
mod leaf;
mod names;
mod next_by;
mod step;
mod with;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;
use sluice_plugin::{ActionName, ActionSpec, Problem};

use self::names::{Hidden, Names, Place};
use super::checked::{Checked, Trigger};
use super::model::Model;
use super::names::StepId;
use crate::diagnostic::{Code, Diagnostic, Findings};
use crate::expr::Ty;
use crate::source::Source;
use crate::yaml;

/// The actions there are.
pub trait Actions {
    fn spec(&self, name: &ActionName) -> Option<&ActionSpec>;

    /// All of them; asked only when a name is not known, for "did you mean".
    fn names(&self) -> Vec<ActionName>;

    /// What the plugin itself finds wrong with a `with` that holds no template.
    fn check(&self, _name: &ActionName, _with: &Value) -> Vec<Problem> {
        Vec::new()
    }
}

/// A runbook that may be run, and what somebody should look at all the same.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub runbook: Checked,
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a runbook. The error is everything that is wrong with it, warnings included, in the order of the file.
pub fn load(source: &Source, actions: &dyn Actions) -> Result<Loaded, Vec<Diagnostic>> {
    let mut findings = Findings::new(source);
    let runbook = yaml::parse(source, &mut findings).and_then(|root| {
        let model = super::parse(&root, &mut findings);
        check(&model, actions, &mut findings)
    });
    match runbook {
        Some(runbook) if !findings.any_error() => Ok(Loaded { runbook, warnings: findings.finish() }),
        _ => Err(findings.finish()),
    }
}

/// Checks what was parsed. Gives nothing only after an error went to `findings`.
pub fn check(model: &Model, actions: &dyn Actions, findings: &mut Findings) -> Option<Checked> {
    let mut check = Check {
        actions,
        model,
        hidden: names::hidden(model, findings.source()),
        inputs: inputs::types(model),
        place: Place::default(),
        finally: false,
        used_inputs: RefCell::default(),
        specs: BTreeMap::new(),
        used_defaults: BTreeSet::new(),
        findings,
    };
    let declared = inputs::check(&mut check);
    let lock = ends::lock(&mut check);
    let steps = check.steps(&model.steps);
    let (outputs, session) = (ends::outputs(&mut check), ends::session(&mut check));
    let finally = check.finally(&model.finally);
    check.unused();
    check.finish(declared, lock?, steps?, finally?, outputs?, session?)
}

/// What is known while the steps are walked.
struct Check<'a> {
    actions: &'a dyn Actions,
    model: &'a Model,
    /// Every step there is, for telling why one cannot be seen.
    hidden: Vec<Hidden>,
    inputs: Ty,
    place: Place,
    /// The steps of `finally` are looked at.
    finally: bool,
    used_inputs: RefCell<BTreeSet<String>>,
    specs: BTreeMap<ActionName, ActionSpec>,
    used_defaults: BTreeSet<ActionName>,
    findings: &'a mut Findings,
}

type Outputs = IndexMap<String, super::checked::Tree>;

impl Check<'_> {
    /// The names at the current place, and the findings beside them.
    fn here<'b>(&'b mut self, seen: Option<&'b Ty>) -> (Names<'b>, &'b mut Findings) {
        let names = Names {
            inputs: &self.inputs,
            place: Some(&self.place),
            seen,
            hidden: &self.hidden,
            used_inputs: &self.used_inputs,
        };
        (names, self.findings)
    }

    /// The contract of an action, or a finding.
    fn spec(&mut self, action: &yaml::fields::Spanned<ActionName>) -> Option<ActionSpec> {
        if let Some(spec) = self.specs.get(&action.value) {
            return Some(spec.clone());
        }
        let Some(spec) = self.actions.spec(&action.value) else {
            self.findings.push(unknown_action(action, self.actions, self.findings.source()));
            return None;
        };
        self.specs.insert(action.value.clone(), spec.clone());
        Some(spec.clone())
    }

    /// Where something is wrong, what looks unused may only be misspelt.
    fn unused(&mut self) {
        if self.findings.any_error() {
            return;
        }
        for (name, input) in &self.model.inputs {
            if !self.used_inputs.borrow().contains(name) {
                let found = Diagnostic::warning(Code::UnusedInput, format!("the input `{name}` is never used"));
                self.findings.push(found.at(self.findings.source(), input.name, ""));
            }
        }
        for default in &self.model.defaults {
            if !self.used_defaults.contains(&default.action.value) && self.spec(&default.action).is_some() {
                let message = format!("no step uses `{}`, so its defaults do nothing", default.action.value);
                let found = Diagnostic::warning(Code::UnusedDefault, message);
                self.findings.push(found.at(self.findings.source(), default.action.span, ""));
            }
        }
    }

    fn finish(
        self,
        inputs: Option<IndexMap<String, super::checked::Input>>,
        lock: Option<crate::expr::Template>,
        steps: Vec<super::checked::Step>,
        finally: Vec<super::checked::Step>,
        outputs: Outputs,
        session: Option<super::checked::Session>,
    ) -> Option<Checked> {
        let mut triggers: Vec<Trigger> = self.model.triggers.iter().map(|trigger| trigger.value).collect();
        if triggers.is_empty() {
            triggers.push(Trigger::Cli);
        }
        Some(Checked {
            name: self.model.name.clone()?.value,
            summary: self.model.summary.clone(),
            inputs: inputs?,
            lock,
            steps,
            finally,
            outputs,
            session,
            triggers,
            actions: self.specs,
            source: self.findings.source().clone(),
        })
    }
}

fn unknown_action(action: &yaml::fields::Spanned<ActionName>, actions: &dyn Actions, source: &Source) -> Diagnostic {
    let names = actions.names();
    let near = crate::diagnostic::did_you_mean(action.value.as_str(), names.iter().map(ActionName::as_str));
    let found = Diagnostic::error(Code::UnknownAction, format!("there is no action `{}`", action.value));
    let found = found.at(source, action.span, near.unwrap_or_default());
    let siblings: Vec<&str> =
        names.iter().filter(|name| name.plugin() == action.value.plugin()).map(ActionName::as_str).collect();
    if siblings.is_empty() {
        return found.help(format!("there is no plugin `{}`; `sluice actions` lists all", action.value.plugin()));
    }
    found.help(format!("the plugin has {}", crate::diagnostic::list(siblings, "and")))
}

/// The ids of steps, for messages.
fn shown<'a>(ids: impl Iterator<Item = &'a StepId>) -> Vec<String> {
    ids.map(|id| id.as_str().to_owned()).collect()
}
