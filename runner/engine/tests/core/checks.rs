//! What may start, and when, drawn from the state's tree alone: nothing here asks the core's own cursors. That what has
//! happened adds up is checked in `adds_up`.

use std::collections::{BTreeMap, BTreeSet};

use sluice_engine::expr::truth;
use sluice_engine::journal::{CancelHow, Envelope, Event, Outcome, Phase, Void};
use sluice_engine::machine::path::{Level, Path, Root, locate};
use sluice_engine::machine::scope::StepScope;
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{Command, State, Status};
use sluice_engine::runbook::checked::{Checked, Kind, OnError, Step};

use super::sim::{Held, Sim, Task};
use super::{calls, confirmed};

pub(super) fn hold(promise: bool, otherwise: impl FnOnce() -> String) -> Held {
    if promise { Ok(()) } else { Err(otherwise()) }
}

/// I4, I7: what is refused leaves the state bit for bit.
pub(super) fn untouched(before: &State, after: &State, envelope: &Envelope) -> Held {
    hold(before == after, || format!("I4: the refused {envelope:?} changed the state"))
}

/// A decision that changes nothing would be made again for ever.
pub(super) fn something_happened(before: &State, after: &State) -> Held {
    let mut same = before.clone();
    same.ordinal = after.ordinal;
    hold(same != *after, || "I5: a decision changed nothing".into())
}

/// A step is wanted once, not twice at the same time.
pub(super) fn commands_are_distinct(commands: &[Command]) -> Held {
    let paths: Vec<&Path> = commands.iter().filter_map(Command::path).collect();
    let distinct: BTreeSet<&&Path> = paths.iter().collect();
    hold(distinct.len() == paths.len(), || format!("I3: a step is wanted twice: {commands:?}"))
}

/// `Skipped` and `Entered` say what is true.
pub(super) fn decision_is_true(sim: &Sim<'_>, event: &Event) -> Held {
    let act = || sim.flight.keys().any(|path| sim.acts(path)) || sim.open.keys().any(|key| sim.is_once(key));
    match event {
        Event::Opened { key, .. } => {
            let path = locate(key, &sim.runbook, &sim.state).ok_or_else(|| format!("`{key}` is nowhere"))?;
            named_is_fresh(sim, &path, &["when", "for_each"])
        }
        Event::Picked { key, item, .. } => {
            let path = locate(key, &sim.runbook, &sim.state).ok_or_else(|| format!("`{key}` is nowhere"))?;
            named_is_fresh(sim, &path, &["next_by"])?;
            may_pick(sim, &path)?;
            hold(left(sim, &path).contains(item), || format!("I3: `{item}` of `{key}` had its turn"))
        }
        Event::Skipped { key } => {
            let path = locate(key, &sim.runbook, &sim.state).ok_or_else(|| format!("`{key}` is nowhere"))?;
            named_is_fresh(sim, &path, &["when"])?;
            hold(says(sim, &path) == Some(false), || format!("I3: `{key}` is skipped and its `when` does not say so"))
        }
        Event::Entered { .. } => {
            hold(!act(), || "I3: a phase ends before its acts".into())?;
            let untidy = sim.state.phase == Phase::Steps && calls::untidy(&sim.runbook.steps, &sim.state.steps);
            hold(!untidy, || "I3: a phase ends before what was called has tidied up".into())
        }
        Event::Called { .. } | Event::EnteredFinally { .. } | Event::Returned { .. } | Event::Renewed { .. } => {
            calls::decision_is_true(sim, event)
        }
        Event::Failed { key, problem, .. } if problem.code == "needs" => {
            sim.tally.count("needs refused");
            let path = locate(key, &sim.runbook, &sim.state).ok_or_else(|| format!("`{key}` is nowhere"))?;
            let missing = unmet(sim, &path).is_some() || confirmed::misses_a_gate(sim, &path);
            hold(missing, || format!("I3: `{key}` fails for `needs`, and all gates passed"))
        }
        Event::Voided { ask, key, why } => {
            sim.tally.count(match why {
                Void::Denied => "denied",
                Void::Expired => "expired",
                Void::Cancelled => "withdrawn",
                Void::Superseded => "superseded",
                Void::Moved { .. } | Void::GateFailed { .. } => {
                    return Err(format!("I1: decided without a look: {why:?}"));
                }
            });
            confirmed::is_rightly_voided(sim, (ask, key, why))
        }
        _ => Ok(()),
    }
}

/// What a step's own `when` says now.
fn says(sim: &Sim<'_>, path: &Path) -> Option<bool> {
    let (step, _) = path.find(&sim.runbook, &sim.state)?;
    truth(step.when.as_ref()?, &StepScope::new(&sim.runbook, &sim.state, path)).ok()
}

/// Decisions that were made before a cancel and written after it.
pub(super) fn nothing_began_after_a_cancel(
    cancelled: &State,
    late: &[Envelope],
    tidies: &dyn Fn(&str) -> bool,
) -> Held {
    let abandoned = cancelled.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon);
    for envelope in late {
        let key = envelope.event.key().map(sluice_engine::journal::Key::as_str).unwrap_or_default();
        let begins = match &envelope.event {
            Event::Entered { phase } => *phase == Phase::Session,
            Event::Called { .. } | Event::Opened { .. } | Event::Skipped { .. } | Event::Picked { .. } => {
                cancelled.phase == Phase::Steps && !tidies(key)
            }
            Event::Ended { outcome } => abandoned && !matches!(outcome, Outcome::Abandoned { .. }),
            _ => false,
        };
        hold(!begins, || format!("I7: {:?} was accepted after a cancel", envelope.event))?;
    }
    Ok(())
}

/// I8: a run without its lock starts nothing; only what may not be cut goes on.
pub(super) fn only_the_lock_is_wanted(sim: &Sim<'_>, commands: &[Command]) -> Held {
    let acts = sim.flight.keys().all(|path| sim.is_act(path));
    hold(sim.locked.is_none() && acts && commands == [Command::Take], || format!("I8: {commands:?} before the lock"))
}

fn locked(sim: &Sim<'_>, key: &str) -> Held {
    hold(sim.runbook.lock.is_none() || sim.locked.is_some(), || format!("I8: `{key}` starts without the lock"))
}

/// Everything that must be true of a step before it starts.
pub(super) fn may_start(sim: &Sim<'_>, path: &Path, task: Task) -> Held {
    let key = path.key(&sim.runbook, &sim.state);
    locked(sim, key.as_str())?;
    let levels = path.levels(&sim.runbook, &sim.state);
    let (step, slot) = path.find(&sim.runbook, &sim.state).ok_or_else(|| format!("{path:?} is nowhere"))?;
    hold(!step.destroys() || matches!(task, Task::Look | Task::Pick), || {
        format!("I1: `{key}` starts without a last look")
    })?;
    if task == Task::Look {
        outputs_are_fresh(sim, path, &levels)?;
        let unknown = matches!(slot.status, Status::Unknown { .. }) && sim.open.contains_key(&key);
        return hold(unknown && step.is_once(), || format!("I3: `{key}` is looked for and is {:?}", slot.status));
    }
    // To look at what was begun before a cancel, something may have to be read again; nothing is done again.
    let looking = task == Task::Renew && !sim.is_act(path) && sim.open.keys().any(|key| sim.is_once(key));
    let tidies = match task {
        Task::Renew => calls::is_in_what_tidies(&levels),
        Task::Call | Task::Preview | Task::Act | Task::Look | Task::Judge | Task::Pick => calls::is_in_finally(path),
    };
    hold(looking || tidies || !is_cancelled(sim), || format!("I3: `{key}` starts after a cancel"))?;
    if task == Task::Pick {
        named_is_fresh(sim, path, &["next_by"])?;
        return may_pick(sim, path);
    }
    outputs_are_fresh(sim, path, &levels)?;
    let unknown = matches!(slot.status, Status::Unknown { .. } | Status::Stuck { .. });
    hold(!unknown, || format!("I3: `{key}` starts, and nobody knows what became of it before"))?;
    if task == Task::Renew {
        let ephemeral = matches!(&step.kind, Kind::Use(used) if used.ephemeral);
        let stale = slot.stale && matches!(slot.status, Status::Done(_)) && sim.state.epoch.0 > 1;
        return hold(ephemeral && stale, || format!("I3: `{key}` is renewed and is not stale"));
    }
    hold(matches!(step.kind, Kind::Gate(_)) == (task == Task::Judge), || format!("`{key}` is no {task:?}"))?;
    if let Status::Backoff { until, .. } = slot.status {
        hold(sim.now >= until, || format!("I3: `{key}` is tried again too early"))?;
    }
    its_turn(sim, path)
}

/// A call opens, or people are asked.
pub(super) fn may_open(sim: &Sim<'_>, path: &Path) -> Held {
    let levels = path.levels(&sim.runbook, &sim.state);
    locked(sim, "a call or a question")?;
    hold(!is_cancelled(sim), || "I3: a call or a question opens after a cancel".into())?;
    outputs_are_fresh(sim, path, &levels)?;
    its_turn(sim, path)
}

fn its_turn(sim: &Sim<'_>, path: &Path) -> Held {
    let key = path.key(&sim.runbook, &sim.state);
    let levels = path.levels(&sim.runbook, &sim.state);
    let (_, slot) = path.find(&sim.runbook, &sim.state).ok_or_else(|| format!("{path:?} is nowhere"))?;
    let right = if path.root == Root::Steps { Phase::Steps } else { Phase::Finally };
    hold(sim.state.phase == right, || format!("I3: `{key}` starts in phase {:?}", sim.state.phase))?;
    hold(!slot.status.is_settled(), || format!("I3: `{key}` is settled and starts again"))?;
    hold(out_of_turn(sim, path).is_none(), || format!("I3: `{key}` starts: {:?}", out_of_turn(sim, path)))?;
    hold(!ended_around(calls::since_finally(&levels)), || format!("I3: `{key}` starts in what has ended"))?;
    hold(unmet(sim, path).is_none(), || format!("I3: `{key}` starts, and gate {:?} did not pass", unmet(sim, path)))?;
    let asked = slot.status == Status::Pending && path.hops.last().is_some_and(|hop| hop.round.is_none());
    hold(!asked || says(sim, path) != Some(false), || format!("I3: `{key}` starts against its `when`"))
}

pub(super) fn session_may_start(sim: &Sim<'_>) -> Held {
    hold(!is_cancelled(sim), || "I3: the session starts after a cancel".into())?;
    locked(sim, "session")?;
    let well = sim.state.steps.slots.iter().zip(&sim.runbook.steps);
    let well = well.into_iter().all(|(slot, step)| slot.status.is_settled() && !breaks(step, slot));
    let due = sim.runbook.session.is_some() && sim.state.phase == Phase::Session && sim.flight.is_empty();
    hold(well && due && !sim.state.session.status.is_settled(), || "I3: the session starts too early".into())?;
    let text = sim.runbook.source.text();
    let own = text.split_once("\nsession:").map_or("", |(_, rest)| rest);
    names_in(own.split("\nfinally:").next().unwrap_or_default())
        .iter()
        .try_for_each(|name| fresh(name, named(&[], &sim.runbook, &sim.state, name)))
}

/// Only `finally` starts once the run is to end.
fn is_cancelled(sim: &Sim<'_>) -> bool {
    let ending = sim.state.cancel.is_some() || sim.state.interrupted;
    ending && sim.state.phase != Phase::Finally
}

/// A failure that ends the list or loop it is in.
pub(super) fn breaks(step: &Step, slot: &Slot) -> bool {
    slot.status.is_bad() && step.on_error == OnError::Stop
}

/// A failure that the run comes to.
pub(super) fn counts(step: &Step, slot: &Slot) -> bool {
    slot.status.is_bad() && step.on_error != OnError::Continue
}

/// Something before `finally` was still to be done when somebody wanted the run to end.
pub(super) fn is_cut(runbook: &Checked, before: &State, after: &State) -> bool {
    let ending = before.cancel.is_some() || before.interrupted;
    let steps = || runbook.steps.iter().zip(&before.steps.slots);
    let broken = steps().any(|(step, slot)| breaks(step, slot));
    let over = broken || steps().all(|(_, slot)| slot.status.is_settled());
    let session = broken || runbook.session.is_none() || before.session.status.is_settled();
    // What a gate stopped where something would be destroyed is not over.
    let stopped = match confirmed::is_stopped(runbook, before) {
        Some(stopped) => stopped,
        None => after.cut,
    };
    ending && !(over && session && !stopped)
}

pub(super) fn ended_around(levels: &[Level<'_>]) -> bool {
    let inner = levels.len().saturating_sub(1);
    levels.iter().enumerate().any(|(at, level)| {
        let list = level.list.slots.iter().zip(level.steps).any(|(slot, step)| breaks(step, slot));
        let rounds = match &level.slot.inside {
            Inside::Rounds(rounds) => {
                rounds.given_up().is_some() || rounds.rounds.iter().any(|round| breaks(level.step, &round.slot))
            }
            Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => false,
        };
        let around =
            at < inner && (level.slot.status.is_settled() || level.round.is_some_and(|r| r.slot.status.is_settled()));
        list || rounds || around
    })
}

/// Why the step's turn has not come: too many before it are not settled, or one before it ended the written list.
pub(super) fn out_of_turn(sim: &Sim<'_>, path: &Path) -> Option<String> {
    let levels = &path.levels(&sim.runbook, &sim.state)[..];
    if levels.len() != path.hops.len() {
        return Some("it is nowhere".into());
    }
    if let Some(why) = calls::out_of_turn(levels) {
        return Some(why);
    }
    // On the way out whatever was called tidies up, also behind a gate that was to be judged anew or was and failed.
    let inside = calls::since_finally(levels);
    let around = &levels[..levels.len() - inside.len()];
    let ended = (1..=around.len()).find(|length| ended_around(&around[..*length]));
    let in_turn = if is_cancelled(sim) { 0 } else { ended.map_or(around.len(), |length| length - 1) };
    no_turn(&around[..in_turn]).or_else(|| no_turn(inside))
}

fn no_turn(levels: &[Level<'_>]) -> Option<String> {
    let mut width = 1;
    for level in levels {
        let open = level.list.slots.iter().take(level.hop.at).filter(|slot| !slot.status.is_settled()).count();
        if open >= width {
            return Some(format!("{open} before `{}` are not settled", level.step.id));
        }
        let mut before = level.list.slots.iter().zip(level.steps).take(level.hop.at);
        if width == 1 && before.any(|(slot, step)| breaks(step, slot)) {
            return Some(format!("a step before `{}` ended the list", level.step.id));
        }
        if let (Some(at), Inside::Rounds(rounds), Some(each)) =
            (level.hop.round, &level.slot.inside, &level.step.for_each)
        {
            if let Some(turns) = &rounds.turns {
                if !turns.picked.contains(&at) {
                    return Some(format!("item {at} of `{}` was not picked", level.step.id));
                }
                width = width_of(level.step);
                continue;
            }
            let open = rounds.rounds.iter().take(at).filter(|round| !round.slot.status.is_settled()).count();
            if open >= each.at_most as usize {
                return Some(format!("{open} rounds of `{}` before it are not settled", level.step.id));
            }
            let mut before = rounds.rounds.iter().take(at);
            if each.at_most == 1 && before.any(|round| breaks(level.step, &round.slot)) {
                return Some(format!("a round of `{}` before it ended the loop", level.step.id));
            }
        }
        width = width_of(level.step);
    }
    None
}

fn width_of(step: &Step) -> usize {
    match &step.kind {
        Kind::Group(group) => group.order.width(),
        Kind::Use(_) | Kind::Gate(_) | Kind::Call(_) => 1,
    }
}

/// The items that have had no turn, by the books.
pub(super) fn left(sim: &Sim<'_>, path: &Path) -> Vec<String> {
    let key = path.key(&sim.runbook, &sim.state);
    let had = sim.turns.get(&key).cloned().unwrap_or_default();
    let Some((_, slot)) = path.find(&sim.runbook, &sim.state) else { return Vec::new() };
    let Inside::Rounds(rounds) = &slot.inside else { return Vec::new() };
    rounds.rounds.iter().map(|round| round.key.clone()).filter(|key| !had.contains(key)).collect()
}

/// A loop chooses while it is on, and when fewer rounds are on than may be.
fn may_pick(sim: &Sim<'_>, path: &Path) -> Held {
    let key = path.key(&sim.runbook, &sim.state);
    let (step, slot) = path.find(&sim.runbook, &sim.state).ok_or_else(|| format!("{path:?} is nowhere"))?;
    let right = if path.root == Root::Steps { Phase::Steps } else { Phase::Finally };
    hold(sim.state.phase == right, || format!("I3: `{key}` chooses in phase {:?}", sim.state.phase))?;
    let each = step.for_each.as_ref().filter(|each| each.next_by.is_some());
    let (Some(each), Inside::Rounds(rounds)) = (each, &slot.inside) else {
        return Err(format!("I3: `{key}` has nothing to choose"));
    };
    let turns = rounds.turns.clone().unwrap_or_default();
    let due = turns.until.is_none_or(|until| sim.now >= until);
    hold(due, || format!("I3: `{key}` chooses again too early"))?;
    let on =
        rounds.rounds.iter().filter(|round| !round.slot.status.is_settled() && !left(sim, path).contains(&round.key));
    let levels = path.levels(&sim.runbook, &sim.state);
    let broken = slot.status.is_settled() || rounds.rounds.iter().any(|round| breaks(step, &round.slot));
    hold(!broken && !ended_around(calls::since_finally(&levels)), || format!("I3: `{key}` has ended and chooses"))?;
    hold(on.count() < each.at_most as usize, || format!("I3: `{key}` chooses, and has enough rounds"))?;
    hold(!left(sim, path).is_empty(), || format!("I3: `{key}` chooses, and nothing is left"))
}

/// The turns in the state are those of the journal, in their order.
pub(super) fn turns_are_as_written(sim: &Sim<'_>) -> Held {
    for (key, path) in super::junk::keys(sim) {
        let Some((_, slot)) = path.as_ref().and_then(|path| path.find(&sim.runbook, &sim.state)) else { continue };
        let Inside::Rounds(rounds) = &slot.inside else { continue };
        let Some(turns) = &rounds.turns else { continue };
        let had: Vec<String> = turns.picked.iter().map(|at| rounds.rounds[*at].key.clone()).collect();
        let wrote = sim.turns.get(&key).cloned().unwrap_or_default();
        hold(had == wrote, || format!("I3: `{key}` gave turns to {had:?}, and the journal says {wrote:?}"))?;
        let begun = |(at, round): (usize, &sluice_engine::machine::state::Round)| {
            !turns.picked.contains(&at) && round.slot.status != Status::Pending
        };
        hold(!rounds.rounds.iter().enumerate().any(begun), || format!("I3: a round of `{key}` began without a turn"))?;
    }
    Ok(())
}

/// A gate that the step, or a group around it, needs and that did not pass.
fn unmet(sim: &Sim<'_>, path: &Path) -> Option<String> {
    let levels = path.levels(&sim.runbook, &sim.state);
    let own = calls::frame(&levels, &sim.runbook, &sim.state).levels;
    let needs = own.iter().flat_map(|level| &level.step.needs);
    let mut needs = needs.map(|id| (id.as_str(), named(&levels, &sim.runbook, &sim.state, id.as_str())));
    needs.find(|(_, slot)| !slot.is_some_and(passed)).map(|(id, _)| id.to_owned())
}

fn passed(slot: &Slot) -> bool {
    let rounds = match &slot.inside {
        Inside::Rounds(rounds) => rounds.rounds.iter().all(|round| passed(&round.slot)),
        Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => true,
    };
    rounds && matches!(slot.status, Status::Done(_) | Status::Complete | Status::Skipped)
}

/// Ids are unique in a generated runbook, and nothing outside a called one is seen from it.
fn named<'a>(levels: &[Level<'a>], runbook: &'a Checked, state: &'a State, id: &str) -> Option<&'a Slot> {
    let find = |steps: &'a [Step], list: &'a List| {
        steps.iter().position(|step| step.id.as_str() == id).map(|at| &list.slots[at])
    };
    let frame = calls::frame(levels, runbook, state);
    frame.levels.iter().find_map(|level| find(level.steps, level.list)).or_else(|| find(frame.steps, frame.list))
}

/// What the step does is made of fresh outputs, and whatever decides just now that it and those around it begin.
fn outputs_are_fresh(sim: &Sim<'_>, path: &Path, levels: &[Level<'_>]) -> Held {
    let Some(last) = levels.last() else { return Ok(()) };
    let own = own_text(calls::frame(levels, &sim.runbook, &sim.state).text, last.step.id.as_str());
    let decided: BTreeSet<String> = PARTS.iter().flat_map(|part| names_in(part_of(own, part))).collect();
    let all = names_in(own);
    let body = all.iter().filter(|name| !decided.contains(*name) || names_in(&without_parts(own)).contains(*name));
    body.into_iter().try_for_each(|name| fresh(name, named(levels, &sim.runbook, &sim.state, name)))?;
    for depth in 1..=levels.len() {
        let around = Path { root: path.root, hops: path.hops[..depth].to_vec() };
        let begins = levels[depth - 1].slot.status == Status::Pending;
        if begins && !sim.flight.keys().any(|other| other.root == around.root && other.hops.starts_with(&around.hops)) {
            named_is_fresh(sim, &around, &["when"])?;
        }
    }
    Ok(())
}

pub(super) fn is_made_of_what_is_there(sim: &Sim<'_>, path: &Path) -> Held {
    outputs_are_fresh(sim, path, &path.levels(&sim.runbook, &sim.state))
}

const PARTS: [&str; 4] = ["when", "for_each", "next_by", "confirm"];

/// The outputs that these parts of a step name are fresh.
pub(super) fn named_is_fresh(sim: &Sim<'_>, path: &Path, parts: &[&str]) -> Held {
    let levels = path.levels(&sim.runbook, &sim.state);
    let Some(last) = levels.last() else { return Ok(()) };
    let own = own_text(calls::frame(&levels, &sim.runbook, &sim.state).text, last.step.id.as_str());
    let names: BTreeSet<String> = parts.iter().flat_map(|part| names_in(part_of(own, part))).collect();
    names.iter().try_for_each(|name| fresh(name, named(&levels, &sim.runbook, &sim.state, name)))
}

/// The value of a key, to the end of its line or, within braces, of its quotes.
fn part_of<'a>(own: &'a str, part: &str) -> &'a str {
    let Some(at) = own.find(&format!(" {part}: ")) else { return "" };
    let rest = &own[at..];
    let end = ["\n", "', uses", "', with"].iter().filter_map(|end| rest.find(end)).min();
    &rest[..end.unwrap_or(rest.len())]
}

fn without_parts(own: &str) -> String {
    PARTS.iter().fold(own.to_owned(), |text, part| match part_of(&text, part) {
        "" => text.clone(),
        found => text.replace(found, ""),
    })
}

pub(super) fn fresh(name: &str, slot: Option<&Slot>) -> Held {
    hold(!slot.is_some_and(stale), || format!("I3: the stale output of `{name}` is used"))
}

fn stale(slot: &Slot) -> bool {
    slot.stale
        || match &slot.inside {
            Inside::List(list) => list.slots.iter().any(stale),
            Inside::Rounds(rounds) => rounds.rounds.iter().any(|round| stale(&round.slot)),
            // Of what was called only what it gives can be named.
            Inside::Leaf | Inside::Call(_) | Inside::Closed => false,
        }
}

/// The steps a leaf's text names: the lines from its id to the next one's.
fn names_of(text: &str, id: &str) -> BTreeSet<String> {
    names_in(own_text(text, id))
}

fn own_text<'a>(text: &'a str, id: &str) -> &'a str {
    let id = format!(" id: {id}");
    let mut begin = text.match_indices(&id).map(|(at, _)| &text[at + id.len()..]);
    let own = begin.find(|rest| rest.starts_with(['\n', ','])).unwrap_or_default();
    let end = [" id: ", "\nfinally:", "\nsession:", "\noutputs:"].iter().filter_map(|mark| own.find(mark)).min();
    &own[..end.unwrap_or(own.len())]
}

pub(super) fn names_in(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    text.match_indices("steps.").map(|(at, found)| name(&text[at + found.len()..])).collect()
}

/// The step that is to fail because `stale` could not be renewed does need it, perhaps through another one.
pub(super) fn needs_it(sim: &Sim<'_>, needy: &Path, stale: &Path) -> Held {
    let ids = |path: &Path| -> Vec<String> {
        path.levels(&sim.runbook, &sim.state).iter().map(|level| level.step.id.to_string()).collect()
    };
    let mut reached: BTreeSet<String> = BTreeSet::from_iter(ids(needy).last().cloned());
    let called = sim.runbook.called().into_iter().map(|call| &*call.runbook);
    let books: Vec<&Checked> = std::iter::once(&sim.runbook).chain(called).collect();
    let all: Vec<&Step> = books.iter().flat_map(|book| book.walk()).collect();
    for _ in 0..all.len() {
        // Whoever names a group names all that is in it, and whoever names a call what that gives.
        let of = |step: &&Step| reached.contains(step.id.as_str());
        let inside: BTreeSet<String> =
            all.iter().copied().filter(of).flat_map(|step| step.walk().map(|inner| inner.id.to_string())).collect();
        let mut named: BTreeSet<String> =
            inside.iter().flat_map(|id| books.iter().flat_map(|book| names_of(book.source.text(), id))).collect();
        for step in all.iter().filter(|step| inside.contains(step.id.as_str())) {
            if let Kind::Call(call) = &step.kind {
                named.extend(calls::outputs_named(call.runbook.source.text()));
            }
        }
        reached.extend(inside);
        reached.extend(named);
    }
    let free = !sim.flight.contains_key(needy);
    hold(free && ids(stale).iter().any(|id| reached.contains(id)), || {
        format!("I3: {:?} fails for {:?}, which it does not need", ids(needy), ids(stale))
    })
}

/// No list, group or loop has more in flight than its width; a written list has one.
pub(super) fn widths_hold(sim: &Sim<'_>) -> Held {
    let mut lists: BTreeMap<(Root, Vec<_>), (BTreeSet<usize>, usize)> = BTreeMap::new();
    let mut loops: BTreeMap<(Root, Vec<_>), (BTreeSet<usize>, usize)> = BTreeMap::new();
    // What nobody knows about may still be going on.
    let open = sim.state.intents.iter().filter_map(|(path, intent)| intent.once.then_some(path));
    let flying = sim.flight.iter().filter(|(_, task)| !matches!(task, Task::Renew | Task::Pick));
    let busy: BTreeSet<&Path> = flying.map(|(path, _)| path).chain(open).collect();
    for path in busy {
        let mut width = 1;
        let levels = path.levels(&sim.runbook, &sim.state);
        for (depth, level) in levels.iter().enumerate() {
            let around = (path.root, path.hops[..depth].to_vec());
            lists.entry(around.clone()).or_insert((BTreeSet::new(), width)).0.insert(level.hop.at);
            if let (Some(round), Some(each)) = (level.hop.round, &level.step.for_each) {
                let mut place = around;
                place.1.push(sluice_engine::machine::path::Hop { round: None, ..level.hop });
                loops.entry(place).or_insert((BTreeSet::new(), each.at_most as usize)).0.insert(round);
            }
            width = match &level.step.kind {
                Kind::Group(group) => group.order.width(),
                Kind::Use(_) | Kind::Gate(_) | Kind::Call(_) => 1,
            };
        }
        if ended_around(&levels) {
            sim.tally.count("an act in flight in a broken group");
        }
    }
    for (what, all) in [("several steps at once", &lists), ("several rounds at once", &loops)] {
        for (place, (members, width)) in all {
            hold(members.len() <= *width, || format!("I3: {members:?} in flight in {place:?}, at most {width}"))?;
            if members.len() > 1 {
                sim.tally.count(what);
            }
        }
    }
    Ok(())
}
