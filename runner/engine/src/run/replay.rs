//! A recorded run decided again: at each event of its journal, what would this Sluice have done there?
//!
//! The state is always the fold of the recorded events, as in a live run, so nothing drifts. Answers of actions, wishes
//! of people and deaths of processes are taken from the recording; everything that Sluice itself decides is decided anew
//! by the same functions that drive a run, and compared. Nothing is called and nothing is written.
//!
//! A journal does not tell when a call began, nor which events were appended together. Where both are possible, both are
//! followed, as [`World`]s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sluice_plugin::{ActionName, Attempt as Number, Judgement, Outcome, Problem, Timestamp, Verdict};

use super::act::binding;
use super::attempt::Attempt;
use super::judge::{judge, passes_at};
use super::open::supported;
use super::{Engine, OpenError, Recheck, clean};
use crate::evidence::File;
use crate::ids::RunId;
use crate::journal::{Envelope, Event, Key, Samples, Snapshot, StoreError, Void};
use crate::machine::path::{Path, locate};
use crate::machine::{Check, Command, InFlight, State, Status, apply, is_act, next, who_needs};
use crate::runbook::checked::{Checked, Gate, Hold, Kind, Step};

/// More possible courses than any run has.
const MOST_WORLDS: usize = 64;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Replayed {
    #[schemars(with = "String")]
    pub run: RunId,
    pub events: u64,
    /// Events that Sluice decided on, and decides on again.
    pub decisions: u64,
    /// Events that an action or a person at the terminal answered with.
    pub answers: u64,
    /// Events that came from outside: starts, claims, wishes.
    pub given: u64,
    /// The first event that would not be written now.
    pub difference: Option<Difference>,
    /// Actions that are others than they were when the run was started.
    pub changed: Vec<ActionName>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    pub ordinal: u64,
    pub recorded: Value,
    /// What would be written instead, if anything would.
    pub instead: Option<Value>,
    pub why: String,
}

impl Engine {
    /// Decides a recorded run again, up to the first difference. The file has to be verified before.
    pub fn replay(&self, file: &File, recheck: Recheck<'_>) -> Result<Replayed, OpenError> {
        let run = &file.header.run;
        let envelopes = file.envelopes()?;
        let Some(first) = envelopes.first() else { return Err(OpenError::NoRun(run.clone())) };
        let hash = supported(run, first)?;
        let blob =
            file.blob(&hash).ok_or_else(|| StoreError::Corrupt(format!("the snapshot of run {run} is missing")))?;
        let snapshot: Snapshot = serde_json::from_slice(blob)
            .map_err(|error| StoreError::Corrupt(format!("the snapshot of run {run} cannot be read: {error}")))?;
        let runbook =
            recheck.recheck(&snapshot, &self.registry).map_err(|why| OpenError::Runbook { run: run.clone(), why })?;
        let contract = |name: &ActionName| self.registry.action(name).map(|action| action.contract());
        let changed = snapshot.contracts.iter().filter(|(name, then)| contract(name).as_ref() != Some(*then));
        let changed = changed.map(|(name, _)| name.clone()).collect();
        let mut replay = Replay {
            engine: self,
            run,
            state: State::new(&runbook),
            runbook: &runbook,
            worlds: vec![World::default()],
            last: None,
            replayed: Replayed {
                run: run.clone(),
                events: 0,
                decisions: 0,
                answers: 0,
                given: 0,
                difference: None,
                changed,
            },
        };
        for envelope in &envelopes {
            if let Err(difference) = replay.event(envelope) {
                replay.replayed.difference = Some(*difference);
                break;
            }
        }
        Ok(replay.replayed)
    }
}

struct Replay<'a> {
    engine: &'a Engine,
    run: &'a RunId,
    runbook: &'a Checked,
    state: State,
    worlds: Vec<World>,
    /// When this process wrote its last event.
    last: Option<Timestamp>,
    replayed: Replayed,
}

/// One way the process may have come here: what it has in flight, and what it has decided and not yet written.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    flight: Flight,
    pending: VecDeque<Event>,
    /// What was under way when something came in between: it may still be written, if it is legal then.
    late: Vec<Late>,
    /// A person could be asked there: a journal does not tell.
    attended: bool,
}

type Late = (Flight, VecDeque<Event>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Flight {
    tasks: BTreeMap<Path, Task>,
    checks: BTreeSet<Check>,
    session: bool,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Call,
    /// It has been intended.
    Act,
    /// It looks whether an act happened.
    Look,
    /// Its input does not fit the action: it can only fail.
    Misfit,
    Judge,
    Renew,
    /// Of a loop: it reads to choose its next item.
    Pick,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Taken from the recording.
    Given,
    /// Of a call that must be in flight.
    Answer,
    Decision,
}

impl Replay<'_> {
    fn event(&mut self, envelope: &Envelope) -> Result<(), Box<Difference>> {
        let (source, after) = match given(envelope) {
            true => (Source::Given, self.given(envelope)),
            false => self.own(envelope),
        };
        if after.is_empty() {
            return Err(self.not_written(envelope));
        }
        if source == Source::Answer {
            self.answer_holds(envelope).map_err(|why| differs(envelope, None, why))?;
        }
        if let Err(illegal) = apply(self.runbook, &mut self.state, envelope) {
            return Err(differs(envelope, None, format!("it is not legal here: {illegal}")));
        }
        self.worlds = after;
        self.last = (source != Source::Given).then_some(envelope.at);
        self.replayed.events += 1;
        match source {
            Source::Given => self.replayed.given += 1,
            Source::Answer => self.replayed.answers += 1,
            Source::Decision => self.replayed.decisions += 1,
        }
        Ok(())
    }

    /// After what was not decided here: a new process has nothing in flight; a wish may cross what was under way.
    fn given(&self, envelope: &Envelope) -> Vec<World> {
        match &envelope.event {
            Event::Started { .. } | Event::Claimed { .. } => {
                [false, true].map(|attended| World { attended, ..World::default() }).into()
            }
            _ => {
                let mut after = Vec::new();
                for world in &self.worlds {
                    let turned = self.turn(world.clone(), envelope.at);
                    let late = (turned.flight.clone(), turned.pending.clone());
                    for mut world in [turned, world.clone()] {
                        world.late.push(late.clone());
                        add(&mut after, world);
                    }
                }
                after
            }
        }
    }

    /// The worlds in which this process writes the event now.
    fn own(&self, envelope: &Envelope) -> (Source, Vec<World>) {
        let together = self.last == Some(envelope.at);
        let (mut source, mut after) = (Source::Decision, Vec::new());
        for world in &self.worlds {
            if let Some(world) = self.decided(world.clone(), &envelope.event) {
                add(&mut after, world);
            }
            if together && let Some(world) = self.landed(world, &envelope.event) {
                source = Source::Answer;
                add(&mut after, world);
            }
            if world.pending.is_empty() {
                let turned = self.turn(world.clone(), envelope.at);
                if let Some(world) = self.decided(turned.clone(), &envelope.event) {
                    add(&mut after, world);
                } else if turned.pending.is_empty()
                    && let Some(world) = self.landed(&turned, &envelope.event)
                {
                    source = Source::Answer;
                    add(&mut after, world);
                }
            }
            for late in &world.late {
                if let Some((is, late)) = self.came_late(late, &envelope.event) {
                    source = is;
                    let mut world = world.clone();
                    world.flight.tasks.retain(|path, _| !self.is_about(path, envelope));
                    world.late = vec![late];
                    add(&mut after, world);
                }
            }
        }
        after.truncate(MOST_WORLDS);
        (source, after)
    }

    /// What was under way before something came in between, after this part of it was written all the same.
    fn came_late(&self, (flight, pending): &Late, event: &Event) -> Option<(Source, Late)> {
        let world = World { flight: flight.clone(), pending: pending.clone(), ..World::default() };
        let landed = self.landed(&world, event).map(|world| (Source::Answer, world));
        let (source, world) = landed.or_else(|| Some((Source::Decision, self.decided(world, event)?)))?;
        Some((source, (world.flight, world.pending)))
    }

    fn is_about(&self, path: &Path, envelope: &Envelope) -> bool {
        envelope.event.key().is_some_and(|key| *key == path.key(self.runbook, &self.state))
    }

    /// The event is the next of what was decided: what is not legal any more is left out.
    fn decided(&self, mut world: World, event: &Event) -> Option<World> {
        while let Some(mut decision) = world.pending.pop_front() {
            clean::event(&*self.engine.hosts, &mut decision);
            if decision == *event {
                world.late.clear();
                return Some(world);
            }
            if self.is_legal(&decision) {
                return None;
            }
        }
        None
    }

    fn is_legal(&self, event: &Event) -> bool {
        let envelope = Envelope {
            ordinal: self.state.ordinal + 1,
            at: Timestamp(0),
            epoch: Some(self.state.epoch),
            actor: String::new(),
            event: event.clone(),
        };
        apply(self.runbook, &mut self.state.clone(), &envelope).is_ok()
    }

    /// What a process does when nothing more happens: decide, or cut and start calls.
    fn turn(&self, mut world: World, now: Timestamp) -> World {
        if !world.pending.is_empty() {
            return world;
        }
        let commands = next(self.runbook, &self.state, now, &self.in_flight(&world.flight, world.attended));
        let decisions: VecDeque<Event> = commands.iter().filter_map(Command::event).cloned().collect();
        if !decisions.is_empty() {
            world.pending = decisions;
            return world;
        }
        let wanted = |path: &Path| commands.iter().any(|command| command.path() == Some(path));
        let before = world.flight.tasks.len();
        world.flight.tasks.retain(|path, task| wanted(path) || self.acts(path, *task));
        world.flight.checks.retain(|check| commands.contains(&Command::Check(check.clone())));
        world.flight.session = commands.contains(&Command::Session);
        if commands.is_empty() && world.flight.tasks.len() < before {
            // What was cut has come back: it asks again.
            return self.turn(world, now);
        }
        for command in commands {
            let (path, task) = match command {
                Command::Call { path } => (path, Task::Call),
                Command::Judge { path, .. } => (path, Task::Judge),
                Command::Renew { path } => (path, Task::Renew),
                Command::Pick { path } => (path, Task::Pick),
                Command::Reconcile { path, .. } => (path, Task::Look),
                Command::Check(check) => {
                    world.flight.checks.insert(check);
                    continue;
                }
                Command::Session | Command::Take | Command::Release | Command::Emit(_) | Command::Wake(_) => continue,
            };
            if world.flight.tasks.contains_key(&path) {
                continue;
            }
            match self.prepared(&path, task) {
                Ok(task) => {
                    world.flight.tasks.insert(path, task);
                }
                Err(failed) => {
                    world.pending = VecDeque::from([failed]);
                    break;
                }
            }
        }
        world
    }

    /// A call whose input cannot be filled in is not begun; it fails, or whoever needed it does.
    fn prepared(&self, path: &Path, task: Task) -> Result<Task, Event> {
        let attempt = match task {
            Task::Pick => Attempt::to_pick(self.engine, self.run, self.runbook, &self.state, path),
            Task::Call | Task::Act | Task::Look | Task::Misfit | Task::Judge | Task::Renew => {
                Attempt::prepare(self.engine, self.run, self.runbook, &self.state, path)
            }
        };
        match attempt {
            Ok(attempt) if task == Task::Call && !attempt.action.input_errors(&attempt.call.with).is_empty() => {
                Ok(Task::Misfit)
            }
            Ok(_) => Ok(task),
            Err(problem) if task == Task::Renew => {
                let key = path.key(self.runbook, &self.state);
                let needy = who_needs(self.runbook, &self.state, Timestamp(i64::MAX), &InFlight::default(), path);
                Err(self.failed(needy.as_ref(), super::drive::not_renewed(&key, problem)))
            }
            Err(problem) => Err(self.failed(Some(path), problem)),
        }
    }

    fn failed(&self, path: Option<&Path>, problem: Problem) -> Event {
        let found =
            path.and_then(|path| Some((path.key(self.runbook, &self.state), path.find(self.runbook, &self.state)?.1)));
        match found {
            Some((key, slot)) => super::drive::not_begun(key, Some(slot), problem),
            None => Event::Failed { key: Key::session(), attempt: Number(1), problem },
        }
    }

    fn in_flight(&self, flight: &Flight, attended: bool) -> InFlight {
        // An act that is wanted and not yet intended is not under way.
        let begun = flight.tasks.iter().filter(|(path, task)| !self.is_to_come(path, **task));
        let (picks, others): (Vec<_>, Vec<_>) = begun.partition(|(_, task)| **task == Task::Pick);
        let paths = |tasks: Vec<(&Path, &Task)>| tasks.into_iter().map(|(path, _)| path.clone()).collect();
        let looks = flight.tasks.iter().filter(|(_, task)| **task == Task::Look);
        InFlight {
            looks: looks.map(|(path, _)| path.clone()).collect(),
            paths: paths(others),
            picks: paths(picks),
            acts: flight.tasks.iter().filter(|(path, task)| self.acts(path, **task)).count(),
            session: flight.session,
            checks: flight.checks.clone(),
            attended,
            plans: false,
        }
    }

    /// Is it doing something that must not be cut?
    fn acts(&self, path: &Path, task: Task) -> bool {
        match task {
            Task::Act => true,
            Task::Renew => self.is_act(path),
            Task::Call | Task::Misfit => self.is_act(path) && self.state.semantics() < 2,
            Task::Look | Task::Judge | Task::Pick => false,
        }
    }

    fn is_to_come(&self, path: &Path, task: Task) -> bool {
        // Earlier versions wrote no intents.
        task == Task::Call && self.is_act(path) && self.state.semantics() >= 2
    }

    fn is_act(&self, path: &Path) -> bool {
        path.find(self.runbook, &self.state).is_some_and(|(step, _)| is_act(step))
    }

    /// The world after the answer of a call that is in flight in it.
    fn landed(&self, world: &World, event: &Event) -> Option<World> {
        let mut after = World { late: Vec::new(), ..world.clone() };
        let key = event.key()?;
        if *key == Key::session() {
            let ended = matches!(event, Event::Done { .. } | Event::Failed { .. });
            let renewing = self.renewal_failed(&after.flight, None, event);
            after.flight.session &= renewing.is_some();
            after.flight.tasks.retain(|path, _| renewing.as_ref() != Some(path));
            return (ended && (world.flight.session || renewing.is_some())).then_some(after);
        }
        let path = locate(key, self.runbook, &self.state)?;
        if let Some(check) = self.check_behind(event, &path, &after.flight) {
            if !matches!(event, Event::LookedLast { .. }) {
                after.flight.checks.remove(&check);
            }
            if matches!(event, Event::Intended { .. }) {
                after.flight.tasks.insert(path, Task::Act);
            }
            return Some(after);
        }
        let task = world.flight.tasks.get(&path).copied();
        let once = path.find(self.runbook, &self.state).is_some_and(|(step, _)| step.is_once());
        let lands = match (event, task) {
            (Event::Intended { .. }, Some(Task::Call)) if self.is_act(&path) => {
                after.flight.tasks.insert(path, Task::Act);
                return Some(after);
            }
            // An ephemeral step that is done again goes on in the same call.
            (Event::Intended { .. }, Some(Task::Renew)) if self.is_act(&path) => return Some(after),
            // Without an intent, an act was done already when it was asked what it would do.
            (Event::Done { .. }, Some(Task::Call)) => once || !self.is_to_come(&path, Task::Call),
            (Event::Done { .. } | Event::Failed { .. }, Some(Task::Act))
            | (Event::Reconciled { .. }, Some(Task::Look))
            | (Event::Picked { .. }, Some(Task::Pick))
            | (Event::Failed { .. }, Some(Task::Call | Task::Misfit | Task::Judge | Task::Pick))
            | (Event::Judged { .. } | Event::Waiting { .. }, Some(Task::Judge))
            | (Event::Renewed { .. }, Some(Task::Renew)) => true,
            (Event::Failed { .. } | Event::Reconciled { .. }, None) => {
                let renewing = self.renewal_failed(&after.flight, Some(&path), event)?;
                after.flight.tasks.remove(&renewing);
                return Some(after);
            }
            _ => false,
        };
        // A gate that begins to wait is sampled on.
        if !matches!(event, Event::Waiting { .. }) {
            after.flight.tasks.remove(&path);
        }
        lands.then_some(after)
    }

    /// The part of the way to an act that brought this event.
    fn check_behind(&self, event: &Event, path: &Path, flight: &Flight) -> Option<Check> {
        let at = |key: &Key| locate(key, self.runbook, &self.state);
        let last = |act: Path| Check::LookLast { act };
        let behind = match event {
            Event::Asked { .. } | Event::Failed { .. } => vec![Check::Bind { scope: path.clone() }],
            Event::Rebound { .. } => vec![Check::Rebind { act: path.clone() }],
            Event::Rejudged { gate, .. } => vec![Check::Rejudge { act: path.clone(), gate: at(gate)? }],
            Event::LookedLast { .. } | Event::Intended { .. } => vec![last(path.clone())],
            Event::Voided { why: Void::Moved { act, .. }, .. } => {
                let act = at(act)?;
                vec![Check::Rebind { act: act.clone() }, last(act)]
            }
            Event::Voided { why: Void::GateFailed { act, gate, .. }, .. } => {
                let act = at(act)?;
                vec![Check::Rejudge { act: act.clone(), gate: at(gate)? }, last(act)]
            }
            _ => return None,
        };
        behind.into_iter().find(|check| flight.checks.contains(check))
    }

    /// The call in flight whose failure makes `needy` fail; `None` stands for the session.
    fn renewal_failed(&self, flight: &Flight, needy: Option<&Path>, event: &Event) -> Option<Path> {
        if !matches!(event, Event::Failed { .. } | Event::Reconciled { .. }) {
            return None;
        }
        let renewing = flight.tasks.iter().filter(|(_, task)| **task == Task::Renew).map(|(path, _)| path);
        let now = Timestamp(i64::MAX);
        let mut failed = renewing.filter(|path| {
            let in_flight = self.in_flight(flight, false);
            who_needs(self.runbook, &self.state, now, &in_flight, path).as_ref() == needy
        });
        failed.next().cloned()
    }

    /// What can be told of an answer without asking again: that a gate's word fits what it saw and its conditions.
    fn answer_holds(&self, envelope: &Envelope) -> Result<(), String> {
        let Some(path) = envelope.event.key().and_then(|key| locate(key, self.runbook, &self.state)) else {
            return Ok(());
        };
        let Some((step, slot)) = path.find(self.runbook, &self.state) else { return Ok(()) };
        let Kind::Gate(gate) = &step.kind else { return self.intent_holds(&path, step, &envelope.event) };
        match &envelope.event {
            Event::Waiting { until, .. } if *until > envelope.at.plus(gate.passes.within) => {
                Err("a gate may not wait longer than its `within`".to_owned())
            }
            Event::Judged { verdict, why, samples, seen, .. } => {
                let judgement = Judgement { verdict: Verdict::Pass, why: why.clone() };
                let outcome = Outcome { output: seen.clone(), judgement: Some(judgement) };
                let (again, _) = judge(self.runbook, &self.state, &path, (step, gate), outcome);
                let until = if let Status::Waiting { until } = slot.status { Some(until) } else { None };
                let hold = passes_at((self.runbook, &self.state, &path), gate).hold;
                gate_holds((gate, hold), *verdict, &again, samples, (envelope.at, until))
            }
            _ => Ok(()),
        }
    }

    /// An intent without a preview names exactly what the state gives the action.
    fn intent_holds(&self, path: &Path, step: &Step, event: &Event) -> Result<(), String> {
        let Event::Intended { binding: named, .. } = event else { return Ok(()) };
        let attempt = Attempt::prepare(self.engine, self.run, self.runbook, &self.state, path);
        match attempt {
            // What was confirmed is in the journal, and `apply` compares.
            Ok(_) if step.destroys() => Ok(()),
            Ok(attempt) if step.is_once() && attempt.action.spec.abilities.preview => Ok(()),
            Ok(attempt) if binding(&attempt, None) == *named => Ok(()),
            Ok(_) => Err("what was intended is not what the step says now".to_owned()),
            Err(problem) => Err(problem.message),
        }
    }

    /// The event has no world in which it is written.
    fn not_written(&self, envelope: &Envelope) -> Box<Difference> {
        let Some(world) = self.worlds.first() else {
            return differs(envelope, None, "nothing can follow".to_owned());
        };
        let turned = self.turn(world.clone(), envelope.at);
        if let Some(mut instead) = turned.pending.iter().find(|decision| self.is_legal(decision)).cloned() {
            clean::event(&*self.engine.hosts, &mut instead);
            return differs(envelope, Some(&instead), "Sluice decides otherwise now".to_owned());
        }
        let mut waits: Vec<String> =
            turned.flight.tasks.keys().map(|path| path.key(self.runbook, &self.state).0).collect();
        if turned.flight.session {
            waits.push("the session".to_owned());
        }
        let why = match waits.as_slice() {
            [] => "nothing would be under way now that could lead to it".to_owned(),
            waits => format!("what would be under way now does not lead to it: {}", waits.join(", ")),
        };
        differs(envelope, None, why)
    }
}

fn add(worlds: &mut Vec<World>, world: World) {
    if !worlds.contains(&world) {
        worlds.push(world);
    }
}

fn given(envelope: &Envelope) -> bool {
    match &envelope.event {
        Event::Started { .. }
        | Event::Claimed { .. }
        | Event::Locked { .. }
        | Event::Unlocked { .. }
        | Event::LockLost { .. }
        | Event::CancelAsked { .. }
        | Event::Interrupted
        | Event::Ruled { .. }
        | Event::Answered { .. }
        | Event::Overridden { .. }
        | Event::Settled { .. } => true,
        Event::Entered { .. }
        | Event::Opened { .. }
        | Event::Called { .. }
        | Event::EnteredFinally { .. }
        | Event::Returned { .. }
        | Event::Picked { .. }
        | Event::Skipped { .. }
        | Event::Waiting { .. }
        | Event::Done { .. }
        | Event::Renewed { .. }
        | Event::Failed { .. }
        | Event::Judged { .. }
        | Event::Intended { .. }
        | Event::Reconciled { .. }
        | Event::Asked { .. }
        | Event::Voided { .. }
        | Event::Rebound { .. }
        | Event::Rejudged { .. }
        | Event::LookedLast { .. }
        | Event::Parked
        | Event::Ended { .. } => false,
    }
}

/// Only the last sample of a gate is in the journal, with the number of all. `again` is what the runbook's own
/// conditions say of it, the action's own verdict taken for a pass.
fn gate_holds(
    (gate, hold): (&Gate, Hold),
    verdict: Verdict,
    again: &Judgement,
    samples: &Samples,
    (at, until): (Timestamp, Option<Timestamp>),
) -> Result<(), String> {
    let patient = !gate.passes.within.is_zero();
    if verdict != Verdict::Pass {
        let baseless = !gate.judges && !patient && again.verdict == Verdict::Pass;
        return if baseless { Err("what the gate saw fulfils all its conditions".to_owned()) } else { Ok(()) };
    }
    if again.verdict != Verdict::Pass {
        return Err(format!("what the gate saw is no pass: {}", again.why));
    }
    let enough = match hold {
        Hold::Consecutive(wanted) => samples.count >= wanted,
        Hold::For(wanted) => samples.count >= 2 && at.since(samples.first) >= wanted,
    };
    if !enough {
        return Err("the gate did not look often or long enough to pass".to_owned());
    }
    match until {
        Some(until) if samples.last > until => Err("the gate's time was over before it passed".to_owned()),
        _ => Ok(()),
    }
}

fn differs(envelope: &Envelope, instead: Option<&Event>, why: String) -> Box<Difference> {
    let value = |event: &Event| serde_json::to_value(event).unwrap_or_default();
    Box::new(Difference {
        ordinal: envelope.ordinal,
        recorded: value(&envelope.event),
        instead: instead.map(value),
        why,
    })
}
