//! Stores that misbehave on purpose around a good one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::*;
use sluice_plugin::Timestamp;
use tokio::sync::Semaphore;

/// Where around an append the process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Before,
    After,
}

/// A store whose process dies around its n-th append.
pub(super) struct Dying {
    pub(super) inner: Arc<dyn Store>,
    pub(super) left: AtomicUsize,
    pub(super) when: When,
}

impl Dying {
    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    pub(super) fn new(inner: Arc<dyn Store>, at: usize, when: When) -> Self {
        Self { inner, left: AtomicUsize::new(at), when }
    }
}

#[async_trait]
impl Journal for Dying {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        let dies = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        let death = || Err(AppendError::Store(StoreError::Unreachable("the process died".into())));
        if dies && self.when == When::Before {
            return death();
        }
        let version = self.inner.append(run, expected, records, durability).await?;
        if dies { death() } else { Ok(version) }
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

/// A store whose safe appends take their time; and what comes to be true meanwhile.
pub(super) struct Slow {
    pub(super) inner: Arc<dyn Store>,
    pub(super) time: Duration,
    pub(super) during: Option<Arc<AtomicBool>>,
}

impl Slow {
    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }
}

#[async_trait]
impl Journal for Slow {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        if durability == Durability::Sync {
            tokio::time::sleep(self.time).await;
            self.during.iter().for_each(|during| during.store(true, Ordering::SeqCst));
        }
        self.inner.append(run, expected, records, durability).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

/// A store that waits for its turn before each read and append of a journal.
pub(super) struct Turns {
    pub(super) inner: Arc<dyn Store>,
    pub(super) turns: Arc<Semaphore>,
}

impl Turns {
    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    async fn turn(&self) {
        self.turns.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Journal for Turns {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        self.turn().await;
        self.inner.append(run, expected, records, durability).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.turn().await;
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

/// A store that is replaced by another while it is in use, as when a backup is put back.
pub(super) struct Restored {
    inner: Mutex<Arc<dyn Store>>,
}

impl Restored {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner: Mutex::new(inner) }
    }

    pub(super) fn restore(&self, other: Arc<dyn Store>) {
        *self.inner.lock().unwrap() = other;
    }

    /// How many events it has of a run.
    pub(super) async fn read_now(&self, run: &RunId) -> usize {
        self.now().read(run, 0).await.unwrap().len()
    }

    fn now(&self) -> Arc<dyn Store> {
        self.inner.lock().unwrap().clone()
    }
}

#[async_trait]
impl Journal for Restored {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        self.now().append(run, expected, records, durability).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.now().read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.now().changed(run, after, patience).await
    }
}

macro_rules! forward {
    ($store:ty: $($part:ident { $($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)* })*) => {
        $(#[async_trait]
        impl $part for $store {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$result, StoreError> {
                self.now().$name($($argument),*).await
            })*
        })*
    };
    ($($store:ty),*) => {
        $(forward! { $store:
            Locks {
                take(name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Take;
                renew(name: &str, run: &RunId, lease: Duration, now: Timestamp) -> bool;
                release(name: &str, run: &RunId) -> ();
                break_lock(name: &str, generation: u64) -> bool;
                held() -> Vec<HeldLock>;
            }
            Index {
                put(entry: &IndexEntry) -> ();
                get(run: &RunId) -> Option<IndexEntry>;
                list(filter: &Filter, page: Page) -> Vec<IndexEntry>;
                waiting(until: Timestamp) -> Vec<IndexEntry>;
                journals() -> Vec<RunId>;
            }
            Schedules {
                claim(fire: &str, now: Timestamp) -> bool;
            }
            Blobs {
                put_blob(bytes: &[u8]) -> Sha256;
                get_blob(hash: &Sha256) -> Option<Vec<u8>>;
            }
        })*
    };
}

forward!(Dying, Slow, Turns, Restored);
