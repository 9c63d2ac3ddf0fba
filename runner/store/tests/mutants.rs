//! Stores with one fault each: the suite must catch every one of them, or it proves nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Beside, Blobs, Breach, Durability, Filter, Holder, Index, IndexEntry, Journal, Keep, Lock, Locks,
    Page, Record, Schedules, Store, StoreError, Timestamp, Version,
};
use sluice_store::MemoryStore;
use sluice_store::compliance::{Place, failures};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    IgnoresTheHash,
    AppendsHalfOfALateBatch,
    RepeatsTheSameAppend,
    ReadsOneTooMany,
    IsDeaf,
    WakesForNothing,
    TakesBlind,
    KeepsTheGeneration,
    RenewsAnyGeneration,
    ReleasesAnyGeneration,
    BreaksAnyGeneration,
    ForgetsTheMark,
    ForgetsTheRepaired,
    ForgetsTheBreach,
    ForgetsLeases,
    KeepsTheFirstEntry,
    ListsOldestFirst,
    IgnoresTheFilter,
    ShowsEndedRunsWaiting,
    LetsEverybodyClaim,
    ForgetsBlobs,
    ForgetsWhatStandsBeside,
    ListsBeforeItAppends,
}

/// Each fault with one case that must fail of it.
const CAUGHT_BY: [(Fault, &str); 23] = [
    (Fault::IgnoresTheHash, "a version with another hash conflicts"),
    (Fault::AppendsHalfOfALateBatch, "a batch is appended whole or not at all"),
    (Fault::RepeatsTheSameAppend, "a version that is not the end conflicts"),
    (Fault::ReadsOneTooMany, "a read begins after the given ordinal"),
    (Fault::IsDeaf, "waiting ends by an append through another handle"),
    (Fault::WakesForNothing, "waiting goes on through appends to other runs"),
    (Fault::TakesBlind, "a lock that has moved since it was seen is not taken"),
    (Fault::KeepsTheGeneration, "each take raises the generation"),
    (Fault::RenewsAnyGeneration, "a lease is renewed by its generation alone"),
    (Fault::ReleasesAnyGeneration, "a lock is given back by its generation alone"),
    (Fault::BreaksAnyGeneration, "a break needs the exact generation"),
    (Fault::ForgetsTheMark, "the mark of an effect stays"),
    (Fault::ForgetsTheRepaired, "a lock taken for a repair goes back"),
    (Fault::ForgetsTheBreach, "a broken lock says by whom and why until it is taken"),
    (Fault::ForgetsLeases, "a run is heard of until it is left"),
    (Fault::KeepsTheFirstEntry, "an entry is replaced whole"),
    (Fault::ListsOldestFirst, "runs are listed newest first"),
    (Fault::IgnoresTheFilter, "runs are listed by runbook and by open or not"),
    (Fault::ShowsEndedRunsWaiting, "open runs that wait are listed by when they are due"),
    (Fault::LetsEverybodyClaim, "of racing claims one gets the fire"),
    (Fault::ForgetsBlobs, "a blob comes back by its hash"),
    (Fault::ForgetsWhatStandsBeside, "what stands beside records is written with them"),
    (Fault::ListsBeforeItAppends, "nothing is listed beside records that conflict"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_catches_every_fault() {
    let suites = CAUGHT_BY.map(|(fault, case)| {
        let suite = tokio::spawn(async move { failures(|| Arc::new(Faulty { fault, store: Arc::default() })).await });
        (fault, case, suite)
    });
    for (fault, case, suite) in suites {
        let failed = suite.await.unwrap();
        assert!(failed.iter().any(|failure| failure.case == case), "{fault:?}: {failed:?}");
    }
}

#[derive(Clone)]
struct Faulty {
    fault: Fault,
    store: Arc<MemoryStore>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    async fn end(&self, run: &RunId) -> Result<Version, StoreError> {
        let records = self.store.read(run, 0).await?;
        Ok(records.last().map_or(Version::START, |last| Version { ordinal: last.ordinal, hash: last.hash }))
    }

    /// The generation under which it is held now.
    async fn generation(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.store.look(name).await?.map_or(0, |lock| lock.generation))
    }
}

#[async_trait]
impl Place for Faulty {
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Journal for Faulty {
    async fn append(
        &self,
        run: &RunId,
        mut expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        match self.fault {
            Fault::IgnoresTheHash => {
                let there = self.end(run).await?;
                if there.ordinal == expected.ordinal {
                    expected = there;
                }
                self.store.append(run, expected, records, durability).await
            }
            Fault::RepeatsTheSameAppend => {
                let there = self.store.read(run, expected.ordinal).await?;
                if there == records {
                    self.end(run).await.map_err(Into::into)
                } else {
                    self.store.append(run, expected, records, durability).await
                }
            }
            Fault::AppendsHalfOfALateBatch => {
                let outcome = self.store.append(run, expected, records, durability).await;
                if outcome == Err(AppendError::Conflict) && records.len() > 1 {
                    let end = self.end(run).await?;
                    let half = Record { ordinal: end.ordinal + 1, ..records[0].clone() };
                    self.store.append(run, end, &[half], durability).await?;
                }
                outcome
            }
            _ => self.store.append(run, expected, records, durability).await,
        }
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        let after = if self.has(Fault::ReadsOneTooMany) { after.saturating_sub(1) } else { after };
        self.store.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        match self.fault {
            Fault::IsDeaf => Ok(!self.store.read(run, after).await?.is_empty()),
            Fault::WakesForNothing => Ok(true),
            _ => self.store.changed(run, after, patience).await,
        }
    }
}

#[async_trait]
impl Locks for Faulty {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.store.look(name).await
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        let is = self.store.look(name).await?;
        let seen = if self.has(Fault::TakesBlind) { is.as_ref() } else { seen };
        let holder = match self.fault {
            Fault::ForgetsTheRepaired => Holder { repairs: None, ..holder.clone() },
            _ => holder.clone(),
        };
        let taken = self.store.take(name, seen, &holder).await?;
        Ok(taken.map(|generation| if self.has(Fault::KeepsTheGeneration) { 1 } else { generation }))
    }

    async fn renew(&self, name: &str, mut generation: u64, mut keep: Keep) -> Result<bool, StoreError> {
        if self.has(Fault::RenewsAnyGeneration) {
            generation = self.generation(name).await?;
        }
        if self.has(Fault::ForgetsTheMark) {
            keep.effect = false;
        }
        self.store.renew(name, generation, keep).await
    }

    async fn release(&self, name: &str, mut generation: u64) -> Result<bool, StoreError> {
        if self.has(Fault::ReleasesAnyGeneration) {
            generation = self.generation(name).await?;
        }
        self.store.release(name, generation).await
    }

    async fn break_lock(&self, name: &str, mut generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        if self.has(Fault::BreaksAnyGeneration) {
            generation = self.generation(name).await?;
        }
        if self.has(Fault::ForgetsTheBreach) {
            return self.store.release(name, generation).await;
        }
        self.store.break_lock(name, generation, breach).await
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.store.held().await
    }
}

#[async_trait]
impl Index for Faulty {
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError> {
        if self.has(Fault::KeepsTheFirstEntry) && self.store.get(&entry.run).await?.is_some() {
            return Ok(());
        }
        self.store.put(entry).await
    }

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError> {
        self.store.get(run).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError> {
        let all = Filter::default();
        let filter = if self.has(Fault::IgnoresTheFilter) { &all } else { filter };
        let mut found = self.store.list(filter, page).await?;
        if self.has(Fault::ListsOldestFirst) {
            found.reverse();
        }
        Ok(found)
    }

    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError> {
        if self.has(Fault::ShowsEndedRunsWaiting) {
            let all = self.store.list(&Filter::default(), Page { skip: 0, take: 100 }).await?;
            return Ok(all.into_iter().filter(|entry| entry.waiting_until.is_some_and(|at| at <= until)).collect());
        }
        self.store.waiting(until).await
    }

    async fn journals(&self) -> Result<Vec<RunId>, StoreError> {
        self.store.journals().await
    }

    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError> {
        if self.has(Fault::ForgetsLeases) {
            return Ok(());
        }
        self.store.beat(run, until).await
    }

    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        self.store.lease(run).await
    }
}

#[async_trait]
impl Schedules for Faulty {
    async fn claim(&self, fire: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.store.claim(fire, now).await? || self.has(Fault::LetsEverybodyClaim))
    }
}

#[async_trait]
impl Store for Faulty {
    async fn append_beside(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
        beside: &Beside<'_>,
    ) -> Result<Version, AppendError> {
        if self.has(Fault::ListsBeforeItAppends)
            && let Some(entry) = &beside.entry
        {
            self.put(entry).await?;
        }
        let nothing = Beside::default();
        let beside = if self.has(Fault::ForgetsWhatStandsBeside) { &nothing } else { beside };
        self.store.append_beside(run, expected, records, durability, beside).await
    }
}

#[async_trait]
impl Blobs for Faulty {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError> {
        if self.has(Fault::ForgetsBlobs) {
            return Ok(Sha256::of(bytes));
        }
        self.store.put_blob(bytes).await
    }

    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get_blob(hash).await
    }
}
