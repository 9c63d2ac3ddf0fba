//! Runs, records and races for the cases. Nothing in it is checked.

use std::future::Future;

use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{AppendError, Durability, IndexEntry, Record, Store, Timestamp, Version};

use super::Wrong;

/// Ids of higher numbers are newer.
pub(super) fn run(number: u8) -> RunId {
    RunId::new(1_700_000_000_000 + u64::from(number), [number; 10])
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + millis)
}

pub(super) fn record(ordinal: u64, bytes: &[u8]) -> Record {
    Record { ordinal, hash: Sha256::of(bytes), bytes: bytes.to_vec() }
}

/// Records that follow `after`, one for each of `contents`.
pub(super) fn following(after: Version, contents: &[&[u8]]) -> Vec<Record> {
    contents.iter().zip(after.ordinal + 1..).map(|(bytes, ordinal)| record(ordinal, bytes)).collect()
}

/// An open run.
pub(super) fn entry(number: u8) -> IndexEntry {
    IndexEntry {
        run: run(number),
        runbook: "health-check".into(),
        started: at(i64::from(number)),
        ended: None,
        status: "running".into(),
        exit: None,
        waiting_until: None,
        ordinal: 1,
    }
}

pub(super) async fn append(
    store: &dyn Store,
    run: &RunId,
    after: Version,
    contents: &[&[u8]],
) -> Result<Version, AppendError> {
    store.append(run, after, &following(after, contents), Durability::Lazy).await
}

/// The end of a journal, read as somebody would who has lost a race.
pub(super) async fn end(store: &dyn Store, run: &RunId) -> Result<Version, Wrong> {
    let records = store.read(run, 0).await?;
    Ok(records.last().map_or(Version::START, |last| Version { ordinal: last.ordinal, hash: last.hash }))
}

pub(super) async fn contents(store: &dyn Store, run: &RunId) -> Result<Vec<Vec<u8>>, Wrong> {
    Ok(store.read(run, 0).await?.into_iter().map(|record| record.bytes).collect())
}

/// Runs all at once, each in a task of its own; what they gave, in their order.
pub(super) async fn race<T, F>(racers: Vec<F>) -> Result<Vec<T>, Wrong>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Wrong>> + Send + 'static,
{
    let running: Vec<_> = racers.into_iter().map(tokio::spawn).collect();
    let mut outcomes = Vec::new();
    for racer in running {
        outcomes.push(racer.await??);
    }
    Ok(outcomes)
}
