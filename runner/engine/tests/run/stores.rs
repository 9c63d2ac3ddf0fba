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
pub(crate) enum When {
    Before,
    After,
}

/// A store whose process dies around its n-th append.
pub(crate) struct Dying {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) left: AtomicUsize,
    pub(crate) when: When,
}

impl Dying {
    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }

    pub(crate) fn new(inner: Arc<dyn Store>, at: usize, when: When) -> Self {
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
pub(crate) struct Turns {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) turns: Arc<Semaphore>,
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

/// What a store answers to one append, and to all after it where that lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    Full,
    ReadOnly,
    /// Nobody knows whether it was written; `true`: it was. The next append is answered as ever.
    Unsure(bool),
    NeverSure,
}

/// A store that is in trouble from its n-th append on.
pub(crate) struct Troubled {
    inner: Arc<dyn Store>,
    appends: AtomicUsize,
    at: usize,
    trouble: Trouble,
}

impl Troubled {
    pub(crate) fn new(inner: Arc<dyn Store>, at: usize, trouble: Trouble) -> Self {
        Self { inner, appends: AtomicUsize::new(0), at, trouble }
    }

    /// Whether it came that far.
    pub(crate) fn was_troubled(&self) -> bool {
        self.appends.load(Ordering::SeqCst) >= self.at
    }

    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }
}

#[async_trait]
impl Journal for Troubled {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        let append = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        let error = match self.trouble {
            Trouble::Full if append >= self.at => AppendError::Store(StoreError::Full("no room".into())),
            Trouble::ReadOnly if append >= self.at => AppendError::Store(StoreError::ReadOnly("no right".into())),
            Trouble::Unsure(written) if append == self.at => {
                if written {
                    self.inner.append(run, expected, records, durability).await?;
                }
                AppendError::Ambiguous("it took too long".into())
            }
            Trouble::NeverSure if append >= self.at => AppendError::Ambiguous("it took too long".into()),
            Trouble::Full | Trouble::ReadOnly | Trouble::Unsure(_) | Trouble::NeverSure => {
                return self.inner.append(run, expected, records, durability).await;
            }
        };
        Err(error)
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

/// A store whose machine loses its power after the n-th append: what was not synced may be gone.
pub(crate) struct Powered {
    inner: Arc<dyn Store>,
    left: AtomicUsize,
    /// How many events are on disk for sure.
    synced: AtomicUsize,
}

impl Powered {
    pub(crate) fn new(inner: Arc<dyn Store>, at: usize) -> Self {
        Self { inner, left: AtomicUsize::new(at), synced: AtomicUsize::new(0) }
    }

    pub(crate) fn synced(&self) -> usize {
        self.synced.load(Ordering::SeqCst)
    }

    fn now(&self) -> Arc<dyn Store> {
        self.inner.clone()
    }
}

#[async_trait]
impl Journal for Powered {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        let version = self.inner.append(run, expected, records, durability).await?;
        if durability == Durability::Sync {
            self.synced.store(usize::try_from(version.ordinal).unwrap(), Ordering::SeqCst);
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(AppendError::Store(StoreError::Unreachable("the power is gone".into())));
        }
        Ok(version)
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

/// A store that is replaced by another while it is in use, as when a backup is put back.
pub(crate) struct Restored {
    inner: Mutex<Arc<dyn Store>>,
}

impl Restored {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner: Mutex::new(inner) }
    }

    pub(crate) fn restore(&self, other: Arc<dyn Store>) {
        *self.inner.lock().unwrap() = other;
    }

    /// How many events it has of a run.
    pub(crate) async fn read_now(&self, run: &RunId) -> usize {
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
        $(impl Store for $store {}

        forward! { $store:
            Locks {
                look(name: &str) -> Option<Lock>;
                take(name: &str, seen: Option<&Lock>, holder: &Holder) -> Option<u64>;
                renew(name: &str, generation: u64, keep: Keep) -> bool;
                release(name: &str, generation: u64) -> bool;
                break_lock(name: &str, generation: u64, breach: &Breach) -> bool;
                held() -> Vec<Lock>;
            }
            Index {
                put(entry: &IndexEntry) -> ();
                get(run: &RunId) -> Option<IndexEntry>;
                list(filter: &Filter, page: Page) -> Vec<IndexEntry>;
                waiting(until: Timestamp) -> Vec<IndexEntry>;
                journals() -> Vec<RunId>;
                beat(run: &RunId, until: Option<Timestamp>) -> ();
                lease(run: &RunId) -> Option<Timestamp>;
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

forward!(Dying, Slow, Turns, Troubled, Powered, Restored);
