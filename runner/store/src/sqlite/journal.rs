//! The journal in SQLite: append on a condition, read, wait. It does not look into the bytes.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{AppendError, Durability, Journal, Record, StoreError, Version};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::row::{signed, unsigned};
use super::{SqliteStore, errors};
use crate::records;

/// Pauses between two looks for what other processes wrote: they grow, so that waiting for hours costs next to nothing,
/// and stay below what a person notices.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

const INSERT_FIRST: &str =
    "INSERT INTO records (run, ordinal, hash, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";

/// Only after a record with that ordinal and that very hash: the store may have been restored from yesterday.
const INSERT_NEXT: &str = "INSERT INTO records (run, ordinal, hash, bytes) SELECT ?1, ?2, ?3, ?4
     WHERE EXISTS (SELECT 1 FROM records WHERE run = ?1 AND ordinal = ?5 AND hash = ?6) ON CONFLICT DO NOTHING";

const READ: &str = "SELECT ordinal, hash, bytes FROM records WHERE run = ?1 AND ordinal > ?2 ORDER BY ordinal";

const END: &str = "SELECT ordinal, hash FROM records WHERE run = ?1 ORDER BY ordinal DESC LIMIT 1";

const ABOVE: &str = "SELECT EXISTS (SELECT 1 FROM records WHERE run = ?1 AND ordinal > ?2)";

#[async_trait]
impl Journal for SqliteStore {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        records::numbered(run, expected, records)?;
        let follows = self
            .try_writing(durability, |connection| write(connection, run, expected, records))?
            .map_err(|error| errors::append_error(&self.file, &error))?;
        if !follows {
            return Err(AppendError::Conflict);
        }
        self.appended.send_replace(());
        Ok(records::end(expected, records))
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        let found = self.reading(|connection| {
            connection
                .prepare_cached(READ)?
                .query_map(params![run.as_str(), signed(after)], record)?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        records::intact(&self.file.display().to_string(), run, after, found)
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        match timeout(patience, self.until_above(run, after)).await {
            Ok(found) => found.map(|()| true),
            // What came during the last pause counts too.
            Err(_) => self.above(run, after),
        }
    }
}

impl SqliteStore {
    async fn until_above(&self, run: &RunId, after: u64) -> Result<(), StoreError> {
        let mut ours = self.appended.subscribe();
        loop {
            let seen = self.data_version()?;
            if self.above(run, after)? {
                return Ok(());
            }
            self.until_written(seen, &mut ours).await?;
        }
    }

    /// Ends after an append of ours, or any write of another connection since `seen`.
    async fn until_written(&self, seen: i64, ours: &mut watch::Receiver<()>) -> Result<(), StoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                _ = ours.changed() => return Ok(()),
                () = sleep(pause) => {}
            }
            if self.data_version()? != seen {
                return Ok(());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn above(&self, run: &RunId, after: u64) -> Result<bool, StoreError> {
        self.reading(|connection| {
            connection.prepare_cached(ABOVE)?.query_row(params![run.as_str(), signed(after)], |row| row.get(0))
        })
    }

    /// Moves when another connection has written.
    fn data_version(&self) -> Result<i64, StoreError> {
        self.reading(|connection| connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0)))
    }
}

/// False, and nothing written, when the journal does not end with `expected`.
fn write(connection: &mut Connection, run: &RunId, expected: Version, records: &[Record]) -> rusqlite::Result<bool> {
    match records {
        [] => Ok(end(connection, run)? == expected),
        // One statement is a transaction by itself, and the cheapest there is.
        [record] => insert(connection, run, expected, record),
        [..] => write_all(connection, run, expected, records),
    }
}

fn write_all(
    connection: &mut Connection,
    run: &RunId,
    expected: Version,
    records: &[Record],
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut before = expected;
    for record in records {
        if !insert(&transaction, run, before, record)? {
            return Ok(false);
        }
        before = Version { ordinal: record.ordinal, hash: record.hash };
    }
    transaction.commit()?;
    Ok(true)
}

fn insert(connection: &Connection, run: &RunId, before: Version, record: &Record) -> rusqlite::Result<bool> {
    let (run, ordinal) = (run.as_str(), signed(record.ordinal));
    let (hash, bytes) = (record.hash.as_bytes(), &record.bytes);
    let inserted = if before == Version::START {
        connection.prepare_cached(INSERT_FIRST)?.execute(params![run, ordinal, hash, bytes])?
    } else {
        let (before, its_hash) = (signed(before.ordinal), before.hash.as_bytes());
        connection.prepare_cached(INSERT_NEXT)?.execute(params![run, ordinal, hash, bytes, before, its_hash])?
    };
    Ok(inserted == 1)
}

fn end(connection: &Connection, run: &RunId) -> rusqlite::Result<Version> {
    let end = connection
        .prepare_cached(END)?
        .query_row(params![run.as_str()], |row| {
            Ok(Version { ordinal: unsigned(row, 0)?, hash: Sha256::from_bytes(row.get(1)?) })
        })
        .optional()?;
    Ok(end.unwrap_or(Version::START))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { ordinal: unsigned(row, 0)?, hash: Sha256::from_bytes(row.get(1)?), bytes: row.get(2)? })
}
