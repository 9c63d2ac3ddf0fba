//! Locks in SQLite: one row each, which stays when the lock is free. They are written lazily: a power cut loses them only
//! together with every act that was decided under them, since all is in one file and in one order.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use sluice_engine::ids::RunId;
use sluice_engine::journal::store::{Durability, HeldLock, Locks, StoreError, Take, Timestamp};

use super::SqliteStore;
use super::row::{run_id, signed, unsigned};

const TAKE: &str = "INSERT INTO locks (name, generation, run, lease_until) VALUES (?1, 1, ?2, ?3)
     ON CONFLICT (name) DO UPDATE SET generation = generation + (run IS NULL), run = ?2, lease_until = ?3
     WHERE run IS NULL OR run = ?2 RETURNING generation";

const HOLDER: &str = "SELECT name, run, generation, lease_until FROM locks WHERE name = ?1";

const HELD: &str = "SELECT name, run, generation, lease_until FROM locks WHERE run IS NOT NULL ORDER BY name";

const RENEW: &str = "UPDATE locks SET lease_until = ?3 WHERE name = ?1 AND run = ?2";

const RELEASE: &str = "UPDATE locks SET run = NULL WHERE name = ?1 AND run = ?2";

const BREAK: &str = "UPDATE locks SET run = NULL WHERE name = ?1 AND generation = ?2 AND run IS NOT NULL";

#[async_trait]
impl Locks for SqliteStore {
    async fn take(&self, name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Result<Take, StoreError> {
        self.writing(Durability::Lazy, |connection| take(connection, name, run, now.plus(lease)))
    }

    async fn renew(&self, name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Result<bool, StoreError> {
        let until = now.plus(lease).0;
        self.writing(Durability::Lazy, |connection| {
            Ok(connection.prepare_cached(RENEW)?.execute(params![name, run.as_str(), until])? == 1)
        })
    }

    async fn release(&self, name: &str, run: &RunId) -> Result<(), StoreError> {
        self.writing(Durability::Lazy, |connection| {
            connection.prepare_cached(RELEASE)?.execute(params![name, run.as_str()]).map(|_| ())
        })
    }

    async fn break_lock(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.writing(Durability::Lazy, |connection| {
            Ok(connection.prepare_cached(BREAK)?.execute(params![name, signed(generation)])? == 1)
        })
    }

    async fn held(&self) -> Result<Vec<HeldLock>, StoreError> {
        self.reading(|connection| connection.prepare_cached(HELD)?.query_map([], held_lock)?.collect())
    }
}

/// In one transaction, so that the holder it names is the one that was in the way.
fn take(connection: &mut Connection, name: &str, run: &RunId, until: Timestamp) -> rusqlite::Result<Take> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let generation = transaction
        .prepare_cached(TAKE)?
        .query_row(params![name, run.as_str(), until.0], |row| unsigned(row, 0))
        .optional()?;
    let outcome = match generation {
        Some(generation) => Take::Taken { generation },
        None => Take::Held(transaction.prepare_cached(HOLDER)?.query_row(params![name], held_lock)?),
    };
    transaction.commit()?;
    Ok(outcome)
}

fn held_lock(row: &Row<'_>) -> rusqlite::Result<HeldLock> {
    Ok(HeldLock {
        name: row.get(0)?,
        run: run_id(row, 1)?,
        generation: unsigned(row, 2)?,
        lease_until: Timestamp(row.get(3)?),
    })
}
