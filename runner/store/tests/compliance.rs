//! Both stores pass the one suite.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_engine::journal::store::{Store, StoreError};
use sluice_store::compliance::{Failure, Place, cases, failures};
use sluice_store::{MemoryStore, SqliteStore};
use tempfile::TempDir;

struct InFolder(TempDir);

#[async_trait]
impl Place for InFolder {
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(SqliteStore::open(self.0.path())?))
    }
}

struct InMemory(Arc<MemoryStore>);

#[async_trait]
impl Place for InMemory {
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(self.0.clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_passes() {
    assert_eq!(failures(|| Arc::new(InFolder(TempDir::new().unwrap()))).await, Vec::<Failure>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_passes() {
    assert_eq!(failures(|| Arc::new(InMemory(Arc::default()))).await, Vec::<Failure>::new());
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = cases().iter().map(|case| case.name()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
