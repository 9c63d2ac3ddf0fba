//! A process is killed while it appends: what it had been told is appended must be there, and batches must be whole.

use std::path::Path;

use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{Blobs as _, Durability, Journal as _, Record, Version};
use sluice_store::SqliteStore;
use tempfile::TempDir;

use crate::child::{Process, say};

const BATCH: u64 = 3;

pub(crate) fn run() -> RunId {
    RunId::new(1_700_000_000_000, [1; 10])
}

pub(crate) fn record(ordinal: u64, bytes: &[u8]) -> Record {
    Record { ordinal, hash: Sha256::of(bytes), bytes: bytes.to_vec() }
}

pub(crate) async fn end(store: &SqliteStore) -> Version {
    let records = store.read(&run(), 0).await.unwrap();
    records.last().map_or(Version::START, |last| Version { ordinal: last.ordinal, hash: last.hash })
}

/// Appends, lazily for the most part, and says each ordinal once the append has returned.
pub(crate) async fn append_forever(folder: &Path) {
    let store = SqliteStore::open(folder).unwrap();
    let mut end = end(&store).await;
    loop {
        let durability = if end.ordinal % 30 == 0 { Durability::Sync } else { Durability::Lazy };
        let hash = store.put_blob(&end.ordinal.to_be_bytes()).await.unwrap();
        let batch: Vec<_> = (end.ordinal + 1..=end.ordinal + BATCH)
            .map(|ordinal| record(ordinal, format!("{ordinal} after blob {hash}").repeat(20).as_bytes()))
            .collect();
        end = store.append(&run(), end, &batch, durability).await.unwrap();
        say(end.ordinal);
    }
}

#[tokio::test]
async fn what_was_appended_outlives_kill_9() {
    let folder = TempDir::new().unwrap();
    let mut known = 0;
    for round in 0..6 {
        let mut child = Process::start("append-forever", folder.path());
        for _ in 0..20 + 7 * round {
            known = child.next().expect("the child appends").parse().unwrap();
        }
        let last_words = child.kill();
        known = last_words.last().map_or(known, |ordinal| ordinal.parse().unwrap());
        check(folder.path(), known).await;
    }
}

async fn check(folder: &Path, known: u64) {
    let store = SqliteStore::open(folder).unwrap();
    let end = end(&store).await;
    assert!(end.ordinal >= known, "the child was told of {known}, the store has {}", end.ordinal);
    assert!(end.ordinal <= known + BATCH, "the child said {known}, the store has {}", end.ordinal);
    assert_eq!(end.ordinal % BATCH, 0, "half a batch");
    for before in (0..end.ordinal).step_by(BATCH as usize) {
        let hash = Sha256::of(&before.to_be_bytes());
        assert!(store.get_blob(&hash).await.unwrap().is_some(), "the blob before record {}", before + 1);
    }
}
