//! A run's journal read without its runbook: whether it has ended, who owned it last, and which lock it has. Enough to
//! write an outside event, and to abandon a run whose runbook no longer can be read.

use sluice_plugin::Applied;

use super::fence::in_time;
use super::locking::LockError;
use super::log::understood;
use super::open::OpenError;
use super::{Alive, Engine, RunError, clean};
use crate::ids::RunId;
use crate::journal::chain::{encode, verify, version_of};
use crate::journal::{
    AppendError, CancelHow, Durability, Envelope, Epoch, Event, Found, Holder, IndexEntry, Key, LockedAt, Outcome,
    Owner, Store, StoreError, Version,
};

/// How often a journal that moves on, or a store that is not sure, is tried again.
const TRIES: u32 = 10;

/// What the events say by themselves.
pub(super) struct Ledger {
    pub(super) version: Version,
    pub(super) epoch: Epoch,
    pub(super) owner: Option<Owner>,
    pub(super) ended: Option<Outcome>,
    /// The lock that the run has by its journal.
    pub(super) lock: Option<(u64, String, LockedAt)>,
    /// Where the lock is, once it was held, and had since by its journal or not.
    place: Option<(String, LockedAt)>,
    owners: Vec<Owner>,
    pub(super) inputs: serde_json::Value,
    /// Acts of which the events do not tell what became, in the order in which they were begun.
    pub(super) open: Vec<Key>,
}

impl Ledger {
    /// `None`: there is no such run here.
    pub(super) async fn read(store: &dyn Store, run: &RunId) -> Result<Option<Self>, StoreError> {
        let records = store.read(run, 0).await?;
        let Some(last) = records.last() else { return Ok(None) };
        let mut ledger = Self {
            version: version_of(last),
            epoch: Epoch(0),
            owner: None,
            ended: None,
            lock: None,
            place: None,
            owners: Vec::new(),
            inputs: serde_json::Value::Null,
            open: Vec::new(),
        };
        for verified in verify(&records, Version::START)? {
            ledger.add(understood(store, run, verified).await?.event);
        }
        Ok(Some(ledger))
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Started { inputs, .. } => self.inputs = inputs,
            Event::Claimed { epoch, owner } => {
                self.owners.push(owner.clone());
                (self.epoch, self.owner, self.ended) = (epoch, Some(owner), None);
            }
            Event::Locked { generation, name, at, .. } => {
                self.place = Some((name.clone(), at.clone()));
                self.lock = Some((generation, name, at));
            }
            Event::Unlocked { .. } | Event::LockLost { .. } => self.lock = None,
            Event::Ended { outcome } => self.ended = Some(outcome),
            Event::Intended { key, .. } if !self.open.contains(&key) => self.open.push(key),
            Event::Done { key, .. } | Event::Settled { key, .. } => self.open.retain(|open| *open != key),
            Event::Failed { key, problem, .. } if problem.applied == Applied::No => {
                self.open.retain(|open| *open != key);
            }
            Event::Reconciled { key, verdict, .. } if verdict != Found::CannotTell => {
                self.open.retain(|open| *open != key);
            }
            _ => {}
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.as_ref().is_some_and(|outcome| *outcome != Outcome::Interrupted)
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.lock.as_ref().map(|(generation, ..)| *generation)
    }
}

impl Engine {
    /// Appends what `event` makes of the journal; an answer of `None` means that there is nothing to say. True when it
    /// was said.
    pub(super) async fn append_outside(
        &self,
        run: &RunId,
        event: impl Fn(&Ledger) -> Option<Event> + Send + Sync,
    ) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let Some(ledger) = Ledger::read(&*self.store, run).await? else { return Ok(false) };
            let Some(event) = event(&ledger) else { return Ok(false) };
            if self.append_after(run, ledger.version, vec![(None, event)]).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Unreachable(format!("it took none of {TRIES} appends")))
    }

    /// False: the journal has moved on, or may have.
    async fn append_after(
        &self,
        run: &RunId,
        version: Version,
        events: Vec<(Option<Epoch>, Event)>,
    ) -> Result<bool, StoreError> {
        let (mut records, mut end, now) = (Vec::with_capacity(events.len()), version, self.clock.now());
        for (epoch, mut event) in events {
            clean::event(&*self.hosts, &mut event);
            let envelope = Envelope { ordinal: end.ordinal + 1, at: now, epoch, actor: self.actor.clone(), event };
            let record = encode(&envelope, end)?;
            end = version_of(&record);
            records.push(record);
        }
        match self.store.append(run, version, &records, Durability::Sync).await {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict) => Ok(false),
            Err(AppendError::Ambiguous(_)) => Ok(self.store.read(run, version.ordinal).await?.starts_with(&records)),
            Err(AppendError::Store(error)) => Err(error),
        }
    }

    async fn index_abandoned(&self, run: &RunId, outcome: &Outcome) -> Result<(), StoreError> {
        let Some(entry) = self.store.get(run).await? else { return Ok(()) };
        let (status, exit) = (outcome.name().to_owned(), Some(outcome.exit()));
        self.store.put(&IndexEntry { status, exit, ended: Some(self.clock.now()), ..entry }).await?;
        self.store.beat(run, None).await
    }

    /// Gives back the lock of a run that has ended, also one that came back to it from a repair. Only under a process that
    /// its journal knows: another copy of the run may have gone on, and has it then.
    pub(super) async fn give_back_ended(&self, run: &RunId) -> Result<(), LockError> {
        let broken = |error: StoreError| LockError::CannotTell {
            name: format!("of run {run}"),
            at: LockedAt::Store,
            why: error.to_string(),
        };
        let ledger = Ledger::read(&*self.store, run).await.map_err(broken)?;
        let Some(ledger) = ledger.filter(Ledger::is_over) else { return Ok(()) };
        let Some((name, at)) = ledger.place else { return Ok(()) };
        let cannot_tell =
            |error: StoreError| LockError::CannotTell { name: name.clone(), at: at.clone(), why: error.to_string() };
        let place = self.lock_place(&at, &ledger.inputs).await.map_err(&cannot_tell)?;
        let lock = in_time(&*self.clock, place.locks.look(&name)).await.map_err(&cannot_tell)?;
        let own = |holder: &Holder| holder.run == *run && ledger.owners.contains(&holder.owner);
        if let Some(lock) = lock.filter(|lock| lock.holder().is_some_and(own)) {
            let release = place.locks.release(&name, lock.generation);
            in_time(&*self.clock, release).await.map_err(&cannot_tell)?;
        }
        let unlocked = |ledger: &Ledger| Some(Event::Unlocked { generation: ledger.generation()? });
        self.append_outside(run, unlocked).await.map(drop).map_err(broken)
    }

    /// Ends a run whose runbook need not be readable any more: nothing of it is called, its lock is given back.
    pub async fn abandon(&self, run: &RunId, why: &str) -> Result<(), OpenError> {
        for _ in 0..TRIES {
            let ledger = Ledger::read(&*self.store, run).await?.ok_or_else(|| OpenError::NoRun(run.clone()))?;
            if let Some(outcome) = ledger.ended.clone().filter(|_| ledger.is_over()) {
                return Err(OpenError::Over { run: run.clone(), outcome });
            }
            let open = ledger.ended.is_none();
            if let Some(owner) = ledger.owner.as_ref().filter(|_| open)
                && self.life(run, owner).await? != Alive::No
            {
                return Err(OpenError::Owned { run: run.clone(), owner: owner.clone() });
            }
            let epoch = Epoch(ledger.epoch.0 + 1);
            let outcome = Outcome::Abandoned { unknown: ledger.open };
            let own = |event| (Some(epoch), event);
            let events = vec![
                (None, Event::CancelAsked { how: CancelHow::Abandon, why: why.to_owned() }),
                own(Event::Claimed { epoch, owner: self.owners.me() }),
                own(Event::Ended { outcome: outcome.clone() }),
            ];
            if self.append_after(run, ledger.version, events).await? {
                self.index_abandoned(run, &outcome).await?;
                self.give_back_ended(run).await.map_err(RunError::Lock)?;
                return Ok(());
            }
        }
        Err(StoreError::Unreachable(format!("it took none of {TRIES} appends")).into())
    }
}
