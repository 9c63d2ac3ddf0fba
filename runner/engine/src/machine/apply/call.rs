//! The moves of a step that calls a runbook: it opens with its inputs, its `finally` begins when its steps are over or
//! are to end, and it returns.

use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::{Problem, Timestamp};

use super::{is_ending, settle};
use crate::journal::{Key, Phase};
use crate::machine::path::{Level, Path, locate, since_finally};
use crate::machine::state::{Called, Inside, List, Slot, State, Status};
use crate::machine::{acts, fill};
use crate::runbook::checked::{Call, Checked, Kind, Step};

pub(super) fn begin(slot: &mut Slot, inputs: &Value) -> bool {
    let Inside::Call(called) = &mut slot.inside else { return false };
    let fits = slot.status == Status::Pending && called.inputs.is_none();
    if fits {
        called.inputs = Some(Arc::new(inputs.clone()));
        slot.status = Status::Open;
    }
    fits
}

/// `cut`: the steps end where they are, because the run or something around them does.
pub(super) fn enter_finally(slot: &mut Slot, cut: bool) -> bool {
    let Inside::Call(called) = &mut slot.inside else { return false };
    let open = slot.status == Status::Open && !called.tidies && !called.finally.slots.is_empty();
    let fits = open && !called.steps.is_untidy() && (cut || called.steps.is_settled());
    if fits {
        called.tidies = true;
    }
    fits
}

pub(super) fn give_back(slot: &mut Slot, outputs: &Value, at: Timestamp) -> bool {
    let fits = may_return(slot);
    if fits {
        settle(slot, Status::Done(Arc::new(outputs.clone())), at);
    }
    fits
}

/// Everything in it has ended well. It fails now only when its outputs cannot be made.
pub(super) fn may_return(slot: &Slot) -> bool {
    match &slot.inside {
        Inside::Call(called) => slot.status == Status::Open && called.is_over() && called.is_well(),
        Inside::Leaf | Inside::List(_) | Inside::Rounds(_) | Inside::Closed => false,
    }
}

/// A loop whose choice has failed has failed itself once everything called in it has tidied up.
pub(super) fn waits_for_calls(slot: &mut Slot, problem: &Problem) -> bool {
    let Inside::Rounds(rounds) = &mut slot.inside else { return false };
    if !rounds.is_untidy() {
        return false;
    }
    if let Some(turns) = &mut rounds.turns {
        turns.given_up = Some(problem.clone());
        slot.attempts += 1;
    }
    true
}

impl Called {
    /// Of the step, from what is in it.
    pub(in crate::machine) fn status(&self) -> Status {
        if self.is_over() && !self.is_well() { Status::Broken } else { Status::Open }
    }
}

/// A failure beside it has ended a list or loop that it stands in.
pub(in crate::machine) fn has_ended_around(path: &Path, runbook: &Checked, state: &State) -> bool {
    let broken = |level: &Level<'_>| match &level.slot.inside {
        Inside::Rounds(rounds) => rounds.ends_early(),
        Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => false,
    };
    let levels = path.levels(runbook, state);
    since_finally(&levels).iter().any(|level| level.list.front.broken.is_some() || broken(level))
}

/// Whether a runbook that is called on the way there is at its `finally`.
pub(in crate::machine) fn is_in_what_tidies(path: &Path, runbook: &Checked, state: &State) -> bool {
    path.levels(runbook, state).iter().any(|level| match &level.round.map_or(level.slot, |round| &round.slot).inside {
        Inside::Call(called) => called.tidies,
        Inside::Leaf | Inside::List(_) | Inside::Rounds(_) | Inside::Closed => false,
    })
}

pub(super) fn is_doomed(key: &Key, runbook: &Checked, state: &State) -> bool {
    locate(key, runbook, state).is_some_and(|path| has_ended_around(&path, runbook, state))
}

/// Whether this step is to end with the run, and nothing starts in it. The `finally` of what is called runs all the same.
pub(super) fn is_to_end(key: &Key, runbook: &Checked, state: &State) -> bool {
    let ending = state.phase == Phase::Steps && is_ending(state);
    ending && locate(key, runbook, state).is_none_or(|path| !path.is_in_finally())
}

/// Whether nobody knows yet what became of an act inside this call.
pub(super) fn has_open_act(key: &Key, runbook: &Checked, state: &State) -> bool {
    let calls = |path: &Path| {
        let slot = path.find(runbook, state).map(|(_, slot)| slot);
        slot.is_some_and(|slot| matches!(slot.inside, Inside::Call(_)))
    };
    let open = |path: Path| calls(&path) && acts::is_open_inside(state, &path);
    state.has_open_act() && locate(key, runbook, state).is_some_and(open)
}

/// A run that was left on its way goes on with the steps of what is called in it, whose `finally` will come anew.
pub(in crate::machine) fn reopen(steps: &[Step], list: &mut List) {
    for (step, slot) in steps.iter().zip(&mut list.slots) {
        reopen_slot(step, slot);
    }
}

fn reopen_slot(step: &Step, slot: &mut Slot) {
    if slot.status != Status::Open {
        return;
    }
    match (&step.kind, &mut slot.inside) {
        (Kind::Group(group), Inside::List(list)) => reopen(&group.steps, list),
        (_, Inside::Rounds(rounds)) => rounds.rounds.iter_mut().for_each(|round| reopen_slot(step, &mut round.slot)),
        (Kind::Call(call), Inside::Call(called)) => {
            reopen(&call.runbook.steps, &mut called.steps);
            called.tidies = false;
            called.finally = List::new(&call.runbook.finally);
        }
        _ => {}
    }
}

/// After a claim: what the call gave is stale when a step that its outputs name is.
pub(super) fn mark_stale(call: &Call, called: &Called, status: &Status) -> bool {
    let named = fill::names_in_outputs(call);
    let mut both = call.runbook.steps.iter().zip(&called.steps.slots);
    matches!(status, Status::Done(_)) && both.any(|(step, slot)| named.contains(step.id.as_str()) && slot.is_stale())
}
