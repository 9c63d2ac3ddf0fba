//! One call of an action: its input checked, its time limited, its output checked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::Value;
use sluice_plugin::{Applied, Call, Effect, Outcome, Problem, Purpose, write_duration};

use super::{Clock, Hosts};
use crate::registry::Action;

/// Everything one call needs, owned, so that it can run beside others.
pub(super) struct Attempt {
    pub(super) action: Arc<Action>,
    pub(super) call: Call,
    pub(super) timeout: Duration,
    pub(super) hosts: Arc<dyn Hosts>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Attempt {
    pub(super) async fn run(mut self) -> Result<Outcome, Problem> {
        if let Some((pointer, message)) = self.action.input_errors(&self.call.with).into_iter().next() {
            return Err(Problem::bad_input(&pointer, format!("the input does not fit {}: {message}", self.name())));
        }
        let deadline = self.clock.now().plus(self.timeout);
        self.call.deadline = Some(deadline);
        let host = self.hosts.host(&self.action.plugin.describe().name, &self.call);
        let work = self.action.plugin.run(self.action.spec.name.operation(), &*host, &self.call);
        let answer = match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(self.too_late()),
        };
        self.finish(answer)
    }

    /// What leaves a plugin is checked and cleaned before anybody sees it.
    fn finish(&self, answer: Result<Outcome, Problem>) -> Result<Outcome, Problem> {
        let mut outcome = answer.map_err(|mut problem| {
            self.hosts.redact_text(&mut problem.message);
            problem.details.iter_mut().for_each(|details| self.hosts.redact(details));
            problem
        })?;
        if let Some((pointer, message)) = self.action.output_errors(&outcome.output).into_iter().next() {
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            let mut message = format!("{} gave an output that does not fit its schema{place}: {message}", self.name());
            self.hosts.redact_text(&mut message);
            return Err(Problem { applied: self.applied(), ..Problem::not_applied("bad_output", message) });
        }
        self.hosts.redact(&mut outcome.output);
        outcome.judgement.iter_mut().for_each(|judgement| self.hosts.redact_text(&mut judgement.why));
        Ok(outcome)
    }

    fn too_late(&self) -> Problem {
        let limit = write_duration(self.timeout);
        let message = format!("{} gave no answer within {limit} (`timeout` of the step)", self.name());
        Problem { applied: self.applied(), ..Problem::not_applied("timeout", message).retryable() }
    }

    fn applied(&self) -> Applied {
        if self.action.spec.effect == Effect::Read { Applied::No } else { Applied::Maybe }
    }

    fn name(&self) -> &str {
        self.action.spec.name.as_str()
    }
}

/// What a step of this effect is called for.
pub(super) fn purpose(effect: Effect) -> Purpose {
    match effect {
        Effect::Read => Purpose::Read,
        Effect::Change | Effect::Destroy => Purpose::Act,
    }
}

/// A secret reference in a value that a step gave: it is right only while the process that made it lives.
pub(super) fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(object) => {
            sluice_plugin::SecretRef::from_json(value).is_some() || object.values().any(holds_secret)
        }
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
