//! A process and the lock of its run: heard of while it lives, and asked right before each act whether the lock still
//! is its own. It does not know who may take locks, and journals nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use sluice_plugin::Timestamp;

use super::Clock;
use crate::ids::RunId;
use crate::journal::{Epoch, Keep, Lock, Locks, Store, StoreError, Version};

/// How long a process may be silent before it is taken for gone.
pub const LEASE: Duration = Duration::from_secs(60);

/// Between two signs of life; three may be lost.
const EVERY: Duration = Duration::from_secs(15);

/// After a sign of life that could not be given.
const AGAIN: Duration = Duration::from_secs(3);

/// For one question to where the lock is kept.
const PATIENCE: Duration = Duration::from_secs(10);

/// An older answer says nothing of now: the machine may have slept over it.
const FRESH: Duration = Duration::from_secs(5);

/// The lock as the process that took it knows it.
pub(super) struct Fence {
    locks: Arc<dyn Locks>,
    clock: Arc<dyn Clock>,
    pub(super) name: String,
    pub(super) generation: u64,
    run: RunId,
    epoch: Epoch,
    /// Others than the processes of the run's own store see it.
    shared: bool,
    lease: Mutex<Lease>,
    /// One at a time: who writes all of a lock says again what was said before, and must not say it late.
    writes: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy)]
struct Lease {
    until: Timestamp,
    /// It is written down that the run has begun to act.
    marked: bool,
    /// The end of the journal under which it acts, and what of it is written down.
    acts: Option<Version>,
    noted: Option<Version>,
}

impl Fence {
    pub(super) fn new(locks: Arc<dyn Locks>, clock: Arc<dyn Clock>, lock: &Lock, shared: bool) -> Option<Self> {
        let holder = lock.holder()?;
        Some(Self {
            locks,
            clock,
            name: lock.name.clone(),
            generation: lock.generation,
            run: holder.run.clone(),
            epoch: holder.epoch,
            // Marked anew by this process, whatever an earlier one wrote: the first question is always the strict one.
            lease: Mutex::new(Lease { until: holder.lease_until, marked: false, acts: None, noted: None }),
            shared,
            writes: tokio::sync::Mutex::new(()),
        })
    }

    /// Asked right before each act. Before the first one, and after a silence, the holder is written down first: nobody
    /// can then take the lock unseen. False: the lock has moved on, and this process must not act.
    pub(super) async fn still_mine(&self) -> Result<bool, StoreError> {
        let asked = self.clock.since_boot();
        let mine = self.is_mine().await?;
        let age = self.clock.since_boot().saturating_sub(asked);
        if mine && age > FRESH {
            return Err(StoreError::Unreachable(format!(
                "the answer came after {} s and says nothing of now",
                age.as_secs()
            )));
        }
        Ok(mine)
    }

    async fn is_mine(&self) -> Result<bool, StoreError> {
        let lease = self.lease();
        let silent = self.clock.now().plus(LEASE).since(lease.until) > EVERY.saturating_mul(2);
        if silent || !lease.marked {
            return self.renew(true).await;
        }
        let lock = self.in_time(self.locks.look(&self.name)).await?;
        Ok(lock.is_some_and(|lock| lock.is_held_by(self.generation, &self.run, self.epoch)))
    }

    /// An act is intended, and this is the end of the journal that says so.
    pub(super) fn intended(&self, head: Version) {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared && lease.acts.is_none_or(|acts| acts.ordinal < head.ordinal) {
            lease.acts = Some(head);
        }
    }

    /// Between an intent and its call: a lock that others see says how far the journal was, so that an older copy of it is
    /// known as one. Acts that begin together are noted together. False: the lock has moved on.
    pub(super) async fn note_act(&self) -> Result<bool, StoreError> {
        let noted = || {
            let lease = self.lease();
            lease.noted.map(|noted| noted.ordinal) >= lease.acts.map(|acts| acts.ordinal)
        };
        if !self.shared || noted() {
            return Ok(true);
        }
        let writes = self.in_time(async { Ok(self.writes.lock().await) }).await?;
        if noted() {
            return Ok(true);
        }
        self.write(true, &writes).await
    }

    /// Gives a sign of life. False: the lock has moved on.
    async fn renew(&self, effect: bool) -> Result<bool, StoreError> {
        let writes = self.in_time(async { Ok(self.writes.lock().await) }).await?;
        self.write(effect, &writes).await
    }

    /// Says again what was said before: a place that cannot change a part of a lock writes all of it.
    async fn write(&self, effect: bool, _: &tokio::sync::MutexGuard<'_, ()>) -> Result<bool, StoreError> {
        let Lease { marked, acts, .. } = self.lease();
        let (until, effect) = (self.clock.now().plus(LEASE), effect || marked);
        let keep = Keep { lease_until: until, effect, acted: acts };
        let kept = self.in_time(self.locks.renew(&self.name, self.generation, keep)).await?;
        if kept {
            let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
            (lease.until, lease.marked, lease.noted) = (until, effect, acts);
        }
        Ok(kept)
    }

    /// The process leaves the run, which keeps its lock: whoever goes on need not wait.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        let Lease { marked, acts, .. } = self.lease();
        let keep = Keep { lease_until: Timestamp(0), effect: marked, acted: acts };
        self.in_time(self.locks.renew(&self.name, self.generation, keep)).await.map(drop)
    }

    fn lease(&self) -> Lease {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        in_time(&*self.clock, Box::pin(work)).await
    }
}

/// Nobody waits for ever for an answer that decides about acts.
pub(super) async fn in_time<T>(
    clock: &dyn Clock,
    work: impl Future<Output = Result<T, StoreError>> + Send + Unpin,
) -> Result<T, StoreError> {
    match select(work, clock.sleep_until(clock.now().plus(PATIENCE))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(StoreError::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// Says that the process lives, as long as it is polled. Ends when the lock has moved on.
pub(super) async fn keep_alive(store: Arc<dyn Store>, clock: Arc<dyn Clock>, run: RunId, fence: Option<Arc<Fence>>) {
    let mut next = clock.now().plus(EVERY);
    loop {
        clock.sleep_until(next).await;
        let mut pause = EVERY;
        if let Err(error) = store.beat(&run, Some(clock.now().plus(LEASE))).await {
            tracing::debug!(%error, "no sign of life could be written");
            pause = AGAIN;
        }
        match &fence {
            None => {}
            Some(fence) => match fence.renew(false).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, lock = %fence.name, "the lock's lease could not be prolonged");
                    pause = AGAIN;
                }
            },
        }
        next = clock.now().plus(pause);
    }
}
