//! A store in memory, for tests and for the ticks of `--every`. It forgets everything with the process and behaves
//! otherwise like the one on disk, hash checks included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Blobs, Durability, Filter, HeldLock, Index, IndexEntry, Journal, Locks, Page, Record, Schedules,
    StoreError, Take, Timestamp, Version,
};
use tokio::sync::watch;

use crate::records;

/// Handles on the same store are `Arc`s of it.
#[derive(Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    appended: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    journals: HashMap<RunId, Vec<Record>>,
    locks: BTreeMap<String, Lock>,
    index: HashMap<RunId, IndexEntry>,
    fires: HashSet<String>,
    blobs: HashMap<Sha256, Vec<u8>>,
}

/// Stays when the lock is free, so that its generation goes on.
struct Lock {
    generation: u64,
    holder: Option<(RunId, Timestamp)>,
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_above(&self, run: &RunId, after: u64) {
        let mut appended = self.appended.subscribe();
        while self.kept().end(run).ordinal <= after {
            // The sender lives as long as this store, so waiting cannot fail.
            let _ = appended.changed().await;
        }
    }
}

impl Kept {
    fn end(&self, run: &RunId) -> Version {
        self.journals.get(run).map_or(Version::START, |journal| records::end(Version::START, journal))
    }

    fn holds(&self, name: &str, run: &RunId) -> bool {
        self.held(name).is_some_and(|held| held.run == *run)
    }

    fn held(&self, name: &str) -> Option<HeldLock> {
        let lock = self.locks.get(name)?;
        let (run, lease_until) = lock.holder.clone()?;
        Some(HeldLock { name: name.to_owned(), run, generation: lock.generation, lease_until })
    }

    fn free(&mut self, name: &str) {
        if let Some(lock) = self.locks.get_mut(name) {
            lock.holder = None;
        }
    }
}

#[async_trait]
impl Journal for MemoryStore {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        _durability: Durability,
    ) -> Result<Version, AppendError> {
        records::numbered(run, expected, records)?;
        let mut kept = self.kept();
        if kept.end(run) != expected {
            return Err(AppendError::Conflict);
        }
        if !records.is_empty() {
            kept.journals.entry(run.clone()).or_default().extend_from_slice(records);
            self.appended.send_replace(());
        }
        Ok(records::end(expected, records))
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        let found = match self.kept().journals.get(run) {
            Some(journal) => journal.iter().filter(|record| record.ordinal > after).cloned().collect(),
            None => Vec::new(),
        };
        records::intact("the store in memory", run, after, found)
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        Ok(tokio::time::timeout(patience, self.until_above(run, after)).await.is_ok())
    }
}

#[async_trait]
impl Locks for MemoryStore {
    async fn take(&self, name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Result<Take, StoreError> {
        let mut kept = self.kept();
        if let Some(held) = kept.held(name).filter(|held| held.run != *run) {
            return Ok(Take::Held(held));
        }
        let lock = kept.locks.entry(name.to_owned()).or_insert(Lock { generation: 0, holder: None });
        if lock.holder.is_none() {
            lock.generation += 1;
        }
        lock.holder = Some((run.clone(), now.plus(lease)));
        Ok(Take::Taken { generation: lock.generation })
    }

    async fn renew(&self, name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let ours = kept.holds(name, run);
        if let Some(lock) = kept.locks.get_mut(name).filter(|_| ours) {
            lock.holder = Some((run.clone(), now.plus(lease)));
        }
        Ok(ours)
    }

    async fn release(&self, name: &str, run: &RunId) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.holds(name, run) {
            kept.free(name);
        }
        Ok(())
    }

    async fn break_lock(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let exact = kept.held(name).is_some_and(|held| held.generation == generation);
        if exact {
            kept.free(name);
        }
        Ok(exact)
    }

    async fn held(&self) -> Result<Vec<HeldLock>, StoreError> {
        let kept = self.kept();
        Ok(kept.locks.keys().filter_map(|name| kept.held(name)).collect())
    }
}

#[async_trait]
impl Index for MemoryStore {
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError> {
        self.kept().index.insert(entry.run.clone(), entry.clone());
        Ok(())
    }

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError> {
        Ok(self.kept().index.get(run).cloned())
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError> {
        let mut found: Vec<_> = self.kept().index.values().filter(|entry| matches(filter, entry)).cloned().collect();
        found.sort_by(|one, other| (other.started, &other.run).cmp(&(one.started, &one.run)));
        Ok(found.into_iter().skip(page.skip as usize).take(page.take as usize).collect())
    }

    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError> {
        let due = |entry: &&IndexEntry| entry.ended.is_none() && entry.waiting_until.is_some_and(|at| at <= until);
        let mut found: Vec<_> = self.kept().index.values().filter(due).cloned().collect();
        found.sort_by(|one, other| (one.waiting_until, &one.run).cmp(&(other.waiting_until, &other.run)));
        Ok(found)
    }

    async fn journals(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(self.kept().journals.keys().cloned().collect())
    }
}

fn matches(filter: &Filter, entry: &IndexEntry) -> bool {
    filter.runbook.as_ref().is_none_or(|runbook| *runbook == entry.runbook)
        && filter.open.is_none_or(|open| open == entry.ended.is_none())
}

#[async_trait]
impl Schedules for MemoryStore {
    async fn claim(&self, fire: &str, _now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.kept().fires.insert(fire.to_owned()))
    }
}

#[async_trait]
impl Blobs for MemoryStore {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError> {
        let hash = Sha256::of(bytes);
        self.kept().blobs.entry(hash).or_insert_with(|| bytes.to_vec());
        Ok(hash)
    }

    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        // Nobody but `put_blob` writes them, so there is no damage to find.
        Ok(self.kept().blobs.get(hash).cloned())
    }
}
