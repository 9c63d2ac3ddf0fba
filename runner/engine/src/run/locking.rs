//! How a run comes to its lock: asked for where it is kept, waited for, taken, and what is said when it cannot be had.
//!
//! The rule of who may take what stands in `machine/lock.rs`; this file brings what the rule wants to know.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{Timestamp, format_duration};

use super::fence::{Fence, LEASE, in_time};
use super::ledger::Ledger;
use super::{Alive, Engine, Signal, Signals};
use crate::ids::RunId;
use crate::journal::chain::version_of;
use crate::journal::{
    After, Breach, Epoch, Event, Holder, Lock, LockedAt, Locks, Loss, Owner, Standing, StoreError, Version,
};
use crate::machine::lock::{self, Refusal, Seen, Wants, Way};
use crate::runbook::checked::Checked;

/// Between two looks at a lock that somebody has.
const LOOK: Duration = Duration::from_secs(1);
/// The same where each look is a request to a service.
const LOOK_FAR: Duration = Duration::from_secs(5);

/// How often a lock that moves between look and take is looked at again.
const TRIES: u32 = 20;

/// How this process takes locks.
#[derive(Clone, Default)]
pub struct Locking {
    /// `None`: every lock is in the store of the runs.
    pub places: Option<Arc<dyn LockPlaces>>,
    /// How long to wait for a lock that another run has. Zero: give up at once.
    pub wait: Duration,
    /// The run whose lock is taken, to repair what it left.
    pub repairs: Option<RunId>,
    /// A person says that the process of a run on another machine is gone.
    pub owner_is_gone: bool,
}

/// Where locks are kept beside the store.
#[async_trait]
pub trait LockPlaces: Send + Sync {
    /// Where a new run has its lock.
    fn choose(&self, runbook: &Checked, inputs: &Value) -> LockedAt;

    /// The locks there; never asked for those of the store.
    async fn open(&self, at: &LockedAt, inputs: &Value) -> Result<Place, StoreError>;
}

/// Locks, and whom the place takes this process for.
pub struct Place {
    pub locks: Arc<dyn Locks>,
    pub caller: Option<String>,
}

/// Why a run has no lock. It has not begun, or stays as its journal says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("the lock `{}` is {}", lock.name, held(lock, *live, *waited))]
    Held { lock: Box<Lock>, live: bool, waited: Duration },
    #[error("{}", moved_on(name, *known, lock.as_deref()))]
    MovedOn { name: String, known: Option<u64>, lock: Option<Box<Lock>> },
    #[error(
        "the lock `{name}` knows that run {run} acted behind event {event} of its journal, and the journal here has no such \
         event: this store is an older copy, and acts are missing in it"
    )]
    OlderCopy { name: String, run: RunId, event: u64 },
    #[error("the lock `{name}` is not held by run {run}, so there is nothing to repair under it")]
    NotRepairable { name: String, run: RunId },
    #[error("the runbook has no lock, so it cannot repair run {run}")]
    NothingToRepair { run: RunId },
    /// Another run may have acted since.
    #[error("the lock `{name}` was taken away while the run was not heard of; it did not act and stops here")]
    Lost { name: String },
    #[error("the lock `{name}` cannot be asked for ({at}): {why}")]
    CannotTell { name: String, at: LockedAt, why: String },
    #[error("{0}")]
    BadName(String),
    #[error("interrupted while it waited for the lock `{name}`; nothing has begun")]
    GivenUp { name: String },
}

fn held(lock: &Lock, live: bool, waited: Duration) -> String {
    let Some(holder) = lock.holder() else { return "moving from hand to hand: try again".to_owned() };
    let Holder { run, runbook, person, owner, .. } = holder;
    let how = match (live, holder.effect) {
        (true, _) => "",
        (false, true) => ", which is interrupted and has begun to act",
        (false, false) => ", which is interrupted",
    };
    let waited = if waited.is_zero() { String::new() } else { format!("; waited {}", format_duration(waited)) };
    let (pid, host) = (owner.pid, &owner.host);
    format!("held by run {run} ({runbook}) of {person}{how}, process {pid} on {host}{waited}")
}

fn moved_on(name: &str, known: Option<u64>, lock: Option<&Lock>) -> String {
    let is = match lock {
        None => "and nothing is left of it".to_owned(),
        Some(lock) => match lock.holder() {
            Some(holder) => format!("and it is at generation {} by now, held by run {}", lock.generation, holder.run),
            None => format!("and it is free at generation {} by now", lock.generation),
        },
    };
    let knew = known.map_or("not at all".to_owned(), |known| format!("at generation {known}"));
    format!(
        "this run knows its lock `{name}` {knew}, {is}: it was broken and another run had it since, or this \
         store is an older copy; what was done since then is not in this journal"
    )
}

/// A lock to be had: of which run, and what its journal knows of it.
pub(super) struct Request {
    pub(super) name: String,
    pub(super) at: LockedAt,
    place: Place,
    run: RunId,
    runbook: String,
    /// Of the claim under which it is taken.
    epoch: Epoch,
    /// The last claim before that one.
    before: Epoch,
    known: Option<u64>,
    acted: bool,
}

/// A lock that was taken.
pub(super) struct Taken {
    pub(super) fence: Arc<Fence>,
    pub(super) event: Event,
    pub(super) after: Option<After>,
}

/// What the journal knows of the run.
pub(super) struct Known<'a> {
    pub(super) run: &'a RunId,
    pub(super) runbook: &'a Checked,
    pub(super) inputs: &'a Value,
    /// Of the claim under which the lock is taken.
    pub(super) epoch: Epoch,
    pub(super) hold: Option<&'a lock::Hold>,
    pub(super) acted: bool,
}

impl Engine {
    /// What is to be asked for; `None` for a runbook without a lock.
    pub(super) async fn lock_request(&self, known: Known<'_>) -> Result<Option<Request>, LockError> {
        let Known { run, runbook, inputs, epoch, hold, acted } = known;
        let name = match hold {
            Some(hold) => Some(hold.name.clone()),
            None => lock::name(runbook, inputs).map_err(|problem| LockError::BadName(problem.message))?,
        };
        if let Some(name) = &name {
            let mut clean = name.clone();
            self.hosts.redact_text(&mut clean);
            if clean != *name {
                return Err(LockError::BadName("the name of the lock holds what looks like a secret".to_owned()));
            }
        }
        let Some(name) = name else {
            let nothing = |run: &RunId| LockError::NothingToRepair { run: run.clone() };
            return self.locking.repairs.as_ref().map_or(Ok(None), |run| Err(nothing(run)));
        };
        let at = match (hold, &self.locking.places) {
            (Some(hold), _) => hold.at.clone(),
            (None, Some(places)) => places.choose(runbook, inputs),
            (None, None) => LockedAt::Store,
        };
        let place = self.lock_place(&at, inputs).await;
        let place = place.map_err(|error| cannot_tell(&name, &at, &error))?;
        let (run, runbook) = (run.clone(), runbook.name.to_string());
        let before = Epoch(epoch.0.saturating_sub(1));
        let known = hold.map(|hold| hold.generation);
        Ok(Some(Request { name, at, place, run, runbook, epoch, before, known, acted }))
    }

    pub(super) async fn lock_place(&self, at: &LockedAt, inputs: &Value) -> Result<Place, StoreError> {
        match (at, &self.locking.places) {
            (LockedAt::Store | LockedAt::Local, _) => Ok(Place { locks: self.store.clone(), caller: None }),
            (LockedAt::Ssm { .. }, Some(places)) => places.open(at, inputs).await,
            (LockedAt::Ssm { .. }, None) => {
                Err(StoreError::Unreachable("this process has no way to the parameter store".to_owned()))
            }
        }
    }

    /// Takes the lock, or waits for it as long as this process is to wait.
    pub(super) async fn wait_and_take(&self, request: &Request, signals: &mut Signals) -> Result<Taken, LockError> {
        loop {
            self.wait_for_lock(request, signals).await?;
            match self.take_lock(request).await {
                Err(LockError::Held { .. }) if !self.locking.wait.is_zero() => {}
                done => return done,
            }
        }
    }

    /// Returns when the lock could be taken.
    pub(super) async fn wait_for_lock(&self, request: &Request, signals: &mut Signals) -> Result<(), LockError> {
        let began = self.clock.now();
        let until = began.plus(self.locking.wait);
        let mut told: Option<Option<RunId>> = None;
        loop {
            let refused = match self.look_at(request).await {
                Ok(_) => return Ok(()),
                Err(refused @ (LockError::Held { .. } | LockError::CannotTell { .. })) => refused,
                Err(other) => return Err(other),
            };
            let now = self.clock.now();
            if now >= until {
                return Err(refused.after(now.since(began)));
            }
            let who = refused.holder().cloned();
            if told.as_ref() != Some(&who) {
                self.observer.waits_for_lock(&refused, until);
                told = Some(who);
            }
            let look = if request.at.is_shared() { LOOK_FAR } else { LOOK };
            tokio::select! {
                biased;
                Some(Signal::Interrupt | Signal::Abandon) = signals.recv() => {
                    return Err(LockError::GivenUp { name: request.name.clone() });
                }
                () = self.clock.sleep_until(until.min(now.plus(look))) => {}
            }
        }
    }

    /// Takes it now or says why not.
    pub(super) async fn take_lock(&self, request: &Request) -> Result<Taken, LockError> {
        for _ in 0..TRIES {
            let (seen, way) = self.look_at(request).await?;
            let holder = self.holder(request, &way);
            let taken = request.place.locks.take(&request.name, seen.as_ref(), &holder);
            let taken = in_time(&*self.clock, taken).await.map_err(|error| request.cannot_tell(&error))?;
            if let Some(generation) = taken {
                return self.taken(request, holder, generation, way.after).await;
            }
        }
        let why = StoreError::Unreachable("it moves between look and take".to_owned());
        Err(request.cannot_tell(&why))
    }

    async fn taken(
        &self,
        request: &Request,
        holder: Holder,
        generation: u64,
        after: Option<After>,
    ) -> Result<Taken, LockError> {
        let Request { name, at, place, .. } = request;
        let standing = Standing::Held { holder };
        let lock = Lock { name: name.clone(), generation, standing };
        let fence = Fence::new(place.locks.clone(), self.clock.clone(), &lock, at.is_shared());
        let fence = fence.ok_or_else(|| LockError::Lost { name: name.clone() })?;
        let event = Event::Locked {
            name: name.clone(),
            generation,
            at: at.clone(),
            after: after.clone(),
            caller: place.caller.clone(),
        };
        Ok(Taken { fence: Arc::new(fence), event, after })
    }

    fn holder(&self, request: &Request, way: &Way) -> Holder {
        let now = self.clock.now();
        Holder {
            run: request.run.clone(),
            epoch: request.epoch,
            runbook: request.runbook.clone(),
            person: self.actor.clone(),
            owner: self.owners.me(),
            since: now,
            lease_until: now.plus(LEASE),
            effect: way.effect || request.acted,
            acted: way.acted,
            repairs: way.repairs.clone(),
        }
    }

    /// The lock as it is, and how it may be had.
    async fn look_at(&self, request: &Request) -> Result<(Option<Lock>, Way), LockError> {
        let lock = in_time(&*self.clock, request.place.locks.look(&request.name)).await;
        let lock = lock.map_err(|error| request.cannot_tell(&error))?;
        let holder = lock.as_ref().and_then(Lock::holder);
        let seen = match holder.filter(|holder| holder.run != request.run) {
            Some(holder) => self.seen(holder, &request.at).await.map_err(|error| request.cannot_tell(&error))?,
            None => Seen { behind: self.is_behind(request, lock.as_ref()).await?, ..Seen::default() },
        };
        let now = self.clock.now();
        let me = self.owners.me();
        // A lock is taken for a repair once; after that it is the repairing run's own.
        let repairs = self.locking.repairs.as_ref().filter(|_| request.known.is_none());
        let wants = Wants { run: &request.run, epoch: request.before, me: &me, known: request.known, repairs };
        match lock::may_take(lock.as_ref(), wants, seen, now) {
            Ok(way) => Ok((lock, way)),
            Err(refusal) => Err(self.refused(request, lock, refusal, seen, now)),
        }
    }

    /// Whether the lock knows of an act of the run that is not in its journal here.
    async fn is_behind(&self, request: &Request, lock: Option<&Lock>) -> Result<bool, LockError> {
        let Some(acted) = lock.and_then(|lock| acted_as(&request.run, lock)) else { return Ok(false) };
        let read = self.store.read(&request.run, acted.ordinal.saturating_sub(1)).await;
        let read = read.map_err(|error| request.cannot_tell(&error))?;
        Ok(read.first().map(version_of) != Some(acted))
    }

    fn refused(
        &self,
        request: &Request,
        lock: Option<Lock>,
        refusal: Refusal,
        seen: Seen,
        now: Timestamp,
    ) -> LockError {
        let name = request.name.clone();
        match (refusal, lock) {
            (Refusal::Held, Some(lock)) => {
                let live = !seen.gone && lock.holder().is_some_and(|holder| holder.lease_until > now);
                LockError::Held { lock: Box::new(lock), live, waited: Duration::ZERO }
            }
            (Refusal::Behind, lock) => {
                let event = lock.and_then(|lock| acted_as(&request.run, &lock)).map_or(0, |acted| acted.ordinal);
                LockError::OlderCopy { name, run: request.run.clone(), event }
            }
            (Refusal::NotRepairable, _) => {
                let run = self.locking.repairs.clone().unwrap_or_else(|| request.run.clone());
                LockError::NotRepairable { name, run }
            }
            (Refusal::MovedOn | Refusal::Held, lock) => {
                LockError::MovedOn { name, known: request.known, lock: lock.map(Box::new) }
            }
        }
    }

    /// What can be told from here of the run that has a lock.
    pub async fn seen(&self, holder: &Holder, at: &LockedAt) -> Result<Seen, StoreError> {
        let gone = self.owners.is_alive(&holder.owner) == Alive::No
            && (!at.is_shared() || same_boot(&holder.owner, &self.owners.me()));
        let ended = Ledger::read(&*self.store, &holder.run).await?.is_some_and(|ledger| ledger.is_over());
        Ok(Seen { gone, ended, behind: false })
    }

    /// Takes a lock away from a run that nobody goes on with. A living holder's is never taken. The run's journal, if it
    /// is here, says so; the next taker's will.
    pub async fn break_lock(&self, locks: &dyn Locks, at: &LockedAt, lock: &Lock, why: &str) -> Result<(), LockError> {
        let name = &lock.name;
        let broken = |error: StoreError| cannot_tell(name, at, &error);
        let moved = || broken(StoreError::Unreachable("it moved while it was looked at; look again".to_owned()));
        let holder = lock.holder().ok_or_else(moved)?;
        let seen = self.seen(holder, at).await.map_err(broken)?;
        if !seen.gone && holder.lease_until > self.clock.now() {
            return Err(LockError::Held { lock: Box::new(lock.clone()), live: true, waited: Duration::ZERO });
        }
        // Where the lock is kept, more people may read than the journal.
        let mut why = why.to_owned();
        self.hosts.redact_text(&mut why);
        let breach = Breach { by: self.actor.clone(), why: why.clone(), at: self.clock.now() };
        let done = in_time(&*self.clock, locks.break_lock(name, lock.generation, &breach)).await.map_err(broken)?;
        if !done {
            return Err(moved());
        }
        let lost = |ledger: &Ledger| {
            let how = Loss::Broken { why: why.clone() };
            Some(Event::LockLost { generation: ledger.generation()?, how })
        };
        self.append_outside(&holder.run, lost).await.map(drop).map_err(broken)
    }

    /// Writes into the journal of the run that had the lock, if it is here, that it has it no more.
    pub(super) async fn tell_former(&self, after: &After, by: &RunId) -> Result<(), StoreError> {
        let (run, how) = match after {
            After::Broken { .. } => return Ok(()),
            After::Lapsed { run } => (run, Some(Loss::Taken { by: by.clone() })),
            After::Repairs { run } => (run, Some(Loss::Lent { to: by.clone() })),
            After::Ended { run } => (run, None),
        };
        self.append_outside(run, |ledger| {
            let generation = ledger.generation()?;
            Some(match &how {
                Some(how) => Event::LockLost { generation, how: how.clone() },
                None => Event::Unlocked { generation },
            })
        })
        .await
        .map(drop)
    }
}

/// The end of the journal under which this run acted last, if the lock is its own and says so.
fn acted_as(run: &RunId, lock: &Lock) -> Option<Version> {
    match &lock.standing {
        Standing::Held { holder } | Standing::Broken { holder, .. } if holder.run == *run => holder.acted,
        Standing::Free | Standing::Held { .. } | Standing::Broken { .. } => None,
    }
}

impl Request {
    fn cannot_tell(&self, error: &StoreError) -> LockError {
        cannot_tell(&self.name, &self.at, error)
    }
}

fn cannot_tell(name: &str, at: &LockedAt, error: &StoreError) -> LockError {
    LockError::CannotTell { name: name.to_owned(), at: at.clone(), why: error.to_string() }
}

impl LockError {
    /// The run that has the lock.
    pub fn holder(&self) -> Option<&RunId> {
        match self {
            Self::Held { lock, .. } => lock.holder().map(|holder| &holder.run),
            _ => None,
        }
    }

    fn after(self, waited: Duration) -> Self {
        match self {
            Self::Held { lock, live, .. } => {
                // In whole seconds: it is for people.
                Self::Held { lock, live, waited: Duration::from_secs(waited.as_secs()) }
            }
            other => other,
        }
    }
}

/// A boot's id is of one machine; names of machines repeat.
fn same_boot(one: &Owner, other: &Owner) -> bool {
    let boot = |owner: &'_ Owner| owner.started.split('/').next().unwrap_or_default().to_owned();
    !one.started.is_empty() && boot(one) == boot(other)
}
