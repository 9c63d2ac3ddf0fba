//! What differs between two plans of the same runbook: in what they are made from and bound to, and, apart from that, in
//! what is known.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::value::{Plan, Planned, What};
use crate::ids::Sha256;

/// Nothing in `made_from` and `bindings`: the plans are the same, and a confirmation of one is one of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The digest of the plan before.
    #[schemars(with = "String")]
    pub was: Sha256,
    #[schemars(with = "String")]
    pub is: Sha256,
    /// In the runbook, the inputs, the inventory, the policy.
    pub made_from: Vec<Change>,
    /// In what the acts are bound to, act by act.
    pub bindings: Vec<Change>,
    /// In what reads gave, gates saw and previews told.
    pub facts: Vec<Change>,
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The step's address; null of what belongs to the whole plan.
    pub step: Option<String>,
    /// JSON pointer to the value; empty where the whole of it came or went.
    pub at: String,
    /// Null where there was none.
    pub was: Option<Value>,
    /// Null where there is none any more.
    pub is: Option<Value>,
}

impl Plan {
    /// What is different from the plan before.
    pub fn changes_since(&self, before: &Self) -> Changes {
        Changes {
            was: before.digest,
            is: self.digest,
            made_from: of_whole(before, self),
            bindings: by_step(before, self, bound),
            facts: by_step(before, self, facts),
        }
    }
}

impl Changes {
    /// A confirmation of the plan before would not be one of this plan.
    pub fn is_another_plan(&self) -> bool {
        self.was != self.is
    }
}

fn of_whole(before: &Plan, now: &Plan) -> Vec<Change> {
    let whole = |plan: &Plan| {
        json!({
            "inputs": plan.inputs, "policy": plan.sources.policy, "uses": plan.sources.uses,
            "runbook": plan.made_from.runbook, "calls": plan.made_from.calls, "actions": plan.made_from.actions,
        })
    };
    let mut found = Vec::new();
    differences(None, &whole(before), &whole(now), "", &mut found);
    found
}

fn by_step(before: &Plan, now: &Plan, part: fn(&Planned) -> Option<Value>) -> Vec<Change> {
    let parts = |plan: &Plan| -> BTreeMap<String, Value> {
        plan.steps.iter().filter_map(|step| Some((step.key.to_string(), part(step)?))).collect()
    };
    let (was, is) = (parts(before), parts(now));
    let mut found = Vec::new();
    // In the order of the run, what is gone at the end.
    let order = now.steps.iter().chain(&before.steps).map(|step| step.key.as_str());
    let mut seen = BTreeSet::new();
    for key in order.filter(|key| seen.insert(*key)) {
        let step = Some(key.to_owned());
        match (was.get(key), is.get(key)) {
            (Some(was), Some(is)) => differences(step, was, is, "", &mut found),
            (None, None) => {}
            (was, is) => found.push(Change { step, at: String::new(), was: was.cloned(), is: is.cloned() }),
        }
    }
    found
}

/// What an act is bound to, or why it is not; `made_from` is told once for all.
fn bound(step: &Planned) -> Option<Value> {
    Some(match &step.what {
        What::Would { binding, .. } => {
            let mut bound = json!(binding);
            bound.as_object_mut()?.remove("made_from");
            bound
        }
        What::KnownAfter { acts, .. } if acts.is_empty() => return None,
        What::KnownAfter { step, acts } => json!({ "known_after": step, "acts": acts }),
        What::Already { .. } => json!({ "nothing_to_do": true }),
        What::Refused { .. } => json!({ "refused": true }),
        What::Loop { .. }
        | What::Call { .. }
        | What::Read { .. }
        | What::Foreseen { .. }
        | What::MadeInTheRun
        | What::Sample { .. }
        | What::Skipped => {
            return None;
        }
        What::Failed { .. } => return None,
    })
}

fn facts(step: &Planned) -> Option<Value> {
    Some(match &step.what {
        What::Loop { items } => json!({ "items": items }),
        What::Call { runbook } => json!({ "calls": runbook }),
        What::Read { output } | What::Foreseen { output } | What::Already { output } => json!({ "output": output }),
        What::MadeInTheRun => json!({ "made_in_the_run": true }),
        What::Sample { verdict, why, seen } => json!({ "verdict": verdict, "why": why, "seen": seen }),
        What::Would { facts, .. } => json!({ "facts": facts }),
        What::Refused { why } => json!({ "refused": why }),
        What::Skipped => json!({ "skipped": true }),
        What::KnownAfter { step, .. } => json!({ "known_after": step }),
        What::Failed { problem } => json!({ "problem": problem.message }),
    })
}

fn differences(step: Option<String>, was: &Value, is: &Value, at: &str, found: &mut Vec<Change>) {
    match (was, is) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                one(step.clone(), old.get(name), new.get(name), at, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                one(step.clone(), old.get(index), new.get(index), format!("{at}/{index}"), found);
            }
        }
        _ if was == is => {}
        _ => found.push(Change { step, at: at.to_owned(), was: Some(was.clone()), is: Some(is.clone()) }),
    }
}

fn one(step: Option<String>, was: Option<&Value>, is: Option<&Value>, at: String, found: &mut Vec<Change>) {
    match (was, is) {
        (Some(was), Some(is)) => differences(step, was, is, &at, found),
        (None, None) => {}
        (was, is) => found.push(Change { step, at, was: was.cloned(), is: is.cloned() }),
    }
}
