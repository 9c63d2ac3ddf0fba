//! Runs begun, opened again, cancelled and looked at: everything that finds a run before the loop drives it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::{ActionName, Attempt, PluginName, Timestamp};

use super::drive::Drive;
use super::fence::{Fence, LEASE};
use super::locking::{Known, Taken};
use super::log::{Appended, Log, understood};
use super::{Alive, Ending, Engine, RunError, Signals, Watched};
use crate::ids::{RunId, Sha256};
use crate::journal::chain::verify;
use crate::journal::{
    CalledBook, CancelHow, Durability, Envelope, Epoch, Event, IndexEntry, Key, Outcome, Owner, Ruling, Snapshot,
    StoreError, Trigger, Version,
};
use crate::machine::lock::has_acted;
use crate::machine::path::locate;
use crate::machine::{Command, InFlight, SEMANTICS, State, Status, apply, next};
use crate::registry::Registry;
use crate::runbook::checked::{Checked, Kind};

/// A run to begin.
pub struct Order {
    pub run: RunId,
    pub runbook: Arc<Checked>,
    /// Where the runbook came from, for people.
    pub origin: String,
    pub inputs: Value,
    pub trigger: Trigger,
}

/// A run as its journal tells it.
pub struct Loaded {
    pub run: RunId,
    pub runbook: Arc<Checked>,
    pub snapshot: Snapshot,
    pub state: State,
    pub envelopes: Vec<Envelope>,
    /// Where the journal ended when it was read: whoever notes it can tell later whether anything before was changed.
    pub head: Version,
}

/// Why a run cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no run {0}")]
    NoRun(RunId),
    #[error("run {run} has ended: {}", outcome.name())]
    Over { run: RunId, outcome: Outcome },
    #[error("run {run} is being run by process {} on {}", owner.pid, owner.host)]
    Owned { run: RunId, owner: Owner },
    #[error("run {run} has no step `{key}`")]
    NoStep { run: RunId, key: Key },
    /// Nobody asks what became of it.
    #[error("step `{key}` of run {run} is {is}: there is nothing to settle")]
    NotOpen { run: RunId, key: Key, is: &'static str },
    #[error("run {run} asks nobody anything")]
    NothingAsked { run: RunId },
    /// An answer, or an override, that does not count.
    #[error("{why}")]
    NotCounted { run: RunId, why: String },
    #[error("the output does not fit {action}{place}: {why}")]
    BadOutput { action: ActionName, place: String, why: String },
    /// The new binary's action is another one than the run was started with.
    #[error("the action `{action}` has changed since run {run} was started, and a step that is still to come uses it")]
    Changed { run: RunId, action: ActionName },
    /// The runbook in the snapshot is no longer valid for this Sluice.
    #[error("the runbook of run {run} cannot be read by this Sluice:\n{why}")]
    Runbook { run: RunId, why: String },
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// Checks a runbook's text again: the snapshot keeps the text, and how it is read and what is said of it is the caller's.
pub trait Rechecks: Sync {
    /// With the actions of this registry, which are those the run was begun with.
    fn recheck(&self, snapshot: &Snapshot, registry: &Registry) -> Result<Checked, String>;
}

/// For whoever has all actions at hand.
impl<F: Fn(&Snapshot) -> Result<Checked, String> + Sync> Rechecks for F {
    fn recheck(&self, snapshot: &Snapshot, _: &Registry) -> Result<Checked, String> {
        self(snapshot)
    }
}

pub type Recheck<'a> = &'a dyn Rechecks;

/// A run that was opened, and the engine as it was when the run was begun.
pub(super) struct Opened<'a> {
    pub(super) engine: Cow<'a, Engine>,
    pub(super) log: Log,
    snapshot: Snapshot,
    envelopes: Vec<Envelope>,
}

impl Engine {
    /// Begins a run and drives it to its end.
    pub async fn start(&self, order: Order, signals: &mut Signals) -> Result<(Ending, State), RunError> {
        let components = self.keep_components(&order.runbook).await?;
        let snapshot = self.snapshot(&order, components);
        let bytes = serde_json::to_vec(&snapshot).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.start_with(order, bytes, signals).await
    }

    /// The same where nobody keeps the journal: as nobody can open the run again, nothing is kept of what it was begun with.
    pub async fn once(&self, order: Order, signals: &mut Signals) -> Result<(Ending, State), RunError> {
        self.start_with(order, Vec::new(), signals).await
    }

    async fn start_with(
        &self,
        order: Order,
        snapshot: Vec<u8>,
        signals: &mut Signals,
    ) -> Result<(Ending, State), RunError> {
        let ruled = self.ruled(&order.runbook, true)?;
        let epoch = Epoch(1);
        let (run, runbook, inputs) = (&order.run, &*order.runbook, &order.inputs);
        let known = Known { run, runbook, inputs, epoch, hold: None, acted: false };
        // Taken before anything is written: a run that gets no lock was never begun.
        let taken = match self.lock_request(known).await? {
            Some(request) => Some(self.wait_and_take(&request, signals).await?),
            None => None,
        };
        let begun = self.begin(order, snapshot, ruled, taken.as_ref()).await;
        let (log, fence) = match (begun, taken) {
            (Ok(log), taken) => (log, taken.map(|taken| taken.fence)),
            (Err(error), taken) => {
                // What failed may have been written all the same, so the lock stays the run's: anybody may take it over.
                if let Some(taken) = taken
                    && let Err(error) = taken.fence.leave().await
                {
                    tracing::debug!(%error, "the lease of the lock runs on");
                }
                return Err(error);
            }
        };
        self.drive(log, epoch, fence, signals).await
    }

    /// Writes down that the run has begun, and whose lock it took.
    async fn begin(
        &self,
        order: Order,
        snapshot: Vec<u8>,
        ruled: Option<Event>,
        taken: Option<&Taken>,
    ) -> Result<Log, RunError> {
        let hash = Sha256::of(&snapshot);
        let mut log = Log::new(order.run.clone(), order.runbook.clone(), self.store.clone(), self.hosts.clone())
            .beginning(snapshot);
        let epoch = Epoch(1);
        let mut events = vec![
            Event::Started {
                run: Some(order.run.clone()),
                runbook: order.runbook.name.to_string(),
                snapshot: hash,
                inputs: order.inputs,
                trigger: order.trigger,
                semantics: SEMANTICS,
            },
            Event::Claimed { epoch, owner: self.owners.me() },
        ];
        events.extend(ruled);
        events.extend(taken.map(|taken| taken.event.clone()));
        loop {
            let now = self.clock.now();
            match log.append(events, Some(epoch), &self.actor, now, Durability::Lazy).await? {
                Appended::Yes(envelopes) => {
                    self.tell(&log, &envelopes);
                    break;
                }
                // The store was not sure, and there is still no such run.
                Appended::Moved(back) if log.ordinal() == 0 => events = back,
                Appended::Moved(_) | Appended::Refused(..) => {
                    let why = "a run with this id exists already".to_owned();
                    return Err(RunError::Journal { run: order.run, ordinal: 1, why });
                }
            }
        }
        if let Some(after) = taken.and_then(|taken| taken.after.as_ref()) {
            self.tell_former(after, &log.run).await?;
        }
        Ok(log)
    }

    /// Opens a run whose owner is gone, and drives it to its end.
    pub async fn resume(
        &self,
        run: &RunId,
        recheck: Recheck<'_>,
        signals: &mut Signals,
    ) -> Result<(Ending, State), OpenError> {
        let Opened { engine, mut log, snapshot, .. } = self.open(run, recheck).await?;
        let ruled = if log.state.is_over() { None } else { self.ruled(&log.runbook, false)? };
        loop {
            self.may_claim(run, &log.state).await?;
            let epoch = Epoch(log.state.epoch.0 + 1);
            let claim = Event::Claimed { epoch, owner: self.owners.me() };
            let claimed = self.with(run, &log.runbook, &log.state, Some(epoch), claim.clone())?;
            engine.contracts_hold(&log, &claimed, &snapshot)?;
            self.lock_can_be_had(&log, &claimed, signals).await?;
            let now = self.clock.now();
            let events = [claim].into_iter().chain(ruled.clone()).collect();
            match log.append(events, Some(epoch), &self.actor, now, Durability::Sync).await? {
                Appended::Yes(envelopes) => {
                    self.tell(&log, &envelopes);
                    return Ok(engine.drive(log, epoch, None, signals).await?);
                }
                // Somebody else was quicker: look again at what the journal says now.
                Appended::Moved(_) => {}
                Appended::Refused(illegal, _) => {
                    let ordinal = log.ordinal() + 1;
                    return Err(RunError::Journal { run: run.clone(), ordinal, why: illegal.to_string() }.into());
                }
            }
        }
    }

    /// Writes down that somebody wants the run to end. The owner, or whoever opens the run next, does it.
    pub async fn ask_cancel(
        &self,
        run: &RunId,
        how: CancelHow,
        why: &str,
        recheck: Recheck<'_>,
    ) -> Result<State, OpenError> {
        let Opened { mut log, .. } = self.open(run, recheck).await?;
        loop {
            if let Some((outcome, _)) = log.state.ended.clone().filter(|(outcome, _)| *outcome != Outcome::Interrupted)
            {
                return Err(OpenError::Over { run: run.clone(), outcome });
            }
            let event = Event::CancelAsked { how, why: why.to_owned() };
            let now = self.clock.now();
            match log.append(vec![event], None, &self.actor, now, Durability::Sync).await? {
                Appended::Yes(_) => return Ok(log.state),
                Appended::Moved(_) => {}
                Appended::Refused(illegal, _) => {
                    let ordinal = log.ordinal() + 1;
                    return Err(RunError::Journal { run: run.clone(), ordinal, why: illegal.to_string() }.into());
                }
            }
        }
    }

    /// Writes down what a person says about an act of which nobody knows whether it happened.
    pub async fn settle(
        &self,
        run: &RunId,
        key: &Key,
        ruling: Ruling,
        why: &str,
        recheck: Recheck<'_>,
    ) -> Result<State, OpenError> {
        let Opened { engine, mut log, .. } = self.open(run, recheck).await?;
        let (ruling, mut why) = (engine.output_fits(&log, key, ruling)?, why.to_owned());
        self.hosts.redact_text(&mut why);
        loop {
            let attempt = self.open_attempt(&log, key)?;
            let event = Event::Settled { key: key.clone(), attempt, verdict: ruling.clone(), why: why.clone() };
            let now = self.clock.now();
            match log.append(vec![event], None, &self.actor, now, Durability::Sync).await? {
                Appended::Yes(_) => return Ok(log.state),
                Appended::Moved(_) => {}
                Appended::Refused(illegal, _) => {
                    let ordinal = log.ordinal() + 1;
                    return Err(RunError::Journal { run: run.clone(), ordinal, why: illegal.to_string() }.into());
                }
            }
        }
    }

    /// The attempt that waits to be settled.
    fn open_attempt(&self, log: &Log, key: &Key) -> Result<Attempt, OpenError> {
        let no_step = || OpenError::NoStep { run: log.run.clone(), key: key.clone() };
        let path = locate(key, &log.runbook, &log.state).ok_or_else(no_step)?;
        let (_, slot) = path.find(&log.runbook, &log.state).ok_or_else(no_step)?;
        if let Some((outcome, _)) = &log.state.ended {
            return Err(OpenError::Over { run: log.run.clone(), outcome: outcome.clone() });
        }
        match slot.status {
            Status::Unknown { .. } | Status::Stuck { .. } => Ok(Attempt(slot.attempts + 1)),
            _ => Err(OpenError::NotOpen { run: log.run.clone(), key: key.clone(), is: slot.status.name() }),
        }
    }

    fn output_fits(&self, log: &Log, key: &Key, ruling: Ruling) -> Result<Ruling, OpenError> {
        let Ruling::Done { mut output } = ruling else { return Ok(ruling) };
        let path = locate(key, &log.runbook, &log.state);
        let step = path.as_ref().and_then(|path| path.find(&log.runbook, &log.state));
        if let Some((step, _)) = step
            && let Kind::Use(used) = &step.kind
            && let Some(action) = self.registry.action(&used.action).filter(|_| !output.is_null())
            && let Some((pointer, why)) = action.output_errors(&output).into_iter().next()
        {
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            return Err(OpenError::BadOutput { action: used.action.clone(), place, why });
        }
        self.hosts.redact(&mut output);
        Ok(Ruling::Done { output })
    }

    /// Reads a run without touching it.
    pub async fn load(&self, run: &RunId, recheck: Recheck<'_>) -> Result<Loaded, OpenError> {
        let Opened { log, snapshot, envelopes, .. } = self.open(run, recheck).await?;
        let head = log.head();
        Ok(Loaded { run: run.clone(), runbook: log.runbook, snapshot, state: log.state, envelopes, head })
    }

    pub(super) async fn open(&self, run: &RunId, recheck: Recheck<'_>) -> Result<Opened<'_>, OpenError> {
        let records = self.store.read(run, 0).await?;
        let Some(first) = verify(records.get(..1).unwrap_or_default(), Version::START)?.pop() else {
            return Err(OpenError::NoRun(run.clone()));
        };
        let snapshot = supported(run, &understood(&*self.store, run, first).await?)?;
        let bytes = self.store.get_blob(&snapshot).await?;
        let bytes = bytes.ok_or_else(|| StoreError::Corrupt(format!("the snapshot of run {run} is missing")))?;
        let snapshot: Snapshot = serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Corrupt(format!("the snapshot of run {run} cannot be read: {error}")))?;
        let engine = self.as_begun(&snapshot).await?;
        let runbook =
            recheck.recheck(&snapshot, &engine.registry).map_err(|why| OpenError::Runbook { run: run.clone(), why })?;
        let mut log = Log::new(run.clone(), Arc::new(runbook), self.store.clone(), self.hosts.clone());
        let envelopes = log.fold(&records).await?;
        // What was there before is no news.
        drop(log.take_news());
        Ok(Opened { engine, log, snapshot, envelopes })
    }

    async fn drive(
        &self,
        log: Log,
        epoch: Epoch,
        fence: Option<Arc<Fence>>,
        signals: &mut Signals,
    ) -> Result<(Ending, State), RunError> {
        let run = log.run.clone();
        if !log.is_listed() {
            self.index(&run, &log.state, log.ordinal()).await?;
            self.store.beat(&run, Some(self.clock.now().plus(LEASE))).await?;
        }
        let (ending, log) = Drive::new(self.clone(), log, epoch, fence).until_over(signals).await?;
        if ending != Ending::Lost && !log.is_listed() {
            self.index(&run, &log.state, log.ordinal()).await?;
        }
        Ok((ending, log.state))
    }

    fn snapshot(&self, order: &Order, components: BTreeMap<PluginName, Sha256>) -> Snapshot {
        let digest = |name: &ActionName| Some((name.clone(), self.registry.action(name)?.contract()));
        let runbook = &order.runbook;
        let mut inputs = order.inputs.clone();
        self.hosts.redact(&mut inputs);
        Snapshot {
            origin: order.origin.clone(),
            runbook: runbook.source.text().to_owned(),
            contracts: runbook.actions.keys().filter_map(digest).collect(),
            calls: called_as(runbook),
            called: called_books(runbook),
            inputs: Some(inputs),
            components,
        }
    }

    /// A living owner keeps the run, and so does one of which nothing can be told, unless a person says that it is gone.
    async fn may_claim(&self, run: &RunId, state: &State) -> Result<(), OpenError> {
        if let Some((outcome, _)) = &state.ended {
            if *outcome == Outcome::Interrupted {
                return Ok(());
            }
            // It may have died between its last word and giving its lock back.
            self.give_back_ended(run).await.map_err(RunError::Lock)?;
            return Err(OpenError::Over { run: run.clone(), outcome: outcome.clone() });
        }
        let Some(owner) = state.owner.as_ref().filter(|_| !state.parked) else { return Ok(()) };
        match self.life(run, owner).await? {
            Alive::No => Ok(()),
            Alive::CannotTell if self.locking.owner_is_gone => Ok(()),
            Alive::Yes | Alive::CannotTell => Err(OpenError::Owned { run: run.clone(), owner: owner.clone() }),
        }
    }

    /// The same of the owner in this state; a run without one is nobody's.
    pub async fn alive(&self, run: &RunId, state: &State) -> Result<Alive, StoreError> {
        match &state.owner {
            Some(owner) => self.life(run, owner).await,
            None => Ok(Alive::No),
        }
    }

    /// Whether the process that the journal calls the owner goes on with the run. One that is provably gone does not,
    /// and one whose lease is over is taken for gone: what it still wants to write is refused.
    pub async fn life(&self, run: &RunId, owner: &Owner) -> Result<Alive, StoreError> {
        let alive = self.owners.is_alive(owner);
        if alive == Alive::No {
            return Ok(Alive::No);
        }
        Ok(match self.store.lease(run).await? {
            Some(until) if until <= self.clock.now() => Alive::No,
            Some(_) => Alive::Yes,
            None => alive,
        })
    }

    /// The state as it will be once this process has claimed the run; as it is, where nobody can.
    pub fn claimed(&self, loaded: &Loaded) -> State {
        let epoch = Epoch(loaded.state.epoch.0 + 1);
        let claim = Event::Claimed { epoch, owner: self.owners.me() };
        let claimed = self.with(&loaded.run, &loaded.runbook, &loaded.state, Some(epoch), claim);
        claimed.unwrap_or_else(|_| loaded.state.clone())
    }

    /// The state as it will be after this event.
    fn with(
        &self,
        run: &RunId,
        runbook: &Checked,
        state: &State,
        epoch: Option<Epoch>,
        event: Event,
    ) -> Result<State, RunError> {
        let mut state = state.clone();
        let ordinal = state.ordinal + 1;
        let envelope = Envelope { ordinal, at: self.clock.now(), epoch, actor: self.actor.clone(), event };
        let bad = |why: String| RunError::Journal { run: run.clone(), ordinal, why };
        apply(runbook, &mut state, &envelope).map_err(|illegal| bad(illegal.to_string()))?;
        Ok(state)
    }

    /// A new version is no obstacle; another action under the same name is. `claimed` is the state as it will be: a new
    /// owner calls again what lived in the old process.
    fn contracts_hold(&self, log: &Log, claimed: &State, snapshot: &Snapshot) -> Result<(), OpenError> {
        let now = |name: &ActionName| self.registry.action(name).map(|action| action.contract());
        let then: &BTreeMap<ActionName, Sha256> = &snapshot.contracts;
        for name in crate::machine::remaining_actions(&log.runbook, claimed) {
            if then.get(&name) != now(&name).as_ref() {
                return Err(OpenError::Changed { run: log.run.clone(), action: name });
            }
        }
        Ok(())
    }

    /// Asked before the claim, so that a run that cannot go on stays as it is.
    async fn lock_can_be_had(&self, log: &Log, claimed: &State, signals: &mut Signals) -> Result<(), RunError> {
        let commands = next(&log.runbook, claimed, self.clock.now(), &InFlight::default());
        if !commands.contains(&Command::Take) {
            return Ok(());
        }
        let (run, runbook, epoch) = (&log.run, &*log.runbook, claimed.epoch);
        let (inputs, hold) = (claimed.inputs(), claimed.lock.known(has_acted(runbook, claimed)));
        let known = Known { run, runbook, inputs, epoch, hold, acted: false };
        if let Some(request) = self.lock_request(known).await? {
            self.wait_for_lock(&request, signals).await?;
        }
        Ok(())
    }

    fn tell(&self, log: &Log, envelopes: &[Envelope]) {
        let watched = Watched { run: &log.run, runbook: &log.runbook, state: &log.state };
        envelopes.iter().for_each(|envelope| self.observer.event(&watched, envelope));
    }

    pub(super) async fn index(&self, run: &RunId, state: &State, ordinal: u64) -> Result<(), RunError> {
        Ok(self.store.put(&index_entry(run, state, ordinal)).await?)
    }
}

/// The blob of the snapshot, from a first event that is this run's and was written for a Sluice like this one.
pub(super) fn supported(run: &RunId, first: &Envelope) -> Result<Sha256, OpenError> {
    let Event::Started { run: bound, snapshot, semantics, .. } = &first.event else {
        return Err(StoreError::Corrupt(format!("the journal of run {run} does not begin with its start")).into());
    };
    if let Some(other) = bound.as_ref().filter(|bound| *bound != run) {
        return Err(StoreError::Corrupt(format!("the journal of run {run} is that of run {other}")).into());
    }
    if *semantics > SEMANTICS {
        return Err(StoreError::TooNew(format!(
            "run {run} was started with semantics {semantics}, this Sluice knows up to {SEMANTICS}; use the version that \
             started it"
        ))
        .into());
    }
    Ok(*snapshot)
}

/// The runbooks behind the names that this one uses.
fn called_as(runbook: &Checked) -> BTreeMap<String, String> {
    runbook.calls().map(|call| (call.name.clone(), call.id.clone())).collect()
}

/// Each of them once, with all the tables that calls leave to it.
fn called_books(runbook: &Checked) -> BTreeMap<String, CalledBook> {
    let mut books: BTreeMap<String, CalledBook> = BTreeMap::new();
    let called = runbook.called();
    for call in called.iter().flat_map(|call| call.runbook.calls()).chain(runbook.calls()) {
        let book = books.entry(call.id.clone()).or_insert_with(|| CalledBook {
            origin: call.origin.clone(),
            runbook: call.runbook.source.text().to_owned(),
            calls: called_as(&call.runbook),
            thresholds: BTreeMap::new(),
        });
        book.thresholds.extend(call.thresholds.clone());
    }
    books
}

/// What the list of runs says of one.
pub fn index_entry(run: &RunId, state: &State, ordinal: u64) -> IndexEntry {
    let ended = state.ended.as_ref();
    let started = state.started.as_ref();
    IndexEntry {
        run: run.clone(),
        runbook: started.map(|started| started.runbook.clone()).unwrap_or_default(),
        started: started.map_or(Timestamp(0), |started| started.at),
        ended: ended.map(|(_, at)| *at),
        status: ended.map_or(standing(state), |(outcome, _)| outcome.name()).to_owned(),
        exit: ended.map(|(outcome, _)| outcome.exit()),
        waiting_until: ended.map_or(state.unanswered().map(|(_, ask)| ask.answer_by).min(), |_| None),
        ordinal,
    }
}

fn standing(state: &State) -> &'static str {
    match state.parked {
        true if state.unanswered().next().is_some() => "asking",
        true => "parked",
        false => "running",
    }
}
