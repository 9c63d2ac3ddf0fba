//! Events that cannot be: of another owner, out of turn, of unknown steps, in the wrong phase. Each must be refused.

use serde_json::json;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{
    AskId, Bound, CancelHow, Envelope, Epoch, Event, Found, Glance, Item, Key, LockedAt, Loss, Outcome, Owner, Phase,
    Samples, Trigger, Void,
};
use sluice_engine::machine::path::{Path, Root};
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{Illegal, State, Status, apply, is_act};
use sluice_engine::runbook::checked::{Checked, Kind, Step};
use sluice_plugin::{Applied, Attempt, Problem, Verdict};

use super::checks::{self, breaks, left, out_of_turn};
use super::ends::outcome_follows;
use super::people::Rules;
use super::sim::{Held, Sim};
use super::{calls, confirmed};

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
    for one in confirmed::asked(&sim.log) {
        for key in sim.needed.keys() {
            let rebound = one.binding(key).map(|binding| Event::Rebound {
                ask: one.ask,
                key: key.clone(),
                binding,
                facts: json!(null),
            });
            rebound.into_iter().try_for_each(|event| sim.refuse("I4", &sim.envelope(Some(Epoch(epoch - 1)), event)))?;
        }
    }
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
    let (name, at) = ("it".to_owned(), LockedAt::Store);
    events.push((Some(epoch), Event::Locked { name, generation: 99, at, after: None, caller: None }));
    events.push((None, Event::Unlocked { generation: 99 }));
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
    sim.nothing_begins_too_early()?;
    // What is in flight is where something could go wrong first.
    let begun = sim.flight.keys().nth(pick % sim.flight.len().max(1));
    let begun = begun.map(|path| (path.key(&sim.runbook, &sim.state), Some(path.clone())));
    let picked = (0..2).map(|at| keys[(pick + at * 7) % keys.len()].clone());
    for (at, (key, path)) in begun.into_iter().chain(picked).enumerate() {
        let attempt = Attempt(u32::try_from((pick / 5 + at) % 3).unwrap_or(0));
        let about = about_questions(sim, &key, attempt, pick + at);
        for event in events(&key, attempt, pick + at).into_iter().chain(about) {
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
        Event::Called { key: key(), inputs: json!({}) },
        Event::EnteredFinally { key: key() },
        Event::Returned { key: key(), outputs: json!({}) },
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
        Event::Locked { name: "it".into(), generation: 99, at: LockedAt::Store, after: None, caller: None },
        Event::Unlocked { generation: 99 },
        Event::LockLost { generation: 9_999, how: Loss::MovedOn },
    ]
}

/// Events about questions, in the words of the last one where there was one.
fn about_questions(sim: &Sim<'_>, key: &Key, attempt: Attempt, pick: usize) -> Vec<Event> {
    let all = confirmed::asked(&sim.log);
    let last = all.last();
    let ask = last.map_or(AskId(1), |one| one.ask);
    let bound = last.and_then(|one| one.binding(key)).unwrap_or(Sha256::ZERO);
    let scope = last.filter(|_| pick.is_multiple_of(3)).map_or(key, |one| one.scope).clone();
    let gate = || confirmed::gates_of(sim, key).first().cloned().unwrap_or_else(|| key.clone());
    let (act, why, seen, at) = (key.clone(), String::new(), json!(1), sim.now);
    let samples = Samples { count: 1, flips: 0, first: at, last: at };
    let voids = [
        Void::Denied,
        Void::Expired,
        Void::Moved { act: act.clone(), was: bound, now: None, changes: json!({}) },
        Void::GateFailed { act, gate: gate(), verdict: Verdict::Fail, why: why.clone(), seen: seen.clone() },
    ];
    let acts = vec![Bound { key: key.clone(), attempt, binding: Sha256::ZERO }];
    let (typed, shown) = ("it".to_owned(), json!({}));
    let asked = |ask, acts| Event::Asked {
        ask,
        key: scope.clone(),
        acts,
        typed: typed.clone(),
        answer_by: at,
        valid_for: "1s".into(),
        shown: shown.clone(),
    };
    let looks = vec![Glance { gate: gate(), verdict: Verdict::Pass, why: why.clone(), at }];
    vec![
        Event::Voided { ask, key: scope.clone(), why: voids[pick % 4].clone() },
        Event::Voided { ask: AskId(ask.0 + 1), key: scope.clone(), why: Void::Cancelled },
        asked(AskId(ask.0 + 7), acts),
        asked(AskId(u32::try_from(all.len()).unwrap() + 1), Vec::new()),
        Event::Rebound { ask, key: key.clone(), binding: bound, facts: json!(null) },
        Event::Rejudged { ask, key: key.clone(), gate: gate(), why, samples, seen },
        Event::LookedLast { ask, key: key.clone(), looks: if pick.is_multiple_of(2) { looks } else { Vec::new() } },
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
            Inside::Call(called) => list = if hop.finally { &called.finally } else { &called.steps },
            Inside::Leaf | Inside::Closed | Inside::Rounds(_) => break,
        }
    }
    found
}

/// Every step and round there is, and some that there are not.
pub(super) fn keys(sim: &Sim<'_>) -> Vec<(Key, Option<Path>)> {
    let known =
        paths(&sim.runbook, &sim.state).into_iter().map(|path| (path.key(&sim.runbook, &sim.state), Some(path)));
    let mut keys: Vec<(Key, Option<Path>)> = known.collect();
    let first = keys.first().map(|(key, _)| key.to_string()).unwrap_or_default();
    let nowhere = ["", "nope", "session.", "/", "[x]"].map(str::to_owned);
    let broken = ["/nope", "[nope]", "[x", "/", "]"].map(|end| format!("{first}{end}"));
    keys.extend(nowhere.into_iter().chain(broken).map(|key| (Key(key), None)));
    keys
}

pub(super) fn paths(runbook: &Checked, state: &State) -> Vec<Path> {
    let mut paths = Vec::new();
    collect(&runbook.steps, &state.steps, &Path::root(Root::Steps), &mut paths);
    collect(&runbook.finally, &state.finally, &Path::root(Root::Finally), &mut paths);
    paths
}

fn collect(steps: &[Step], list: &List, path: &Path, paths: &mut Vec<Path>) {
    for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
        let mut visit = |slot: &Slot, round: Option<usize>| {
            let path = path.child(at, round);
            paths.push(path.clone());
            match calls::of_slot(step, slot) {
                Some((call, called)) => {
                    collect(&call.runbook.steps, &called.steps, &path, paths);
                    collect(&call.runbook.finally, &called.finally, &path.in_finally(), paths);
                }
                None => {
                    if let Inside::List(inner) = &slot.inside {
                        collect(step.children(), inner, &path, paths);
                    }
                }
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
        Event::Locked { .. } => {
            (sim.runbook.lock.is_none() || sim.locked.is_some()).then_some("there is no lock to take")
        }
        Event::Unlocked { .. } => Some("the run has not ended"),
        Event::LockLost { .. } => Some("it does not have that generation"),
        // In the turn after which it is parked it would be; at any other time something goes on.
        Event::Parked => {
            let rules = Rules::of(&sim.log);
            let asks = confirmed::asked(&sim.log).iter().any(|one| one.waits(&rules));
            let waits = asks || confirmed::is_stopped_open(sim) != Some(false);
            (!waits && !sim.open.keys().any(|key| sim.is_once(key))).then_some("nothing is open")
        }
        Event::Voided { ask, key, why } => confirmed::cannot_void(sim, (*ask, key, why)),
        Event::Asked { .. } => Some("it asks for nothing, or is not the next"),
        Event::Rebound { ask, key, .. } | Event::Rejudged { ask, key, .. } => confirmed::cannot_look(sim, *ask, key),
        // Behind everything else it may come too early, and is none.
        Event::LookedLast { ask, key, looks } => confirmed::cannot_look_last(sim, *ask, key, looks),
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
    let untidy = calls::untidy(&sim.runbook.steps, &state.steps);
    match (state.phase, phase) {
        (Phase::Steps, Phase::Session) => session && !ending,
        (Phase::Steps, Phase::Finally) => {
            let stays = confirmed::is_stopped_open(sim) == Some(true);
            !untidy && !stays && (ending || broken || (complete && !session))
        }
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
    // An act that is under way ends wherever it stands.
    if sim.state.intents.contains_key(path) {
        return None;
    }
    out_of_turn(sim, path).map(|_| "its turn has not come")
}

/// Whether the loop may choose its next item now.
fn chooses(sim: &Sim<'_>, path: &Path, step: &Step, slot: &Slot) -> bool {
    let Some(each) = step.for_each.as_ref().filter(|each| each.next_by.is_some()) else { return false };
    let Inside::Rounds(rounds) = &slot.inside else { return false };
    let left = left(sim, path);
    let on = rounds.rounds.iter().filter(|round| !round.slot.status.is_settled() && !left.contains(&round.key)).count();
    rounds.given_up().is_none() && !left.is_empty() && on < each.at_most as usize
}

fn misfit(sim: &Sim<'_>, event: &Event, path: &Path, step: &Step, slot: &Slot) -> Option<&'static str> {
    let leaf = matches!(slot.inside, Inside::Leaf);
    let (gate, used) = (matches!(step.kind, Kind::Gate(_)) && leaf, matches!(step.kind, Kind::Use(_)) && leaf);
    let tidies = calls::is_in_finally(path);
    let ending = path.root == Root::Steps && !tidies && (sim.state.cancel.is_some() || sim.state.interrupted);
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
            let asks = step.confirm.is_some() && matches!(slot.inside, Inside::List(_));
            let itself = leaf || pending || calls::may_return(sim, path) || asks;
            !right(attempt) || open || !(itself || chooses(sim, path, step, slot))
        }
        Event::Called { .. } => {
            let begun = !pending || !matches!(slot.inside, Inside::Call(_));
            begun || ending || checks::ended_around(calls::since_finally(&path.levels(&sim.runbook, &sim.state)))
        }
        Event::EnteredFinally { .. } => !calls::may_tidy(sim, path),
        Event::Returned { .. } => !calls::may_return(sim, path),
        Event::Picked { item, .. } => ending || !chooses(sim, path, step, slot) || !left(sim, path).contains(item),
        Event::Intended { attempt, .. } => {
            let once = step.is_once();
            !used || !right(attempt) || !is_act(step) || ending || open || (began && (mine || once)) || step.destroys()
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
