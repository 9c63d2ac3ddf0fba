//! The shell without a shell: keeps what is in flight as `next` wants it, and lets the tape say what becomes of it.
//!
//! No task, no store: a crash is a new claim over the fold of the journal, with nothing in flight.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{
    CancelHow, Envelope, Epoch, Event, Found, Key, LockedAt, Loss, Outcome, Owner, Phase, Samples, Trigger,
};
use sluice_engine::machine::path::{Path, Root, locate};
use sluice_engine::machine::state::Intent;
use sluice_engine::machine::{Check, Command, InFlight, SEMANTICS, State, Status, apply, is_act, next, who_needs};
use sluice_engine::runbook::checked::{Checked, Kind, Step};
use sluice_plugin::{Applied, Attempt, Problem, Timestamp, Verdict};

use super::tape::{Move, output};
use super::{Tally, adds_up, calls, checks, confirmed, ends, junk};

/// `Err` names the promise that was broken.
pub(super) type Held = Result<(), String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Call,
    Preview,
    Act,
    Look,
    Judge,
    Renew,
    Pick,
}

pub(super) struct Sim<'a> {
    pub(super) runbook: Checked,
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) flight: BTreeMap<Path, Task>,
    pub(super) session: bool,
    pub(super) log: Vec<Envelope>,
    /// Outputs that died with the process that had them.
    pub(super) gone: BTreeSet<Path>,
    /// Acts that may have happened, counted from the journal: of each, the epoch that began it last.
    pub(super) open: BTreeMap<Key, Epoch>,
    /// Attempts that have ended, counted from the journal.
    tries: BTreeMap<Key, u32>,
    /// The generation of the lock that this claim of the run has.
    pub(super) locked: Option<u64>,
    /// The generation of the last take, by whomever.
    generation: u64,
    /// `finally` was entered before everything before it was over.
    pub(super) cut: bool,
    /// The turns that loops gave to their items, from the journal.
    pub(super) turns: BTreeMap<Key, Vec<String>>,
    pub(super) tally: &'a Tally,
    pub(super) tape: std::iter::Peekable<std::slice::Iter<'a, Move>>,
    pub(super) race: Option<(CancelHow, u8)>,
    /// Turns since the tape was over.
    pub(super) quiet: usize,
    /// Parts of the way to an act that destroys, in flight.
    pub(super) checks: BTreeSet<Check>,
    pub(super) attended: bool,
    /// The gates of each act that people were asked for.
    pub(super) needed: BTreeMap<Key, BTreeSet<Key>>,
    /// How often what an act would do became something else.
    pub(super) moved: BTreeMap<Key, u32>,
    /// Tells schedules apart: who sits where, and which policies there are.
    pub(super) seed: usize,
}

impl<'a> Sim<'a> {
    pub(super) fn new(runbook: Checked, tape: &'a [Move], tally: &'a Tally) -> Self {
        Self {
            state: State::new(&runbook),
            runbook,
            now: Timestamp(1_790_000_000_000),
            flight: BTreeMap::new(),
            session: false,
            log: Vec::new(),
            gone: BTreeSet::new(),
            open: BTreeMap::new(),
            tries: BTreeMap::new(),
            locked: None,
            generation: 0,
            turns: BTreeMap::new(),
            cut: false,
            tally,
            tape: tape.iter().peekable(),
            race: None,
            quiet: 0,
            checks: BTreeSet::new(),
            attended: false,
            needed: BTreeMap::new(),
            moved: BTreeMap::new(),
            seed: tape.len(),
        }
    }

    pub(super) fn play(mut self) -> Held {
        let started = Event::Started {
            run: None,
            runbook: self.runbook.name.to_string(),
            snapshot: Sha256::ZERO,
            inputs: json!({}),
            trigger: Trigger::Cli,
            semantics: SEMANTICS,
        };
        self.take(Some(Epoch(1)), started)?;
        self.claim()?;
        for turn in 0.. {
            if self.turn().map_err(|why| format!("{why}\n{}", self.story()))? {
                break;
            }
            if turn > 2_000 {
                return Err(format!(
                    "I5: the run goes round: {:?} wanted with {:?} in flight",
                    self.next(),
                    self.flight
                ));
            }
        }
        ends::journal_tells_the_same(&self)
    }

    /// What happened, for whoever looks at a failure.
    fn story(&self) -> String {
        let key = |event: &Event| event.key().map(ToString::to_string).unwrap_or_default();
        let line = |one: &Envelope| format!("{} {} {}", one.event.kind(), key(&one.event), one.at.0 % 100_000_000);
        self.log.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    /// True when the run is over for good.
    fn turn(&mut self) -> Result<bool, String> {
        if self.state.ended.is_some() {
            return self.ended();
        }
        if self.state.parked {
            return self.parked().map(|()| false);
        }
        let commands = self.next();
        checks::commands_are_distinct(&commands)?;
        let decisions: Vec<Event> = commands.iter().filter_map(Command::event).cloned().collect();
        if !decisions.is_empty() {
            return self.decide(decisions).map(|()| false);
        }
        let flying = self.flight.len() + self.checks.len();
        self.cut(&commands);
        if commands.contains(&Command::Take) {
            return self.take_lock(&commands).map(|()| false);
        }
        if commands.is_empty() && self.flight.len() + self.checks.len() < flying {
            // What was cut has come back: ask again.
            return Ok(false);
        }
        let ordinal = self.state.ordinal;
        self.start(&commands)?;
        checks::widths_hold(self)?;
        calls::wait_for_open_acts(self)?;
        if self.state.ordinal != ordinal {
            return Ok(false);
        }
        ends::finally_goes_on(self);
        self.quiet += usize::from(self.tape.peek().is_none());
        let most = ends::most_turns(self);
        if self.quiet > most {
            return Err(format!("I5: the run goes on after {most} turns without trouble"));
        }
        self.happen(&commands)?;
        Ok(false)
    }

    /// Nothing else happens before the lock is taken; a process may die before, or between the take and its event.
    fn take_lock(&mut self, commands: &[Command]) -> Held {
        checks::only_the_lock_is_wanted(self, commands)?;
        self.generation += 1;
        if matches!(self.tape.peek(), Some(Move::Crash)) {
            self.tape.next();
            self.tally.count("crashed at its lock");
            return self.crash();
        }
        let again = self.log.iter().any(|past| matches!(past.event, Event::Locked { .. }));
        self.tally.count(if again { "locked again" } else { "locked" });
        let (name, generation) = ("it".to_owned(), self.generation);
        self.own(Event::Locked { name, generation, at: LockedAt::Store, after: None, caller: None })?;
        self.locked = Some(generation);
        Ok(())
    }

    fn lose(&mut self) -> Held {
        let Some(generation) = self.locked.take() else { return Ok(()) };
        self.tally.count("lost its lock");
        self.take(None, Event::LockLost { generation, how: Loss::Broken { why: "a test".into() } })
    }

    pub(super) fn next(&self) -> Vec<Command> {
        next(&self.runbook, &self.state, self.now, &self.in_flight())
    }

    pub(super) fn in_flight(&self) -> InFlight {
        let of = |pick: bool| {
            let tasks = self.flight.iter().filter(move |(_, task)| (**task == Task::Pick) == pick);
            tasks.map(|(path, _)| path.clone()).collect()
        };
        InFlight {
            paths: of(false),
            picks: of(true),
            looks: self.flight.iter().filter(|(_, task)| **task == Task::Look).map(|(path, _)| path.clone()).collect(),
            acts: self.flight.keys().filter(|path| self.acts(path)).count(),
            session: self.session,
            checks: self.checks.clone(),
            attended: self.attended,
            ..InFlight::default()
        }
    }

    pub(super) fn is_act(&self, path: &Path) -> bool {
        let step = path.find(&self.runbook, &self.state);
        self.flight.get(path) != Some(&Task::Pick) && step.is_some_and(|(step, _)| is_act(step))
    }

    /// Is it doing something right now?
    pub(super) fn acts(&self, path: &Path) -> bool {
        match self.flight.get(path) {
            Some(Task::Act) => true,
            Some(Task::Renew) => self.is_act(path),
            Some(Task::Call | Task::Preview | Task::Look | Task::Judge | Task::Pick) | None => false,
        }
    }

    pub(super) fn is_once(&self, key: &Key) -> bool {
        let path = locate(key, &self.runbook, &self.state);
        path.is_some_and(|path| path.find(&self.runbook, &self.state).is_some_and(|(step, _)| step.is_once()))
    }

    pub(super) fn envelope(&self, epoch: Option<Epoch>, event: Event) -> Envelope {
        Envelope { ordinal: self.state.ordinal + 1, at: self.now, epoch, actor: "p@here".into(), event }
    }

    /// An event that must be legal.
    pub(super) fn take(&mut self, epoch: Option<Epoch>, event: Event) -> Held {
        if let Event::Intended { key, attempt, binding, .. } = &event
            && confirmed::is_destroy(self, key)
        {
            confirmed::may_begin(self, key, *attempt, *binding).map_err(|why| format!("I1: `{key}` begins: {why}"))?;
            confirmed::happened_at_most_once(self, key)?;
        }
        let envelope = self.envelope(epoch, event);
        if matches!(envelope.event, Event::Overridden { .. }) {
            self.tidies_anew(&envelope);
        }
        let before = self.state.clone();
        if let Err(illegal) = apply(&self.runbook, &mut self.state, &envelope) {
            checks::untouched(&before, &self.state, &envelope)?;
            return Err(format!("I7: {:?} is what had to come, and is refused: {illegal}", envelope.event));
        }
        self.count(&envelope.event)?;
        if envelope.event == (Event::Entered { phase: Phase::Finally }) {
            self.cut = checks::is_cut(&self.runbook, &before, &self.state);
        }
        adds_up::what_is_gone_is_stale(self)?;
        adds_up::settled_stays(self, &before, &envelope.event)?;
        adds_up::statuses_add_up(self)?;
        checks::turns_are_as_written(self)?;
        self.log.push(envelope);
        self.now = Timestamp(self.now.0 + 1);
        Ok(())
    }

    /// Keeps the books that the state is compared with.
    fn count(&mut self, event: &Event) -> Held {
        self.count_acts(event)?;
        if let Event::Picked { key, item, .. } = event {
            self.tally.count("picked");
            self.turns.entry(key.clone()).or_default().push(item.clone());
        }
        let key = match event {
            Event::Reconciled { verdict: Found::CannotTell, .. } => return Ok(()),
            Event::Failed { key, .. } if self.open.contains_key(key) => return Ok(()),
            Event::Reconciled { key, .. } | Event::Settled { key, .. } => key,
            Event::Done { key, .. } | Event::Failed { key, .. } | Event::Renewed { key, .. } => key,
            Event::Judged { key, .. } => {
                *self.tries.entry(key.clone()).or_default() += 1;
                key
            }
            _ => return Ok(()),
        };
        if let Some(path) = locate(key, &self.runbook, &self.state) {
            self.gone.remove(&path);
        }
        if let Event::Done { attempt, .. }
        | Event::Failed { attempt, .. }
        | Event::Reconciled { attempt, .. }
        | Event::Settled { attempt, .. } = event
        {
            let tries = self.tries.entry(key.clone()).or_default();
            *tries += 1;
            if attempt.0 != *tries {
                return Err(format!("I7: attempt {} of `{key}` is accepted as its {tries}. one", attempt.0));
            }
        }
        Ok(())
    }

    pub(super) fn own(&mut self, event: Event) -> Held {
        self.take(Some(self.state.epoch), event)
    }

    /// An event that must be refused.
    pub(super) fn refuse(&self, why: &str, envelope: &Envelope) -> Held {
        let mut state = self.state.clone();
        if apply(&self.runbook, &mut state, envelope).is_ok() {
            return Err(format!("{why}: {envelope:?} is accepted"));
        }
        checks::untouched(&self.state, &state, envelope)
    }

    fn decide(&mut self, decisions: Vec<Event>) -> Held {
        let late = match &mut self.race {
            Some((how, 0)) => Some(*how),
            Some((_, left)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if let Some(how) = late {
            self.race = None;
            self.take(None, Event::CancelAsked { how, why: "in between".into() })?;
            return self.decide_late(decisions);
        }
        for event in decisions {
            checks::decision_is_true(self, &event)?;
            let before = self.state.clone();
            self.own(event)?;
            checks::something_happened(&before, &self.state)?;
        }
        Ok(())
    }

    /// The decisions were made before somebody cancelled: all of them are taken, or none.
    fn decide_late(&mut self, decisions: Vec<Event>) -> Held {
        let (state, length) = (self.state.clone(), self.log.len());
        for event in decisions {
            let envelope = self.envelope(Some(self.state.epoch), event);
            if apply(&self.runbook, &mut self.state, &envelope).is_err() {
                self.tally.count("lost a race to a cancel");
                self.state = state;
                self.log.truncate(length);
                return Ok(());
            }
            self.log.push(envelope);
        }
        let late = self.log.split_off(length);
        late.iter().try_for_each(|envelope| self.count(&envelope.event))?;
        if late.iter().any(|envelope| envelope.event == (Event::Entered { phase: Phase::Finally })) {
            self.cut = checks::is_cut(&self.runbook, &state, &self.state);
        }
        let tidies = |key: &str| {
            locate(&Key(key.to_owned()), &self.runbook, &self.state).is_some_and(|path| calls::is_in_finally(&path))
        };
        checks::nothing_began_after_a_cancel(&state, &late, &tidies)?;
        self.log.extend(late);
        Ok(())
    }

    /// What is gone from the desired set is cut, unless it is an act.
    fn cut(&mut self, commands: &[Command]) {
        let wanted = |path: &Path| commands.iter().any(|command| command.path() == Some(path));
        let gone: Vec<Path> = self.flight.keys().filter(|path| !wanted(path) && !self.acts(path)).cloned().collect();
        if gone.iter().any(|path| self.flight[path] == Task::Preview) {
            self.tally.count("not begun after all");
        }
        self.flight.retain(|path, _| !gone.contains(path));
        let before = self.checks.len();
        self.checks.retain(|check| commands.contains(&Command::Check(check.clone())));
        if self.checks.len() < before {
            self.tally.count("a look was cut");
        }
        self.session &= commands.contains(&Command::Session);
        if self.state.cancel.is_some() && self.state.phase == Phase::Steps && !self.flight.is_empty() {
            self.tally.count("under way when cancelled");
        }
    }

    fn start(&mut self, commands: &[Command]) -> Held {
        for command in commands {
            let (path, task) = match command {
                Command::Call { path } => (path, self.task(path)),
                Command::Reconcile { path, .. } => (path, Task::Look),
                Command::Judge { path, .. } => (path, Task::Judge),
                Command::Renew { path } => (path, Task::Renew),
                Command::Pick { path } => (path, Task::Pick),
                Command::Session => {
                    if !self.session {
                        checks::session_may_start(self)?;
                    }
                    self.session = true;
                    continue;
                }
                Command::Check(check) => {
                    self.start_check(check)?;
                    continue;
                }
                Command::Wake(_) | Command::Emit(_) | Command::Take | Command::Release => continue,
            };
            match self.flight.get(path) {
                Some(is) if *is == task => {}
                // Intended meanwhile.
                Some(Task::Act | Task::Preview) if matches!(task, Task::Act | Task::Preview) => {}
                Some(is) => return Err(format!("I3: {path:?} is in flight as {is:?} and wanted as {task:?}")),
                None => {
                    checks::may_start(self, path, task)?;
                    if task == Task::Act || (task == Task::Renew && self.is_act(path)) {
                        return self.act(&path.clone(), task);
                    }
                    self.flight.insert(path.clone(), task);
                }
            }
        }
        Ok(())
    }

    fn happen(&mut self, commands: &[Command]) -> Held {
        let wake = commands.iter().filter_map(|c| if let Command::Wake(at) = c { Some(*at) } else { None }).min();
        match self.tape.next().copied() {
            None => self.finish_or_wait((0, 0, 0), wake),
            Some(Move::Finish(which, how, what)) => self.finish_or_wait((which, how, what), wake),
            Some(Move::Time(seconds)) => {
                self.now = Timestamp(self.now.0 + i64::from(seconds) * 1000);
                Ok(())
            }
            Some(Move::Crash) => self.crash(),
            Some(Move::Cancel(how)) => self.take(None, Event::CancelAsked { how, why: "enough".into() }),
            Some(Move::Race(how, after)) => {
                self.race = Some((how, after));
                Ok(())
            }
            Some(Move::Interrupt) => self.own(Event::Interrupted),
            Some(Move::Lose) => self.lose(),
            Some(Move::Settle(which, what)) => self.settle(which, what),
            Some(Move::Long(minutes)) => {
                self.now = Timestamp(self.now.0 + i64::from(minutes) * 60_000);
                Ok(())
            }
            Some(Move::Answer(who, how)) => self.answer(who, how),
            Some(Move::Override(which, who)) => self.override_gate(which, who),
            Some(Move::Shift(which)) => {
                self.shift(which);
                Ok(())
            }
            Some(Move::Stale(pick)) => junk::stale(self, pick),
            Some(Move::Junk(pick)) => junk::junk(self, pick),
        }
    }

    fn finish_or_wait(&mut self, (which, how, what): (u8, u8, u8), wake: Option<Timestamp>) -> Held {
        let tasks = self.flight.len() + self.checks.len() + usize::from(self.session);
        match (tasks, wake) {
            (0, None) => Err("I5: nothing is in flight, and nothing will ever happen".into()),
            (0, Some(at)) => {
                self.now = self.now.max(at);
                Ok(())
            }
            (tasks, _) => {
                let place = usize::from(which) % tasks;
                if let Some(check) = place.checked_sub(self.flight.len()).and_then(|at| self.checks.iter().nth(at)) {
                    return self.finish_check(&check.clone(), how, what);
                }
                let task = self.flight.iter().nth(place);
                match task.map(|(path, task)| (path.clone(), *task)) {
                    Some((path, task)) => self.finish(&path, task, how, what),
                    None => self.finish_session(how),
                }
            }
        }
    }

    fn finish(&mut self, path: &Path, task: Task, how: u8, what: u8) -> Held {
        let Some((step, slot)) = path.find(&self.runbook, &self.state) else { return Err(format!("{path:?} is gone")) };
        let key = path.key(&self.runbook, &self.state);
        let attempt = Attempt(slot.attempts + 1);
        let within = if let Kind::Gate(gate) = &step.kind { gate.passes.within } else { Default::default() };
        let patient = !within.is_zero() && slot.status == Status::Pending;
        match task {
            Task::Renew => return self.finish_renew(path, key, how, what),
            Task::Preview => return self.finish_preview(path, key, how, what),
            Task::Look => return self.finish_look(path, key, how, what),
            Task::Pick => return self.finish_pick(path, key, (how, attempt), what),
            Task::Call | Task::Act | Task::Judge => {}
        }
        let problem = Problem::not_applied("toy", "it was told to fail");
        let event = match (task, how % 8) {
            (Task::Judge, 3 | 6) if patient => {
                self.tally.count("waiting");
                return self.own(Event::Waiting { key, until: self.now.plus(within) });
            }
            (_, 7) => Event::Failed { key, attempt, problem },
            (Task::Judge, pick) => {
                let verdict = match pick {
                    4 => Verdict::Fail,
                    5 => Verdict::Inconclusive,
                    _ => Verdict::Pass,
                };
                let samples = Samples { count: 1, flips: 0, first: self.now, last: self.now };
                Event::Judged { key, verdict, why: "as told".into(), samples, seen: output(what) }
            }
            (Task::Act, 6) => {
                Event::Failed { key, attempt, problem: Problem { applied: Applied::Maybe, ..problem }.retryable() }
            }
            (_, 5) => Event::Failed { key, attempt, problem: problem.retryable() },
            _ => Event::Done { key, attempt, output: output(what) },
        };
        ends::a_cancel_commutes(self, &event, what)?;
        self.flight.remove(path);
        self.own(event)?;
        let is = path.find(&self.runbook, &self.state).map(|(_, slot)| &slot.status);
        if matches!(is, Some(Status::Backoff { .. })) {
            self.tally.count("tried again");
        }
        Ok(())
    }

    /// Any item that has had no turn may be the one: that is for what was read to say.
    fn finish_pick(&mut self, path: &Path, key: Key, (how, attempt): (u8, Attempt), what: u8) -> Held {
        self.flight.remove(path);
        if how % 8 >= 5 {
            let problem = Problem::not_applied("toy", "nobody knows how things stand");
            let problem = if how % 8 == 7 { problem } else { problem.retryable() };
            self.own(Event::Failed { key, attempt, problem })?;
            let settled = path.find(&self.runbook, &self.state).is_some_and(|(_, slot)| slot.status.is_settled());
            self.tally.count(if settled { "picking failed" } else { "picking tried again" });
            return Ok(());
        }
        let left = checks::left(self, path);
        let item = left.get(usize::from(what) % left.len().max(1)).cloned().unwrap_or_default();
        self.own(Event::Picked { key, item, seen: output(what) })
    }

    fn finish_renew(&mut self, path: &Path, key: Key, how: u8, what: u8) -> Held {
        if how % 8 < 6 {
            self.tally.count("renewed");
            self.flight.remove(path);
            return self.own(Event::Renewed { key, output: output(what) });
        }
        self.tally.count("renewing failed");
        let problem = Problem { retryable: how % 8 == 6, ..Problem::not_applied("toy", "it cannot be done again") };
        let act = self.is_act(path);
        let needy = who_needs(&self.runbook, &self.state, self.now, &self.in_flight(), path);
        self.flight.remove(path);
        match needy {
            Some(needy) => {
                checks::needs_it(self, &needy, path)?;
                let status = needy.find(&self.runbook, &self.state).map(|(_, slot)| &slot.status);
                if matches!(status, Some(Status::Unknown { .. })) {
                    self.tally.count("could not even look");
                    let attempt = Attempt(self.state.intents[&needy].attempt);
                    let key = needy.key(&self.runbook, &self.state);
                    let (verdict, evidence) = (Found::CannotTell, json!({ "looks": [] }));
                    return self.own(Event::Reconciled { key, attempt, verdict, evidence });
                }
                let attempts = needy.find(&self.runbook, &self.state).map_or(0, |(_, slot)| slot.attempts);
                let key = needy.key(&self.runbook, &self.state);
                self.own(Event::Failed { key, attempt: Attempt(attempts + 1), problem })
            }
            None if self.state.phase == Phase::Session => {
                self.own(Event::Failed { key: Key::session(), attempt: Attempt(1), problem })
            }
            // An act is not cut when the one step that needed it has failed meanwhile.
            None if act => Ok(()),
            None => Err(format!("I3: {key} is renewed, and nobody needs it")),
        }
    }

    fn finish_session(&mut self, how: u8) -> Held {
        self.session = false;
        let (key, attempt) = (Key::session(), Attempt(1));
        self.own(if how % 8 < 6 {
            Event::Done { key, attempt, output: json!({ "exit": 0 }) }
        } else {
            Event::Failed { key, attempt, problem: Problem::not_applied("toy", "the terminal is gone") }
        })
    }

    /// A new process folds the journal and claims the run; whatever was in flight is lost.
    fn crash(&mut self) -> Held {
        ends::journal_tells_the_same(self)?;
        self.tally.count("crashed");
        if self.state.interrupted && self.state.phase == Phase::Finally {
            self.tally.count("crashed in finally after an interrupt");
        }
        self.claim()
    }

    pub(super) fn claim(&mut self) -> Held {
        self.locked = None;
        self.flight.clear();
        self.checks.clear();
        self.session = false;
        let before = self.state.clone();
        let again = matches!(before.ended, Some((Outcome::Interrupted, _)));
        let finally_open = |(path, intent): (&Path, &Intent)| {
            intent.once && (path.root == Root::Finally || calls::is_in_finally(path))
        };
        let held = before.intents.iter().any(finally_open);
        if held {
            self.tally.count("an open act in finally");
        }
        let over = !held && (again || (before.interrupted && before.cancel.is_none()));
        if over {
            self.cut = false;
            let finally: Vec<&str> = self.runbook.finally.iter().flat_map(Step::walk).map(|s| s.id.as_str()).collect();
            let (runbook, state) = (&self.runbook, &self.state);
            let anew: Vec<Key> = self
                .tries
                .keys()
                .chain(self.open.keys())
                .chain(self.turns.keys())
                .filter(|key| locate(key, runbook, state).is_some_and(|path| calls::comes_anew(self, &path)))
                .cloned()
                .collect();
            self.tries.retain(|key, _| !anew.contains(key));
            self.open.retain(|key, _| !anew.contains(key));
            self.turns.retain(|key, _| !anew.contains(key));
            self.tries.retain(|key, _| {
                let first = key.as_str().split(['/', '[']).next().unwrap_or_default();
                *key != Key::session() && !finally.contains(&first)
            });
            self.open.retain(|key, _| {
                let first = key.as_str().split(['/', '[']).next().unwrap_or_default();
                !finally.contains(&first)
            });
            self.turns.retain(|key, _| !finally.contains(&key.as_str().split(['/', '[']).next().unwrap_or_default()));
        }
        self.gone = adds_up::ephemeral(self, !over);
        let epoch = Epoch(self.state.epoch.0 + 1);
        let owner = Owner { host: "here".into(), pid: epoch.0, started: "boot/1".into() };
        let claimed = Event::Claimed { epoch, owner };
        self.tidies_anew(&self.envelope(Some(epoch), claimed.clone()));
        self.take(Some(epoch), claimed)?;
        self.attended = self.is_attended();
        adds_up::nobody_knows(self)?;
        adds_up::goes_on(self, over)?;
        self.rule()
    }

    /// Where a gate is judged anew, what was called around it has its `finally` anew: the books begin anew with it.
    fn tidies_anew(&mut self, event: &Envelope) {
        let mut after = self.state.clone();
        if is_over_a_gate(self) && apply(&self.runbook, &mut after, event).is_ok() {
            self.tally.count("judged anew");
            let (runbook, state) = (&self.runbook, &self.state);
            let anew = |path: &Path| calls::tidies_anew(runbook, (state, &after), path);
            let stays = |key: &Key| !locate(key, runbook, state).is_some_and(|path| anew(&path));
            self.tries.retain(|key, _| stays(key));
            self.open.retain(|key, _| stays(key));
            self.turns.retain(|key, _| stays(key));
            self.gone.retain(|path| !anew(path));
        }
    }

    /// The lock goes with the end, and stays with a run that is only interrupted.
    fn give_back(&mut self, outcome: &Outcome) -> Held {
        let held = self.log.iter().rev().find_map(|past| match past.event {
            Event::Locked { generation, .. } => Some(Some(generation)),
            Event::Unlocked { .. } | Event::LockLost { .. } => Some(None),
            _ => None,
        });
        let held = held.flatten().filter(|_| *outcome != Outcome::Interrupted);
        match (held, self.next() == [Command::Release]) {
            (None, false) => Ok(()),
            (Some(generation), true) => {
                self.tally.count("unlocked");
                self.locked = None;
                self.take(None, Event::Unlocked { generation })
            }
            (held, _) => Err(format!("I8: at its end the run holds {held:?} and wants {:?}", self.next())),
        }
    }

    fn ended(&mut self) -> Result<bool, String> {
        let Some((outcome, _)) = self.state.ended.clone() else { return Ok(false) };
        self.tally.count(outcome.name());
        ends::outcome_follows(self, &outcome)?;
        ends::exit_is_documented(&outcome)?;
        ends::finally_ran(self, &outcome)?;
        self.give_back(&outcome)?;
        if !self.next().is_empty() {
            return Err("I5: something is wanted of a run that has ended".into());
        }
        self.flight.clear();
        self.session = false;
        if outcome != Outcome::Interrupted || self.tape.peek().is_none() {
            junk::nothing_after_the_end(self, &outcome)?;
            return Ok(true);
        }
        let how = match self.tape.next() {
            Some(Move::Cancel(how) | Move::Race(how, _)) => Some(*how),
            Some(Move::Finish(_, 0..64, _)) => Some(CancelHow::Now),
            _ => None,
        };
        if let Some(how) = how {
            self.tally.count("cancelled while ended");
            self.take(None, Event::CancelAsked { how, why: "no more".into() })?;
        }
        self.tally.count("reopened");
        self.claim()?;
        Ok(false)
    }
}

/// A gate may have ended the steps of a run that destroys.
fn is_over_a_gate(sim: &Sim<'_>) -> bool {
    sim.runbook.destroys() && calls::is_over(&sim.runbook.steps, &sim.state.steps)
}
