//! Events that cannot be: of another owner, out of turn, of unknown steps, in the wrong phase. Each must be refused.

use serde_json::json;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{
    CancelHow, Envelope, Epoch, Event, Found, Item, Key, Outcome, Owner, Phase, Samples, Trigger,
};
use sluice_engine::machine::path::{Path, Root};
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{Illegal, Status, apply, is_act};
use sluice_engine::runbook::checked::{Kind, Step};
use sluice_plugin::{Applied, Attempt, Problem, Verdict};

use super::checks::{breaks, left, out_of_turn};
use super::ends::outcome_follows;
use super::sim::{Held, Sim};

/// I4: what would be fine but for its epoch.
pub(super) fn stale(sim: &Sim<'_>, pick: u8) -> Held {
    let epoch = sim.state.epoch.0;
    let wrong = match pick % 4 {
        0 => Some(Epoch(epoch - 1)),
        1 => Some(Epoch(0)),
        2 => Some(Epoch(epoch + 1)),
        _ => None,
    };
    let key = sim.flight.keys().nth(usize::from(pick / 4) % sim.flight.len().max(1));
    let event = match key.map(|path| (path.key(&sim.runbook, &sim.state), path)) {
        Some((key, path)) => {
            let attempts = path.find(&sim.runbook, &sim.state).map_or(0, |(_, slot)| slot.attempts);
            match pick / 4 % 3 {
                0 if pick.is_multiple_of(2) => intended(key, Attempt(attempts + 1)),
                0 => Event::Done { key, attempt: Attempt(attempts + 1), output: json!(1) },
                1 => Event::Renewed { key, output: json!(1) },
                _ => judged(key),
            }
        }
        None => Event::Interrupted,
    };
    sim.refuse("I4", &sim.envelope(wrong, event))?;
    let owner = Owner { host: "there".into(), pid: 1, started: String::new() };
    let claims = [(epoch, epoch), (epoch + 2, epoch + 2), (epoch + 1, epoch), (epoch, epoch + 1), (0, 0)];
    for (is, said) in claims {
        let claim = Event::Claimed { epoch: Epoch(is), owner: owner.clone() };
        sim.refuse("I4", &sim.envelope(Some(Epoch(said)), claim))?;
    }
    let late = Envelope { ordinal: sim.state.ordinal, ..sim.envelope(None, cancel()) };
    sim.refuse("I4", &late)?;
    sim.refuse("I4", &Envelope { ordinal: late.ordinal + 2, ..late })?;
    let interrupted = sim.envelope(Some(Epoch(epoch - 1)), Event::Interrupted);
    let mut state = sim.state.clone();
    sim.tally.count("stale writer refused");
    match apply(&sim.runbook, &mut state, &interrupted) {
        Err(Illegal::Stale { .. }) => Ok(()),
        other => Err(format!("I4: a stale interrupt gives {other:?}")),
    }
}

/// After the end nothing is accepted; an interrupted run may be claimed, and cancelled before that.
pub(super) fn nothing_after_the_end(sim: &Sim<'_>, outcome: &Outcome) -> Held {
    let epoch = sim.state.epoch;
    let next = Epoch(epoch.0 + 1);
    let open = *outcome == Outcome::Interrupted;
    let owner = Owner { host: "there".into(), pid: 1, started: String::new() };
    let mut events = vec![
        (Some(epoch), Event::Interrupted),
        (Some(epoch), Event::Entered { phase: Phase::Finally }),
        (Some(epoch), Event::Ended { outcome: outcome.clone() }),
    ];
    if !open {
        events.push((None, cancel()));
        events.push((Some(next), Event::Claimed { epoch: next, owner }));
    }
    for (key, _) in keys(sim) {
        events.push((Some(epoch), Event::Done { key: key.clone(), attempt: Attempt(1), output: json!(1) }));
        events.push((Some(epoch), Event::Renewed { key, output: json!(1) }));
    }
    events.into_iter().try_for_each(|(epoch, event)| sim.refuse("I7: after the end", &sim.envelope(epoch, event)))
}

fn cancel() -> Event {
    Event::CancelAsked { how: CancelHow::Now, why: "late".into() }
}

fn intended(key: Key, attempt: Attempt) -> Event {
    Event::Intended { key, attempt, binding: Sha256::ZERO, act_by: sluice_plugin::Timestamp(1) }
}

fn found(key: Key, attempt: Attempt, verdict: Found) -> Event {
    Event::Reconciled { key, attempt, verdict, evidence: json!(1) }
}

fn judged(key: Key) -> Event {
    let at = sluice_plugin::Timestamp(1);
    let samples = Samples { count: 1, flips: 0, first: at, last: at };
    Event::Judged { key, verdict: Verdict::Pass, why: String::new(), samples, seen: json!(1) }
}

/// I7: a handful of events, those of them that cannot be.
pub(super) fn junk(sim: &Sim<'_>, pick: u16) -> Held {
    let keys = keys(sim);
    let pick = usize::from(pick);
    // What is in flight is where something could go wrong first.
    let begun = sim.flight.keys().nth(pick % sim.flight.len().max(1));
    let begun = begun.map(|path| (path.key(&sim.runbook, &sim.state), Some(path.clone())));
    let picked = (0..2).map(|at| keys[(pick + at * 7) % keys.len()].clone());
    for (at, (key, path)) in begun.into_iter().chain(picked).enumerate() {
        let attempt = Attempt(u32::try_from((pick / 5 + at) % 3).unwrap_or(0));
        for event in events(&key, attempt, pick + at) {
            if let Some(why) = cannot_be(sim, &event, path.as_ref()) {
                sim.tally.count("junk refused");
                sim.refuse(&format!("I7: {why}"), &sim.envelope(Some(sim.state.epoch), event))?;
            }
        }
    }
    Ok(())
}

fn events(key: &Key, attempt: Attempt, pick: usize) -> Vec<Event> {
    let key = || key.clone();
    let item = |key: &str| Item { key: key.into(), value: json!(1) };
    let problem = Problem { retryable: pick.is_multiple_of(2), ..Problem::not_applied("junk", "junk") };
    let phases = [Phase::Steps, Phase::Session, Phase::Finally, Phase::Ended];
    let outcomes = [
        Outcome::Done,
        Outcome::Cancelled,
        Outcome::Abandoned { unknown: Vec::new() },
        Outcome::Interrupted,
        Outcome::Failed { key: key() },
        Outcome::Stopped { key: key() },
    ];
    let trigger = Trigger::Cli;
    vec![
        Event::Done { key: key(), attempt, output: json!(1) },
        Event::Failed { key: key(), attempt, problem },
        judged(key()),
        intended(key(), attempt),
        found(key(), attempt, Found::Done { output: json!(1) }),
        found(key(), attempt, Found::CannotTell),
        Event::Failed { key: key(), attempt, problem: Problem::maybe_applied("junk", "junk") },
        Event::Parked,
        Event::Waiting { key: key(), until: sluice_plugin::Timestamp(1) },
        Event::Skipped { key: key() },
        Event::Opened { key: key(), items: vec![item("x")] },
        Event::Opened { key: key(), items: vec![item("x"), item("x")] },
        Event::Picked { key: key(), item: ["x", "a", "0", "one", "nope"][pick % 5].into(), seen: json!(1) },
        Event::Renewed { key: key(), output: json!(1) },
        Event::Entered { phase: phases[pick % 4] },
        Event::Ended { outcome: outcomes[pick % 6].clone() },
        Event::Started {
            run: None,
            runbook: "x".into(),
            snapshot: Sha256::ZERO,
            inputs: json!({}),
            trigger,
            semantics: 1,
        },
    ]
}

pub(super) fn slot_of<'a>(sim: &'a Sim<'_>, key: &Key) -> Option<&'a Slot> {
    let path = keys(sim).into_iter().find(|(found, _)| found == key)?.1?;
    slot_at(sim, &path)
}

fn slot_at<'a>(sim: &'a Sim<'_>, path: &Path) -> Option<&'a Slot> {
    let mut list = if path.root == Root::Steps { &sim.state.steps } else { &sim.state.finally };
    let mut found = None;
    for hop in &path.hops {
        let mut slot = list.slots.get(hop.at)?;
        if let (Some(round), Inside::Rounds(rounds)) = (hop.round, &slot.inside) {
            slot = &rounds.rounds.get(round)?.slot;
        }
        found = Some(slot);
        match &slot.inside {
            Inside::List(inner) => list = inner,
            Inside::Leaf | Inside::Closed | Inside::Rounds(_) => break,
        }
    }
    found
}

/// Every step and round there is, and some that there are not.
pub(super) fn keys(sim: &Sim<'_>) -> Vec<(Key, Option<Path>)> {
    let mut paths = Vec::new();
    collect(&sim.runbook.steps, &sim.state.steps, &Path::root(Root::Steps), &mut paths);
    collect(&sim.runbook.finally, &sim.state.finally, &Path::root(Root::Finally), &mut paths);
    let known = paths.into_iter().map(|path| (path.key(&sim.runbook, &sim.state), Some(path)));
    let mut keys: Vec<(Key, Option<Path>)> = known.collect();
    let first = keys.first().map(|(key, _)| key.to_string()).unwrap_or_default();
    let nowhere = ["", "nope", "session.", "/", "[x]"].map(str::to_owned);
    let broken = ["/nope", "[nope]", "[x", "/", "]"].map(|end| format!("{first}{end}"));
    keys.extend(nowhere.into_iter().chain(broken).map(|key| (Key(key), None)));
    keys
}

fn collect(steps: &[Step], list: &List, path: &Path, paths: &mut Vec<Path>) {
    for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
        let mut visit = |slot: &Slot, round: Option<usize>| {
            let path = path.child(at, round);
            paths.push(path.clone());
            if let Inside::List(inner) = &slot.inside {
                collect(step.children(), inner, &path, paths);
            }
        };
        visit(slot, None);
        if let Inside::Rounds(rounds) = &slot.inside {
            rounds.rounds.iter().enumerate().for_each(|(at, round)| visit(&round.slot, Some(at)));
        }
    }
}

/// Why `next` could not have led to this event; `None` where it could have, or where only what is in flight tells.
fn cannot_be(sim: &Sim<'_>, event: &Event, path: Option<&Path>) -> Option<&'static str> {
    let state = &sim.state;
    match event {
        Event::Started { .. } => Some("the run has started"),
        // In the turn after which it is parked it would be; at any other time something goes on.
        Event::Parked => (!sim.open.keys().any(|key| sim.is_once(key))).then_some("nothing is open"),
        Event::Entered { phase } => (!may_enter(sim, *phase)).then_some("this phase does not follow"),
        Event::Ended { outcome } => {
            let over = state.phase == Phase::Finally && state.finally.is_settled();
            let fits = (over || matches!(outcome, Outcome::Abandoned { .. })) && outcome_follows(sim, outcome).is_ok();
            (!fits).then_some("the run does not end like this")
        }
        Event::Done { key, attempt, .. } | Event::Failed { key, attempt, .. } if *key == Key::session() => {
            let due = state.phase == Phase::Session && !state.session.status.is_settled();
            (!due || attempt.0 != 1).then_some("the session is not on")
        }
        _ => {
            let Some(path) = path else { return Some("there is no such step") };
            let (step, slot) = path.find(&sim.runbook, state)?;
            match event {
                Event::Renewed { .. } => (!slot.stale).then_some("it is not stale"),
                // Renewals of acts are begun as well.
                Event::Intended { .. } if slot.stale => None,
                _ => out_of_place(sim, path, slot).or_else(|| misfit(sim, event, path, step, slot)),
            }
        }
    }
}

fn may_enter(sim: &Sim<'_>, phase: Phase) -> bool {
    let state = &sim.state;
    let ending = state.cancel.is_some() || state.interrupted;
    if sim.open.keys().any(|key| sim.is_once(key)) {
        return false;
    }
    let broken = sim.runbook.steps.iter().zip(&state.steps.slots).any(|(step, slot)| breaks(step, slot));
    let complete = state.steps.slots.iter().all(|slot| slot.status.is_settled());
    let session = complete && !broken && sim.runbook.session.is_some();
    match (state.phase, phase) {
        (Phase::Steps, Phase::Session) => session && !ending,
        (Phase::Steps, Phase::Finally) => ending || broken || (complete && !session),
        (Phase::Session, Phase::Finally) => ending || state.session.status.is_settled(),
        _ => false,
    }
}

fn out_of_place(sim: &Sim<'_>, path: &Path, slot: &Slot) -> Option<&'static str> {
    let right = if path.root == Root::Steps { Phase::Steps } else { Phase::Finally };
    if sim.state.phase != right {
        return Some("its phase is not on");
    }
    if slot.status.is_settled() {
        return Some("it is settled");
    }
    out_of_turn(path, &path.levels(&sim.runbook, &sim.state)).map(|_| "its turn has not come")
}

/// Whether the loop may choose its next item now.
fn chooses(sim: &Sim<'_>, path: &Path, step: &Step, slot: &Slot) -> bool {
    let Some(each) = step.for_each.as_ref().filter(|each| each.next_by.is_some()) else { return false };
    let Inside::Rounds(rounds) = &slot.inside else { return false };
    let left = left(sim, path);
    let on = rounds.rounds.iter().filter(|round| !round.slot.status.is_settled() && !left.contains(&round.key)).count();
    !left.is_empty() && on < each.at_most as usize
}

fn misfit(sim: &Sim<'_>, event: &Event, path: &Path, step: &Step, slot: &Slot) -> Option<&'static str> {
    let leaf = matches!(slot.inside, Inside::Leaf);
    let (gate, used) = (matches!(step.kind, Kind::Gate(_)) && leaf, matches!(step.kind, Kind::Use(_)) && leaf);
    let ending = path.root == Root::Steps && (sim.state.cancel.is_some() || sim.state.interrupted);
    let pending = slot.status == Status::Pending;
    let right = |attempt: &Attempt| attempt.0 == slot.attempts + 1;
    let unknown = matches!(slot.status, Status::Unknown { .. });
    let open = unknown || matches!(slot.status, Status::Stuck { .. });
    let began = slot.status == Status::Intended;
    let mine = state_epoch(sim, path) == Some(sim.state.epoch);
    let wrong = match event {
        Event::Done { attempt, .. } => !used || !right(attempt) || open || (began && !mine),
        Event::Failed { problem, .. } if problem.applied == Applied::Maybe && step.is_once() => !began,
        Event::Failed { attempt, .. } => {
            !right(attempt) || (!leaf && !pending && !chooses(sim, path, step, slot)) || open
        }
        Event::Picked { item, .. } => ending || !chooses(sim, path, step, slot) || !left(sim, path).contains(item),
        Event::Intended { attempt, .. } => {
            !used || !right(attempt) || !is_act(step) || ending || open || (began && (mine || step.is_once()))
        }
        Event::Reconciled { attempt, .. } => !unknown || !right(attempt),
        Event::Judged { .. } => !gate,
        Event::Waiting { .. } => !gate || !pending,
        Event::Skipped { .. } => !pending || ending,
        Event::Opened { items, .. } => {
            !matches!(slot.inside, Inside::Closed) || ending || (items.len() > 1 && items[0].key == items[1].key)
        }
        _ => false,
    };
    wrong.then_some("it does not fit the step")
}

/// Which owner of the run began the act.
fn state_epoch(sim: &Sim<'_>, path: &Path) -> Option<Epoch> {
    sim.state.intents.get(path).map(|intent| intent.epoch)
}
