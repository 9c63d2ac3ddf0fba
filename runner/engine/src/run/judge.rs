//! One sample of a gate judged: the action's own verdict, and the runbook's conditions, which can only add to it.

use std::borrow::Cow;

use serde_json::Value;
use sluice_plugin::{Judgement, Outcome, Problem, Timestamp, Verdict};

use super::Hosts;
use super::gate::Look;
use crate::expr;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{State, fill};
use crate::runbook::checked::{Checked, Expect, Gate, Passes, Step};

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
    if let Some(holds) = must_fail(runbook, state, path, gate, &seen) {
        // What the action says of it tells a person more than an expression.
        let judged = own.filter(|own| own.verdict != Verdict::Pass).map(|own| own.why);
        let told = judged.or_else(|| summary(&seen).filter(|_| !gate.judges));
        let told = told.map_or(String::new(), |told| format!("; {told}"));
        return (Judgement { why: format!("{}{told}", holds.why), ..holds }, seen);
    }
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
            // What was seen tells a person more than that it was expected.
            let why = summary(&seen).unwrap_or_else(|| "everything expected holds".to_owned());
            Judgement { verdict: Verdict::Pass, why }
        }
    });
    (judgement, seen)
}

/// What an action says of what it saw, in a sentence.
fn summary(seen: &Value) -> Option<String> {
    let summary = seen.get("summary").and_then(Value::as_str).filter(|summary| !summary.is_empty());
    summary.map(str::to_owned)
}

/// When the gate has passed, as the inputs of its runbook have it.
pub(super) fn passes_at<'a>((runbook, state, path): (&Checked, &State, &Path), gate: &'a Gate) -> Cow<'a, Passes> {
    gate.passes.with(StepScope::new(runbook, state, path).inputs())
}

/// The host said no, and what it says no to is fixed for the run: looking again does not mend it.
fn is_not_granted(problem: &Problem) -> bool {
    problem.code == "denied" && problem.details.as_ref().is_some_and(|details| details.get("grant").is_some())
}

/// The word of `fail_if`, when it holds: whatever else was seen, this gate will not pass.
fn must_fail(runbook: &Checked, state: &State, path: &Path, gate: &Gate, seen: &Value) -> Option<Judgement> {
    let fail_if = gate.passes.fail_if.as_ref()?;
    let scope = StepScope::new(runbook, state, path).with_seen(seen);
    let holds = expr::truth(&fail_if.that, &scope) == Ok(true);
    holds.then(|| Judgement { verdict: Verdict::Fail, why: format!("`fail_if` holds: {}", fail_if.text) })
}

/// One answer of a gate as its course is decided by: redacted as it will be read, judged, with its progress.
pub(super) fn look_of(
    hosts: &dyn Hosts,
    (runbook, state, path): (&Checked, &State, &Path),
    (step, gate): (&Step, &Gate),
    answer: Result<Outcome, Problem>,
    (began, ended): (Timestamp, Timestamp),
) -> (Look, Judgement, Value) {
    let hopeless = answer.as_ref().is_err_and(is_not_granted);
    let (mut judgement, seen) = match answer {
        Ok(mut outcome) => {
            hosts.redact(&mut outcome.output);
            judge(runbook, state, path, (step, gate), outcome)
        }
        Err(problem) => unanswered(&problem),
    };
    hosts.redact_text(&mut judgement.why);
    let look = Look {
        verdict: judgement.verdict,
        why: judgement.why.clone(),
        fails: hopeless || must_fail(runbook, state, path, gate, &seen).is_some(),
        progress: progress(runbook, state, path, gate, &seen),
        began,
        ended,
    };
    (look, judgement, seen)
}

/// What `progress` gives; nothing where it cannot be evaluated or is none.
fn progress(runbook: &Checked, state: &State, path: &Path, gate: &Gate, seen: &Value) -> Option<Value> {
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
