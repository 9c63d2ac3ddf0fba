//! The life of an act in the state: intended, ended or unknown, looked for, stuck, settled by a person; and runs parked
//! for one.
//!
//! Pure, and a part of the table in [`super::apply`]. What should be done about an open act is said in [`super::next`].

use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::{Applied, Attempt, Effect, Problem, Timestamp};

use super::apply::{Illegal, has_ended_around, is_ending, is_in_what_tidies, is_leaf, on_step, settle};
use super::asks;
use super::path::{Path, Root, locate};
use super::state::{Intent, Slot, State, Status};
use crate::ids::Sha256;
use crate::journal::{CancelHow, Found, Key, Phase, Ruling};
use crate::runbook::checked::{Checked, Kind, Step};

/// So often an act is begun when looking at the world says each time that it did not happen.
pub const ROUNDS: u32 = 3;

/// When an act that was begun is over, whatever became of it: it started by then, and had its step's time.
pub fn over_at(step: &Step, intent: &Intent) -> Timestamp {
    let time = match &step.kind {
        Kind::Use(used) => used.time(),
        Kind::Gate(_) | Kind::Group(_) | Kind::Call(_) => std::time::Duration::ZERO,
    };
    intent.act_by.plus(time)
}

pub(super) fn intend(
    runbook: &Checked,
    state: &mut State,
    key: &Key,
    (attempt, binding, act_by): (Attempt, Sha256, Timestamp),
    at: Timestamp,
) -> Result<(), Illegal> {
    let path = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let (step, slot) = path.find(runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let once = step.is_once();
    // What is fetched again after a resume is done already and stays so.
    let renews = slot.stale && !step.destroys() && step.effect() != Effect::Read && attempt.0 == slot.attempts;
    // A `finally` may need it.
    let tidies = path.is_in_finally() || (renews && is_in_what_tidies(&path, runbook, state));
    let abandoned = state.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon);
    if abandoned || (state.phase == Phase::Steps && is_ending(state) && !tidies) {
        return Err(Illegal::Phase { kind: "intended" });
    }
    if !renews {
        if has_ended_around(&path, runbook, state) {
            return Err(Illegal::NotNext(key.clone()));
        }
        let destroys = step.destroys();
        if destroys {
            let refused = |why| Illegal::NotConfirmed { key: key.clone(), why };
            asks::may_begin(runbook, state, (&path, binding), at).map_err(refused)?;
        }
        let mine = is_mine(runbook, state, key);
        on_step(runbook, state, key, "intended", |step, slot| begin(step, slot, attempt, mine))?;
        if destroys {
            asks::use_up(runbook, state, &path);
        }
    }
    let epoch = state.epoch;
    state.intents.insert(path, Intent { attempt: attempt.0, epoch, binding, act_by, once });
    Ok(())
}

fn begin(step: &Step, slot: &mut Slot, attempt: Attempt, mine: bool) -> bool {
    let act = matches!(step.kind, Kind::Use(_)) && step.effect() != Effect::Read && is_leaf(slot);
    let free = match slot.status {
        Status::Pending | Status::Backoff { .. } => true,
        // A process died over it, and it may be done again.
        Status::Intended => !step.is_once() && !mine,
        _ => false,
    };
    let fits = act && free && attempt.0 == slot.attempts + 1;
    if fits {
        slot.status = Status::Intended;
    }
    fits
}

/// Whether the process that owns the run now began this act.
pub(super) fn is_mine(runbook: &Checked, state: &State, key: &Key) -> bool {
    let intent = || state.intents.get(&locate(key, runbook, state)?);
    !state.intents.is_empty() && intent().is_some_and(|intent| intent.epoch == state.epoch)
}

/// May a call of this step have ended well just now?
pub(super) fn may_be_done(step: &Step, slot: &Slot, mine: bool) -> bool {
    match slot.status {
        Status::Pending | Status::Backoff { .. } if step.destroys() => false,
        // The world was there already, or it is no act.
        Status::Pending | Status::Backoff { .. } => true,
        Status::Intended => mine,
        _ => false,
    }
}

/// What a failure of a leaf comes to: `Err` when it cannot be, `Ok(None)` when nobody knows what happened.
pub(super) fn failure(step: &Step, slot: &Slot, problem: &Problem, mine: bool) -> Result<Option<Problem>, ()> {
    let maybe = problem.applied == Applied::Maybe;
    match slot.status {
        Status::Unknown { .. } | Status::Stuck { .. } => Err(()),
        Status::Intended if step.is_once() && !mine => Err(()),
        Status::Intended if step.is_once() && maybe => Ok(None),
        // What a dead process began may have happened all the same.
        Status::Intended if !mine => Ok(Some(Problem { applied: Applied::Maybe, ..problem.clone() })),
        // It was not even begun, or it is only the choice of a loop's next item.
        Status::Pending | Status::Backoff { .. } | Status::Open if step.is_once() && maybe => Err(()),
        _ => Ok(Some(problem.clone())),
    }
}

/// Forgets the intent of a step whose end is known.
pub(super) fn close(runbook: &Checked, state: &mut State, key: &Key) {
    if state.intents.is_empty() {
        return;
    }
    let Some(path) = locate(key, runbook, state) else { return };
    let open = path.find(runbook, state).is_some_and(|(_, slot)| is_open(&slot.status));
    if !open {
        state.intents.remove(&path);
    }
}

fn is_open(status: &Status) -> bool {
    matches!(status, Status::Intended | Status::Unknown { .. } | Status::Stuck { .. })
}

pub(super) fn reconcile(
    runbook: &Checked,
    state: &mut State,
    key: &Key,
    attempt: Attempt,
    (verdict, evidence): (&Found, &Value),
    at: Timestamp,
) -> Result<(), Illegal> {
    let intent = locate(key, runbook, state).and_then(|path| state.intents.get(&path)).cloned();
    on_step(runbook, state, key, "reconciled", |step, slot| {
        let over = intent.as_ref().is_some_and(|intent| at >= over_at(step, intent));
        let sure = *verdict == Found::CannotTell || over;
        let Status::Unknown { problem } = &slot.status else { return false };
        if attempt.0 != slot.attempts + 1 || !sure {
            return false;
        }
        match verdict {
            Found::Done { output } => settle(slot, Status::Done(Arc::new(output.clone())), at),
            Found::NotDone if attempt.0 >= ROUNDS => settle(slot, Status::Failed(in_vain(attempt)), at),
            Found::NotDone => pending(slot),
            Found::CannotTell => {
                slot.status = Status::Stuck { problem: problem.clone(), evidence: Arc::new(evidence.clone()) };
            }
        }
        true
    })?;
    close(runbook, state, key);
    Ok(())
}

fn in_vain(attempt: Attempt) -> Problem {
    let message = format!("it was begun {} times, and each time nothing had happened afterwards", attempt.0);
    Problem::not_applied("not_done", message)
}

fn pending(slot: &mut Slot) {
    slot.attempts += 1;
    slot.status = Status::Pending;
}

pub(super) fn rule(
    runbook: &Checked,
    state: &mut State,
    key: &Key,
    (attempt, verdict): (Attempt, &Ruling),
    at: Timestamp,
) -> Result<(), Illegal> {
    on_step(runbook, state, key, "settled", |_, slot| {
        let open = matches!(slot.status, Status::Unknown { .. } | Status::Stuck { .. });
        if !open || attempt.0 != slot.attempts + 1 {
            return false;
        }
        match verdict {
            Ruling::Done { output } => settle(slot, Status::Done(Arc::new(output.clone())), at),
            Ruling::NotDone => pending(slot),
        }
        true
    })?;
    close(runbook, state, key);
    Ok(())
}

/// A run is parked when only a person can say how it goes on: what became of an act of which nothing else could tell, yes
/// or no, or what about a gate that stopped it.
pub(super) fn park(runbook: &Checked, state: &mut State) -> Result<(), Illegal> {
    let asks = state.unanswered().next().is_some() || asks::is_stopped_open(runbook, state).is_some();
    if asks && !state.has_open_act() {
        state.parked = true;
        return Ok(());
    }
    let mut stuck = state.interrupted || asks;
    for (path, _) in state.intents.iter().filter(|(_, intent)| intent.once) {
        match path.find(runbook, state).map(|(_, slot)| &slot.status) {
            Some(Status::Stuck { .. }) => stuck = true,
            Some(Status::Unknown { .. }) => {}
            _ => return Err(Illegal::Phase { kind: "parked" }),
        }
    }
    if !state.has_open_act() || !stuck {
        return Err(Illegal::Phase { kind: "parked" });
    }
    state.parked = true;
    Ok(())
}

/// A new owner cannot know what became of acts that are done once, and looks again where looking did not tell.
pub(super) fn forget_flight(runbook: &Checked, state: &mut State) {
    let once: Vec<Path> =
        state.intents.iter().filter(|(_, intent)| intent.once).map(|(path, _)| path.clone()).collect();
    for path in once {
        if path.find(runbook, state).is_none() {
            continue;
        }
        let list = match path.root {
            Root::Steps => &mut state.steps,
            Root::Finally => &mut state.finally,
        };
        let Some(slot) = super::apply::slot_at(list, &path.hops) else { continue };
        slot.status = match std::mem::replace(&mut slot.status, Status::Pending) {
            Status::Intended => Status::Unknown { problem: None },
            Status::Stuck { problem, .. } => Status::Unknown { problem },
            other => other,
        };
    }
}

/// A `finally` has such an act: it is not run anew before that is known.
pub(super) fn is_open_in_finally(state: &State) -> bool {
    state.intents.iter().any(|(path, intent)| intent.once && path.is_in_finally())
}

/// Whether such an act stands inside the step at `outer`.
pub(super) fn is_open_inside(state: &State, outer: &Path) -> bool {
    state.intents.iter().any(|(path, intent)| intent.once && path.is_inside(outer))
}

/// What is to be begun anew has not been begun.
pub(super) fn forget_what_comes_anew(runbook: &Checked, state: &mut State) {
    let mut intents = std::mem::take(&mut state.intents);
    intents.retain(|path, _| path.find(runbook, state).is_some_and(|(_, slot)| slot.status != Status::Pending));
    state.intents = intents;
}

/// Whoever abandons a run without its runbook cannot tell what may be repeated: it names too many acts rather than too
/// few.
pub(super) fn may_leave(runbook: &Checked, state: &State, unknown: &[Key]) -> bool {
    let begun = |key: &Key| {
        let Some(path) = locate(key, runbook, state) else { return was_in_a_loop(key, runbook, state) };
        let may_be = |slot: &Slot| slot.attempts > 0 || is_open(&slot.status) || path.is_in_finally();
        path.find(runbook, state).is_some_and(|(step, slot)| step.effect() != Effect::Read && may_be(slot))
    };
    left_behind(runbook, state).iter().all(|key| unknown.contains(key)) && unknown.iter().all(begun)
}

/// A `finally` that was cut begins anew, and with it a loop whose items are not known then.
fn was_in_a_loop(key: &Key, runbook: &Checked, state: &State) -> bool {
    let outer = key.as_str().split_once('[').map(|(outer, _)| Key(outer.to_owned()));
    outer.and_then(|outer| locate(&outer, runbook, state)).is_some_and(|path| path.is_in_finally())
}

/// The acts that an abandoned run leaves behind.
pub(super) fn left_behind(runbook: &Checked, state: &State) -> Vec<Key> {
    state.intents.keys().map(|path| path.key(runbook, state)).collect()
}
