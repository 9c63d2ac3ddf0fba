//! What must hold when a run has ended, and what must hold of its journal at any time.

use sluice_engine::journal::chain::{decode, encode, version_of};
use sluice_engine::journal::{CancelHow, Envelope, Event, Key, Outcome, Phase, Version};
use sluice_engine::machine::path::{Root, locate};
use sluice_engine::machine::state::List;
use sluice_engine::machine::{InFlight, State, Status, apply, next};
use sluice_engine::runbook::checked::{Kind, Step};

use super::calls;
use super::checks::{breaks, counts};
use super::sim::{Held, Sim};

/// I5: far more turns than a run without trouble takes.
pub(super) fn most_turns(sim: &Sim<'_>) -> usize {
    let steps = sim.runbook.steps.iter().chain(&sim.runbook.finally);
    60 + 4 * steps.map(turns).sum::<usize>()
}

/// Loops have at most four items here.
fn turns(step: &Step) -> usize {
    let body = match &step.kind {
        Kind::Use(_) if step.destroys() => 90,
        Kind::Use(_) if step.is_once() => 24,
        Kind::Use(used) => 4 + 3 * used.retry.attempts as usize,
        Kind::Gate(_) => 12,
        Kind::Call(call) => {
            let inside = call.runbook.steps.iter().chain(&call.runbook.finally);
            4 + inside.map(turns).sum::<usize>()
        }
        Kind::Group(group) => 1 + group.steps.iter().map(turns).sum::<usize>(),
    };
    let choice = step.for_each.as_ref().and_then(|each| each.next_by.as_ref());
    let choice =
        choice.map_or(0, |next_by| 1 + 2 * next_by.read.as_ref().map_or(1, |read| read.retry.attempts as usize));
    if step.for_each.is_some() { 1 + 4 * (body + choice) } else { body }
}

/// The outcome follows from the steps.
pub(super) fn outcome_follows(sim: &Sim<'_>, outcome: &Outcome) -> Held {
    let state = &sim.state;
    let how = state.cancel.as_ref().map(|cancel| cancel.how);
    let well = |steps: &[Step], list: &List| {
        let mut both = steps.iter().zip(&list.slots);
        both.all(|(step, slot)| slot.status.is_settled() && !counts(step, slot))
    };
    let (steps, finally) = (well(&sim.runbook.steps, &state.steps), well(&sim.runbook.finally, &state.finally));
    let session = sim.runbook.session.is_none() || matches!(state.session.status, Status::Done(_));
    let plain = !sim.cut;
    let fits = match outcome {
        Outcome::Abandoned { unknown } => {
            how == Some(CancelHow::Abandon)
                && unknown.len() == sim.open.len()
                && unknown.iter().all(|key| sim.open.contains_key(key))
        }
        Outcome::Cancelled => sim.cut && how.is_some_and(|how| how != CancelHow::Abandon),
        Outcome::Interrupted => sim.cut && how.is_none() && state.interrupted,
        Outcome::Done => plain && steps && session && finally,
        Outcome::Failed { key } if *key == Key::session() => {
            plain && steps && matches!(state.session.status, Status::Failed(_))
        }
        Outcome::Failed { key } | Outcome::Stopped { key } | Outcome::Unconfirmed { key } => {
            let root = locate(key, &sim.runbook, state).map(|path| path.root);
            let first = root == Some(Root::Steps) || (steps && session);
            plain && first && is_culprit(sim, key, outcome)
        }
    };
    if fits { Ok(()) } else { Err(format!("the outcome {outcome:?} does not follow from the steps")) }
}

/// The step ended badly, in a way that ended all around it.
fn is_culprit(sim: &Sim<'_>, key: &Key, outcome: &Outcome) -> bool {
    let Some(path) = locate(key, &sim.runbook, &sim.state) else { return false };
    let levels = path.levels(&sim.runbook, &sim.state);
    let outward = levels.iter().all(|level| counts(level.step, level.slot));
    let own = path.find(&sim.runbook, &sim.state).map(|(_, slot)| &slot.status);
    // Where something would be destroyed, what a gate stopped stays open.
    let ends = !sim.runbook.destroys();
    let fits = match outcome {
        Outcome::Stopped { .. } => ends && matches!(own, Some(Status::Stopped { .. })),
        Outcome::Unconfirmed { .. } => matches!(own, Some(Status::Unconfirmed { .. })),
        _ => matches!(own, Some(Status::Failed(_))),
    };
    outward && fits
}

/// The table in the documentation of `run`.
pub(super) fn exit_is_documented(outcome: &Outcome) -> Held {
    let exit = match outcome.name() {
        "done" => 0,
        "failed" => 1,
        "stopped" => 3,
        "not confirmed" => 4,
        "cancelled" => 5,
        "abandoned" if matches!(outcome, Outcome::Abandoned { unknown } if !unknown.is_empty()) => 6,
        "abandoned" => 5,
        "interrupted" => 130,
        other => return Err(format!("there is no outcome `{other}`")),
    };
    if outcome.exit() == exit { Ok(()) } else { Err(format!("{outcome:?} exits with {}", outcome.exit())) }
}

/// `finally` runs whatever happened, unless the run is abandoned; and no act is left behind.
pub(super) fn finally_ran(sim: &Sim<'_>, outcome: &Outcome) -> Held {
    if let Outcome::Abandoned { unknown } = outcome {
        if !unknown.is_empty() {
            sim.tally.count("abandoned with an act open");
        }
        return Ok(());
    }
    if sim.flight.keys().any(|path| sim.acts(path)) || sim.open.keys().any(|key| sim.is_once(key)) {
        return Err("I3: the run ended before an act".into());
    }
    calls::finally_ran(sim, outcome)?;
    let entered = sim.log.iter().rev().find_map(|envelope| match envelope.event {
        Event::Entered { phase } => Some(phase),
        _ => None,
    });
    let mut both = sim.runbook.finally.iter().zip(&sim.state.finally.slots);
    let broken = both.clone().any(|(step, slot)| breaks(step, slot));
    let all = broken || both.all(|(_, slot)| slot.status.is_settled());
    if all && entered == Some(Phase::Finally) { Ok(()) } else { Err("I3: `finally` did not run to its end".into()) }
}

/// What stands behind a failure in `finally` is done all the same.
pub(super) fn finally_goes_on(sim: &Sim<'_>) {
    let mut both = sim.runbook.finally.iter().zip(&sim.state.finally.slots);
    let mut failed = both.clone().filter(|(step, slot)| counts(step, slot) && !breaks(step, slot));
    if failed.next().is_some() && both.any(|(_, slot)| !slot.status.is_settled()) {
        sim.tally.count("finally goes on behind a failure");
    }
    if !sim.cut && sim.state.phase == Phase::Finally && sim.state.cancel.is_some() {
        sim.tally.count("cancelled too late");
    }
}

/// The fold of the journal, through its stored bytes, is the live state.
pub(super) fn journal_tells_the_same(sim: &Sim<'_>) -> Held {
    let mut version = Version::START;
    let mut records = Vec::new();
    for envelope in &sim.log {
        let record = encode(envelope, version).map_err(|error| error.to_string())?;
        version = version_of(&record);
        records.push(record);
    }
    let read = decode(&records, Version::START).map_err(|error| error.to_string())?;
    if let Some((written, read)) = sim.log.iter().zip(&read).find(|(written, read)| written != read) {
        return Err(format!("the journal gives {read:?} for {written:?}"));
    }
    let mut state = State::new(&sim.runbook);
    for envelope in &read {
        apply(&sim.runbook, &mut state, envelope)
            .map_err(|illegal| format!("replay refuses {envelope:?}: {illegal}"))?;
    }
    if read.len() == sim.log.len() && state == sim.state { Ok(()) } else { Err("replay gives another state".into()) }
}

/// I6: an answer and a cancel may come in either order, and two cancels as well.
pub(super) fn a_cancel_commutes(sim: &Sim<'_>, answer: &Event, pick: u8) -> Held {
    if !pick.is_multiple_of(4) {
        return Ok(());
    }
    sim.tally.count("swapped with a cancel");
    let hows = [CancelHow::AfterStep, CancelHow::Now, CancelHow::Abandon];
    let how = |pick: u8| hows[usize::from(pick / 4) % 3];
    let cancel = |how| (None, Event::CancelAsked { how, why: String::new() });
    let own = (if answer.is_outside() { None } else { Some(sim.state.epoch) }, answer.clone());
    let events = [own, cancel(how(pick)), cancel(how(pick / 3))];
    let orders = [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0], [0, 2, 1]];
    let mut first = None;
    for order in orders {
        let mut state = sim.state.clone();
        for (ordinal, at) in (state.ordinal + 1..).zip(order) {
            let (epoch, event) = events[at].clone();
            let envelope = Envelope { ordinal, ..sim.envelope(epoch, event) };
            apply(&sim.runbook, &mut state, &envelope)
                .map_err(|illegal| format!("I6: {answer:?} is refused beside a cancel: {illegal}"))?;
        }
        let wanted = next(&sim.runbook, &state, sim.now, &InFlight::default());
        match &first {
            None => first = Some((state, wanted)),
            Some(before) if *before == (state, wanted) => {}
            Some(_) => return Err(format!("I6: the order of {answer:?} and cancels matters")),
        }
    }
    Ok(())
}
