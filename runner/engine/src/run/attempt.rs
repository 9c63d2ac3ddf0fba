//! One call of an action: its input checked, its time limited, its output checked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::Value;
use sluice_plugin::{
    ActionName, Applied, Attempt as Number, Call, Effect, Outcome, Preview, Problem, Purpose, Timestamp,
    format_duration,
};

use super::{Clock, DEFAULT_TIMEOUT, Engine, Hosts, clean};
use crate::ids::RunId;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{State, fill, pick};
use crate::registry::Action;
use crate::runbook::checked::{Checked, Kind};

/// A sample that was cut, or not even begun, because its gate's time was over.
pub(super) const GATE_OVER: &str = "gate_over";

/// Everything one call needs, owned, so that it can run beside others.
pub(super) struct Attempt {
    pub(super) action: Arc<Action>,
    pub(super) call: Call,
    pub(super) timeout: Duration,
    /// Nobody waits longer than this, whatever `timeout` says: the deadline of a gate.
    pub(super) until: Option<Timestamp>,
    pub(super) hosts: Arc<dyn Hosts>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Attempt {
    /// Fills in the step's input from what the state knows.
    pub(super) fn prepare(
        engine: &Engine,
        run: &RunId,
        runbook: &Checked,
        state: &State,
        path: &Path,
    ) -> Result<Self, Problem> {
        let gone = || Problem::not_applied("no_such_step", "the run has no such step");
        let (step, slot) = path.find(runbook, state).ok_or_else(gone)?;
        let (name, with, timeout) = match &step.kind {
            Kind::Use(used) => (&used.action, &used.with, used.timeout),
            Kind::Gate(gate) => (&gate.action, &gate.with, gate.timeout),
            Kind::Group(_) => return Err(gone()),
        };
        let scope = StepScope::new(runbook, state, path);
        let with = fill::tree(with, &scope).map_err(|error| fill::problem("with", &error))?;
        let action = action(engine, name)?;
        let call = Call {
            run: run.to_string(),
            step: path.key(runbook, state).0,
            attempt: Number(slot.attempts + 1),
            purpose: purpose(step.effect()),
            deadline: None,
            with,
        };
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Self { action, call, timeout, until: None, hosts: engine.hosts.clone(), clock: engine.clock.clone() })
    }

    /// The call that a loop chooses its next item by.
    pub(super) fn to_pick(
        engine: &Engine,
        run: &RunId,
        runbook: &Checked,
        state: &State,
        path: &Path,
    ) -> Result<Self, Problem> {
        let gone = || Problem::not_applied("no_such_step", "there is nothing to choose from");
        let read = pick::with_remaining(runbook, state, path, |next_by, scope| {
            let read = next_by.read.as_ref().ok_or_else(gone)?;
            let with = fill::tree(&read.with, scope).map_err(|error| fill::problem("next_by.with", &error))?;
            Ok((action(engine, &read.action)?, with, read.timeout))
        });
        let (action, with, timeout) = read.ok_or_else(gone)??;
        let attempts = path.find(runbook, state).map_or(0, |(_, slot)| slot.attempts);
        let call = Call {
            run: run.to_string(),
            step: path.key(runbook, state).0,
            attempt: Number(attempts + 1),
            purpose: Purpose::Read,
            deadline: None,
            with,
        };
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Self { action, call, timeout, until: None, hosts: engine.hosts.clone(), clock: engine.clock.clone() })
    }

    pub(super) async fn run(mut self) -> Result<Outcome, Problem> {
        if let Some((pointer, message)) = self.action.input_errors(&self.call.with).into_iter().next() {
            return Err(Problem::bad_input(&pointer, format!("the input does not fit {}: {message}", self.name())));
        }
        let limit = self.clock.now().plus(self.timeout);
        let deadline = self.until.map_or(limit, |until| limit.min(until));
        self.call.deadline = Some(deadline);
        let host = self.hosts.host(&self.action.plugin.describe().name, &self.call);
        let work = self.action.plugin.run(self.action.spec.name.operation(), &*host, &self.call);
        let answer = match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) if deadline < limit => Err(self.gate_is_over()),
            Either::Right(_) => Err(self.too_late()),
        };
        self.finish(answer)
    }

    /// Asks what the act would do.
    pub(super) async fn preview(mut self) -> Result<Preview, Problem> {
        if let Some((pointer, message)) = self.action.input_errors(&self.call.with).into_iter().next() {
            return Err(Problem::bad_input(&pointer, format!("the input does not fit {}: {message}", self.name())));
        }
        self.call.purpose = Purpose::Preview;
        let deadline = self.clock.now().plus(self.timeout);
        self.call.deadline = Some(deadline);
        let host = self.hosts.host(&self.action.plugin.describe().name, &self.call);
        let work = self.action.plugin.preview(self.action.spec.name.operation(), &*host, &self.call);
        let mut answer = match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((answer, _)) => answer?,
            Either::Right(_) => return Err(self.too_late()),
        };
        // Whoever binds to it binds to what can be shown.
        clean::preview(&*self.hosts, &mut answer);
        Ok(answer)
    }

    /// What the call would give, where the action knows that without it. It has to hold what a real answer has to.
    pub(super) fn foresee(&self) -> Option<Value> {
        if !self.action.input_errors(&self.call.with).is_empty() {
            return None;
        }
        let output = self.action.plugin.foresee(self.action.spec.name.operation(), &self.call)?;
        self.finish(Ok(Outcome::plain(output))).ok().map(|outcome| outcome.output)
    }

    /// What leaves a plugin is checked. Whoever writes or shows it cleans it of secrets.
    fn finish(&self, answer: Result<Outcome, Problem>) -> Result<Outcome, Problem> {
        let outcome = answer?;
        if let Some((pointer, message)) = self.action.output_errors(&outcome.output).into_iter().next() {
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            let message = format!("{} gave an output that does not fit its schema{place}: {message}", self.name());
            return Err(Problem { applied: self.applied(), ..Problem::not_applied("bad_output", message) });
        }
        Ok(outcome)
    }

    fn too_late(&self) -> Problem {
        let limit = format_duration(self.timeout);
        let message = format!("{} gave no answer within {limit} (`timeout` of the step)", self.name());
        Problem { applied: self.applied(), ..Problem::not_applied("timeout", message).retryable() }
    }

    fn gate_is_over(&self) -> Problem {
        Problem::not_applied(GATE_OVER, format!("{} gave no answer in the time left to the gate", self.name()))
    }

    fn applied(&self) -> Applied {
        if self.action.spec.effect == Effect::Read { Applied::No } else { Applied::Maybe }
    }

    fn name(&self) -> &str {
        self.action.spec.name.as_str()
    }
}

fn action(engine: &Engine, name: &ActionName) -> Result<Arc<Action>, Problem> {
    let gone = || Problem::not_applied("no_such_action", format!("this Sluice has no action `{name}`"));
    engine.registry.action(name).cloned().ok_or_else(gone)
}

/// What a step of this effect is called for.
fn purpose(effect: Effect) -> Purpose {
    match effect {
        Effect::Read => Purpose::Read,
        Effect::Change | Effect::Destroy => Purpose::Act,
    }
}
