//! One call of an action: its input checked, its time limited, its output checked.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt, select};
use serde_json::Value;
use sluice_plugin::{
    Applied, Attempt as Number, Call, Effect, Host, Outcome, Preview, Problem, Purpose, Reconciled, format_duration,
};

use super::act::Deadline;
use super::{Clock, Engine, Hosts};
use crate::ids::RunId;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{State, fill};
use crate::registry::Action;
use crate::runbook::checked::{Checked, DEFAULT_TIMEOUT, Kind};

/// Everything one call needs, owned, so that it can run beside others.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) action: Arc<Action>,
    pub(super) call: Call,
    pub(super) timeout: Duration,
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
        let action = engine
            .registry
            .action(name)
            .cloned()
            .ok_or_else(|| Problem::not_applied("no_such_action", format!("this Sluice has no action `{name}`")))?;
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
        Ok(Self { action, call, timeout, hosts: engine.hosts.clone(), clock: engine.clock.clone() })
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
        attempt.within(work, Applied::No).await
    }

    /// Looks once whether the act of this attempt happened.
    pub(super) async fn reconcile(&self) -> Result<Reconciled, Problem> {
        let mut attempt = self.clone();
        let host = attempt.host(Purpose::Reconcile);
        let work = attempt.action.plugin.reconcile(attempt.action.spec.name.operation(), &*host, &attempt.call);
        let found = attempt.within(work, Applied::No).await.map_err(|problem| attempt.clean(problem))?;
        attempt.looked(found)
    }

    fn looked(&self, mut found: Reconciled) -> Result<Reconciled, Problem> {
        match &mut found {
            Reconciled::Done { output, evidence } => {
                *output = self.output(std::mem::take(output))?;
                self.hosts.redact(evidence);
            }
            Reconciled::NotDone { evidence } | Reconciled::CannotTell { evidence } => self.hosts.redact(evidence),
        }
        Ok(found)
    }

    /// The host of one call, whose deadline counts from now.
    fn host(&mut self, purpose: Purpose) -> Box<dyn Host> {
        self.call.purpose = purpose;
        self.call.deadline = Some(self.clock.now().plus(self.timeout));
        self.hosts.host(&self.action.plugin.describe().name, &self.call)
    }

    /// `applied`: what may have happened when there is no answer.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Problem>>, applied: Applied) -> Result<T, Problem> {
        let deadline = self.call.deadline.unwrap_or_else(|| self.clock.now().plus(self.timeout));
        // What a call leaves behind when it panics is dropped with it.
        let work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((Ok(answer), _)) => answer,
            Either::Left((Err(panic), _)) => Err(Problem { applied, ..self.panicked(&*panic) }),
            Either::Right(_) => Err(Problem { applied, ..self.too_late() }),
        }
    }

    /// What leaves a plugin is checked and cleaned before anybody sees it.
    fn finish(&self, answer: Result<Outcome, Problem>) -> Result<Outcome, Problem> {
        let mut outcome = answer.map_err(|problem| self.clean(problem))?;
        outcome.output = self.output(outcome.output)?;
        outcome.judgement.iter_mut().for_each(|judgement| self.hosts.redact_text(&mut judgement.why));
        Ok(outcome)
    }

    pub(super) fn clean(&self, mut problem: Problem) -> Problem {
        self.hosts.redact_text(&mut problem.message);
        problem.details.iter_mut().for_each(|details| self.hosts.redact(details));
        problem
    }

    /// The output as it may be kept.
    pub(super) fn output(&self, mut output: Value) -> Result<Value, Problem> {
        if let Some((pointer, message)) = self.action.output_errors(&output).into_iter().next() {
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            let mut message = format!("{} gave an output that does not fit its schema{place}: {message}", self.name());
            self.hosts.redact_text(&mut message);
            return Err(Problem { applied: self.applied(), ..Problem::not_applied("bad_output", message) });
        }
        self.hosts.redact(&mut output);
        Ok(output)
    }

    fn too_late(&self) -> Problem {
        let limit = format_duration(self.timeout);
        let message = format!("{} gave no answer within {limit} (`timeout` of the step)", self.name());
        Problem::not_applied("timeout", message).retryable()
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> Problem {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let mut message = format!("{} broke down, which is a mistake in it: {}", self.name(), said.unwrap_or("panic"));
        self.hosts.redact_text(&mut message);
        Problem::not_applied("panic", message)
    }

    fn applied(&self) -> Applied {
        if self.action.spec.effect == Effect::Read { Applied::No } else { Applied::Maybe }
    }

    fn name(&self) -> &str {
        self.action.spec.name.as_str()
    }
}

/// What a step of this effect is called for.
fn purpose(effect: Effect) -> Purpose {
    match effect {
        Effect::Read => Purpose::Read,
        Effect::Change | Effect::Destroy => Purpose::Act,
    }
}
