//! The table of legal moves: the only way an event becomes part of a state.
//!
//! Pure. The same function serves live runs, resume, display and replay; what it refuses has no effect at all.

mod call;

pub(super) use call::{has_ended_around, is_in_what_tidies, reopen};

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::{Attempt, Problem, Timestamp, Verdict};

use crate::journal::{CancelHow, Envelope, Epoch, Event, Item, Key, Outcome, Phase, Samples};
use crate::machine::next::outcome_of;
use crate::machine::path::{Hop, Root, locate};
use crate::machine::pick::{self, Failed, is_due, pick};
use crate::machine::state::{Cancel, Claim, Front, Inside, List, Round, Rounds, Slot, Started, State, Status, Turns};
use crate::machine::{acts, asks, lock, overrides};
use crate::runbook::checked::{Checked, Kind, OnError, Step};

/// Why an event cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    #[error("event {is} stands where event {should} should be")]
    Order { is: u64, should: u64 },
    #[error("it was written by epoch {is} of the run, whose owner is epoch {owner} by now")]
    Stale { is: u32, owner: u32 },
    #[error("a {kind} event cannot come in this phase of the run")]
    Phase { kind: &'static str },
    #[error("the run has no step `{0}`")]
    NoStep(Key),
    #[error("step `{0}` is not next")]
    NotNext(Key),
    #[error("step `{0}` is settled already")]
    Settled(Key),
    #[error("a {kind} event does not fit step `{key}`")]
    Misfit { kind: &'static str, key: Key },
    /// An answer or an override of a person that does not count.
    #[error("{why}")]
    NoAnswer { why: String },
    #[error("step `{key}` destroys, and {why}")]
    NotConfirmed { key: Key, why: &'static str },
}

/// Adds one event to the state, or leaves the state as it was.
pub fn apply(runbook: &Checked, state: &mut State, envelope: &Envelope) -> Result<(), Illegal> {
    if envelope.ordinal != state.ordinal + 1 {
        return Err(Illegal::Order { is: envelope.ordinal, should: state.ordinal + 1 });
    }
    check_epoch(state, envelope)?;
    change(runbook, state, envelope)?;
    (state.ordinal, state.at) = (envelope.ordinal, envelope.at);
    Ok(())
}

fn check_epoch(state: &State, envelope: &Envelope) -> Result<(), Illegal> {
    let is = match (&envelope.event, envelope.epoch) {
        (Event::Started { .. }, _) => return Ok(()),
        (event, None) if event.is_outside() => return Ok(()),
        (event, None) => return Err(Illegal::Phase { kind: event.kind() }),
        (Event::Claimed { epoch, .. }, Some(said)) => {
            let next = state.epoch.0 + 1;
            return if *epoch == said && said.0 == next {
                Ok(())
            } else {
                Err(Illegal::Stale { is: said.0, owner: state.epoch.0 })
            };
        }
        (_, Some(said)) => said,
    };
    if is == state.epoch && is != Epoch(0) { Ok(()) } else { Err(Illegal::Stale { is: is.0, owner: state.epoch.0 }) }
}

fn change(runbook: &Checked, state: &mut State, envelope: &Envelope) -> Result<(), Illegal> {
    let at = envelope.at;
    let wrong_phase = Err(Illegal::Phase { kind: envelope.event.kind() });
    match &envelope.event {
        Event::Started { .. } => start(state, envelope),
        _ if state.started.is_none() => wrong_phase,
        Event::Claimed { epoch, owner } => {
            if matches!(state.ended, Some((ref outcome, _)) if *outcome != Outcome::Interrupted) {
                return wrong_phase;
            }
            claim(runbook, state);
            asks::claimed(runbook, state, at);
            state.epoch = *epoch;
            state.owner = Some(owner.clone());
            state.claims.push(Claim { by: envelope.actor.clone(), at, left: state.at });
            state.parked = false;
            Ok(())
        }
        Event::CancelAsked { how, why } => {
            let reopened = matches!(state.ended, Some((Outcome::Interrupted, _)));
            if state.phase == Phase::Ended && !reopened {
                return wrong_phase;
            }
            ask_cancel(state, Cancel { how: *how, why: why.clone(), by: envelope.actor.clone() });
            Ok(())
        }
        event @ (Event::Locked { .. } | Event::Unlocked { .. } | Event::LockLost { .. }) => {
            if lock::change(runbook, state, event) { Ok(()) } else { wrong_phase }
        }
        _ if state.phase == Phase::Ended => wrong_phase,
        event @ Event::Answered { .. } => asks::answer(state, event, at),
        event @ Event::Overridden { .. } => overrides::let_pass(runbook, state, event, at),
        event if state.parked && !event.is_outside() => wrong_phase,
        Event::Interrupted => {
            // `finally` goes on all the same, and what was before it is over.
            state.interrupted |= state.phase != Phase::Finally || state.semantics() < 2;
            Ok(())
        }
        Event::Entered { phase } => enter(runbook, state, *phase),
        // Nothing new starts once the run is to end.
        Event::Opened { key, .. } | Event::Picked { key, .. } | Event::Called { key, .. } | Event::Skipped { key }
            if call::is_to_end(key, runbook, state) =>
        {
            wrong_phase
        }
        Event::Called { key, .. } if call::is_doomed(key, runbook, state) => Err(Illegal::NotNext(key.clone())),
        Event::Ended { outcome } => end(runbook, state, outcome, at),
        Event::Opened { key, items } => on_step(runbook, state, key, "opened", |step, slot| open(step, slot, items)),
        Event::Picked { key, item, .. } => on_step(runbook, state, key, "picked", |step, slot| pick(step, slot, item)),
        Event::Called { key, inputs } => on_step(runbook, state, key, "called", |_, slot| call::begin(slot, inputs)),
        Event::EnteredFinally { key } => {
            let cut = call::is_to_end(key, runbook, state) || call::is_doomed(key, runbook, state);
            let open = call::has_open_act(key, runbook, state);
            on_step(runbook, state, key, "entered_finally", |_, slot| !open && call::enter_finally(slot, cut))
        }
        Event::Returned { key, .. } | Event::Failed { key, .. } if call::has_open_act(key, runbook, state) => {
            Err(Illegal::NotNext(key.clone()))
        }
        Event::Returned { key, outputs } => {
            on_step(runbook, state, key, "returned", |_, slot| call::give_back(slot, outputs, at))
        }
        Event::Skipped { key } => on_step(runbook, state, key, "skipped", |_, slot| skip(slot, at)),
        Event::Waiting { key, until } => on_step(runbook, state, key, "waiting", |step, slot| wait(step, slot, *until)),
        Event::Done { key, attempt, output } if *key == Key::session() => {
            end_session(state, "done", *attempt, Status::Done(Arc::new(output.clone())), at)
        }
        Event::Failed { key, attempt, problem } if *key == Key::session() => {
            end_session(state, "failed", *attempt, Status::Failed(problem.clone()), at)
        }
        Event::Done { key, attempt, output } => {
            let mine = acts::is_mine(runbook, state, key);
            on_step(runbook, state, key, "done", |step, slot| done(step, slot, *attempt, output, (mine, at)))?;
            acts::close(runbook, state, key);
            Ok(())
        }
        Event::Failed { key, attempt, problem } => {
            let mine = acts::is_mine(runbook, state, key);
            let unasked = asks::may_fail_to_ask(runbook, state, key);
            let how = (mine, unasked, at);
            on_step(runbook, state, key, "failed", |step, slot| fail(step, slot, *attempt, problem, how))?;
            asks::forget_checks_of(runbook, state, key);
            acts::close(runbook, state, key);
            Ok(())
        }
        Event::Intended { key, attempt, binding, act_by } => {
            acts::intend(runbook, state, key, (*attempt, *binding, *act_by), at)
        }
        Event::Ruled { policy, requester } => asks::rule(state, policy, requester.as_ref()),
        event @ Event::Asked { .. } => asks::ask(runbook, state, event, at),
        Event::Voided { ask, key, why } => asks::void(runbook, state, (*ask, key, why), at),
        Event::Rebound { ask, key, binding, .. } => asks::rebound(runbook, state, (*ask, key, *binding)),
        Event::Rejudged { ask, key, gate, samples, .. } => asks::rejudged(runbook, state, (*ask, key, gate), samples),
        Event::LookedLast { ask, key, looks } => asks::looked_last(runbook, state, (*ask, key, looks), at),
        Event::Reconciled { key, attempt, verdict, evidence } => {
            acts::reconcile(runbook, state, key, *attempt, (verdict, evidence), at)
        }
        Event::Settled { key, attempt, verdict, .. } => acts::rule(runbook, state, key, (*attempt, verdict), at),
        Event::Parked => acts::park(runbook, state),
        Event::Judged { key, verdict, why, samples, seen } => {
            on_step(runbook, state, key, "judged", |step, slot| judge(step, slot, (*verdict, why, seen), samples, at))
        }
        Event::Renewed { key, output } => renew(runbook, state, key, output),
    }
}

fn start(state: &mut State, envelope: &Envelope) -> Result<(), Illegal> {
    let Event::Started { run, runbook, snapshot, inputs, trigger, semantics } = &envelope.event else { return Ok(()) };
    if state.started.is_some() {
        return Err(Illegal::Phase { kind: "started" });
    }
    state.started = Some(Started {
        run: run.clone(),
        runbook: runbook.clone(),
        snapshot: *snapshot,
        inputs: Arc::new(inputs.clone()),
        trigger: *trigger,
        semantics: *semantics,
        at: envelope.at,
        by: envelope.actor.clone(),
    });
    Ok(())
}

/// A new owner: waits begin anew (safe: only stricter), and what lived in the old process is gone.
fn claim(runbook: &Checked, state: &mut State) {
    acts::forget_flight(runbook, state);
    // A process that died on its way out of an interrupted run leaves it as one that got there.
    let left = state.interrupted && state.cancel.is_none();
    // But it has not got there while nobody knows what its `finally` has done.
    let goes_out = left && acts::is_open_in_finally(state);
    if !goes_out && (state.ended.take().is_some() || left) {
        state.phase = Phase::Steps;
        call::reopen(&runbook.steps, &mut state.steps);
        state.cut = false;
        state.finally = List::new(&runbook.finally);
        state.session = Slot::of_session();
        acts::forget_what_comes_anew(runbook, state);
    }
    state.interrupted = goes_out;
    if state.epoch != Epoch(0) {
        mark_stale(&runbook.steps, &mut state.steps);
        mark_stale(&runbook.finally, &mut state.finally);
    }
}

fn mark_stale(steps: &[Step], list: &mut List) {
    for (step, slot) in steps.iter().zip(&mut list.slots) {
        mark_slot(step, slot);
    }
}

fn mark_slot(step: &Step, slot: &mut Slot) {
    match (&step.kind, &mut slot.inside) {
        (Kind::Group(group), Inside::List(list)) => mark_stale(&group.steps, list),
        (_, Inside::Rounds(rounds)) => rounds.rounds.iter_mut().for_each(|round| mark_slot(step, &mut round.slot)),
        (Kind::Call(call), Inside::Call(called)) => {
            mark_stale(&call.runbook.steps, &mut called.steps);
            mark_stale(&call.runbook.finally, &mut called.finally);
            slot.stale = call::mark_stale(call, called, &slot.status);
        }
        (Kind::Use(step), _) => slot.stale = step.ephemeral && matches!(slot.status, Status::Done(_)),
        (Kind::Gate(_) | Kind::Group(_) | Kind::Call(_), _) => {}
    }
}

/// A later wish may only be more urgent than the one before.
fn ask_cancel(state: &mut State, wish: Cancel) {
    let urgency = |how| match how {
        CancelHow::AfterStep => 1,
        CancelHow::Now => 2,
        CancelHow::Abandon => 3,
    };
    let before = state.cancel.as_ref().map_or(0, |cancel| urgency(cancel.how));
    if urgency(wish.how) > before {
        state.cancel = Some(wish);
    }
}

fn enter(runbook: &Checked, state: &mut State, phase: Phase) -> Result<(), Illegal> {
    let ending = is_ending(state);
    let session = runbook.session.is_some() && state.steps.front.broken.is_none();
    let legal = match (state.phase, phase) {
        _ if state.has_open_act() => false,
        (Phase::Steps, Phase::Session) => session && !ending && state.steps.is_settled(),
        (Phase::Steps, Phase::Finally) => {
            let stays_open = asks::is_stopped_open(runbook, state).is_some();
            (ending && !state.steps.is_untidy()) || (state.steps.is_settled() && !session && !stays_open)
        }
        (Phase::Session, Phase::Finally) => ending || state.session.status.is_settled(),
        _ => false,
    };
    if !legal {
        return Err(Illegal::Phase { kind: "entered" });
    }
    if phase == Phase::Finally {
        // Who wants to end what is over already has come too late; what only a gate stopped stays open.
        let stopped = asks::stopped_by(runbook, state).is_some();
        let over = state.steps.is_settled() && !stopped && (!session || state.session.status.is_settled());
        state.cut = ending && !over;
        state.interrupted &= state.cut || state.semantics() < 2;
    }
    state.phase = phase;
    Ok(())
}

pub(super) fn is_ending(state: &State) -> bool {
    state.cancel.is_some() || state.interrupted
}

/// The outcome is the one that follows from the state: an end that was decided before a cancel does not count.
fn end(runbook: &Checked, state: &mut State, outcome: &Outcome, at: Timestamp) -> Result<(), Illegal> {
    let abandoned = state.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon);
    let over = state.phase == Phase::Finally && state.finally.is_settled() && !state.has_open_act();
    let legal = match outcome {
        Outcome::Abandoned { unknown } => abandoned && acts::may_leave(runbook, state, unknown),
        other if state.semantics() < 2 => !abandoned && ended_as_before(runbook, state, other),
        other => over && !abandoned && *other == outcome_of(runbook, state),
    };
    if !legal {
        return Err(Illegal::Phase { kind: "ended" });
    }
    state.phase = Phase::Ended;
    state.ended = Some((outcome.clone(), at));
    Ok(())
}

/// The ends that a run could come to under the rules of [`SEMANTICS`](crate::machine::SEMANTICS) 1.
fn ended_as_before(runbook: &Checked, state: &State, outcome: &Outcome) -> bool {
    let over = state.finally.is_settled() || state.finally.front.failed.is_some();
    let outcome_fits = match outcome {
        Outcome::Cancelled => state.cancel.is_some(),
        Outcome::Interrupted => state.interrupted,
        other => *other == outcome_of(runbook, state),
    };
    state.phase == Phase::Finally && over && outcome_fits
}

fn end_session(
    state: &mut State,
    kind: &'static str,
    attempt: Attempt,
    status: Status,
    at: Timestamp,
) -> Result<(), Illegal> {
    let slot = &state.session;
    if state.phase != Phase::Session || slot.status.is_settled() || attempt.0 != slot.attempts + 1 {
        return Err(Illegal::Misfit { kind, key: Key::session() });
    }
    settle(&mut state.session, status, at);
    Ok(())
}

fn open(step: &Step, slot: &mut Slot, items: &[Item]) -> bool {
    let keys: BTreeSet<&str> = items.iter().map(|item| item.key.as_str()).collect();
    let Some(each) = &step.for_each else { return false };
    if !matches!(slot.inside, Inside::Closed) || keys.len() != items.len() {
        return false;
    }
    let round =
        |item: &Item| Round { key: item.key.clone(), item: Arc::new(item.value.clone()), slot: Slot::of_round(step) };
    let turns = each.next_by.as_ref().map(|_| Turns::default());
    let rounds = items.iter().map(round).collect();
    slot.inside = Inside::Rounds(Box::new(Rounds { rounds, front: Front::default(), turns }));
    slot.status = if items.is_empty() { Status::Complete } else { Status::Open };
    true
}

/// Only what has not begun is skipped.
fn skip(slot: &mut Slot, at: Timestamp) -> bool {
    let fits = slot.status == Status::Pending;
    if fits {
        settle(slot, Status::Skipped, at);
    }
    fits
}

/// The deadline of a gate is fixed once.
fn wait(step: &Step, slot: &mut Slot, until: Timestamp) -> bool {
    let fits = matches!(step.kind, Kind::Gate(_)) && is_leaf(slot) && slot.status == Status::Pending;
    if fits {
        slot.status = Status::Waiting { until };
    }
    fits
}

/// `mine`: the owner of the run has begun it as an act.
fn done(step: &Step, slot: &mut Slot, attempt: Attempt, output: &Value, (mine, at): (bool, Timestamp)) -> bool {
    let fits = matches!(step.kind, Kind::Use(_)) && is_leaf(slot) && attempt.0 == slot.attempts + 1;
    if fits && acts::may_be_done(step, slot, mine) {
        settle(slot, Status::Done(Arc::new(output.clone())), at);
        return true;
    }
    false
}

/// `mine`: the owner of the run has begun it as an act. `unasked`: people cannot be asked for what is in it.
fn fail(
    step: &Step,
    slot: &mut Slot,
    attempt: Attempt,
    problem: &Problem,
    (mine, unasked, at): (bool, bool, Timestamp),
) -> bool {
    // A group or loop fails before it begins; after that what is in it does, or the choice of its next item, or the
    // question that is put anew. A call may fail when it returns.
    let choice = || is_due(step, slot, 0);
    let fits = is_leaf(slot) || slot.status == Status::Pending || call::may_return(slot) || unasked || choice();
    if !fits || attempt.0 != slot.attempts + 1 {
        return false;
    }
    let problem = match acts::failure(step, slot, problem, mine) {
        Ok(Some(problem)) => problem,
        Ok(None) => {
            slot.status = Status::Unknown { problem: Some(problem.clone()) };
            return true;
        }
        Err(()) => return false,
    };
    match pick::fail(step, slot, &problem, at) {
        Some(Failed::Again) => return true,
        Some(Failed::ForGood) if call::waits_for_calls(slot, &problem) => return true,
        Some(Failed::ForGood) | None => {}
    }
    if step.destroys() && slot.status == Status::Intended && problem.retryable && attempt.0 < acts::ROUNDS {
        // Nothing was done: the whole road again, with a new question.
        slot.attempts += 1;
        slot.status = Status::Pending;
        return true;
    }
    match &step.kind {
        Kind::Use(used) if problem.retryable && attempt.0 < used.retry.attempts && is_leaf(slot) => {
            let until = at.plus(used.retry.delay_after(attempt.0));
            slot.attempts += 1;
            slot.status = Status::Backoff { until, problem };
        }
        Kind::Use(_) | Kind::Gate(_) | Kind::Group(_) | Kind::Call(_) => settle(slot, Status::Failed(problem), at),
    }
    true
}

fn judge(
    step: &Step,
    slot: &mut Slot,
    (verdict, why, seen): (Verdict, &str, &Value),
    samples: &Samples,
    at: Timestamp,
) -> bool {
    if !matches!(step.kind, Kind::Gate(_)) || !is_leaf(slot) {
        return false;
    }
    let seen = Arc::new(seen.clone());
    slot.samples = Some(samples.clone());
    slot.why = if verdict == Verdict::Pass { why.to_owned() } else { String::new() };
    settle(
        slot,
        match verdict {
            Verdict::Pass => Status::Done(seen),
            Verdict::Fail | Verdict::Inconclusive => Status::Stopped { verdict, why: why.to_owned(), seen },
        },
        at,
    );
    true
}

pub(super) fn is_leaf(slot: &Slot) -> bool {
    matches!(slot.inside, Inside::Leaf)
}

pub(super) fn settle(slot: &mut Slot, status: Status, at: Timestamp) {
    slot.attempts += 1;
    slot.status = status;
    slot.ended = Some(at);
}

fn renew(runbook: &Checked, state: &mut State, key: &Key, output: &Value) -> Result<(), Illegal> {
    let misfit = || Illegal::Misfit { kind: "renewed", key: key.clone() };
    let path = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let list = match path.root {
        Root::Steps => &mut state.steps,
        Root::Finally => &mut state.finally,
    };
    let slot = slot_at(list, &path.hops).filter(|slot| slot.stale).ok_or_else(misfit)?;
    slot.stale = false;
    slot.status = Status::Done(Arc::new(output.clone()));
    acts::close(runbook, state, key);
    Ok(())
}

pub(super) fn slot_at<'a>(list: &'a mut List, hops: &[Hop]) -> Option<&'a mut Slot> {
    let (hop, rest) = hops.split_first()?;
    let slot = list.slots.get_mut(hop.at)?;
    let slot = match hop.round {
        Some(round) => slot.round_mut(round)?,
        None => slot,
    };
    if rest.is_empty() { Some(slot) } else { slot_at(slot.list_mut(hop.finally)?, rest) }
}

/// Finds the step, checks that its turn has come, changes it, and carries the news outwards.
pub(super) fn on_step(
    runbook: &Checked,
    state: &mut State,
    key: &Key,
    kind: &'static str,
    change: impl FnOnce(&Step, &mut Slot) -> bool,
) -> Result<(), Illegal> {
    let path = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let (steps, list, phase) = match path.root {
        Root::Steps => (&runbook.steps, &mut state.steps, Phase::Steps),
        Root::Finally => (&runbook.finally, &mut state.finally, Phase::Finally),
    };
    if state.phase != phase {
        return Err(Illegal::Phase { kind });
    }
    let mut change = Some(change);
    let mut at_leaf = |step: &Step, slot: &mut Slot| {
        if slot.status.is_settled() {
            return Err(Illegal::Settled(key.clone()));
        }
        let fits = change.take().is_some_and(|change| change(step, slot));
        if fits { Ok(()) } else { Err(Illegal::Misfit { kind, key: key.clone() }) }
    };
    let not_next = Illegal::NotNext(key.clone());
    in_list(steps, list, (1, false), &path.hops, &not_next, &mut at_leaf)
}

type AtLeaf<'a> = dyn FnMut(&Step, &mut Slot) -> Result<(), Illegal> + 'a;

fn in_list(
    steps: &[Step],
    list: &mut List,
    (width, late): (usize, bool),
    hops: &[Hop],
    not_next: &Illegal,
    at_leaf: &mut AtLeaf<'_>,
) -> Result<(), Illegal> {
    let Some((hop, rest)) = hops.split_first() else { return Err(not_next.clone()) };
    let may_start = list.may_start(hop.at, width);
    let (Some(step), Some(slot)) = (steps.get(hop.at), list.slots.get_mut(hop.at)) else {
        return Err(not_next.clone());
    };
    if !may_start && !is_begun(slot) {
        return Err(not_next.clone());
    }
    let late = late || (!may_start && !slot.status.is_settled());
    match (hop.round, &mut slot.inside) {
        (Some(at), Inside::Rounds(rounds)) => {
            let width = step.for_each.as_ref().map_or(1, |each| each.at_most as usize);
            let may_start = rounds.may_start(at, width);
            let Some(round) = rounds.rounds.get_mut(at) else { return Err(not_next.clone()) };
            if !may_start && !is_begun(&round.slot) {
                return Err(not_next.clone());
            }
            in_slot(step, &mut round.slot, (*hop, rest, late), not_next, at_leaf)?;
            let bad = round.slot.status.is_settled() && round.slot.status.is_bad();
            rounds.advance(at, bad && step.on_error == OnError::Stop);
            rounds.front.fail(at, bad && step.on_error == OnError::Later);
            // A loop whose choice failed stays failed, whatever its last rounds come to.
            if !matches!(slot.status, Status::Failed(_)) {
                slot.status = rounds.status();
            }
        }
        (None, _) => in_slot(step, slot, (*hop, rest, late), not_next, at_leaf)?,
        (Some(_), _) => return Err(not_next.clone()),
    }
    let bad = slot.status.is_bad();
    list.advance(hop.at, bad && step.on_error == OnError::Stop);
    list.front.fail(hop.at, bad && step.on_error == OnError::Later);
    Ok(())
}

/// A group or loop that has begun, perhaps settled since: an act that was started in it ends when it ends. And that act.
fn is_begun(slot: &Slot) -> bool {
    let act = matches!(slot.status, Status::Intended | Status::Unknown { .. } | Status::Stuck { .. });
    let choice_failed = matches!((&slot.status, &slot.inside), (Status::Failed(_), Inside::Rounds(_)));
    act || choice_failed || matches!(slot.status, Status::Open | Status::Broken | Status::Complete)
}

fn in_slot(
    step: &Step,
    slot: &mut Slot,
    (hop, rest, late): (Hop, &[Hop], bool),
    not_next: &Illegal,
    at_leaf: &mut AtLeaf<'_>,
) -> Result<(), Illegal> {
    if rest.is_empty() {
        // In what has begun, and waits behind a gate that is judged anew, only what is under way goes on.
        if late && !is_begun(slot) {
            return Err(not_next.clone());
        }
        return at_leaf(step, slot);
    }
    // What was skipped, or is done, takes nothing up any more.
    if slot.status.is_settled() && !is_begun(slot) {
        return Err(not_next.clone());
    }
    slot.status = match (&step.kind, &mut slot.inside) {
        (Kind::Group(group), Inside::List(list)) => {
            in_list(&group.steps, list, (group.order.width(), late), rest, not_next, at_leaf)?;
            list.status()
        }
        // Its steps have their turn, and after them its `finally`.
        (Kind::Call(call), Inside::Call(called)) if called.inputs.is_some() && called.tidies == hop.finally => {
            let steps = if hop.finally { &call.runbook.finally } else { &call.runbook.steps };
            // On the way out whatever has begun tidies up.
            in_list(steps, called.list_mut(hop.finally), (1, late && !hop.finally), rest, not_next, at_leaf)?;
            called.status()
        }
        _ => return Err(not_next.clone()),
    };
    Ok(())
}

impl Front {
    /// `untidy`: something called in it has not tidied up.
    fn status(self, length: usize, untidy: impl Fn() -> bool) -> Status {
        match self.broken {
            Some(_) if untidy() => Status::Open,
            Some(_) => Status::Broken,
            None if self.cursor >= length && self.failed.is_some() => Status::Broken,
            None if self.cursor >= length => Status::Complete,
            None => Status::Open,
        }
    }

    /// The place that ended the whole gives nobody a turn: what follows it had none before, and has none now.
    fn reaches(self, at: usize, width: usize, settled: impl Fn(usize) -> bool) -> bool {
        let open = |place: &usize| !settled(*place) || self.broken == Some(*place);
        at >= self.cursor && (self.cursor..at).filter(open).count() < width
    }

    fn fail(&mut self, at: usize, counts: bool) {
        if counts {
            self.failed.get_or_insert(at);
        }
    }

    /// `settled` tells of each place whether it is settled.
    fn advance(&mut self, at: usize, breaks: bool, settled: impl Fn(usize) -> bool) {
        if breaks {
            self.broken.get_or_insert(at);
            return;
        }
        while self.broken != Some(self.cursor) && settled(self.cursor) {
            self.cursor += 1;
        }
    }
}

impl List {
    pub(super) fn status(&self) -> Status {
        self.front.status(self.slots.len(), || self.is_untidy())
    }

    fn advance(&mut self, at: usize, breaks: bool) {
        let slots = &self.slots;
        self.front.advance(at, breaks, |place| slots.get(place).is_some_and(|slot| slot.status.is_settled()));
    }

    /// Is this place one of the first `width` that are not settled?
    pub(super) fn may_start(&self, at: usize, width: usize) -> bool {
        self.front.reaches(at, width, |place| self.slots.get(place).is_some_and(|slot| slot.status.is_settled()))
    }
}

impl Rounds {
    pub(super) fn status(&self) -> Status {
        match self.given_up() {
            Some(problem) if !self.is_untidy() => Status::Failed(problem.clone()),
            Some(_) => Status::Open,
            None => self.front.status(self.rounds.len(), || self.is_untidy()),
        }
    }

    fn advance(&mut self, at: usize, breaks: bool) {
        let rounds = &self.rounds;
        self.front.advance(at, breaks, |place| rounds.get(place).is_some_and(|round| round.slot.status.is_settled()));
    }

    fn may_start(&self, at: usize, width: usize) -> bool {
        if let Some(turns) = &self.turns {
            return turns.picked.contains(&at);
        }
        self.front
            .reaches(at, width, |place| self.rounds.get(place).is_some_and(|round| round.slot.status.is_settled()))
    }
}
