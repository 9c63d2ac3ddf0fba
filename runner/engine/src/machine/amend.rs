//! A step that was over and is not any more: a gate that passed and did not pass again, or that stopped a run and is
//! judged anew. What stands around it is counted anew from what is in it.
//!
//! Everything else moves forwards only, and in `apply`.

use super::path::{Hop, Path, Root};
use super::state::{Called, Front, Inside, List, Rounds, Slot, State, Status};
use crate::runbook::checked::{Call, Checked, Kind, OnError, Step};

/// Changes the slot at `path`, and the standing of all around it.
pub(super) fn amend(runbook: &Checked, state: &mut State, path: &Path, change: impl FnOnce(&mut Slot)) {
    let (steps, list) = match path.root {
        Root::Steps => (&*runbook.steps, &mut state.steps),
        Root::Finally => (&*runbook.finally, &mut state.finally),
    };
    let mut change = Some(change);
    in_list(steps, list, &path.hops, &mut |slot| {
        if let Some(change) = change.take() {
            change(slot);
        }
    });
    super::acts::forget_what_comes_anew(runbook, state);
}

/// Every gate that ended the steps waits to be judged again. What a failure was let pass for stays as it is.
pub(super) fn judge_anew(runbook: &Checked, state: &mut State) {
    reset_list(&runbook.steps, &mut state.steps);
    go_on(runbook, state);
}

/// Nothing ends the steps any more: what was called beside it, and cut, goes on as well.
pub(super) fn go_on(runbook: &Checked, state: &mut State) {
    if state.steps.front.broken.is_none() {
        super::apply::reopen(&runbook.steps, &mut state.steps);
    }
    super::acts::forget_what_comes_anew(runbook, state);
}

fn in_list(steps: &[Step], list: &mut List, hops: &[Hop], change: &mut dyn FnMut(&mut Slot)) {
    let Some((hop, rest)) = hops.split_first() else { return };
    let (Some(step), Some(slot)) = (steps.get(hop.at), list.slots.get_mut(hop.at)) else { return };
    match (hop.round, &mut slot.inside) {
        (Some(round), Inside::Rounds(rounds)) => {
            if let Some(round) = rounds.rounds.get_mut(round) {
                in_slot(step, &mut round.slot, (*hop, rest), change);
            }
            recount_rounds(step, rounds);
            slot.status = rounds.status();
        }
        _ => in_slot(step, slot, (*hop, rest), change),
    }
    recount(steps, list);
}

fn in_slot(step: &Step, slot: &mut Slot, (hop, rest): (Hop, &[Hop]), change: &mut dyn FnMut(&mut Slot)) {
    if rest.is_empty() {
        return change(slot);
    }
    match (&step.kind, &mut slot.inside) {
        (Kind::Group(group), Inside::List(list)) => {
            in_list(&group.steps, list, rest, change);
            slot.status = list.status();
        }
        (Kind::Call(call), Inside::Call(called)) => {
            let steps = if hop.finally { &call.runbook.finally } else { &call.runbook.steps };
            in_list(steps, called.list_mut(hop.finally), rest, change);
            tidy_again(call, called);
            slot.status = called.status();
        }
        _ => {}
    }
}

fn reset_list(steps: &[Step], list: &mut List) {
    for (step, slot) in steps.iter().zip(&mut list.slots).filter(|(step, _)| step.on_error == OnError::Stop) {
        reset(step, slot);
    }
    recount(steps, list);
}

fn reset(step: &Step, slot: &mut Slot) {
    match (&step.kind, &mut slot.inside) {
        (_, Inside::Rounds(rounds)) if matches!(slot.status, Status::Broken | Status::Open) => {
            rounds.rounds.iter_mut().for_each(|round| reset(step, &mut round.slot));
            recount_rounds(step, rounds);
            slot.status = rounds.status();
        }
        (Kind::Group(group), Inside::List(list)) if matches!(slot.status, Status::Broken | Status::Open) => {
            reset_list(&group.steps, list);
            slot.status = list.status();
        }
        (Kind::Call(call), Inside::Call(called)) if matches!(slot.status, Status::Broken | Status::Open) => {
            reset_list(&call.runbook.steps, &mut called.steps);
            tidy_again(call, called);
            slot.status = called.status();
        }
        (Kind::Gate(_), _) if matches!(slot.status, Status::Stopped { .. }) => {
            slot.status = Status::Pending;
        }
        _ => {}
    }
}

/// What ended its steps does not any more: they go on, and its `finally` runs again at its end.
fn tidy_again(call: &Call, called: &mut Called) {
    if called.steps.front.broken.is_none() && !called.steps.is_settled() {
        called.tidies = false;
        called.finally = List::new(&call.runbook.finally);
    }
}

fn recount(steps: &[Step], list: &mut List) {
    let stands = |at: usize| Some((steps.get(at)?.on_error, &list.slots.get(at)?.status));
    list.front = front(list.slots.len(), stands);
}

fn recount_rounds(step: &Step, rounds: &mut Rounds) {
    let stands = |at: usize| Some((step.on_error, &rounds.rounds.get(at)?.slot.status));
    rounds.front = front(rounds.rounds.len(), stands);
}

fn front<'a>(length: usize, stands: impl Fn(usize) -> Option<(OnError, &'a Status)>) -> Front {
    let bad = |wanted: OnError| {
        (0..length).find(|at| stands(*at).is_some_and(|(on_error, status)| status.is_bad() && on_error == wanted))
    };
    let settled = |at: &usize| stands(*at).is_some_and(|(_, status)| status.is_settled());
    let (broken, failed) = (bad(OnError::Stop), bad(OnError::Later));
    let open = (0..length).find(|at| !settled(at)).unwrap_or(length);
    Front { cursor: broken.map_or(open, |broken| broken.min(open)), broken, failed }
}
