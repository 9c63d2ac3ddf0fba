//! From the model to a runbook that may be run: every name exists, every value fits, nothing is promised that is not
//! kept. Finds everything that is wrong at once. It evaluates nothing and calls no action.

mod asked;
mod call;
mod confirm;
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

use self::call::{Calls, Face};
use self::names::{Hidden, Names, Place};
use super::checked::{Checked, Trigger};
use super::library::{Book, Empty, Library};
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

    /// Why an action's plugin, which there should be, is not there.
    fn why_not(&self, _name: &ActionName) -> Option<&str> {
        None
    }

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
///
/// It can call no other runbook: see [`load_book`].
pub fn load(source: &Source, actions: &dyn Actions) -> Result<Loaded, Vec<Diagnostic>> {
    let book = Book { id: String::new(), origin: source.name().to_owned(), source: source.clone() };
    load_book(&book, actions, &Empty)
}

/// As [`load`], with the runbooks that it calls, and those that they call. What is wrong with them stands behind what
/// is wrong with the first one, each in its own file.
pub fn load_book(book: &Book, actions: &dyn Actions, library: &dyn Library) -> Result<Loaded, Vec<Diagnostic>> {
    let calls = Calls::new(actions, library);
    let (runbook, mut found) = calls.first(book);
    found.extend(calls.found());
    match runbook {
        Some(runbook) if !found.iter().any(Diagnostic::is_error) => Ok(Loaded { runbook, warnings: found }),
        _ => Err(found),
    }
}

/// Checks what was parsed. Gives nothing only after an error was found, here or in what is called. The face is what
/// others who call it see, as far as it is known.
fn check(model: &Model, book: &Book, calls: &Calls<'_>, findings: &mut Findings) -> (Option<Checked>, Face) {
    let mut check = Check {
        calls,
        book,
        lock: None,
        actions: calls.actions,
        model,
        hidden: names::hidden(model, findings.source()),
        inputs: inputs::types(model),
        place: Place::default(),
        finally: false,
        confirming: 0,
        used_inputs: RefCell::default(),
        missing: BTreeSet::new(),
        specs: BTreeMap::new(),
        used_defaults: BTreeSet::new(),
        findings,
    };
    let declared = inputs::check(&mut check);
    let lock = ends::lock(&mut check);
    check.lock = lock.clone();
    let once = ends::confirm_once(&mut check);
    let steps = check.steps(&model.steps);
    let ((outputs, given), session) = (ends::outputs(&mut check), ends::session(&mut check));
    let finally = check.finally(&model.finally);
    check.unused();
    let face = Face::new(model, declared.clone(), lock.clone().flatten(), given);
    let parts = (|| Some((declared, (lock?, once?), steps?, finally?, outputs?, session?)))();
    let runbook = parts.and_then(|(declared, lock, steps, finally, outputs, session)| {
        check.finish(declared, lock, steps, finally, outputs, session)
    });
    (runbook, face)
}

/// What is known while the steps are walked.
struct Check<'a> {
    actions: &'a dyn Actions,
    calls: &'a Calls<'a>,
    book: &'a Book,
    model: &'a Model,
    /// `None` where it is wrong or was not looked at yet.
    lock: Option<Option<crate::expr::Template>>,
    /// Every step there is, for telling why one cannot be seen.
    hidden: Vec<Hidden>,
    inputs: Ty,
    place: Place,
    /// The steps of `finally` are looked at.
    finally: bool,
    /// How many of the open steps have `confirm`.
    confirming: usize,
    used_inputs: RefCell<BTreeSet<String>>,
    specs: BTreeMap<ActionName, ActionSpec>,
    /// Plugins that should be there and are not, of which that was said.
    missing: BTreeSet<String>,
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
            if self.actions.why_not(&action.value).is_some() && !self.missing.insert(action.value.plugin().to_owned()) {
                // Why a plugin is not there is said once.
                return None;
            }
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
        (lock, confirm_once): (Option<crate::expr::Template>, Option<crate::expr::Expr>),
        steps: Vec<super::checked::Step>,
        finally: Vec<super::checked::Step>,
        outputs: Outputs,
        session: Option<super::checked::Session>,
    ) -> Option<Checked> {
        let mut triggers: Vec<Trigger> = self.model.triggers.iter().map(|trigger| trigger.value).collect();
        if triggers.is_empty() {
            triggers.push(Trigger::Cli);
        }
        let mut actions = self.specs;
        for call in steps.iter().chain(&finally).flat_map(super::checked::Step::walk) {
            if let super::checked::Kind::Call(call) = &call.kind {
                actions.extend(call.runbook.actions.clone());
            }
        }
        Some(Checked {
            name: self.model.name.clone()?.value,
            summary: self.model.summary.clone(),
            inputs: inputs?,
            lock,
            confirm_once,
            steps,
            finally,
            outputs,
            session,
            triggers,
            actions,
            source: self.findings.source().clone(),
        })
    }
}

fn unknown_action(action: &yaml::fields::Spanned<ActionName>, actions: &dyn Actions, source: &Source) -> Diagnostic {
    if let Some(why) = actions.why_not(&action.value) {
        let message = format!("the plugin `{}` cannot be used: {why}", action.value.plugin());
        let found = Diagnostic::error(Code::UnknownAction, message).at(source, action.span, "");
        return found.help("the inventory names it under `plugins`; `sluice plugin list` looks at all of them");
    }
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
