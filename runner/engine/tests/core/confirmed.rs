//! What must be true before an act that destroys begins, drawn from the journal alone: who was asked and said yes, what
//! was looked at since, and that nothing else is under way.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_engine::confirm::Identity;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{AskId, Envelope, Event, Found, Key, Phase, Ruling, Void};
use sluice_engine::machine::asks::asked_digest;
use sluice_engine::machine::path::{Hop, Level, Path, locate};
use sluice_engine::machine::state::Inside;
use sluice_engine::machine::{Check, State, Status};
use sluice_engine::runbook::checked::Checked;
use sluice_plugin::{Applied, Attempt, Timestamp, Verdict, parse_duration};

use super::checks::{self, hold};
use super::people::{Rules, may_be};
use super::sim::{Held, Sim};
use super::{calls, junk};

/// A question as the journal tells it.
pub(super) struct Asked<'a> {
    pub(super) ask: AskId,
    pub(super) scope: &'a Key,
    pub(super) digest: Sha256,
    pub(super) typed: &'a str,
    pub(super) answer_by: Timestamp,
    valid_for: Duration,
    acts: Vec<(&'a Key, Attempt, Sha256)>,
    /// The yeses that count, each with its place.
    yes: Vec<(usize, &'a Identity, Timestamp)>,
    pub(super) denied: bool,
    voided: bool,
    /// Acts that have begun since.
    begun: BTreeSet<&'a Key>,
}

/// All questions, in their order.
pub(super) fn asked(log: &[Envelope]) -> Vec<Asked<'_>> {
    let rules = Rules::of(log);
    let mut all: Vec<Asked<'_>> = Vec::new();
    for (at, envelope) in log.iter().enumerate() {
        match &envelope.event {
            event @ Event::Asked { ask, key, acts, typed, answer_by, valid_for, .. } => all.push(Asked {
                ask: *ask,
                scope: key,
                digest: asked_digest(None, event).unwrap(),
                typed,
                answer_by: *answer_by,
                valid_for: parse_duration(valid_for).unwrap(),
                acts: acts.iter().map(|act| (&act.key, act.attempt, act.binding)).collect(),
                yes: Vec::new(),
                denied: false,
                voided: false,
                begun: BTreeSet::new(),
            }),
            Event::Answered { ask, asked, yes, by, typed, .. } => {
                let Some(one) = all.iter_mut().find(|one| one.ask == *ask) else { continue };
                let fresh = !one.yes.iter().any(|(_, before, _)| may_be(before, by));
                let right = one.digest == *asked && one.typed == typed && envelope.at <= one.answer_by;
                one.denied |= !yes;
                if *yes && fresh && right && rules.counts(by) {
                    one.yes.push((at, by, envelope.at));
                }
            }
            Event::Voided { ask, .. } => {
                all.iter_mut().filter(|one| one.ask == *ask).for_each(|one| one.voided = true);
            }
            Event::Intended { key, .. } => all.iter_mut().filter(|one| !one.voided).for_each(|one| {
                if one.acts.iter().any(|(act, ..)| *act == key) {
                    one.begun.insert(key);
                }
            }),
            _ => {}
        }
    }
    all
}

impl Asked<'_> {
    fn is_open(&self) -> bool {
        !self.voided && self.acts.iter().any(|(act, ..)| !self.begun.contains(act))
    }

    /// The place and time of the last yes that it took.
    fn confirmed(&self, rules: &Rules) -> Option<(usize, Timestamp)> {
        let last = self.yes.get(rules.people.checked_sub(1)?).filter(|_| !self.denied)?;
        Some((last.0, last.2))
    }

    pub(super) fn waits(&self, rules: &Rules) -> bool {
        self.is_open() && !self.denied && self.confirmed(rules).is_none()
    }

    pub(super) fn has_said(&self, by: &Identity) -> bool {
        self.yes.iter().any(|(_, before, _)| may_be(before, by))
    }

    /// What was confirmed for this act.
    pub(super) fn binding(&self, key: &Key) -> Option<Sha256> {
        self.acts.iter().find(|(act, ..)| *act == key).map(|(.., binding)| *binding)
    }
}

fn last(log: &[Envelope], wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    log.iter().rposition(|envelope| wanted(&envelope.event))
}

/// I1. `at` is now, and what is said just before the act is in the journal.
pub(super) fn may_begin(sim: &Sim<'_>, key: &Key, attempt: Attempt, binding: Sha256) -> Held {
    let (log, rules) = (&sim.log, Rules::of(&sim.log));
    let all = asked(log);
    let fits = |one: &&Asked<'_>| one.acts.contains(&(key, attempt, binding)) && !one.voided;
    let one = all.iter().rev().find(fits).ok_or("nobody was asked for exactly this")?;
    hold(!one.begun.contains(key), || "its yes was used up".into())?;
    let (yes, at) = one.confirmed(&rules).ok_or("too few people said yes, or one said no")?;
    hold(sim.now.since(at) <= one.valid_for, || "the yes is too old".into())?;
    hold(last(log, |event| matches!(event, Event::CancelAsked { .. })).is_none(), || "the run is to end".into())?;
    let claimed = last(log, |event| matches!(event, Event::Claimed { .. })).ok_or("nobody owns the run")?;
    let interrupted = last(log, |event| *event == Event::Interrupted);
    hold(interrupted.is_none_or(|at| at < claimed), || "the run was interrupted".into())?;
    let other = sim.open.keys().find(|other| *other != key && is_destroy(sim, other));
    hold(other.is_none(), || format!("{other:?} is not over"))?;
    // What was seen before another act is the world as it was.
    let acted =
        (0..log.len()).rev().find(|at| begins_or_ends(log, *at) && is_destroy(sim, log[*at].event.key().unwrap()));
    let since = [Some(yes), Some(claimed), acted].into_iter().flatten().max().unwrap_or_default();
    seen_again(sim, one.ask, (key, binding), since)
}

/// Of acts: it begins there, or what became of it is known there.
fn begins_or_ends(log: &[Envelope], at: usize) -> bool {
    let is_about = |event: &Event| {
        matches!(event, Event::Intended { .. } | Event::Done { .. } | Event::Failed { .. })
            || matches!(event, Event::Reconciled { .. } | Event::Settled { .. })
    };
    let Event::Intended { .. } = log[at].event else {
        let key = log[at].event.key();
        let mut before = log[..at].iter().rev().map(|envelope| &envelope.event);
        let begun = before.find(|event| event.key() == key && is_about(event));
        return is_about(&log[at].event)
            && match begun {
                Some(Event::Failed { problem, .. }) => problem.applied == Applied::Maybe,
                Some(event) => !matches!(event, Event::Done { .. }),
                None => false,
            };
    };
    true
}

/// The act and each of its gates, behind that place; and all of them together, just now.
fn seen_again(sim: &Sim<'_>, ask: AskId, (act, bound): (&Key, Sha256), since: usize) -> Held {
    let behind = |wanted: &dyn Fn(&Event) -> bool| {
        last(&sim.log, |event| event.key() == Some(act) && wanted(event)).filter(|at| *at > since)
    };
    let rebound =
        behind(&|event| matches!(event, Event::Rebound { ask: of, binding, .. } if (*of, *binding) == (ask, bound)));
    let mut ready = rebound.ok_or("what it would do was not looked at again")?;
    let gates = gates_of(sim, act);
    hold(!gates.is_empty(), || "it has no gate".into())?;
    let gates: Vec<Key> = gates.into_iter().filter(|gate| !is_overridden(sim, gate)).collect();
    for wanted in &gates {
        let again =
            behind(&|event| matches!(event, Event::Rejudged { ask: of, gate, .. } if (of, gate) == (&ask, wanted)));
        ready = ready.max(again.ok_or_else(|| format!("gate `{wanted}` was not judged again"))?);
        let age = passed_ago(sim, ask, act, wanted);
        hold(age <= 120_000, || format!("gate `{wanted}` passed again {age} ms ago"))?;
    }
    let look = behind(&|event| matches!(event, Event::LookedLast { ask: of, .. } if *of == ask));
    let look = look.filter(|at| *at > ready).ok_or("nothing was looked at together")?;
    let Event::LookedLast { looks, .. } = &sim.log[look].event else { return Err("no look".into()) };
    hold(looks.iter().all(|look| look.verdict == Verdict::Pass), || "a gate does not pass".into())?;
    let missing = gates.iter().find(|gate| !looks.iter().any(|look| look.gate == **gate));
    hold(missing.is_none(), || format!("gate {missing:?} was not looked at"))?;
    let oldest = looks.iter().map(|look| look.at).min().unwrap_or(sim.log[look].at);
    let age = sim.now.0 - oldest.0;
    hold((0..=5_000).contains(&age), || format!("the last look is {age} ms old"))
}

/// How many milliseconds ago the gate was seen to pass again for this act.
pub(super) fn passed_ago(sim: &Sim<'_>, of: AskId, act: &Key, wanted: &Key) -> i64 {
    let again = sim.log.iter().rev().find_map(|envelope| match &envelope.event {
        Event::Rejudged { ask, key, gate, samples, .. } if (*ask, key, gate) == (of, act, wanted) => Some(samples.last),
        _ => None,
    });
    again.map_or(i64::MAX, |last| sim.now.0 - last.0)
}

/// A person let it pass, and no question that needed it has gone by since.
fn is_overridden(sim: &Sim<'_>, gate: &Key) -> bool {
    let Some(at) = last(&sim.log, |event| matches!(event, Event::Overridden { key, .. } if key == gate)) else {
        return false;
    };
    let needs = |act: &Key| sim.needed.get(act).is_some_and(|gates| gates.contains(gate));
    let asked = asked(&sim.log);
    let about = |id: &AskId| {
        asked.iter().find(|one| one.ask == *id).is_some_and(|one| one.acts.iter().any(|(act, ..)| needs(act)))
    };
    let (passed, after) = (sim.log[at].at, &sim.log[at + 1..]);
    !after.iter().any(|envelope| match &envelope.event {
        Event::Intended { key, .. } => needs(key),
        Event::Voided { ask, .. } => about(ask),
        Event::Judged { key, .. } => key == gate,
        Event::Claimed { .. } => envelope.at.since(passed) > Duration::from_secs(30 * 60),
        _ => false,
    })
}

pub(super) fn is_destroy(sim: &Sim<'_>, key: &Key) -> bool {
    let path = locate(key, &sim.runbook, &sim.state);
    path.is_some_and(|path| path.find(&sim.runbook, &sim.state).is_some_and(|(step, _)| step.destroys()))
}

/// The gates that a step needs, by their addresses; of one in a loop each round, or itself where there are none.
pub(super) fn gates_of(sim: &Sim<'_>, act: &Key) -> Vec<Key> {
    let Some(path) = locate(act, &sim.runbook, &sim.state) else { return Vec::new() };
    let levels = path.levels(&sim.runbook, &sim.state);
    let own = calls::frame(&levels, &sim.runbook, &sim.state).levels;
    let (Some(last), above) = (own.last(), levels.len() - own.len()) else { return Vec::new() };
    let mut gates = Vec::new();
    for need in &last.step.needs {
        for (depth, level) in own.iter().enumerate() {
            let Some(at) = level.steps.iter().position(|step| step.id == *need) else { continue };
            let mut hops = path.hops[..above + depth].to_vec();
            hops.push(Hop { at, round: None, finally: false });
            let gate = Path { root: path.root, hops };
            match &level.list.slots[at].inside {
                Inside::Rounds(rounds) if !rounds.rounds.is_empty() => {
                    gates.extend((0..rounds.rounds.len()).map(|round| gate.in_round(round)));
                }
                _ => gates.push(gate),
            }
        }
    }
    gates.iter().map(|gate| gate.key(&sim.runbook, &sim.state)).collect()
}

/// A gate of something that destroys in this step has not passed; a skipped one has not.
pub(super) fn misses_a_gate(sim: &Sim<'_>, scope: &Path) -> bool {
    let inside = junk::keys(sim).into_iter().filter_map(|(key, path)| Some((key, path?)));
    let acts = inside.filter(|(key, path)| (path == scope || path.is_inside(scope)) && is_destroy(sim, key));
    let passed = |gate: &Key| matches!(junk::slot_of(sim, gate).map(|slot| &slot.status), Some(Status::Done(_)));
    acts.into_iter().any(|(act, _)| !gates_of(sim, &act).iter().all(passed))
}

/// I2: of what destroys, between two beginnings stands that it did not happen.
pub(super) fn happened_at_most_once(sim: &Sim<'_>, key: &Key) -> Held {
    let Some(before) = last(&sim.log, |event| matches!(event, Event::Intended { key: of, .. } if of == key)) else {
        return Ok(());
    };
    let not_done = sim.log[before..].iter().any(|envelope| match &envelope.event {
        Event::Failed { key: of, problem, .. } => of == key && problem.applied == Applied::No,
        Event::Reconciled { key: of, verdict: Found::NotDone, .. } => of == key,
        Event::Settled { key: of, verdict: Ruling::NotDone, .. } => of == key,
        _ => false,
    });
    hold(not_done, || format!("I2: `{key}` is begun again, and it may have happened"))
}

/// I1, I3: what may be looked at on the way to an act, and when.
pub(super) fn may_check(sim: &Sim<'_>, check: &Check) -> Held {
    let (scope, act) = match check {
        Check::Bind { scope } | Check::Ask { scope } => (scope, None),
        Check::Rebind { act } | Check::Rejudge { act, .. } | Check::LookLast { act } => (act, Some(act)),
    };
    let key = scope.key(&sim.runbook, &sim.state);
    let ending = sim.state.cancel.is_some() || sim.state.interrupted;
    hold(!ending && sim.state.phase == Phase::Steps, || format!("I3: {check:?} in a run that is to end"))?;
    hold(sim.locked.is_some(), || format!("I8: {check:?} without the lock"))?;
    let (rules, all) = (Rules::of(&sim.log), asked(&sim.log));
    let Some(act) = act else {
        if matches!(check, Check::Bind { .. }) {
            checks::may_open(sim, scope)?;
            checks::named_is_fresh(sim, scope, &["confirm"])?;
        }
        let open = all.iter().any(|one| *one.scope == key && one.is_open());
        let asks = matches!(check, Check::Ask { .. });
        return hold(open == asks, || format!("I1: {check:?}, and the question is open: {open}"));
    };
    let confirmed =
        all.iter().any(|one| one.is_open() && one.binding(&key).is_some() && one.confirmed(&rules).is_some());
    hold(confirmed, || format!("I1: {check:?} before the yes"))?;
    checks::is_made_of_what_is_there(sim, if let Check::Rejudge { gate, .. } = check { gate } else { act })?;
    let of_another = |other: &Check| match other {
        Check::Rebind { act: other } | Check::Rejudge { act: other, .. } | Check::LookLast { act: other } => {
            other != act
        }
        Check::Bind { .. } | Check::Ask { .. } => false,
    };
    let open = sim.open.keys().find(|key| is_destroy(sim, key));
    let other = sim.checks.iter().find(|check| of_another(check));
    hold(open.is_none() && other.is_none(), || format!("I3: {check:?} beside {open:?} and {other:?}"))
}

/// The reason that a question counts no more is true, and what was begun for it is over.
pub(super) fn is_rightly_voided(sim: &Sim<'_>, (id, key, why): (&AskId, &Key, &Void)) -> Held {
    let (rules, all) = (Rules::of(&sim.log), asked(&sim.log));
    let one =
        all.iter().find(|one| one.ask == *id && one.is_open()).ok_or("I1: a question is voided that is not open")?;
    let since = one.confirmed(&rules).map_or(one.answer_by, |(_, at)| at.plus(one.valid_for));
    let fits = match why {
        Void::Denied => one.denied,
        Void::Expired => sim.now > since,
        _ => true,
    };
    hold(fits && one.scope == key, || format!("I1: the question of `{key}` is voided: {why:?}"))?;
    let inside = |act: &Key| act == key || act.as_str().starts_with(&format!("{key}/"));
    let renewed = |act: &Key| junk::slot_of(sim, act).is_some_and(|slot| slot.stale);
    let known = |act: &Key, epoch| !sim.is_once(act) && epoch != sim.state.epoch;
    let open = sim.open.iter().find(|(act, epoch)| inside(act) && !renewed(act) && !known(act, **epoch));
    let settles = matches!(why, Void::Denied | Void::Expired);
    hold(!settles || open.is_none(), || format!("I2: `{key}` is over before {open:?}"))
}

/// A gate ended the steps of a run that destroys, and nobody wants it to end. `None`: it was a gate, or something else.
pub(super) fn is_stopped_open(sim: &Sim<'_>) -> Option<bool> {
    let ending = sim.state.cancel.is_some() || sim.state.interrupted;
    if ending { Some(false) } else { is_stopped(&sim.runbook, &sim.state) }
}

pub(super) fn is_stopped(runbook: &Checked, state: &State) -> Option<bool> {
    let over = state.phase == Phase::Steps && calls::is_over(&runbook.steps, &state.steps);
    if !over || !runbook.destroys() {
        return Some(false);
    }
    let own = |level: &Level<'_>| level.round.map_or(level.slot.status.clone(), |round| round.slot.status.clone());
    let (mut gates, mut others) = (0, 0);
    for path in junk::paths(runbook, state) {
        let levels = path.levels(runbook, state);
        let counts = |level: &Level<'_>| own(level).is_bad() && checks::counts(level.step, level.slot);
        if !levels.iter().all(counts) {
            continue;
        }
        match path.find(runbook, state).map(|(_, slot)| &slot.status) {
            Some(Status::Stopped { .. }) => gates += 1,
            Some(Status::Failed(_) | Status::Unconfirmed { .. }) => others += 1,
            _ => {}
        }
    }
    match (gates, others) {
        (0, _) => Some(false),
        (_, 0) => Some(true),
        _ => None,
    }
}

fn find<'a>(all: &'a [Asked<'a>], ask: AskId) -> Option<&'a Asked<'a>> {
    all.iter().find(|one| one.ask == ask && one.is_open())
}

/// Why a question cannot be voided like this; `None` where it can, or where only what is in flight tells.
pub(super) fn cannot_void(sim: &Sim<'_>, (ask, key, why): (AskId, &Key, &Void)) -> Option<&'static str> {
    let (rules, all) = (Rules::of(&sim.log), asked(&sim.log));
    let Some(one) = find(&all, ask).filter(|one| one.scope == key) else { return Some("no such question is open") };
    let confirmed = one.confirmed(&rules);
    let until = confirmed.map_or(one.answer_by, |(_, at)| at.plus(one.valid_for));
    let holds = |act: &Key| one.binding(act).is_some() && !one.begun.contains(act);
    let fits = match why {
        Void::Denied => one.denied,
        Void::Expired => sim.now > until,
        Void::Moved { act, .. } => confirmed.is_some() && holds(act),
        Void::GateFailed { act, gate, .. } => confirmed.is_some() && holds(act) && gates_of(sim, act).contains(gate),
        Void::Cancelled | Void::Superseded => true,
    };
    (!fits).then_some("the question is not over for this reason")
}

/// Why an act cannot be on its way now.
pub(super) fn cannot_look(sim: &Sim<'_>, ask: AskId, act: &Key) -> Option<&'static str> {
    let (rules, all) = (Rules::of(&sim.log), asked(&sim.log));
    let Some(one) = find(&all, ask) else { return Some("no such question is open") };
    let holds = one.binding(act).is_some() && !one.begun.contains(act);
    if !holds || one.confirmed(&rules).is_none() {
        return Some("nobody said yes to it");
    }
    let ending = sim.state.cancel.is_some() || sim.state.interrupted;
    (ending || sim.state.phase != Phase::Steps).then_some("the run is to end")
}

pub(super) fn cannot_look_last(
    sim: &Sim<'_>,
    ask: AskId,
    act: &Key,
    looks: &[sluice_engine::journal::Glance],
) -> Option<&'static str> {
    let not = cannot_look(sim, ask, act);
    let gates = gates_of(sim, act);
    let missing = gates.iter().any(|gate| !is_overridden(sim, gate) && !looks.iter().any(|look| look.gate == *gate));
    not.or(missing.then_some("a gate was not looked at"))
}
