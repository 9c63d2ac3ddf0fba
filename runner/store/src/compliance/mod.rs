//! What every store must do, as cases over the traits alone. A store's own tests run them; what only one kind of store
//! can suffer (damaged files, full disks, killed processes) is tested beside that store.
//!
//! ```
//! # use std::sync::Arc;
//! use sluice_engine::journal::store::{Store, StoreError};
//! use sluice_store::MemoryStore;
//! use sluice_store::compliance::{Failure, Place, failures};
//!
//! struct InMemory(Arc<MemoryStore>);
//!
//! #[async_trait::async_trait]
//! impl Place for InMemory {
//!     async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
//!         Ok(self.0.clone())
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() {
//! assert_eq!(failures(|| Arc::new(InMemory(Arc::default()))).await, Vec::<Failure>::new());
//! # }
//! ```

mod blobs;
mod fixture;
mod index;
mod journal;
mod locks;
mod races;
mod schedules;
mod waiting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use sluice_engine::journal::store::{AppendError, Locks, Store, StoreError};

/// Where one store is kept, empty at first.
#[async_trait]
pub trait Place: Send + Sync {
    /// A handle on the store. Every call gives one that stands for another process, as far as the store can.
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError>;
}

/// Where locks alone are kept, none at first.
#[async_trait]
pub trait LockPlace: Send + Sync {
    /// As [`Place::open`].
    async fn open(&self) -> Result<Arc<dyn Locks>, StoreError>;
}

/// Runs the cases of locks alone, each in a new place.
pub async fn lock_failures(new_place: impl Fn() -> Arc<dyn LockPlace>) -> Vec<Failure> {
    let mut failed = Vec::new();
    for (name, body) in locks::cases() {
        failed.extend(body(new_place()).await.map_err(|Wrong(what)| Failure { case: name, what }).err());
    }
    failed
}

/// The locks of a store.
struct LocksOf(Arc<dyn Place>);

#[async_trait]
impl LockPlace for LocksOf {
    async fn open(&self) -> Result<Arc<dyn Locks>, StoreError> {
        let store = self.0.open().await?;
        Ok(store)
    }
}

/// A case that did not hold, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {what}")]
pub struct Failure {
    pub case: &'static str,
    pub what: String,
}

/// One thing every store must do.
pub struct Case {
    name: &'static str,
    body: Box<dyn Fn(Arc<dyn Place>) -> Running + Send + Sync>,
}

/// Runs every case on a new place and gives those that failed. Give it a runtime of several threads, or the races are
/// none.
pub async fn failures(new_place: impl Fn() -> Arc<dyn Place>) -> Vec<Failure> {
    let mut failed = Vec::new();
    for case in cases() {
        failed.extend(case.run(new_place()).await.err());
    }
    failed
}

/// All cases, to run one by one.
pub fn cases() -> Vec<Case> {
    let mut all = journal::cases();
    all.extend(waiting::cases());
    all.extend(races::cases());
    all.extend(
        locks::cases()
            .into_iter()
            .map(|(name, body)| Case { name, body: Box::new(move |place| body(Arc::new(LocksOf(place)))) }),
    );
    all.extend(index::cases());
    all.extend(schedules::cases());
    all.extend(blobs::cases());
    all
}

impl Case {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `place` must be empty.
    pub async fn run(&self, place: Arc<dyn Place>) -> Result<(), Failure> {
        (self.body)(place).await.map_err(|Wrong(what)| Failure { case: self.name, what })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

type Outcome = Result<(), Wrong>;

/// What a case found instead of what it wanted.
#[derive(Debug)]
struct Wrong(String);

fn case<F>(name: &'static str, body: fn(Arc<dyn Place>) -> F) -> Case
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Case { name, body: Box::new(move |place| Box::pin(body(place))) }
}

fn same<T: fmt::Debug + PartialEq>(what: &str, found: T, wanted: T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(Wrong(format!("{what}: found {found:?}, wanted {wanted:?}"))) }
}

fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(Wrong(format!("it does not hold that {what}"))) }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<AppendError> for Wrong {
    fn from(error: AppendError) -> Self {
        Self(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Wrong {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(error.to_string())
    }
}
