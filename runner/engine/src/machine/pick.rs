//! The turns of a loop with `next_by`: when the next item is to be chosen, which one it is, and what a choice that fails
//! does. Pure: what was read for the choice comes in.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_plugin::{Attempt, Problem, Timestamp};

use crate::expr::{self, Layered, Part, Resolved, Scope};
use crate::journal::Event;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::state::{Inside, Rounds, Slot, State, Status, Turns};
use crate::runbook::checked::{Checked, Loop, NextBy, Step};

/// A loop that chooses its next item, and has begun.
pub(super) fn of<'a>(step: &'a Step, slot: &'a Slot) -> Option<(&'a Loop, &'a NextBy, &'a Rounds, &'a Turns)> {
    let each = step.for_each.as_ref()?;
    let Inside::Rounds(rounds) = &slot.inside else { return None };
    Some((each, each.next_by.as_ref()?, rounds, rounds.turns.as_ref()?))
}

/// May the loop choose now? `beside` rounds are over for the state and not yet for the world.
pub(super) fn is_due(step: &Step, slot: &Slot, beside: usize) -> bool {
    of(step, slot).is_some_and(|(each, _, rounds, turns)| {
        let open = turns.open(rounds).count();
        let goes_on = slot.status == Status::Open && turns.given_up.is_none();
        goes_on && turns.picked.len() < rounds.rounds.len() && open + beside < each.at_most as usize
    })
}

/// The event that follows from what was read: the choice, or why there is none.
pub fn picked(runbook: &Checked, state: &State, path: &Path, seen: &Value) -> Event {
    let key = path.key(runbook, state);
    match choose(runbook, state, path, seen) {
        Ok(item) => Event::Picked { key, item, seen: seen.clone() },
        Err(problem) => {
            let attempts = path.find(runbook, state).map_or(0, |(_, slot)| slot.attempts);
            Event::Failed { key, attempt: Attempt(attempts + 1), problem }
        }
    }
}

/// The choice of the first that is left, for when nothing better can be known.
pub fn first(runbook: &Checked, state: &State, path: &Path) -> Event {
    let loop_of = path.find(runbook, state).and_then(|(step, slot)| of(step, slot));
    let first = loop_of.and_then(|(_, _, rounds, turns)| rounds.rounds.get(turns.left(rounds).next()?));
    let item = first.map(|round| round.key.clone()).unwrap_or_default();
    Event::Picked { key: path.key(runbook, state), item, seen: Value::Null }
}

fn choose(runbook: &Checked, state: &State, path: &Path, seen: &Value) -> Result<String, Problem> {
    let problem = |message: String| Problem::not_applied("next_by", message);
    let gone = || problem("there is nothing left to choose from".to_owned());
    let (_, next_by, rounds, turns) =
        path.find(runbook, state).and_then(|(step, slot)| of(step, slot)).ok_or_else(gone)?;
    let around = StepScope::new(runbook, state, path);
    let left: Vec<usize> = turns.left(rounds).collect();
    let remaining = Value::Array(left.iter().filter_map(|at| Some((*rounds.rounds.get(*at)?.item).clone())).collect());
    let mut keys = Vec::with_capacity(left.len());
    for at in &left {
        let Some(round) = rounds.rounds.get(*at) else { continue };
        let candidate = Candidate { item: Some((&round.item, *at)), remaining: &remaining, seen: Some(seen) };
        let scope = Layered::<dyn Scope>(&candidate, &around);
        let key = expr::eval(&next_by.by, &scope);
        keys.push(key.map_err(|error| problem(format!("`next_by` cannot be evaluated for `{}`: {error}", round.key)))?);
    }
    let name = |place: usize| left.get(place).and_then(|at| rounds.rounds.get(*at)).map(|round| round.key.clone());
    let lowest = expr::lowest(&keys).map_err(|(place, why)| {
        problem(format!("`next_by` gives no order for `{}`: {why}", name(place).unwrap_or_default()))
    })?;
    lowest.and_then(name).ok_or_else(gone)
}

/// What the `with` of the read sees beside what the loop sees.
pub fn with_remaining<T>(
    runbook: &Checked,
    state: &State,
    path: &Path,
    fill: impl FnOnce(&NextBy, &dyn Scope) -> T,
) -> Option<T> {
    let (step, slot) = path.find(runbook, state)?;
    let (_, next_by, rounds, turns) = of(step, slot)?;
    let items = turns.left(rounds).filter_map(|at| Some((*rounds.rounds.get(at)?.item).clone()));
    let remaining = Value::Array(items.collect());
    let around = StepScope::new(runbook, state, path);
    let candidates = Candidate { item: None, remaining: &remaining, seen: None };
    Some(fill(next_by, &Layered::<dyn Scope>(&candidates, &around)))
}

/// One item that could be next.
struct Candidate<'a> {
    item: Option<(&'a Value, usize)>,
    remaining: &'a Value,
    seen: Option<&'a Value>,
}

impl Scope for Candidate<'_> {
    fn resolve(&self, root: &str, _: &[Part]) -> Resolved<'_, Value> {
        let found = |value| Resolved::Found { value, used: 0 };
        match (root, self.item, self.seen) {
            ("item", Some((item, _)), _) => found(Cow::Borrowed(item)),
            ("index", Some((_, index)), _) => found(Cow::Owned(json!(index))),
            ("remaining", ..) => found(Cow::Borrowed(self.remaining)),
            ("seen", _, Some(seen)) => found(Cow::Borrowed(seen)),
            _ => Resolved::Unknown { known: vec!["remaining".to_owned()] },
        }
    }
}

/// Gives an item its turn.
pub(super) fn pick(step: &Step, slot: &mut Slot, item: &str) -> bool {
    if !is_due(step, slot, 0) {
        return false;
    }
    let Inside::Rounds(rounds) = &mut slot.inside else { return false };
    let Some(turns) = &mut rounds.turns else { return false };
    let Some(at) = rounds.rounds.iter().position(|round| round.key == item) else { return false };
    if turns.picked.contains(&at) {
        return false;
    }
    turns.picked.push(at);
    (turns.tries, turns.until) = (0, None);
    true
}

/// The choice failed: it is made again, or the loop has failed. `None` when nothing was to be chosen.
pub(super) fn fail(step: &Step, slot: &mut Slot, problem: &Problem, at: Timestamp) -> Option<Failed> {
    if !is_due(step, slot, 0) {
        return None;
    }
    let read = step.for_each.as_ref()?.next_by.as_ref()?.read.as_ref();
    let Inside::Rounds(rounds) = &mut slot.inside else { return None };
    let turns = rounds.turns.as_mut()?;
    turns.tries += 1;
    let retry = read.map(|read| read.retry).filter(|retry| problem.retryable && turns.tries < retry.attempts);
    let Some(retry) = retry else { return Some(Failed::ForGood) };
    turns.until = Some(at.plus(retry.delay_after(turns.tries)));
    slot.attempts += 1;
    Some(Failed::Again)
}

pub(super) enum Failed {
    Again,
    ForGood,
}
