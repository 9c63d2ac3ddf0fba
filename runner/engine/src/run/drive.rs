//! The loop: ask what should be in flight, start what is new, cut what is gone, append what happened.

mod acts;
mod confirming;
mod looking_again;
mod picking;
mod sampling;
mod tries;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use sluice_plugin::{Attempt as Number, Outcome, Preview, Problem, Timestamp};

use self::confirming::Brought;
pub(super) use self::confirming::can_be_typed;
use self::sampling::Sampling;
use self::tries::Tries;
use super::act::binding;
use super::attempt::Attempt;
use super::fence::{Fence, keep_alive};
use super::locking::LockError;
use super::log::{Appended, Log};
use super::login::Login;
use super::{Ending, Engine, RunError, SessionRequest, Signal, Signals, Watched};
use crate::ids::Sha256;
use crate::journal::{CancelHow, Envelope, Epoch, Event, Found, Key};
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::state::Slot;
use crate::machine::{Check, Command, InFlight, Status, fill, is_act, next, who_needs};

/// How long to wait for news of other processes before asking the store again.
const PATIENCE: Duration = Duration::from_secs(30);

/// After so many steps that were over at once, others get a turn.
const QUICK: u32 = 64;

/// A run in flight, owned by this process.
pub(super) struct Drive {
    pub(super) engine: Engine,
    pub(super) log: Log,
    pub(super) epoch: Epoch,
    pub(super) flight: InFlight,
    pub(super) tasks: FuturesUnordered<BoxFuture<'static, Finished>>,
    handles: BTreeMap<Path, AbortHandle>,
    session: Option<AbortHandle>,
    gates: BTreeMap<Path, Sampling>,
    checks: BTreeMap<Check, AbortHandle>,
    /// What was fetched again after a resume and no step has taken yet, with its input.
    pub(super) recalled: BTreeMap<Path, (Value, Outcome)>,
    /// What this process's receipt has said yes to.
    receipt_spent: BTreeSet<Sha256>,
    /// Times in a row that nobody could say what a question would be about.
    slow_binds: Tries,
    /// How often what was confirmed could not be looked at.
    troubles: Tries,
    /// Last looks that were too old when the intent was to be written.
    slow_looks: Tries,
    /// Until when somebody may log in.
    login: Login,
    quick: u32,
    /// An intent was not written because the journal moved on: what is wanted now is asked at once.
    again: bool,
    pub(super) fence: Option<Arc<Fence>>,
    /// Says that this process lives; over when the lock has moved on.
    pub(super) alive: BoxFuture<'static, ()>,
    /// Until then no act is tried: where the lock is kept gave no answer.
    pub(super) no_act_before: Option<Timestamp>,
    /// No answer since.
    pub(super) silent_since: Option<Timestamp>,
    /// When it was told that the lock is its own, if nothing has happened since but acts that were begun.
    pub(super) asked: Option<Duration>,
    /// The run stops here, once the acts in flight have ended.
    pub(super) stopping: Option<LockError>,
}

/// What a task brings back.
pub(super) struct Finished {
    task: Task,
    began: Timestamp,
    /// `None`: the task was cut.
    answer: Option<Answer>,
}

#[derive(Clone)]
pub(super) enum Task {
    Call(Path),
    /// Asks what an act would do, before it is intended.
    Preview(Path),
    Act(Path),
    /// Looks whether an act happened.
    Look(Path),
    Sample(Path),
    Renew(Path),
    Pick(Path),
    Check(Check),
    Session,
}

pub(super) enum Answer {
    Outcome(Result<Outcome, Problem>),
    Preview(Box<Attempt>, Result<Preview, Problem>),
    Looked(Found, Value),
    Check(Box<Brought>),
}

impl From<Result<Outcome, Problem>> for Answer {
    fn from(answer: Result<Outcome, Problem>) -> Self {
        Self::Outcome(answer)
    }
}

pub(super) enum Turn {
    Goes,
    Is(Ending),
}

impl Drive {
    /// `fence`: the lock, where this process took it already.
    pub(super) fn new(engine: Engine, log: Log, epoch: Epoch, fence: Option<Arc<Fence>>) -> Self {
        // Nobody is asked whose yes cannot count.
        let policy = log.state.asking.policy.as_ref();
        let counts = policy.is_none_or(|policy| engine.confirming.beyond_me(policy).is_none());
        let alone = engine.confirming.receipt.is_none() || engine.confirming.asks_beside;
        let attended = engine.confirming.asker.is_some() && alone && counts;
        let flight = InFlight { attended, ..InFlight::default() };
        let alive = keep_alive(engine.store.clone(), engine.clock.clone(), log.run.clone(), fence.clone()).boxed();
        let login = Login::new(engine.observer.clone());
        Self {
            fence,
            alive,
            no_act_before: None,
            silent_since: None,
            asked: None,
            stopping: None,
            engine,
            log,
            epoch,
            flight,
            tasks: FuturesUnordered::new(),
            handles: BTreeMap::new(),
            session: None,
            gates: BTreeMap::new(),
            checks: BTreeMap::new(),
            recalled: BTreeMap::new(),
            receipt_spent: BTreeSet::new(),
            login,
            slow_binds: Tries::default(),
            troubles: Tries::default(),
            slow_looks: Tries::default(),
            quick: 0,
            again: false,
        }
    }

    /// Goes on until the run has ended or belongs to another process.
    pub(super) async fn until_over(mut self, signals: &mut Signals) -> Result<(Ending, Log), RunError> {
        self.recall_secrets(signals).await?;
        loop {
            if let Turn::Is(ending) = self.turn(signals).await? {
                // What is still in flight is cut before anybody hears that the run is over.
                drop(self.tasks);
                return Ok((ending, self.log));
            }
        }
    }

    async fn turn(&mut self, signals: &mut Signals) -> Result<Turn, RunError> {
        let news = self.log.take_news();
        self.tell(&news);
        if self.log.state.epoch != self.epoch {
            return Ok(Turn::Is(Ending::Lost));
        }
        if let Some((outcome, _)) = self.log.state.ended.clone() {
            self.leave_lock().await?;
            return Ok(Turn::Is(Ending::Ended(outcome)));
        }
        let abandoned = self.log.state.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon);
        if let Some(why) = self.stopping.clone().filter(|_| !abandoned) {
            return self.stop(why, signals).await;
        }
        if self.log.state.parked {
            self.leave_lock().await?;
            return Ok(Turn::Is(Ending::Parked));
        }
        if self.log.state.cancel.is_some() || self.log.state.interrupted {
            self.login.give_up();
        }
        let now = self.engine.clock.now();
        let commands = next(&self.log.runbook, &self.log.state, now, &self.flight);
        let decisions: Vec<Event> = commands.iter().filter_map(Command::event).cloned().collect();
        if !decisions.is_empty() {
            let before = self.log.ordinal();
            let what = decisions.iter().map(Event::kind).collect::<Vec<_>>().join(", ");
            self.append(decisions).await?;
            if self.log.ordinal() == before {
                // It would be decided again for ever.
                let why = format!("what follows from it ({what}) cannot be");
                return Err(RunError::Journal { run: self.log.run.clone(), ordinal: before, why });
            }
            return Ok(Turn::Goes);
        }
        self.cut_what_is_gone(&commands);
        let decided = self.log.ordinal();
        self.again = false;
        let mut wake = None::<Timestamp>;
        for command in commands {
            match command {
                Command::Wake(at) => wake = Some(wake.map_or(at, |before| before.min(at))),
                other => self.start(other, now).await?,
            }
            // A step that could not even start is an event: what else was wanted before it may be wanted no more.
            if self.again || self.log.ordinal() != decided {
                return Ok(Turn::Goes);
            }
        }
        if self.stopping.is_some() {
            return Ok(Turn::Goes);
        }
        self.no_act_before = self.no_act_before.filter(|at| *at > self.engine.clock.now());
        let wake = [wake, self.no_act_before].into_iter().flatten().min();
        self.wait(wake, signals).await?;
        Ok(Turn::Goes)
    }

    pub(super) fn cut_what_is_gone(&mut self, commands: &[Command]) {
        if !commands.contains(&Command::Session) {
            self.session.take().into_iter().for_each(|handle| handle.abort());
        }
        let wanted =
            |check: &Check| commands.iter().any(|command| matches!(command, Command::Check(one) if one == check));
        self.checks.retain(|check, handle| {
            let keep = wanted(check);
            if !keep {
                handle.abort();
            }
            keep
        });
        if self.handles.is_empty() {
            return;
        }
        let wanted: BTreeSet<&Path> = commands.iter().filter_map(Command::path).collect();
        self.handles.retain(|path, handle| {
            let keep = wanted.contains(path);
            if !keep {
                handle.abort();
            }
            keep
        });
    }

    async fn start(&mut self, command: Command, now: Timestamp) -> Result<(), RunError> {
        match command {
            Command::Call { path } if !self.flight.paths.contains(&path) => self.call(path, false).await,
            Command::Renew { path } if !self.flight.paths.contains(&path) => self.call(path, true).await,
            Command::Judge { path, .. } if !self.flight.paths.contains(&path) => self.sample(path, now).await,
            Command::Pick { path } if !self.flight.picks.contains(&path) => self.pick(path).await,
            Command::Reconcile { path, not_before } if !self.flight.paths.contains(&path) => {
                self.look(path, not_before).await
            }
            Command::Check(check) if !self.flight.checks.contains(&check) => {
                self.check(check);
                Ok(())
            }
            Command::Session if !self.flight.session => self.session().await,
            Command::Take => self.take_lock().await,
            Command::Call { .. }
            | Command::Renew { .. }
            | Command::Reconcile { .. }
            | Command::Judge { .. }
            | Command::Pick { .. }
            | Command::Check(_)
            | Command::Session
            | Command::Release
            | Command::Emit(_)
            | Command::Wake(_) => Ok(()),
        }
    }

    /// Calls the action of a step. A failure to fill in its input is the step's failure.
    async fn call(&mut self, path: Path, renew: bool) -> Result<(), RunError> {
        let Some((step, _)) = path.find(&self.log.runbook, &self.log.state) else { return Ok(()) };
        if is_act(step) && self.is_silent() {
            return Ok(());
        }
        let (act, once) = (is_act(step), step.is_once());
        let prepared = self.prepare(&path).and_then(|attempt| if act { attempt.checked() } else { Ok(attempt) });
        let key = path.key(&self.log.runbook, &self.log.state);
        self.engine.observer.began(&self.watched(), &key, step);
        let began = self.engine.clock.now();
        match prepared {
            Ok(attempt) if once && attempt.action.spec.abilities.preview => {
                let work = async move { Answer::Preview(Box::new(attempt.clone()), attempt.preview().await) };
                self.spawn(path.clone(), Task::Preview(path), work, true, began);
                Ok(())
            }
            Ok(attempt) if act => {
                let binding = binding(&attempt, None);
                self.act(path, attempt, binding, renew).await
            }
            Ok(attempt) => {
                let task = if renew { Task::Renew(path.clone()) } else { Task::Call(path.clone()) };
                match self.recalled(&path, &attempt) {
                    Some(outcome) => self.spawn(path, task, std::future::ready(Ok(outcome)), true, began),
                    // Where no lock is held nobody else waits, and a failure says it sooner.
                    None if self.fence.is_some() => {
                        self.spawn(path, task, attempt.read(self.login.clone()), true, began);
                    }
                    None => self.spawn(path, task, attempt.run(), true, began),
                }
                Ok(())
            }
            Err(problem) if renew => self.not_renewed(&path, problem).await,
            Err(problem) => self.failed(&path, problem).await,
        }
    }

    async fn session(&mut self) -> Result<(), RunError> {
        let Some(request) = self.session_request() else { return Ok(()) };
        self.flight.session = true;
        let sessions = self.engine.sessions.clone();
        let began = self.engine.clock.now();
        let (handle, registration) = AbortHandle::new_pair();
        self.session = Some(handle);
        let work = async move { sessions.run(request?).await.map(Outcome::plain) };
        let work = Abortable::new(work, registration);
        self.tasks.push(
            async move { Finished { task: Task::Session, began, answer: work.await.ok().map(Into::into) } }.boxed(),
        );
        Ok(())
    }

    fn session_request(&self) -> Option<Result<SessionRequest, Problem>> {
        let session = self.log.runbook.session.as_ref()?;
        let scope = StepScope::at_end(&self.log.runbook, &self.log.state);
        let text = |template| fill::text(template, &scope).map_err(|error| fill::problem("session", &error));
        let request = || {
            Ok(SessionRequest {
                command: session.command.iter().map(text).collect::<Result<_, Problem>>()?,
                env: session
                    .env
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), text(value)?)))
                    .collect::<Result<_, Problem>>()?,
                banner: session.banner.as_ref().map(text).transpose()?,
                outputs: fill::outputs(&self.log.runbook, &self.log.state),
            })
        };
        Some(request())
    }

    pub(super) fn prepare(&self, path: &Path) -> Result<Attempt, Problem> {
        Attempt::prepare(&self.engine, &self.log.run, &self.log.runbook, &self.log.state, path)
    }

    fn spawn(
        &mut self,
        path: Path,
        task: Task,
        work: impl Future<Output = impl Into<Answer>> + Send + 'static,
        may_be_cut: bool,
        began: Timestamp,
    ) {
        let flying = if matches!(task, Task::Pick(_)) { &mut self.flight.picks } else { &mut self.flight.paths };
        flying.insert(path.clone());
        if may_be_cut {
            let (handle, registration) = AbortHandle::new_pair();
            self.handles.insert(path, handle);
            let work = Abortable::new(work, registration);
            self.tasks.push(async move { Finished { task, began, answer: work.await.ok().map(Into::into) } }.boxed());
        } else {
            self.tasks.push(async move { Finished { task, began, answer: Some(work.await.into()) } }.boxed());
        }
    }

    async fn wait(&mut self, wake: Option<Timestamp>, signals: &mut Signals) -> Result<(), RunError> {
        self.asked = None;
        if let Ok(signal) = signals.try_recv() {
            return self.signal(signal).await;
        }
        // Most steps are over at once: nothing else is asked before they are looked at.
        if let Some(finished) = self.next_finished() {
            self.quick = self.quick.wrapping_add(1);
            if self.quick.is_multiple_of(QUICK) {
                // Whoever hears of signals lives on the same thread.
                tokio::task::yield_now().await;
                if (&mut self.alive).now_or_never().is_some() {
                    self.lost();
                }
            }
            return self.finished(finished).await;
        }
        let clock = self.engine.clock.clone();
        let alarm = async move {
            match wake {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let store = self.engine.store.clone();
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => self.signal(signal).await,
            Some(finished) = self.tasks.next() => self.finished(finished).await,
            changed = store.changed(&self.log.run, self.log.ordinal(), PATIENCE) => {
                if changed? {
                    self.log.catch_up().await?;
                }
                Ok(())
            }
            () = &mut self.alive => {
                self.lost();
                Ok(())
            }
            () = alarm => Ok(()),
        }
    }

    pub(super) async fn signal(&mut self, signal: Signal) -> Result<(), RunError> {
        match signal {
            Signal::Interrupt => self.append(vec![Event::Interrupted]).await,
            Signal::Abandon => {
                let event = Event::CancelAsked { how: CancelHow::Abandon, why: "interrupted twice".to_owned() };
                self.append_as(vec![event], None).await
            }
        }
    }

    /// A task that is over by now.
    fn next_finished(&mut self) -> Option<Finished> {
        self.tasks.next().now_or_never().flatten()
    }

    /// What several steps bring at the same time goes into one append.
    pub(super) async fn finished(&mut self, first: Finished) -> Result<(), RunError> {
        let (mut events, mut again) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(Finished { task, began, answer }) = next {
            match &task {
                // It goes on with the act, or ends, when its answer has been looked at.
                Task::Preview(path) if answer.is_some() => drop(self.handles.remove(path)),
                Task::Call(path) | Task::Preview(path) | Task::Look(path) | Task::Sample(path) => {
                    self.landed(path, false);
                }
                Task::Act(path) => self.landed(path, true),
                Task::Renew(path) => self.landed(path, self.is_act(path)),
                Task::Pick(path) => {
                    self.flight.picks.remove(path);
                    self.handles.remove(path);
                }
                Task::Check(check) => {
                    self.flight.checks.remove(check);
                    self.checks.remove(check);
                }
                Task::Session => self.flight.session = false,
            }
            match (task, answer) {
                (Task::Call(path) | Task::Act(path), Some(Answer::Outcome(answer))) => {
                    let (key, attempt) = self.attempt(&path);
                    events.push(ended(key, attempt, answer));
                }
                (Task::Sample(path), Some(Answer::Outcome(answer))) => {
                    let (event, at) = self.sampled(&path, answer, began);
                    events.extend(event);
                    again.extend(at.map(|at| (path, at)));
                }
                (Task::Pick(path), Some(Answer::Outcome(answer))) => events.push(self.picked(&path, answer)),
                (Task::Session, Some(Answer::Outcome(answer))) => {
                    events.push(ended(Key::session(), Number(1), answer));
                }
                // Whom its failure concerns follows from the state, with all that was before it.
                (Task::Renew(path), Some(Answer::Outcome(answer))) => {
                    self.append(std::mem::take(&mut events)).await?;
                    self.renewed(&path, answer).await?;
                }
                (Task::Preview(path), Some(Answer::Preview(attempt, preview))) => {
                    self.append(std::mem::take(&mut events)).await?;
                    self.previewed(path, *attempt, preview).await?;
                }
                (Task::Look(path), Some(Answer::Looked(verdict, evidence))) => {
                    let (key, attempt) = self.attempt(&path);
                    events.push(Event::Reconciled { key, attempt, verdict, evidence });
                }
                (Task::Check(check), Some(Answer::Check(brought))) => {
                    self.append(std::mem::take(&mut events)).await?;
                    self.checked(check, *brought).await?;
                }
                // Cut.
                (_, None) => {}
                (_, Some(Answer::Outcome(_) | Answer::Preview(..) | Answer::Looked(..) | Answer::Check(_))) => {}
            }
            next = self.next_finished();
        }
        self.append(events).await?;
        for (path, at) in again {
            self.sample(path, at).await?;
        }
        Ok(())
    }

    fn is_act(&self, path: &Path) -> bool {
        path.find(&self.log.runbook, &self.log.state).is_some_and(|(step, _)| is_act(step))
    }

    fn landed(&mut self, path: &Path, act: bool) {
        self.flight.paths.remove(path);
        self.flight.looks.remove(path);
        self.handles.remove(path);
        self.flight.acts = self.flight.acts.saturating_sub(usize::from(act));
    }

    async fn renewed(&mut self, path: &Path, answer: Result<Outcome, Problem>) -> Result<(), RunError> {
        let (key, _) = self.attempt(path);
        match answer {
            Ok(outcome) => self.append(vec![Event::Renewed { key, output: outcome.output }]).await,
            Err(problem) => self.not_renewed(path, problem).await,
        }
    }

    /// The step itself is done and stays done; whoever needed it fails.
    async fn not_renewed(&mut self, path: &Path, problem: Problem) -> Result<(), RunError> {
        let (key, _) = self.attempt(path);
        self.fail_whoever_needs(path, not_renewed(&key, problem)).await
    }

    async fn fail_whoever_needs(&mut self, renewed: &Path, problem: Problem) -> Result<(), RunError> {
        let now = self.engine.clock.now();
        match who_needs(&self.log.runbook, &self.log.state, now, &self.flight, renewed) {
            Some(path) => self.failed(&path, problem).await,
            None => {
                let failed = Event::Failed { key: Key::session(), attempt: Number(1), problem };
                self.append(vec![failed]).await
            }
        }
    }

    async fn failed(&mut self, path: &Path, problem: Problem) -> Result<(), RunError> {
        self.gates.remove(path);
        let (key, _) = self.attempt(path);
        let slot = path.find(&self.log.runbook, &self.log.state).map(|(_, slot)| slot);
        let event = not_begun(key, slot, problem);
        self.append(vec![event]).await
    }

    fn attempt(&self, path: &Path) -> (Key, Number) {
        let attempts = path.find(&self.log.runbook, &self.log.state).map_or(0, |(_, slot)| slot.attempts);
        (path.key(&self.log.runbook, &self.log.state), Number(attempts + 1))
    }

    fn watched(&self) -> Watched<'_> {
        Watched { run: &self.log.run, runbook: &self.log.runbook, state: &self.log.state }
    }

    pub(super) async fn append(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        self.append_as(events, Some(self.epoch)).await
    }

    /// Appends, deciding again where the journal has moved: what is still legal is written, what is not is dropped.
    pub(super) async fn append_as(&mut self, mut events: Vec<Event>, epoch: Option<Epoch>) -> Result<(), RunError> {
        while !events.is_empty() {
            let now = self.engine.clock.now();
            let durability = self.durability(&events);
            match self.log.append(events, epoch, &self.engine.actor, now, durability).await? {
                Appended::Yes(envelopes) => {
                    self.tell(&envelopes);
                    return Ok(());
                }
                Appended::Moved(back) if self.log.state.epoch == self.epoch => events = back,
                Appended::Moved(_) => return Ok(()),
                // What cannot come together may come one by one.
                Appended::Refused(_, back) if back.len() > 1 => {
                    for event in back {
                        Box::pin(self.append_as(vec![event], epoch)).await?;
                    }
                    return Ok(());
                }
                Appended::Refused(illegal, _) => {
                    tracing::debug!(%illegal, "an event came too late");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn tell(&self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            self.engine.observer.event(&self.watched(), envelope);
        }
    }
}

/// The failure of whoever needed a step that could not be done again.
pub(super) fn not_renewed(key: &Key, problem: Problem) -> Problem {
    let message = format!("step `{key}` has to be done again after the resume, and that failed: {problem}");
    Problem { message, ..problem }
}

/// A call that could not even begin, as an event. That nobody could look is no news about the act.
pub(super) fn not_begun(key: Key, slot: Option<&Slot>, problem: Problem) -> Event {
    let attempt = Number(slot.map_or(0, |slot| slot.attempts) + 1);
    match slot.map(|slot| &slot.status) {
        Some(Status::Unknown { .. }) => {
            let evidence = json!({ "looks": [], "problem": problem });
            Event::Reconciled { key, attempt, verdict: Found::CannotTell, evidence }
        }
        _ => Event::Failed { key, attempt, problem },
    }
}

/// How a call ended, as an event.
fn ended(key: Key, attempt: Number, answer: Result<Outcome, Problem>) -> Event {
    match answer {
        Ok(outcome) => Event::Done { key, attempt, output: outcome.output },
        Err(problem) => Event::Failed { key, attempt, problem },
    }
}
