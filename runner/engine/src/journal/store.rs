//! What the engine needs of a store. The traits know bytes, ordinals and hashes, and no event.
//!
//! SQLite (embedded), memory (tests, ticks of `--every`) and later JetStream implement them; `sluice-store` has one
//! compliance suite that all pass alike. `now` is always given by the caller: a store has no clock.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
pub use sluice_plugin::Timestamp;

pub use super::lock::{Breach, Holder, Keep, Lock, LockedAt, Standing};
use crate::ids::{RunId, Sha256};

/// All of it.
#[async_trait]
pub trait Store: Journal + Locks + Index + Schedules + Blobs {
    /// Appends as [`Journal::append`], and writes what stands beside the journal: all at once where the store can. Where it
    /// cannot, a blob is there before the record that names it, and the list, which can be rebuilt, comes last: what was
    /// appended stands without it.
    async fn append_beside(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
        beside: &Beside<'_>,
    ) -> Result<Version, AppendError> {
        if let Some(blob) = beside.blob {
            self.put_blob(blob).await?;
        }
        let version = self.append(run, expected, records, durability).await?;
        if let Some(entry) = &beside.entry
            && let Err(error) = self.put(entry).await
        {
            tracing::debug!(%error, "the list of runs is behind its journals");
        }
        if let Some(until) = beside.lease
            && let Err(error) = self.beat(run, until).await
        {
            tracing::debug!(%error, "the lease of the run is not what it should be");
        }
        Ok(version)
    }
}

/// What is written with records and is no part of the journal.
#[derive(Clone, Debug, Default)]
pub struct Beside<'a> {
    /// What one of the records names.
    pub blob: Option<&'a [u8]>,
    pub entry: Option<IndexEntry>,
    /// As [`Index::beat`].
    pub lease: Option<Option<Timestamp>>,
}

impl Beside<'_> {
    pub fn is_empty(&self) -> bool {
        self.blob.is_none() && self.entry.is_none() && self.lease.is_none()
    }
}

/// What happened, in order; the only truth about a run.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends `records` after `expected`, all or none. The first record of a run follows [`Version::START`].
    ///
    /// Records carry the ordinals that follow `expected` one by one.
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError>;

    /// The records with an ordinal above `after`, in order. Empty for an unknown run.
    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError>;

    /// Ends when a record above `after` is there (true) or `patience` is over (false).
    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError>;
}

/// One stored event. The hash is over `bytes`, and `bytes` hold the hash of the record before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts from 1.
    pub ordinal: u64,
    pub hash: Sha256,
    pub bytes: Vec<u8>,
}

/// The end of a journal as somebody saw it. To callers it is opaque; an append decided on it fails if it has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub ordinal: u64,
    pub hash: Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// May be lost with the machine's power, never with the process. Never reordered.
    Lazy,
    /// On disk before the call returns, and every lazy append before it.
    Sync,
}

/// Named locks. Each take raises the generation, which is the fencing token; a lock that is free stays, so that its
/// generation goes on. Who may take a lock from whom is not decided here: what is written is written only if the lock
/// still is as it was seen.
#[async_trait]
pub trait Locks: Send + Sync {
    /// `None` of a lock that nobody ever took.
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError>;

    /// Gives the lock to `holder` under the next generation, if it still is as it was seen. `None` when it has moved.
    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError>;

    /// The holder of this generation is heard of. False when the lock is held under it no more.
    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError>;

    /// Gives the lock of this generation back: it is free, or its holder's again whom the run repaired. False when the
    /// lock is held under it no more.
    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError>;

    /// Takes the lock away from whoever holds exactly this generation: nothing that holder still writes can hide it. False
    /// when it is held under it no more. The break may have a generation of its own.
    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError>;

    /// All that are not free, by name.
    async fn held(&self) -> Result<Vec<Lock>, StoreError>;
}

/// A list of runs that can be rebuilt from the journals at any time.
#[async_trait]
pub trait Index: Send + Sync {
    /// Writes the entry of a run, new or again.
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError>;

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError>;

    /// Newest first.
    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError>;

    /// Open runs whose `waiting_until` is at or before `until`, earliest first.
    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError>;

    /// Runs whose journal exists, in no order: what a rebuild reads.
    async fn journals(&self) -> Result<Vec<RunId>, StoreError>;

    /// The run's process will be heard of again before `until`; `None`: it has left the run. A rebuild knows none.
    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError>;

    /// Until when the run's process is to be heard of, if it said so.
    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError>;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    pub run: RunId,
    pub runbook: String,
    pub started: Timestamp,
    /// `None` while the run is open.
    pub ended: Option<Timestamp>,
    /// `running`, `parked`, or the outcome's name.
    pub status: String,
    /// Exit code of an ended run.
    pub exit: Option<u8>,
    pub waiting_until: Option<Timestamp>,
    /// Up to this ordinal the entry is right; the journal may be ahead.
    pub ordinal: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub runbook: Option<String>,
    pub open: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub skip: u32,
    pub take: u32,
}

/// Decides which of several servers fires a schedule.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// True for exactly one caller per id, ever.
    async fn claim(&self, fire: &str, now: Timestamp) -> Result<bool, StoreError>;
}

/// Content by hash: snapshots, outputs too large for an event.
#[async_trait]
pub trait Blobs: Send + Sync {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError>;

    /// The bytes, checked against their hash.
    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether there are any of this hash. They need not be read for that.
    async fn has_blob(&self, hash: &Sha256) -> Result<bool, StoreError> {
        Ok(self.get_blob(hash).await?.is_some())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended: reload, fold, decide again.
    #[error("the journal has moved on")]
    Conflict,
    /// Nobody knows whether it was written: read back before anything else.
    #[error("it is not known whether the journal took the event: {0}")]
    Ambiguous(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer Sluice.
    #[error("the store was written by a newer version: {0}")]
    TooNew(String),
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
}

impl Version {
    pub const START: Self = Self { ordinal: 0, hash: Sha256::ZERO };
}
