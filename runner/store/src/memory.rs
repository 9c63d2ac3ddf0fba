//! A store in memory, for tests and for the ticks of `--every`. It forgets everything with the process and behaves
//! otherwise like the one on disk, hash checks included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Blobs, Breach, Durability, Filter, Holder, Index, IndexEntry, Journal, Keep, Lock, Locks, Page,
    Record, Schedules, Standing, Store, StoreError, Timestamp, Version,
};
use tokio::sync::watch;

use crate::{records, standing};

/// Handles on the same store are `Arc`s of it.
#[derive(Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    appended: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    journals: HashMap<RunId, Vec<Record>>,
    /// A lock that is free stays, so that its generation goes on.
    locks: BTreeMap<String, Lock>,
    leases: HashMap<RunId, Timestamp>,
    index: HashMap<RunId, IndexEntry>,
    fires: HashSet<String>,
    blobs: HashMap<Sha256, Vec<u8>>,
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

    fn change<T>(&mut self, name: &str, change: impl FnOnce(Option<Lock>) -> (T, Option<Lock>)) -> T {
        let (answer, changed) = change(self.locks.get(name).cloned());
        self.locks.extend(changed.map(|lock| (lock.name.clone(), lock)));
        answer
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
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        Ok(self.kept().locks.get(name).cloned())
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        Ok(self.kept().change(name, |found| standing::taken(found, name, seen, holder)))
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        Ok(self.kept().change(name, |found| standing::renewed(found, generation, keep)))
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        Ok(self.kept().change(name, |found| standing::released(found, generation)))
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        Ok(self.kept().change(name, |found| standing::broken(found, generation, breach)))
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        Ok(self.kept().locks.values().filter(|lock| lock.standing != Standing::Free).cloned().collect())
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

    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError> {
        let leases = &mut self.kept().leases;
        match until {
            Some(until) => drop(leases.insert(run.clone(), until)),
            None => drop(leases.remove(run)),
        }
        Ok(())
    }

    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.kept().leases.get(run).copied())
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

impl Store for MemoryStore {}

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
