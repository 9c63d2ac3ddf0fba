//! Steps that call a runbook: how they open, how they return, and what goes on in what is to end.
//!
//! A called runbook's own `finally` runs whatever happened: before its caller goes on, and before the run's `finally`.

use serde_json::Value;
use sluice_plugin::Problem;

use super::{Walk, is_act};
use crate::journal::{Event, Key};
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::state::{Called, Inside, List, Slot};
use crate::machine::{fill, lock};
use crate::runbook::checked::{Call, Kind, Step};

impl Walk<'_> {
    /// A call that may begin or has begun.
    pub(super) fn call(&mut self, step: &Step, call: &Call, called: &Called, path: &Path) {
        if called.inputs.is_none() {
            return self.open_call(step, call, path);
        }
        if called.tidies && !called.finally.is_settled() {
            return self.list(&call.runbook.finally, &called.finally, 1, &path.in_finally());
        }
        if !called.steps.is_settled() {
            return self.list(&call.runbook.steps, &called.steps, 1, path);
        }
        self.leave_call(call, called, path);
    }

    fn open_call(&mut self, step: &Step, call: &Call, path: &Path) {
        if self.renews_first(|| step.paths_of_body(), path) {
            return;
        }
        match self.inputs_of(call, path) {
            Ok(inputs) => {
                let key = path.key(self.runbook, self.state);
                self.emit(Event::Called { key, inputs });
            }
            Err(problem) => self.fail(path, problem),
        }
    }

    fn inputs_of(&self, call: &Call, path: &Path) -> Result<Value, Problem> {
        let scope = StepScope::new(self.runbook, self.state, path);
        let given = fill::tree(&call.with, &scope).map_err(|error| fill::problem("with", &error))?;
        let inputs = call.inputs(&given).map_err(|why| Problem::not_applied("bad_input", why))?;
        lock::reenters((self.runbook, self.state.inputs()), (&call.runbook, &inputs), &call.name)?;
        Ok(inputs)
    }

    /// The steps of what is called are over, or cut: on to its `finally`, and then back to the caller.
    fn leave_call(&mut self, call: &Call, called: &Called, path: &Path) {
        if !called.tidies && !called.finally.slots.is_empty() {
            if !self.has_inside(path, |act| self.is_act_at(act)) {
                let key = path.key(self.runbook, self.state);
                self.emit(Event::EnteredFinally { key });
            }
            return;
        }
        // An act beside a failure is not over with what it stands in.
        let late = self.has_inside(path, |act| self.is_open_act(act));
        if called.is_over() && called.is_well() && !late {
            self.give_back(call, called, path);
        }
    }

    fn give_back(&mut self, call: &Call, called: &Called, path: &Path) {
        let stale = self.stale_outputs(call, called);
        if !stale.is_empty() {
            self.waiting.extend(stale.iter().map(|stale| (path.clone(), stale.clone())));
            return self.renew(stale, Some(path));
        }
        match fill::outputs_of(call, called) {
            Ok(outputs) => {
                let key = path.key(self.runbook, self.state);
                self.emit(Event::Returned { key, outputs });
            }
            Err(problem) => self.fail(path, problem),
        }
    }

    /// Steps that have to be done again before the outputs can be made.
    pub(super) fn stale_outputs(&self, call: &Call, called: &Called) -> Vec<Path> {
        self.stale_among(&fill::names_in_outputs(call), &StepScope::at_end_of(call, called))
    }

    /// What a call gave is made again from steps that were done again. `needy` fails when that cannot be.
    pub(super) fn renew_call(&mut self, call: &Call, called: &Called, path: &Path, needy: Option<&Path>) {
        let decided = match fill::outputs_of(call, called) {
            Ok(output) => Event::Renewed { key: path.key(self.runbook, self.state), output },
            Err(problem) => match needy {
                Some(needy) => return self.fail(needy, problem),
                None => Event::Failed { key: Key::session(), attempt: sluice_plugin::Attempt(1), problem },
            },
        };
        // Several may need it.
        if !self.commands.iter().any(|command| command.event() == Some(&decided)) {
            self.emit(decided);
        }
    }

    /// In what is to end, nothing starts but the `finally` of what was called there. `keep`: what is in flight goes on.
    pub(super) fn tidy(&mut self, steps: &[Step], list: &List, keep: bool, path: &Path) {
        let keep = keep && list.front.broken.is_none();
        for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
            self.tidy_step(step, slot, keep, path.child(at, None));
        }
    }

    pub(super) fn tidy_step(&mut self, step: &Step, slot: &Slot, keep: bool, path: Path) {
        if slot.status.is_settled() {
            return;
        }
        match (&step.kind, &slot.inside) {
            (_, Inside::Rounds(rounds)) => {
                let keep = keep && !rounds.ends_early();
                for (at, round) in rounds.rounds.iter().enumerate() {
                    self.tidy_step(step, &round.slot, keep, path.in_round(at));
                }
            }
            (Kind::Group(group), Inside::List(inner)) => self.tidy(&group.steps, inner, keep, &path),
            (Kind::Call(call), Inside::Call(called)) => self.tidy_call(call, called, keep, &path),
            (_, Inside::Leaf) if keep && self.flight.paths.contains(&path) => self.leaf(step, slot, path),
            _ => {}
        }
    }

    fn tidy_call(&mut self, call: &Call, called: &Called, keep: bool, path: &Path) {
        if called.inputs.is_none() {
            return;
        }
        if called.tidies && !called.finally.is_settled() {
            return self.list(&call.runbook.finally, &called.finally, 1, &path.in_finally());
        }
        let before = self.commands.len();
        if !called.tidies {
            self.tidy(&call.runbook.steps, &called.steps, keep, path);
        }
        // What needs an output made anew gets none any more.
        let renews = || !self.stale_outputs(call, called).is_empty();
        let returns = called.is_over() && called.is_well();
        if self.commands.len() == before && !called.steps.is_untidy() && !(returns && renews()) {
            self.leave_call(call, called, path);
        }
    }

    /// Whether one of these acts is in flight in there, or nobody knows what became of one.
    fn has_inside(&self, outer: &Path, wanted: impl Fn(&Path) -> bool) -> bool {
        let open = self.state.intents.iter().filter_map(|(path, intent)| intent.once.then_some(path));
        let acts = self.flight.paths.iter().chain(open);
        self.has_acts() && acts.filter(|act| act.is_inside(outer)).any(wanted)
    }

    fn is_act_at(&self, path: &Path) -> bool {
        path.find(self.runbook, self.state).is_some_and(|(step, _)| is_act(step))
    }
}
