//! Gates that a person let pass: whether one may, what they then count for, and for how long.
//!
//! Pure, and a part of the table in [`super::apply`].

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_plugin::{GateClass, Timestamp};

use super::acts;
use super::amend::{amend, go_on};
use super::apply::Illegal;
use super::asks::{Override, gate_at, gates_of, is_stopped_open, observation};
use super::path::{Path, Root, locate};
use super::state::{Inside, List, Slot, State, Status};
use crate::journal::{Event, Key};
use crate::runbook::checked::{Checked, Kind, OnError, Step};

/// An override that nobody used by then is none.
const OVERRIDE_VALID: Duration = Duration::from_secs(30 * 60);

/// An override that one of these acts would begin under is too old to count.
pub fn are_too_old(acts: &[Path], runbook: &Checked, state: &State, now: Timestamp) -> bool {
    let gates = acts.iter().filter_map(|act| gates_of(act, runbook, state)).flatten();
    gates.filter_map(|gate| state.asking.overrides.get(&gate)).any(|over| now.since(over.at) > OVERRIDE_VALID)
}

/// Whether it is a gate that somebody may let count. What looks at the data itself has to be mended.
pub fn is_overridable(runbook: &Checked, state: &State, key: &Key) -> bool {
    let path = locate(key, runbook, state);
    let step = path.as_ref().and_then(|path| path.find(runbook, state)).map(|(step, _)| step);
    step.is_some_and(|step| matches!(&step.kind, Kind::Gate(gate) if gate.class == GateClass::Evidence))
}

/// Why a gate cannot be overridden like this.
pub fn judge_override(runbook: &Checked, state: &State, event: &Event) -> Result<Path, String> {
    let Event::Overridden { key, observation: seen, by, .. } = event else { return Err("no override".to_owned()) };
    let path = locate(key, runbook, state).ok_or_else(|| format!("the run has no step `{key}`"))?;
    let Some((Step { kind: Kind::Gate(gate), .. }, slot)) = path.find(runbook, state) else {
        return Err(format!("`{key}` is no gate"));
    };
    if gate.class == GateClass::Data {
        return Err(format!("`{key}` looks at the data itself, and nobody overrides what it saw; mend that"));
    }
    let saw = observation(slot).ok_or_else(|| format!("`{key}` did not stop the run; it is {}", slot.status.name()))?;
    if !ends_its_steps(&path, runbook, state) {
        return Err(format!("`{key}` did not stop the run: the runbook went on without it"));
    }
    if saw != *seen {
        return Err(format!("`{key}` has seen something else since; look at it again"));
    }
    if is_stopped_open(runbook, state).is_none() {
        return Err("the run is not stopped by a gate and open".to_owned());
    }
    if acts::is_open_in_finally(state) {
        return Err("an act in a `finally` may have happened, and that has to be known first".to_owned());
    }
    let policy = state.asking.policy.as_ref().ok_or("nobody said who may override")?;
    policy.may_override(by, state.asking.requester.as_ref())?;
    Ok(path)
}

pub(super) fn let_pass(runbook: &Checked, state: &mut State, event: &Event, at: Timestamp) -> Result<(), Illegal> {
    let gate = judge_override(runbook, state, event).map_err(|why| Illegal::NoAnswer { why })?;
    let Event::Overridden { observation, by, why, .. } = event else { return Ok(()) };
    let mut saw = String::new();
    amend(runbook, state, &gate, |slot| {
        if let Status::Stopped { seen, verdict, why: stop } = &slot.status {
            saw = format!("{verdict}: {stop}");
            slot.status = Status::Done(seen.clone());
            slot.why = format!("{by} let it pass: {why}");
        }
    });
    go_on(runbook, state);
    let (observation, by, why) = (*observation, by.clone(), why.clone());
    let over = Override { by, why, observation, saw, at };
    state.asking.overridden.push((gate.clone(), over.clone()));
    state.asking.overrides.insert(gate, over);
    Ok(())
}

/// An override of a gate counts for one question about an act that needs it. `again`: it is judged anew before the next.
pub(super) fn use_up(runbook: &Checked, state: &mut State, act: &Path, again: bool) {
    for gate in gates_of(act, runbook, state).unwrap_or_default() {
        if state.asking.overrides.remove(&gate).is_some() && again {
            amend(runbook, state, &gate, |slot| {
                if matches!(slot.status, Status::Done(_)) {
                    slot.status = Status::Pending;
                }
            });
        }
    }
}

/// One that is too old for an act that is yet to come is forgotten, and its gate judged anew.
pub(super) fn grow_old(runbook: &Checked, state: &mut State, at: Timestamp) {
    let (needed, ahead) = still_needed(runbook, state);
    // Also one that no act needs was let pass for the act that is yet to come.
    let counts = |gate: &Path| needed.contains(gate) || (ahead && is_under_way(gate, runbook, state));
    let too_old =
        |(gate, over): (&Path, &Override)| (at.since(over.at) > OVERRIDE_VALID && counts(gate)).then(|| gate.clone());
    let old: Vec<Path> = state.asking.overrides.iter().filter_map(too_old).collect();
    for gate in old {
        state.asking.overrides.remove(&gate);
        amend(runbook, state, &gate, |slot| slot.status = Status::Pending);
    }
}

/// What did not pass there ended all that it stands in: nothing let it pass, and nothing went on behind it.
fn ends_its_steps(path: &Path, runbook: &Checked, state: &State) -> bool {
    let levels = path.levels(runbook, state);
    let broken = |slot: &Slot| matches!(slot.status, Status::Broken | Status::Open);
    let last = levels.len().saturating_sub(1);
    levels.iter().enumerate().all(|(at, level)| {
        let around = match level.round {
            Some(round) => broken(level.slot) && (at == last || broken(&round.slot)),
            None => at == last || broken(level.slot),
        };
        level.step.on_error == OnError::Stop && around
    })
}

/// Nothing that the step stands in is over.
fn is_under_way(path: &Path, runbook: &Checked, state: &State) -> bool {
    let levels = path.levels(runbook, state);
    let above = levels.split_last().map(|(_, above)| above).unwrap_or_default();
    above.iter().all(|level| !level.round.map_or(level.slot, |round| &round.slot).status.is_settled())
}

/// The gates of all acts that destroy and are not over, also of those in loops that have not opened, and whether there is
/// such an act.
fn still_needed(runbook: &Checked, state: &State) -> (BTreeSet<Path>, bool) {
    let (mut found, mut ahead) = (BTreeSet::new(), false);
    let mut need = |step: &Step, path: &Path| {
        ahead = true;
        let gates = step.needs.iter().filter_map(|need| gate_at(need.as_str(), path, runbook, state));
        found.extend(gates.flatten());
    };
    in_list(&runbook.steps, &state.steps, &Path::root(Root::Steps), &mut need);
    (found, ahead)
}

fn in_list(steps: &[Step], list: &List, path: &Path, need: &mut dyn FnMut(&Step, &Path)) {
    for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
        let path = path.child(at, None);
        match &slot.inside {
            Inside::Rounds(rounds) => {
                for (round, inner) in rounds.rounds.iter().enumerate() {
                    in_slot(step, &inner.slot, &path.in_round(round), need);
                }
            }
            _ => in_slot(step, slot, &path, need),
        }
    }
}

fn in_slot(step: &Step, slot: &Slot, path: &Path, need: &mut dyn FnMut(&Step, &Path)) {
    match (&step.kind, &slot.inside) {
        _ if slot.status.is_settled() => {}
        (Kind::Group(group), Inside::List(list)) => in_list(&group.steps, list, path, need),
        (Kind::Call(call), Inside::Call(called)) => in_list(&call.runbook.steps, &called.steps, path, need),
        (_, Inside::Closed) => step.walk().filter(|step| step.destroys()).for_each(|step| need(step, path)),
        (Kind::Use(_), Inside::Leaf) if step.destroys() => need(step, path),
        _ => {}
    }
}
