//! What surrounds the call of an act: what the intent names, how long the call may still begin, and the two looks at an
//! act whose outcome nobody saw.
//!
//! Whether any of it should happen is for the core to say.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::{Problem, Reconciled, Timestamp};

use super::Clock;
use super::attempt::Attempt;
use crate::digest::digest;
use crate::ids::Sha256;
use crate::journal::Found;

/// Between the intent and the call lies an fsync and nothing else.
const START_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks: what is under way when the first one comes shows in the second.
const PAUSE: Duration = Duration::from_secs(5);

/// The moment after which a call does not begin any more, on two clocks: one can be set, the other cannot.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) act_by: Timestamp,
    since_boot: Duration,
}

impl Deadline {
    pub(super) fn from_now(clock: &dyn Clock) -> Self {
        Self { act_by: clock.now().plus(START_WITHIN), since_boot: clock.since_boot().saturating_add(START_WITHIN) }
    }

    pub(super) fn may_begin(&self, clock: &dyn Clock) -> Result<(), Problem> {
        if clock.now() <= self.act_by && clock.since_boot() <= self.since_boot {
            return Ok(());
        }
        let message = "the machine slept, or was too slow, between the decision and the act; nothing was done";
        Err(Problem::not_applied("too_late", message).retryable())
    }
}

/// What an intent names: what the preview bound or, without one, all that the action is given.
pub(super) fn binding(attempt: &Attempt, bound: Option<&Value>) -> Sha256 {
    match bound {
        Some(binding) => digest(binding),
        None => digest(&json!({ "action": attempt.action.spec.name, "with": attempt.call.with })),
    }
}

/// Both looks have to say the same.
pub(super) async fn look_twice(attempt: Attempt, not_before: Timestamp) -> (Found, Value) {
    // The wall clock may be set back meanwhile.
    while attempt.clock.now() < not_before {
        attempt.clock.sleep_until(not_before).await;
    }
    let first = match attempt.reconcile().await {
        // A second look is for what the first one says.
        Ok(found @ (Reconciled::Done { .. } | Reconciled::NotDone { .. })) => found,
        Ok(found @ Reconciled::CannotTell { .. }) => return (Found::CannotTell, json!({ "looks": [said(found).1] })),
        Err(problem) => return (Found::CannotTell, json!({ "looks": [failed(&problem)] })),
    };
    let again = attempt.clock.now().plus(PAUSE);
    attempt.clock.sleep_until(again).await;
    match attempt.reconcile().await {
        Ok(second) => agreed(first, second),
        Err(problem) => {
            let (_, seen) = said(first);
            (Found::CannotTell, json!({ "looks": [seen, failed(&problem)] }))
        }
    }
}

fn agreed(first: Reconciled, second: Reconciled) -> (Found, Value) {
    let ((first, one), (second, other)) = (said(first), said(second));
    let evidence = json!({ "looks": [one, other] });
    let verdict = match (first, second) {
        (Found::Done { .. }, Found::Done { output }) => Found::Done { output },
        (Found::NotDone, Found::NotDone) => Found::NotDone,
        (Found::Done { .. } | Found::NotDone | Found::CannotTell, _) => Found::CannotTell,
    };
    (verdict, evidence)
}

fn said(found: Reconciled) -> (Found, Value) {
    let (found, word, evidence) = match found {
        Reconciled::Done { output, evidence } => (Found::Done { output }, "done", evidence),
        Reconciled::NotDone { evidence } => (Found::NotDone, "not_done", evidence),
        Reconciled::CannotTell { evidence } => (Found::CannotTell, "cannot_tell", evidence),
    };
    (found, json!({ "said": word, "evidence": evidence }))
}

fn failed(problem: &Problem) -> Value {
    json!({ "said": "nothing", "problem": problem })
}
