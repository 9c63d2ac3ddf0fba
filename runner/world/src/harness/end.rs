//! What a run came to, without how it came there: what must be alike however often its processes died.

use serde_json::{Map, Value};
use sluice_engine::ids::RunId;
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{State, fill};
use sluice_engine::runbook::checked::{Checked, Kind, Step};

/// Outcome, outputs, and every step with its status and output, in the order of the runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The outcome's name; `open` for a run that has not ended.
    pub outcome: String,
    pub outputs: Map<String, Value>,
    pub steps: Vec<StepEnd>,
    /// Where the steps of `finally` begin.
    pub finally: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StepEnd {
    pub key: String,
    pub status: &'static str,
    pub output: Value,
}

impl End {
    pub fn of(runbook: &Checked, state: &State) -> Self {
        let mut steps = Vec::new();
        list(&runbook.steps, &state.steps, "", &mut steps);
        let finally = steps.len();
        list(&runbook.finally, &state.finally, "", &mut steps);
        Self {
            outcome: state.ended.as_ref().map_or("open", |(outcome, _)| outcome.name()).to_owned(),
            outputs: fill::outputs(runbook, state),
            steps,
            finally,
        }
    }

    pub fn step(&self, key: &str) -> Option<&StepEnd> {
        self.steps.iter().find(|step| step.key == key)
    }

    /// Without these fields, wherever they stand: what tells the time is another after a crash, and should be.
    #[must_use]
    pub fn without(mut self, fields: &[&str]) -> Self {
        self.steps.iter_mut().for_each(|step| take_out(&mut step.output, fields));
        self.outputs.values_mut().for_each(|output| take_out(output, fields));
        self
    }

    /// As it would be if the run had that id: it stands in what a run says of its files.
    #[must_use]
    pub fn under(mut self, was: &RunId, id: &RunId) -> Self {
        let (was, id) = (was.to_string(), id.to_string());
        self.steps.iter_mut().for_each(|step| rename(&mut step.output, &was, &id));
        self.outputs.values_mut().for_each(|output| rename(output, &was, &id));
        self
    }

    /// What is not as in the other, in a few words; nothing when all is alike.
    pub fn differs_from(&self, other: &Self) -> Option<String> {
        if self.summary() != other.summary() {
            return Some(format!("{} and not {}", self.summary(), other.summary()));
        }
        let steps = self.steps.iter().zip(&other.steps).find(|(one, other)| one.output != other.output);
        if let Some((one, other)) = steps {
            return Some(format!("the output of {} is {} and not {}", one.key, one.output, other.output));
        }
        let (mine, theirs) = (&self.outputs, &other.outputs);
        let key = mine.keys().chain(theirs.keys()).find(|key| mine.get(*key) != theirs.get(*key))?;
        Some(format!("the output {key} is {:?} and not {:?}", mine.get(key), theirs.get(key)))
    }

    /// `a done, b failed`.
    pub fn summary(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|step| format!("{} {}", step.key, step.status)).collect();
        format!("{}: {}", self.outcome, steps.join(", "))
    }
}

fn list(steps: &[Step], slots: &List, prefix: &str, ends: &mut Vec<StepEnd>) {
    for (step, slot) in steps.iter().zip(&slots.slots) {
        let key = format!("{prefix}{}", step.id);
        ends.push(StepEnd { key: key.clone(), status: slot.status.name(), output: slot.output(step) });
        inside(step, slot, &key, ends);
        if let Inside::Rounds(rounds) = &slot.inside {
            for round in &rounds.rounds {
                let key = format!("{key}[{}]", round.key);
                let status = round.slot.status.name();
                ends.push(StepEnd { key: key.clone(), status, output: round.slot.output(step) });
                inside(step, &round.slot, &key, ends);
            }
        }
    }
}

/// The steps of a group, or of what is called with its `finally` last.
fn inside(step: &Step, slot: &Slot, key: &str, ends: &mut Vec<StepEnd>) {
    let prefix = format!("{key}/");
    match (&slot.inside, &step.kind) {
        (Inside::List(inner), _) => list(step.children(), inner, &prefix, ends),
        (Inside::Call(called), Kind::Call(call)) => {
            list(&call.runbook.steps, &called.steps, &prefix, ends);
            list(&call.runbook.finally, &called.finally, &prefix, ends);
        }
        (Inside::Leaf | Inside::Call(_) | Inside::Closed | Inside::Rounds(_), _) => {}
    }
}

fn take_out(value: &mut Value, fields: &[&str]) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !fields.contains(&name.as_str()));
            object.values_mut().for_each(|value| take_out(value, fields));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rename(value: &mut Value, was: &str, id: &str) {
    match value {
        Value::Object(object) => object.values_mut().for_each(|value| rename(value, was, id)),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, was, id)),
        Value::String(text) => *text = text.replace(was, id),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
