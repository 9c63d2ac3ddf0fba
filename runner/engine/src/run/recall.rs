//! After a resume: secrets that steps gave to a process that is gone are fetched again before anything is called, so that
//! they can be taken out of whatever is shown or written from then on. Nothing of it is journaled; a step that is done
//! again because another needs it takes what was fetched here.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{Effect, Outcome};

use super::attempt::Attempt;
use super::drive::Drive;
use super::{RunError, Signals};
use crate::journal::CancelHow;
use crate::machine::path::{Path, Root};
use crate::machine::state::{Inside, List, Slot};
use crate::runbook::checked::{Kind, Step};

/// For each of them: a service that gives no answer does not keep a run from being tidied up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Drive {
    /// What was fetched again for exactly this call, once.
    pub(super) fn recalled(&mut self, path: &Path, attempt: &Attempt) -> Option<Outcome> {
        self.recalled.remove(path).filter(|(with, _)| *with == attempt.call.with).map(|(_, outcome)| outcome)
    }

    /// One that cannot be had is told of, and the run goes on: the secret may be gone from where it was.
    pub(super) async fn recall_secrets(&mut self, signals: &mut Signals) -> Result<(), RunError> {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let abandoned = state.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon);
        if self.epoch.0 <= 1 || abandoned {
            return Ok(());
        }
        let mut paths = Vec::new();
        forgotten(&runbook.steps, &state.steps, &Path::root(Root::Steps), &mut paths);
        forgotten(&runbook.finally, &state.finally, &Path::root(Root::Finally), &mut paths);
        let reads = paths.into_iter().filter_map(|path| Some((self.prepare(&path).ok()?, path)));
        // In the order of the runbook: one may need what another one gives.
        for (attempt, path) in reads.filter(|(attempt, _)| gives_secrets(attempt)).collect::<Vec<_>>() {
            let (step, with) = (attempt.call.step.clone(), attempt.call.with.clone());
            let timeout = attempt.timeout.min(PATIENCE);
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => return self.signal(signal).await,
                () = &mut self.alive => {
                    self.lost();
                    return Ok(());
                }
                answer = (Attempt { timeout, ..attempt }).run() => match answer {
                    Ok(outcome) => drop(self.recalled.insert(path, (with, outcome))),
                    Err(problem) => {
                        tracing::warn!(%problem, step, "its secrets could not be fetched again: texts may show them");
                    }
                },
            }
        }
        Ok(())
    }
}

/// What is done and lived only as long as the process that did it.
fn forgotten(steps: &[Step], list: &List, path: &Path, found: &mut Vec<Path>) {
    for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
        match &slot.inside {
            Inside::Rounds(rounds) => {
                for (round, one) in rounds.rounds.iter().enumerate() {
                    in_slot(step, &one.slot, path.child(at, Some(round)), found);
                }
            }
            Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => {
                in_slot(step, slot, path.child(at, None), found);
            }
        }
    }
}

fn in_slot(step: &Step, slot: &Slot, path: Path, found: &mut Vec<Path>) {
    match (&step.kind, &slot.inside) {
        (Kind::Call(call), Inside::Call(called)) => {
            forgotten(&call.runbook.steps, &called.steps, &path, found);
            forgotten(&call.runbook.finally, &called.finally, &path.in_finally(), found);
        }
        (_, Inside::List(list)) => forgotten(step.children(), list, &path, found),
        _ if slot.stale => found.push(path),
        _ => {}
    }
}

fn gives_secrets(attempt: &Attempt) -> bool {
    let spec = &attempt.action.spec;
    spec.effect == Effect::Read && has_secret(&spec.output)
}

fn has_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.get("x-secret") == Some(&Value::Bool(true)) || fields.values().any(has_secret),
        Value::Array(items) => items.iter().any(has_secret),
        _ => false,
    }
}
