//! One call of an action: its input checked, its time limited, its output checked.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt, select};
use serde_json::Value;
use sluice_plugin::{
    ActionName, Applied, Attempt as Number, Call, Effect, Host, Outcome, Preview, Problem, Purpose, Reconciled,
    Timestamp, format_duration,
};

use super::act::Deadline;
use super::{Clock, Engine, Hosts, clean};
use crate::ids::RunId;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{State, fill, pick};
use crate::registry::Action;
use crate::runbook::checked::{Checked, DEFAULT_TIMEOUT, Kind};

/// A sample that was cut, or not even begun, because its gate's time was over.
pub(super) const GATE_OVER: &str = "gate_over";

/// Everything one call needs, owned, so that it can run beside others.
#[derive(Clone)]
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
            Kind::Group(_) | Kind::Call(_) => return Err(gone()),
        };
        let scope = StepScope::new(runbook, state, path);
        let with = fill::tree(with, &scope).map_err(|error| fill::problem("with", &error))?;
        let action = action(engine, name)?;
        let call = Call {
            run: run.to_string(),
            step: path.key(runbook, state).0,
            attempt: Number(slot.attempts + 1),
            // The action's own effect: a runbook that calls a read a change gives it no right to write.
            purpose: purpose(action.spec.effect),
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

    /// What a call would be refused for before it does anything.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        match self.action.input_errors(&self.call.with).into_iter().next() {
            None => Ok(self),
            Some((pointer, message)) => {
                Err(Problem::bad_input(&pointer, format!("the input does not fit {}: {message}", self.name())))
            }
        }
    }

    pub(super) async fn run(self) -> Result<Outcome, Problem> {
        let mut attempt = self.checked()?;
        let host = attempt.host(attempt.call.purpose);
        let work = attempt.action.plugin.run(attempt.action.spec.name.operation(), &*host, &attempt.call);
        let answer = attempt.within(work, attempt.applied()).await;
        attempt.finish(answer)
    }

    /// Does it, if it is not too late to begin.
    pub(super) async fn act(self, deadline: Deadline) -> Result<Outcome, Problem> {
        deadline.may_begin(&*self.clock)?;
        self.run().await
    }

    /// Asks what the act would do.
    pub(super) async fn preview(self) -> Result<Preview, Problem> {
        let mut attempt = self.checked()?;
        let host = attempt.host(Purpose::Preview);
        let work = attempt.action.plugin.preview(attempt.action.spec.name.operation(), &*host, &attempt.call);
        let mut answer = attempt.within(work, Applied::No).await?;
        // Whoever binds to it binds to what can be shown.
        clean::preview(&*attempt.hosts, &mut answer);
        Ok(answer)
    }

    /// Looks once whether the act of this attempt happened.
    pub(super) async fn reconcile(&self) -> Result<Reconciled, Problem> {
        let mut attempt = self.clone();
        let host = attempt.host(Purpose::Reconcile);
        let work = attempt.action.plugin.reconcile(attempt.action.spec.name.operation(), &*host, &attempt.call);
        let found = attempt.within(work, Applied::No).await?;
        if let Reconciled::Done { output, .. } = &found {
            attempt.output_fits(output)?;
        }
        Ok(found)
    }

    /// The host of one call, whose deadline counts from now.
    fn host(&mut self, purpose: Purpose) -> Box<dyn Host> {
        let limit = self.clock.now().plus(self.timeout);
        self.call.purpose = purpose;
        self.call.deadline = Some(self.until.map_or(limit, |until| limit.min(until)));
        self.hosts.host(&self.action.spec.name, &self.call)
    }

    /// `applied`: what may have happened when there is no answer.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Problem>>, applied: Applied) -> Result<T, Problem> {
        let limit = self.clock.now().plus(self.timeout);
        let deadline = self.call.deadline.unwrap_or(limit);
        // What a call leaves behind when it panics is dropped with it.
        let work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((Ok(answer), _)) => answer,
            Either::Left((Err(panic), _)) => Err(Problem { applied, ..self.panicked(&*panic) }),
            Either::Right(_) if self.until == Some(deadline) => Err(self.gate_is_over()),
            Either::Right(_) => Err(Problem { applied, ..self.too_late() }),
        }
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
        self.output_fits(&outcome.output)?;
        Ok(outcome)
    }

    pub(super) fn output_fits(&self, output: &Value) -> Result<(), Problem> {
        let Some((pointer, message)) = self.action.output_errors(output).into_iter().next() else { return Ok(()) };
        let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
        let message = format!("{} gave an output that does not fit its schema{place}: {message}", self.name());
        Err(Problem { applied: self.applied(), ..Problem::not_applied("bad_output", message) })
    }

    fn too_late(&self) -> Problem {
        let limit = format_duration(self.timeout);
        let message = format!("{} gave no answer within {limit} (`timeout` of the step)", self.name());
        Problem::not_applied("timeout", message).retryable()
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> Problem {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("it did not say why");
        Problem::not_applied("panic", format!("{} broke down, which is a mistake in it: {said}", self.name()))
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
    engine.registry.action(name).ok_or_else(gone)
}

/// What a step of this effect is called for.
fn purpose(effect: Effect) -> Purpose {
    match effect {
        Effect::Read => Purpose::Read,
        Effect::Change | Effect::Destroy => Purpose::Act,
    }
}
