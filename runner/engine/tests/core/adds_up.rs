//! That a state adds up: with the one before it, with the journal's books, and within itself. Drawn from the tree alone:
//! nothing here asks the core's own cursors.

use std::collections::BTreeSet;

use sluice_engine::journal::{Event, Phase, Void};
use sluice_engine::machine::path::{Path, Root};
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{State, Status};
use sluice_engine::runbook::checked::{Kind, Step};

use super::checks::{breaks, counts, hold};
use super::people::Rules;
use super::sim::{Held, Sim};
use super::{calls, confirmed};

/// What is settled stays as it is; only a renewal gives a new output, and a claim of an interrupted run a new `finally`.
pub(super) fn settled_stays(sim: &Sim<'_>, before: &State, event: &Event) -> Held {
    let claimed = matches!(event, Event::Claimed { .. });
    let asks = match event {
        Event::Voided { why, .. } => matches!(why, Void::Moved { .. } | Void::GateFailed { .. } | Void::Superseded),
        Event::Overridden { .. } => true,
        _ => claimed,
    };
    let how = How { renewed: matches!(event, Event::Renewed { .. }), claimed, amended: asks && sim.runbook.destroys() };
    let same = same_list(&sim.runbook.steps, &before.steps, &sim.state.steps, how);
    let finally = claimed || same_list(&sim.runbook.finally, &before.finally, &sim.state.finally, how);
    hold(same && finally, || format!("I3: {event:?} changed a settled step"))
}

/// What an event may change of what is settled.
#[derive(Clone, Copy)]
struct How {
    renewed: bool,
    claimed: bool,
    /// A gate, and with it how what is around it stands.
    amended: bool,
}

fn same_list(steps: &[Step], before: &List, after: &List, how: How) -> bool {
    let same = |(step, (before, after)): (&Step, (&Slot, &Slot))| same_slot(step, before, after, how);
    before.slots.len() == after.slots.len() && steps.iter().zip(before.slots.iter().zip(&after.slots)).all(same)
}

fn same_slot(step: &Step, before: &Slot, after: &Slot, how: How) -> bool {
    let How { renewed, claimed, amended } = how;
    let output = renewed && matches!((&before.status, &after.status), (Status::Done(_), Status::Done(_)));
    let gate = matches!(step.kind, Kind::Gate(_)) && matches!(before.inside, Inside::Leaf);
    let around = !matches!(before.inside, Inside::Leaf | Inside::Closed);
    let judged = |status: &Status| matches!(status, Status::Pending | Status::Done(_) | Status::Stopped { .. });
    let again = amended && ((gate && judged(&before.status) && judged(&after.status)) || around);
    let status = !before.status.is_settled() || before.status == after.status || output || again;
    let counts =
        before.attempts <= after.attempts && (!before.status.is_settled() || before.attempts == after.attempts);
    let inside = match (&before.inside, &after.inside) {
        (Inside::List(before), Inside::List(after)) => same_list(step.children(), before, after, how),
        (Inside::Call(was), Inside::Call(is)) => {
            // A run that was left gives what is still open its `finally` anew.
            let Kind::Call(call) = &step.kind else { return false };
            let (steps, last) = (&call.runbook.steps, &call.runbook.finally);
            let again = amended && matches!(before.status, Status::Broken | Status::Open);
            let anew = again || (claimed && before.status == Status::Open);
            let tidies = anew || !was.tidies || is.tidies;
            let inputs = was.inputs.is_none() || was.inputs == is.inputs;
            let finally = anew || same_list(last, &was.finally, &is.finally, how);
            inputs && tidies && finally && same_list(steps, &was.steps, &is.steps, how)
        }
        (Inside::Rounds(before), Inside::Rounds(after)) => {
            let (had, has) = (before.turns.clone().unwrap_or_default(), after.turns.clone().unwrap_or_default());
            let turns = has.picked.starts_with(&had.picked);
            let same = |(b, a): (&sluice_engine::machine::state::Round, _)| {
                let a: &sluice_engine::machine::state::Round = a;
                b.key == a.key && b.item == a.item && same_slot(step, &b.slot, &a.slot, how)
            };
            turns && before.rounds.len() == after.rounds.len() && before.rounds.iter().zip(&after.rounds).all(same)
        }
        (Inside::Closed, Inside::Rounds(_)) => true,
        (before, after) => std::mem::discriminant(before) == std::mem::discriminant(after),
    };
    status && counts && inside
}

/// A group's status follows from what is in it.
pub(super) fn statuses_add_up(sim: &Sim<'_>) -> Held {
    let lists = [(&sim.runbook.steps, &sim.state.steps), (&sim.runbook.finally, &sim.state.finally)];
    lists.iter().try_for_each(|(steps, list)| list_adds_up(steps, list))
}

pub(super) fn list_adds_up(steps: &[Step], list: &List) -> Held {
    steps.iter().zip(&list.slots).try_for_each(|(step, slot)| slot_adds_up(step, slot))
}

fn slot_adds_up(step: &Step, slot: &Slot) -> Held {
    let (broken, complete) = match &slot.inside {
        Inside::Leaf | Inside::Closed => return most_attempts(step, slot),
        Inside::Call(_) => return calls::adds_up(step, slot),
        Inside::List(list) => {
            list_adds_up(step.children(), list)?;
            let broken = list.slots.iter().zip(step.children()).any(|(slot, step)| breaks(step, slot));
            (broken, list.slots.iter().all(|slot| slot.status.is_settled()))
        }
        Inside::Rounds(rounds) => {
            rounds.rounds.iter().try_for_each(|round| slot_adds_up(step, &round.slot))?;
            let complete = rounds.rounds.iter().all(|round| round.slot.status.is_settled());
            let broken = rounds.rounds.iter().any(|round| breaks(step, &round.slot));
            let counts = rounds.rounds.iter().any(|round| counts(step, &round.slot));
            (broken || (complete && counts), complete)
        }
    };
    // What a failure ended is over once everything called in it has tidied up.
    let untidy = match &slot.inside {
        Inside::List(list) => calls::untidy(step.children(), list),
        Inside::Rounds(rounds) => rounds.rounds.iter().any(|round| calls::untidy_slot(step, &round.slot)),
        Inside::Leaf | Inside::Call(_) | Inside::Closed => false,
    };
    let fits = match &slot.status {
        Status::Pending | Status::Open if broken => untidy && slot.status == Status::Open,
        Status::Pending | Status::Open => !complete || slot.status == Status::Pending,
        Status::Complete => complete && !broken,
        Status::Broken => broken && !untidy,
        Status::Failed(_) => match &slot.inside {
            // The choice of its next item failed.
            Inside::Rounds(rounds) => rounds.turns.is_some() && !complete,
            Inside::Leaf | Inside::Closed | Inside::Call(_) | Inside::List(_) => true,
        },
        // Nobody said yes to what is in it.
        Status::Unconfirmed { .. } => step.confirm.is_some() && !matches!(slot.inside, Inside::Rounds(_)),
        Status::Skipped => !matches!(slot.inside, Inside::Rounds(_)),
        _ => false,
    };
    hold(fits, || format!("`{}` is {:?}, and what is in it says otherwise", step.id, slot.status))
}

/// The state knows of an open act when the journal does, and only then; and its status says so.
pub(super) fn books_of_acts_agree(sim: &Sim<'_>) -> Held {
    let keys: BTreeSet<_> = sim.state.intents.keys().map(|path| path.key(&sim.runbook, &sim.state)).collect();
    let open: BTreeSet<_> = sim.open.keys().cloned().collect();
    hold(keys == open, || format!("I2: {open:?} are open, and the state says {keys:?}"))?;
    let wanted =
        |_: &Step, slot: &Slot| matches!(slot.status, Status::Intended | Status::Unknown { .. } | Status::Stuck { .. });
    let wrong = leaves(sim, wanted).into_iter().find(|path| !sim.state.intents.contains_key(path));
    hold(wrong.is_none(), || format!("I2: {wrong:?} has an open status and no intent"))
}

/// After a claim nobody knows what became of the acts of earlier owners.
pub(super) fn nobody_knows(sim: &Sim<'_>) -> Held {
    let open =
        leaves(sim, |step, slot| step.is_once() && matches!(slot.status, Status::Intended | Status::Stuck { .. }));
    hold(open.is_empty(), || format!("I2: {open:?} are believed to be under way after a claim"))
}

/// Parked is what a person can end, and nothing else can.
pub(super) fn parked_for_a_reason(sim: &Sim<'_>) -> Held {
    hold(sim.next().is_empty(), || "I5: something is wanted of a parked run".into())?;
    let stuck = leaves(sim, |_, slot| matches!(slot.status, Status::Stuck { .. }));
    let unknown = leaves(sim, |_, slot| matches!(slot.status, Status::Unknown { .. }));
    let flying = leaves(sim, |step, slot| step.is_once() && slot.status == Status::Intended);
    let rules = Rules::of(&sim.log);
    let asks = confirmed::asked(&sim.log).iter().any(|one| one.waits(&rules));
    let stopped = confirmed::is_stopped_open(sim) != Some(false);
    match (asks, stopped) {
        (true, _) => sim.tally.count("parked over a question"),
        (_, true) => sim.tally.count("parked over a gate"),
        _ => {}
    }
    let act = !stuck.is_empty() || (sim.state.interrupted && !unknown.is_empty());
    let reason = act || ((asks || stopped) && unknown.is_empty());
    hold(reason && flying.is_empty(), || format!("I5: the run is parked over {unknown:?} and {flying:?}"))
}

fn most_attempts(step: &Step, slot: &Slot) -> Held {
    // Of an act that is done once, a person may say time and again that it was not done.
    let most = match &step.kind {
        _ if step.is_once() => u32::MAX,
        Kind::Use(used) => used.retry.attempts,
        // A run that it stopped is resumed time and again.
        Kind::Gate(_) => u32::MAX,
        Kind::Group(_) | Kind::Call(_) => 1,
    };
    hold(slot.attempts <= most, || format!("I3: `{}` was tried {} times of {most}", step.id, slot.attempts))
}

/// Every ephemeral step that is done: what a new process has not got.
pub(super) fn ephemeral(sim: &Sim<'_>, finally: bool) -> BTreeSet<Path> {
    let done = |step: &Step, slot: &Slot| {
        matches!(&step.kind, Kind::Use(used) if used.ephemeral) && matches!(slot.status, Status::Done(_))
    };
    let mut paths = leaves(sim, done);
    paths.extend(leaves(sim, calls::gives_what_is_gone));
    let stays = |path: &Path| finally || (path.root == Root::Steps && !calls::comes_anew(sim, path));
    paths.into_iter().filter(stays).collect()
}

/// The state calls stale what the books call gone, no more and no less.
pub(super) fn what_is_gone_is_stale(sim: &Sim<'_>) -> Held {
    let stale = leaves(sim, |_, slot| slot.stale);
    hold(stale == sim.gone, || format!("I3: {:?} are gone, and {stale:?} are stale", sim.gone))
}

fn leaves(sim: &Sim<'_>, wanted: impl Fn(&Step, &Slot) -> bool) -> BTreeSet<Path> {
    let found = super::junk::keys(sim).into_iter().filter_map(|(_, path)| path);
    found.filter(|path| path.find(&sim.runbook, &sim.state).is_some_and(|(step, slot)| wanted(step, slot))).collect()
}

/// A claimed run is on; what was interrupted goes on with its steps, and will have its `finally` anew.
pub(super) fn goes_on(sim: &Sim<'_>, over: bool) -> Held {
    let state = &sim.state;
    let fresh = || state.phase == Phase::Steps && state.finally == List::new(&sim.runbook.finally);
    // On its way out it stays while an act in a `finally` is open.
    let tidies = |path: &Path| path.root == Root::Finally || calls::is_in_finally(path);
    let out = state.intents.iter().any(|(path, intent)| intent.once && tidies(path));
    hold(state.ended.is_none() && (!state.interrupted || out) && (!over || fresh()), || {
        "I5: a claimed run does not go on".into()
    })
}
