//! One sample of a gate judged: the action's own verdict, and the runbook's conditions, which can only add to it.

use serde_json::Value;
use sluice_plugin::{Judgement, Outcome, Problem, Verdict};

use crate::expr;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{State, fill};
use crate::runbook::checked::{Checked, Expect, Gate, Step};

/// The verdict, and what was seen.
pub(super) fn judge(
    runbook: &Checked,
    state: &State,
    path: &Path,
    (step, gate): (&Step, &Gate),
    outcome: Outcome,
) -> (Judgement, Value) {
    let seen = outcome.output;
    let own = outcome.judgement.filter(|_| gate.judges);
    if let Some(judgement) = own.as_ref().filter(|judgement| judgement.verdict != Verdict::Pass) {
        return (judgement.clone(), seen);
    }
    let scope = StepScope::new(runbook, state, path).with_seen(&seen);
    let objection = gate.expect.iter().find_map(|expect| objection(step, expect, &scope));
    if let Some(judgement) = objection {
        return (judgement, seen);
    }
    let judgement = own.unwrap_or_else(|| {
        if gate.judges && gate.expect.is_empty() {
            Judgement { verdict: Verdict::Inconclusive, why: "the action gave no verdict".to_owned() }
        } else {
            Judgement { verdict: Verdict::Pass, why: "everything expected holds".to_owned() }
        }
    });
    (judgement, seen)
}

/// A sample that could not be taken is no verdict at all.
pub(super) fn unanswered(problem: &Problem) -> (Judgement, Value) {
    let judgement = Judgement { verdict: Verdict::Inconclusive, why: problem.message.clone() };
    (judgement, serde_json::json!({ "problem": problem }))
}

fn objection(step: &Step, expect: &Expect, scope: &StepScope<'_>) -> Option<Judgement> {
    let (verdict, why) = match expr::truth(&expect.that, scope) {
        Ok(true) => return None,
        Ok(false) => (Verdict::Fail, otherwise(step, expect, scope)),
        Err(error) => (Verdict::Inconclusive, format!("`that` cannot be evaluated: {error}")),
    };
    Some(Judgement { verdict, why })
}

fn otherwise(step: &Step, expect: &Expect, scope: &StepScope<'_>) -> String {
    match expect.otherwise.as_ref().map(|text| fill::text(text, scope)) {
        Some(Ok(text)) => text,
        Some(Err(error)) => format!("what gate `{}` expects does not hold ({error})", step.id),
        None => format!("what gate `{}` expects does not hold", step.id),
    }
}
