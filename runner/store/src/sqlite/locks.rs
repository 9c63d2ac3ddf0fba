//! Locks in SQLite: one row each, which stays when the lock is free. They are written lazily, but for the mark that a run
//! begins to act: a power cut loses the others only together with every act that was decided under them, since all is in
//! one file and in one order.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use sluice_engine::journal::store::{Breach, Durability, Holder, Keep, Lock, Locks, Standing, StoreError};

use super::SqliteStore;
use super::row::{signed, unsigned};
use crate::standing;

const LOOK: &str = "SELECT name, generation, standing FROM locks WHERE name = ?1";

const HELD: &str = "SELECT name, generation, standing FROM locks WHERE run IS NOT NULL ORDER BY name";

/// `run` is set while the lock is not free.
const PUT: &str = "INSERT INTO locks (name, generation, run, lease_until, standing) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (name) DO UPDATE SET generation = ?2, run = ?3, lease_until = ?4, standing = ?5";

#[async_trait]
impl Locks for SqliteStore {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.reading(|connection| look(connection, name))
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        self.changing(Durability::Lazy, name, |found| standing::taken(found, name, seen, holder))
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        let durability = if keep.effect { Durability::Sync } else { Durability::Lazy };
        self.changing(durability, name, |found| standing::renewed(found, generation, keep))
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.changing(Durability::Lazy, name, |found| standing::released(found, generation))
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        self.changing(Durability::Sync, name, |found| standing::broken(found, generation, breach))
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.reading(|connection| connection.prepare_cached(HELD)?.query_map([], lock)?.collect())
    }
}

impl SqliteStore {
    /// In one transaction, so that what is written is made of what is there.
    fn changing<T>(
        &self,
        durability: Durability,
        name: &str,
        change: impl FnOnce(Option<Lock>) -> (T, Option<Lock>),
    ) -> Result<T, StoreError> {
        self.writing(durability, |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (answer, changed) = change(look(&transaction, name)?);
            changed.iter().try_for_each(|lock| put(&transaction, lock))?;
            transaction.commit()?;
            Ok(answer)
        })
    }
}

fn look(connection: &Connection, name: &str) -> rusqlite::Result<Option<Lock>> {
    connection.prepare_cached(LOOK)?.query_row(params![name], lock).optional()
}

fn put(transaction: &Transaction<'_>, lock: &Lock) -> rusqlite::Result<()> {
    let holder = match &lock.standing {
        Standing::Free => None,
        Standing::Held { holder } | Standing::Broken { holder, .. } => Some(holder),
    };
    let (run, until) = (holder.map(|holder| holder.run.as_str()), holder.map_or(0, |holder| holder.lease_until.0));
    let standing =
        serde_json::to_string(&lock.standing).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut statement = transaction.prepare_cached(PUT)?;
    statement.execute(params![lock.name, signed(lock.generation), run, until, standing]).map(drop)
}

fn lock(row: &Row<'_>) -> rusqlite::Result<Lock> {
    let standing: String = row.get(2)?;
    let standing = serde_json::from_str(&standing)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?;
    Ok(Lock { name: row.get(0)?, generation: unsigned(row, 1)?, standing })
}
