//! The table of legal moves: the only way an event becomes part of a state.
//!
//! Pure. The same function serves live runs, resume, display and replay; what it refuses has no effect at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::{Attempt, Problem, Timestamp, Verdict};

use crate::journal::{CancelHow, Envelope, Epoch, Event, Item, Key, Outcome, Phase, Samples};
use crate::machine::acts;
use crate::machine::next::outcome_of;
use crate::machine::path::{Hop, Root, locate};
use crate::machine::pick::{self, Failed, is_due, pick};
use crate::machine::state::{Cancel, Front, Inside, List, Round, Rounds, Slot, Started, State, Status, Turns};
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
}

/// Adds one event to the state, or leaves the state as it was.
pub fn apply(runbook: &Checked, state: &mut State, envelope: &Envelope) -> Result<(), Illegal> {
    if envelope.ordinal != state.ordinal + 1 {
        return Err(Illegal::Order { is: envelope.ordinal, should: state.ordinal + 1 });
    }
    check_epoch(state, envelope)?;
    change(runbook, state, envelope)?;
    state.ordinal = envelope.ordinal;
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
            state.epoch = *epoch;
            state.owner = Some(owner.clone());
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
        _ if state.phase == Phase::Ended => wrong_phase,
        event if state.parked && !event.is_outside() => wrong_phase,
        Event::Interrupted => {
            // `finally` goes on all the same, and what was before it is over.
            state.interrupted |= state.phase != Phase::Finally || state.semantics() < 2;
            Ok(())
        }
        Event::Entered { phase } => enter(runbook, state, *phase),
        // Nothing new starts once the run is to end.
        Event::Opened { .. } | Event::Skipped { .. } | Event::Picked { .. }
            if state.phase == Phase::Steps && is_ending(state) =>
        {
            wrong_phase
        }
        Event::Ended { outcome } => end(runbook, state, outcome, at),
        Event::Opened { key, items } => on_step(runbook, state, key, "opened", |step, slot| open(step, slot, items)),
        Event::Picked { key, item, .. } => on_step(runbook, state, key, "picked", |step, slot| pick(step, slot, item)),
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
            on_step(runbook, state, key, "failed", |step, slot| fail(step, slot, *attempt, problem, (mine, at)))?;
            acts::close(runbook, state, key);
            Ok(())
        }
        Event::Intended { key, attempt, binding, act_by } => {
            acts::intend(runbook, state, key, (*attempt, *binding, *act_by))
        }
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
    let Event::Started { runbook, snapshot, inputs, trigger, semantics, .. } = &envelope.event else { return Ok(()) };
    if state.started.is_some() {
        return Err(Illegal::Phase { kind: "started" });
    }
    state.started = Some(Started {
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
        state.cut = false;
        state.finally = List::new(&runbook.finally);
        state.session = Slot::of_session();
        state.intents.retain(|path, _| path.root != Root::Finally);
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
        (Kind::Use(step), _) => slot.stale = step.ephemeral && matches!(slot.status, Status::Done(_)),
        (Kind::Gate(_) | Kind::Group(_), _) => {}
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
        (Phase::Steps, Phase::Finally) => ending || (state.steps.is_settled() && !session),
        (Phase::Session, Phase::Finally) => ending || state.session.status.is_settled(),
        _ => false,
    };
    if !legal {
        return Err(Illegal::Phase { kind: "entered" });
    }
    if phase == Phase::Finally {
        // Who wants to end what is over already has come too late.
        let over = state.steps.is_settled() && (!session || state.session.status.is_settled());
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
        Outcome::Abandoned { unknown } => abandoned && *unknown == acts::left_behind(runbook, state),
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
    if fits && acts::may_be_done(slot, mine) {
        settle(slot, Status::Done(Arc::new(output.clone())), at);
        return true;
    }
    false
}

fn fail(step: &Step, slot: &mut Slot, attempt: Attempt, problem: &Problem, (mine, at): (bool, Timestamp)) -> bool {
    // A group or loop fails before it begins; after that what is in it does, or the choice of its next item.
    let choice = || is_due(step, slot, 0);
    let fits = is_leaf(slot) || slot.status == Status::Pending || choice();
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
    if matches!(pick::fail(step, slot, &problem, at), Some(Failed::Again)) {
        return true;
    }
    match &step.kind {
        Kind::Use(used) if problem.retryable && attempt.0 < used.retry.attempts && is_leaf(slot) => {
            let until = at.plus(used.retry.delay_after(attempt.0));
            slot.attempts += 1;
            slot.status = Status::Backoff { until, problem };
        }
        Kind::Use(_) | Kind::Gate(_) | Kind::Group(_) => settle(slot, Status::Failed(problem), at),
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
    if rest.is_empty() { Some(slot) } else { slot_at(slot.list_mut()?, rest) }
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
    in_list(steps, list, 1, &path.hops, &not_next, &mut at_leaf)
}

type AtLeaf<'a> = dyn FnMut(&Step, &mut Slot) -> Result<(), Illegal> + 'a;

fn in_list(
    steps: &[Step],
    list: &mut List,
    width: usize,
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
    match (hop.round, &mut slot.inside) {
        (Some(at), Inside::Rounds(rounds)) => {
            let width = step.for_each.as_ref().map_or(1, |each| each.at_most as usize);
            let may_start = rounds.may_start(at, width);
            let Some(round) = rounds.rounds.get_mut(at) else { return Err(not_next.clone()) };
            if !may_start && !is_begun(&round.slot) {
                return Err(not_next.clone());
            }
            in_slot(step, &mut round.slot, rest, not_next, at_leaf)?;
            let bad = round.slot.status.is_settled() && round.slot.status.is_bad();
            rounds.advance(at, bad && step.on_error == OnError::Stop);
            rounds.front.fail(at, bad && step.on_error == OnError::Later);
            let length = rounds.rounds.len();
            // A loop whose choice failed stays failed, whatever its last rounds come to.
            if !matches!(slot.status, Status::Failed(_)) {
                slot.status = rounds.front.status(length);
            }
        }
        (None, _) => in_slot(step, slot, rest, not_next, at_leaf)?,
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
    rest: &[Hop],
    not_next: &Illegal,
    at_leaf: &mut AtLeaf<'_>,
) -> Result<(), Illegal> {
    if rest.is_empty() {
        return at_leaf(step, slot);
    }
    let (Kind::Group(group), Inside::List(list)) = (&step.kind, &mut slot.inside) else {
        return Err(not_next.clone());
    };
    in_list(&group.steps, list, group.order.width(), rest, not_next, at_leaf)?;
    slot.status = list.front.status(list.slots.len());
    Ok(())
}

impl Front {
    fn status(self, length: usize) -> Status {
        match self.broken {
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
    fn advance(&mut self, at: usize, breaks: bool) {
        let slots = &self.slots;
        self.front.advance(at, breaks, |place| slots.get(place).is_some_and(|slot| slot.status.is_settled()));
    }

    /// Is this place one of the first `width` that are not settled?
    fn may_start(&self, at: usize, width: usize) -> bool {
        self.front.reaches(at, width, |place| self.slots.get(place).is_some_and(|slot| slot.status.is_settled()))
    }
}

impl Rounds {
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
