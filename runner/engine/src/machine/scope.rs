//! What the names in a step's expressions stand for, looked up in the state when they are asked for.
//!
//! A step sees the steps before it in its own list and in the lists around it. Nobody ever builds an object of all
//! steps: `steps.quorum.voters_left` borrows the one output. Inside a called runbook only its own inputs and steps are
//! there; outside only its outputs.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_plugin::SecretRef;

use crate::expr::{Key as PartKey, Part, Resolved, Scope};
use crate::machine::path::{Level, Path};
use crate::machine::state::{Called, Inside, List, Slot, State, Status};
use crate::runbook::checked::{Call, Checked, Kind, Step};

/// The names at one place of a run.
pub struct StepScope<'a> {
    frame: Frame<'a>,
    /// Of this runbook alone: what is around a call cannot be seen from inside.
    levels: Vec<Level<'a>>,
    /// A gate's own sample.
    seen: Option<&'a Value>,
}

/// The runbook in which the place is: the run's own, or a called one.
#[derive(Clone, Copy)]
struct Frame<'a> {
    inputs: &'a Value,
    steps: &'a [Step],
    list: &'a List,
}

impl<'a> Frame<'a> {
    fn of_call(call: &'a Call, called: &'a Called) -> Self {
        let inputs = called.inputs.as_deref().unwrap_or(&Value::Null);
        Self { inputs, steps: &call.runbook.steps, list: &called.steps }
    }

    /// What is called at this level, for those inside.
    fn of_level(level: &Level<'a>) -> Option<Self> {
        match (&level.step.kind, &level.round.map_or(level.slot, |round| &round.slot).inside) {
            (Kind::Call(call), Inside::Call(called)) => Some(Self::of_call(call, called)),
            _ => None,
        }
    }
}

impl<'a> StepScope<'a> {
    pub fn new(runbook: &'a Checked, state: &'a State, path: &'a Path) -> Self {
        let mut scope = Self::at_end(runbook, state);
        scope.levels = path.levels(runbook, state);
        let above = scope.levels.len().saturating_sub(1);
        let calls = scope.levels.iter().take(above).enumerate().rev();
        let innermost = calls.filter_map(|(at, level)| Some((at, Frame::of_level(level)?))).next();
        if let Some((at, frame)) = innermost {
            scope.frame = frame;
            scope.levels.drain(..=at);
        }
        scope
    }

    /// For what is evaluated when all steps are over: `outputs`, the session.
    pub fn at_end(runbook: &'a Checked, state: &'a State) -> Self {
        let frame = Frame { inputs: state.inputs(), steps: &runbook.steps, list: &state.steps };
        Self { frame, levels: Vec::new(), seen: None }
    }

    /// The same for a called runbook.
    pub fn at_end_of(call: &'a Call, called: &'a Called) -> Self {
        Self { frame: Frame::of_call(call, called), levels: Vec::new(), seen: None }
    }

    /// Of the runbook in which the place is.
    pub fn inputs(&self) -> &'a Value {
        self.frame.inputs
    }

    #[must_use]
    pub fn with_seen(mut self, seen: &'a Value) -> Self {
        self.seen = Some(seen);
        self
    }

    /// The step of this name that is visible from here, with what is known of it.
    pub fn step(&self, id: &str) -> Option<(&'a Step, &'a Slot)> {
        let find = |steps: &'a [Step], slots: &'a [Slot], before: usize| {
            let position = steps.iter().take(before).position(|step| step.id.as_str() == id)?;
            Some((steps.get(position)?, slots.get(position)?))
        };
        for level in self.levels.iter().rev() {
            if let Some(found) = find(level.steps, &level.list.slots, level.hop.at) {
                return Some(found);
            }
        }
        // From `finally`, `outputs` and the session the steps of the runbook are visible too.
        let Frame { steps, list, .. } = self.frame;
        find(steps, &list.slots, usize::MAX)
            .filter(|_| self.levels.first().is_none_or(|level| !std::ptr::eq(level.steps, steps)))
    }

    /// The items of the innermost loop that have their turn after this one.
    fn remaining(&self) -> Option<Value> {
        let level = self.levels.iter().rev().find(|level| level.round.is_some())?;
        let (Inside::Rounds(rounds), Some(at)) = (&level.slot.inside, level.hop.round) else { return None };
        let later = |place: usize| match &rounds.turns {
            None => place > at,
            Some(turns) => !turns.picked.iter().take_while(|picked| **picked != at).any(|picked| *picked == place),
        };
        let left = rounds.rounds.iter().enumerate().filter(|(place, _)| *place != at && later(*place));
        Some(Value::Array(left.map(|(_, round)| (*round.item).clone()).collect()))
    }

    fn steps(&self, path: &[Part]) -> Resolved<'_, Value> {
        let missing = |why: Option<String>| Resolved::Missing { used: 0, known: Vec::new(), why };
        let Some(PartKey::Name(id)) = path.first().map(|part| &part.key) else { return missing(None) };
        match self.step(id) {
            Some((step, slot)) => of_slot(step, slot, path, 1),
            None => missing(Some(format!("no step `{id}` is visible here"))),
        }
    }

    fn run(&self, path: &[Part]) -> Resolved<'_, Value> {
        let name = |at: usize| match path.get(at).map(|part| &part.key) {
            Some(PartKey::Name(name)) => Some(name.as_str()),
            _ => None,
        };
        if name(0) == Some("steps")
            && let Some((_, slot)) = name(1).and_then(|id| self.step(id))
        {
            return Resolved::Found { value: Cow::Owned(bookkeeping(slot)), used: 2 };
        }
        Resolved::Missing { used: 0, known: vec!["steps".to_owned()], why: None }
    }
}

impl Scope for StepScope<'_> {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Value> {
        let round = || self.levels.iter().rev().find_map(|level| level.round.zip(level.hop.round));
        let found = |value| Resolved::Found { value, used: 0 };
        match root {
            "inputs" => found(Cow::Borrowed(self.frame.inputs)),
            "steps" => self.steps(path),
            "secrets" => secret(path),
            "run" => self.run(path),
            "seen" if self.seen.is_some() => found(Cow::Borrowed(self.seen.unwrap_or(&Value::Null))),
            "item" | "index" => match round() {
                Some((round, _)) if root == "item" => found(Cow::Borrowed(&*round.item)),
                Some((_, index)) => found(Cow::Owned(json!(index))),
                None => unknown(),
            },
            "remaining" => self.remaining().map_or_else(unknown, |items| found(Cow::Owned(items))),
            _ => unknown(),
        }
    }
}

fn unknown<'a>() -> Resolved<'a, Value> {
    Resolved::Unknown { known: ["inputs", "steps", "secrets", "run"].map(str::to_owned).to_vec() }
}

/// A reference: the secret itself is only known to the host.
fn secret<'a>(path: &[Part]) -> Resolved<'a, Value> {
    match path.first().map(|part| &part.key) {
        Some(PartKey::Name(name)) => {
            let reference = SecretRef(format!("secrets.{name}")).to_json();
            Resolved::Found { value: Cow::Owned(reference), used: 1 }
        }
        Some(PartKey::Index(_)) | None => Resolved::Missing { used: 0, known: Vec::new(), why: None },
    }
}

/// `used` parts led to this slot.
fn of_slot<'a>(step: &'a Step, slot: &'a Slot, path: &[Part], used: usize) -> Resolved<'a, Value> {
    if let (Kind::Group(group), Inside::List(list)) = (&step.kind, &slot.inside)
        && slot.status != Status::Skipped
        && let Some(PartKey::Name(id)) = path.get(used).map(|part| &part.key)
        && let Some(at) = group.steps.iter().position(|child| child.id.as_str() == id)
        && let (Some(child), Some(inner)) = (group.steps.get(at), list.slots.get(at))
    {
        return of_slot(child, inner, path, used + 1);
    }
    let value = match slot.status.output() {
        Some(value) => Cow::Borrowed(&**value),
        None => Cow::Owned(slot.output(step)),
    };
    Resolved::Found { value, used }
}

fn bookkeeping(slot: &Slot) -> Value {
    json!({ "status": slot.status.name(), "attempts": slot.attempts, "ended": slot.ended, "why": slot.status.why() })
}
