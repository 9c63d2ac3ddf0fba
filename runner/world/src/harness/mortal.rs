//! A store and plugins whose process may be killed around every append and after every call, and plugins of which one
//! step fails. What was really done is kept outside of all processes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Beside, Blobs, Breach, Durability, Filter, Holder, Index, IndexEntry, Journal, Keep, Lock, Locks,
    Page, Record, Schedules, Store, StoreError, Timestamp, Version,
};
use sluice_plugin::{
    ActionSpec, ByHand, Call, Host, Outcome, Plugin, PluginSpec, Preview, Problem, Purpose, Reconciled,
};

use super::life::Life;

/// Which process lives now, which step fails, and what all processes did to the world. Plugins outlive processes here,
/// since making them costs more than a run.
#[derive(Clone, Default)]
pub struct Ward(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    life: Arc<Life>,
    fails: Option<String>,
    acts: Vec<String>,
    calls: Vec<String>,
}

impl Ward {
    pub(super) fn begin(&self, life: Arc<Life>) {
        self.lock().life = life;
    }

    pub(super) fn fail(&self, step: Option<&str>) {
        self.lock().fails = step.map(str::to_owned);
    }

    pub(super) fn forget(&self) {
        *self.lock() = Kept::default();
    }

    /// Acts that were done or may have been: action, step and input, in order.
    pub fn acts(&self) -> Vec<String> {
        self.lock().acts.clone()
    }

    /// Steps whose action was called, in order.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    fn life(&self) -> Arc<Life> {
        self.lock().life.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A plugin around another, described alike.
pub struct MortalPlugin {
    inner: Arc<dyn Plugin>,
    ward: Ward,
}

impl MortalPlugin {
    pub fn new(inner: Arc<dyn Plugin>, ward: Ward) -> Self {
        Self { inner, ward }
    }

    fn told_to_fail(&self, call: &Call) -> Result<(), Problem> {
        match &self.ward.lock().fails {
            Some(step) if *step == call.step => {
                Err(Problem::not_applied("told_to_fail", format!("step {step} was told to fail")))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Plugin for MortalPlugin {
    fn describe(&self) -> &PluginSpec {
        self.inner.describe()
    }

    fn action(&self, operation: &str) -> Option<&ActionSpec> {
        self.inner.action(operation)
    }

    fn check(&self, action: &str, with: &Value) -> Vec<Problem> {
        self.inner.check(action, with)
    }

    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        self.ward.lock().calls.push(call.step.clone());
        self.told_to_fail(call)?;
        if call.purpose == Purpose::Act {
            self.ward.lock().acts.push(format!("{action} {} {}", call.step, call.with));
        }
        let answer = self.inner.run(action, host, call).await;
        self.ward.life().point(|| format!("after the call of {}", call.step)).await;
        answer
    }

    async fn preview(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let answer = self.inner.preview(action, host, call).await;
        self.ward.life().point(|| format!("after the preview of {}", call.step)).await;
        answer
    }

    async fn reconcile(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let answer = self.inner.reconcile(action, host, call).await;
        self.ward.life().point(|| format!("after the reconciling of {}", call.step)).await;
        answer
    }

    fn by_hand(&self, action: &str, call: &Call) -> Vec<ByHand> {
        self.inner.by_hand(action, call)
    }
}

/// A store of one process around the store of all.
pub struct MortalStore {
    pub inner: Arc<dyn Store>,
    pub life: Arc<Life>,
}

#[async_trait]
impl Journal for MortalStore {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        self.append_beside(run, expected, records, durability, &Beside::default()).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

#[async_trait]
impl Locks for MortalStore {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.inner.look(name).await
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        self.life.point(|| format!("before taking {name}")).await;
        let answer = self.inner.take(name, seen, holder).await;
        self.life.point(|| format!("after taking {name}")).await;
        answer
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        let answer = self.inner.renew(name, generation, keep).await;
        if keep.effect {
            self.life.point(|| format!("after marking {name}")).await;
        }
        answer
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.life.point(|| format!("before giving {name} back")).await;
        let answer = self.inner.release(name, generation).await;
        self.life.point(|| format!("after giving {name} back")).await;
        answer
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        self.inner.break_lock(name, generation, breach).await
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.inner.held().await
    }
}

#[async_trait]
impl Index for MortalStore {
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError> {
        self.inner.put(entry).await
    }

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError> {
        self.inner.get(run).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.waiting(until).await
    }

    async fn journals(&self) -> Result<Vec<RunId>, StoreError> {
        self.inner.journals().await
    }

    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError> {
        self.inner.beat(run, until).await
    }

    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        self.inner.lease(run).await
    }
}

#[async_trait]
impl Schedules for MortalStore {
    async fn claim(&self, fire: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.inner.claim(fire, now).await
    }
}

#[async_trait]
impl Store for MortalStore {
    async fn append_beside(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
        beside: &Beside<'_>,
    ) -> Result<Version, AppendError> {
        self.life.point(|| format!("before append {}", expected.ordinal + 1)).await;
        let answer = self.inner.append_beside(run, expected, records, durability, beside).await;
        self.life.point(|| format!("after append {}", expected.ordinal + 1)).await;
        answer
    }
}

#[async_trait]
impl Blobs for MortalStore {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError> {
        self.inner.put_blob(bytes).await
    }

    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get_blob(hash).await
    }
}
