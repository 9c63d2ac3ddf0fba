//! The journal in SQLite: append on a condition, with what stands beside it in the same transaction; read; wait. It does
//! not look into the bytes.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{AppendError, Beside, Durability, Journal, Record, Store, StoreError, Version};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::row::unsigned;
use super::{Link, SqliteStore, blobs, errors, index};
use crate::records;

/// Pauses between two looks for what other processes wrote: they grow, so that waiting for hours costs next to nothing,
/// and stay below what a person notices.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Bits of a record's place that hold its ordinal; the journal's number stands above them.
const ORDINAL_BITS: u32 = 32;

/// More journals than one process works on at a time.
const NUMBERS_KEPT: usize = 1000;

const NUMBER: &str = "SELECT number FROM journals WHERE run = ?1";

const BEGIN: &str = "INSERT OR IGNORE INTO journals (run) VALUES (?1)";

const INSERT_FIRST: &str = "INSERT OR IGNORE INTO records (place, hash, bytes) VALUES (?1, ?2, ?3)";

/// Only after a record with that very hash: the store may have been restored from yesterday. Without one the new hash is
/// NULL, which the column refuses and IGNORE leaves out. Said with INSERT ... SELECT it would go through a temporary table.
const INSERT_NEXT: &str = "INSERT OR IGNORE INTO records (place, hash, bytes)
     VALUES (?1, (SELECT ?2 FROM records WHERE place = ?1 - 1 AND hash = ?4), ?3)";

const READ: &str = "SELECT place, hash, bytes FROM journals CROSS JOIN records
     ON place > (number << 32) + ?2 AND place < (number + 1) << 32 WHERE run = ?1 ORDER BY place";

const END: &str = "SELECT place, hash FROM journals CROSS JOIN records
     ON place > (number << 32) AND place < (number + 1) << 32 WHERE run = ?1 ORDER BY place DESC LIMIT 1";

const ABOVE: &str = "SELECT EXISTS (SELECT 1 FROM journals CROSS JOIN records
     ON place > (number << 32) + ?2 AND place < (number + 1) << 32 WHERE run = ?1)";

#[async_trait]
impl Journal for SqliteStore {
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
        let found = self.reading(|connection| {
            connection
                .prepare_cached(READ)?
                .query_map(params![run.as_str(), at_most(after)], record)?
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

#[async_trait]
impl Store for SqliteStore {
    async fn append_beside(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
        beside: &Beside<'_>,
    ) -> Result<Version, AppendError> {
        records::numbered(run, expected, records)?;
        let follows = self
            .try_writing(durability, |link| write(link, run, expected, records, beside))?
            .map_err(|error| errors::append_error(&self.file, &error))?;
        if !follows {
            return Err(AppendError::Conflict);
        }
        self.appended.send_replace(());
        Ok(records::end(expected, records))
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
            connection.prepare_cached(ABOVE)?.query_row(params![run.as_str(), at_most(after)], |row| row.get(0))
        })
    }

    /// Moves when another connection has written.
    fn data_version(&self) -> Result<i64, StoreError> {
        self.reading(|connection| connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0)))
    }
}

/// False, and nothing written, when the journal does not end with `expected`.
fn write(
    link: &mut Link,
    run: &RunId,
    expected: Version,
    records: &[Record],
    beside: &Beside<'_>,
) -> rusqlite::Result<bool> {
    match (number(link, run)?, records) {
        (_, []) if beside.is_empty() => Ok(end(&link.connection, run)? == expected),
        // One statement is a transaction by itself, and the cheapest there is.
        (Some(number), [record]) if beside.is_empty() => insert(&link.connection, number, expected, record),
        (number, _) => {
            let transaction = link.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !write_all(&transaction, run, number, expected, records)? {
                return Ok(false);
            }
            write_beside(&transaction, run, beside)?;
            transaction.commit().map(|()| true)
        }
    }
}

fn write_all(
    transaction: &Transaction<'_>,
    run: &RunId,
    number: Option<i64>,
    expected: Version,
    records: &[Record],
) -> rusqlite::Result<bool> {
    if records.is_empty() {
        return Ok(end(transaction, run)? == expected);
    }
    let Some(number) = (match number {
        Some(number) => Some(number),
        None => begin(transaction, run)?,
    }) else {
        return Ok(false);
    };
    let mut before = expected;
    for record in records {
        if !insert(transaction, number, before, record)? {
            return Ok(false);
        }
        before = Version { ordinal: record.ordinal, hash: record.hash };
    }
    Ok(true)
}

fn write_beside(transaction: &Transaction<'_>, run: &RunId, beside: &Beside<'_>) -> rusqlite::Result<()> {
    if let Some(blob) = beside.blob {
        blobs::put(transaction, blob)?;
    }
    if let Some(entry) = &beside.entry {
        index::put(transaction, entry)?;
    }
    beside.lease.map_or(Ok(()), |until| index::beat(transaction, run, until))
}

/// The number of a new journal. `None` when another process has begun it meanwhile, and so has written its first record.
fn begin(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<i64>> {
    let begun = connection.prepare_cached(BEGIN)?.execute(params![run.as_str()])?;
    Ok((begun == 1).then(|| connection.last_insert_rowid()))
}

/// False when `record` does not come right after `before`, or something else does.
fn insert(connection: &Connection, number: i64, before: Version, record: &Record) -> rusqlite::Result<bool> {
    let Some(place) = place(number, record.ordinal) else {
        return Ok(false);
    };
    let (hash, bytes) = (record.hash.as_bytes(), &record.bytes);
    let inserted = if before == Version::START {
        connection.prepare_cached(INSERT_FIRST)?.execute(params![place, hash, bytes])?
    } else {
        connection.prepare_cached(INSERT_NEXT)?.execute(params![place, hash, bytes, before.hash.as_bytes()])?
    };
    Ok(inserted == 1)
}

/// `None` for an unknown run.
fn number(link: &mut Link, run: &RunId) -> rusqlite::Result<Option<i64>> {
    if let Some(number) = link.numbers.get(run) {
        return Ok(Some(*number));
    }
    let found =
        link.connection.prepare_cached(NUMBER)?.query_row(params![run.as_str()], |row| row.get(0)).optional()?;
    if let Some(number) = found {
        if link.numbers.len() >= NUMBERS_KEPT {
            link.numbers.clear();
        }
        link.numbers.insert(run.clone(), number);
    }
    Ok(found)
}

/// `None` for ordinals no journal ever reaches.
fn place(number: i64, ordinal: u64) -> Option<i64> {
    Some((number << ORDINAL_BITS) | i64::from(u32::try_from(ordinal).ok()?))
}

fn ordinal(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(unsigned(row, column)? & u64::from(u32::MAX))
}

/// An ordinal as a bound that stays within its journal.
fn at_most(ordinal: u64) -> u32 {
    u32::try_from(ordinal).unwrap_or(u32::MAX)
}

fn end(connection: &Connection, run: &RunId) -> rusqlite::Result<Version> {
    let end = connection
        .prepare_cached(END)?
        .query_row(params![run.as_str()], |row| {
            Ok(Version { ordinal: ordinal(row, 0)?, hash: Sha256::from_bytes(row.get(1)?) })
        })
        .optional()?;
    Ok(end.unwrap_or(Version::START))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { ordinal: ordinal(row, 0)?, hash: Sha256::from_bytes(row.get(1)?), bytes: row.get(2)? })
}
