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
    if let Some(judgement) = must_fail(runbook, state, path, gate, &seen) {
        return (judgement, seen);
    }
    let own = outcome.judgement.filter(|_| gate.judges);
    if let Some(judgement) = own.as_ref().filter(|judgement| judgement.verdict != Verdict::Pass) {
        return (judgement.clone(), seen);
    }
    let scope = StepScope::new(runbook, state, path).with_seen(&seen);
    let hopeless = gate.passes.fail_if.as_ref().and_then(|fail_if| expr::truth(&fail_if.that, &scope).err());
    if let Some(error) = hopeless {
        let why = format!("`fail_if` cannot be evaluated: {error}");
        return (Judgement { verdict: Verdict::Inconclusive, why }, seen);
    }
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

/// The word of `fail_if`, when it holds: whatever else was seen, this gate will not pass.
pub(super) fn must_fail(runbook: &Checked, state: &State, path: &Path, gate: &Gate, seen: &Value) -> Option<Judgement> {
    let fail_if = gate.passes.fail_if.as_ref()?;
    let scope = StepScope::new(runbook, state, path).with_seen(seen);
    let holds = expr::truth(&fail_if.that, &scope) == Ok(true);
    holds.then(|| Judgement { verdict: Verdict::Fail, why: format!("`fail_if` holds: {}", fail_if.text) })
}

/// What `progress` gives; nothing where it cannot be evaluated or is none.
pub(super) fn progress(runbook: &Checked, state: &State, path: &Path, gate: &Gate, seen: &Value) -> Option<Value> {
    let progress = gate.passes.progress.as_ref()?;
    let scope = StepScope::new(runbook, state, path).with_seen(seen);
    expr::eval(&progress.value, &scope).ok().filter(|value| !value.is_null())
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
