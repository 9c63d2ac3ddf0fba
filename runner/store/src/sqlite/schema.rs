//! The tables, and how a file of an older release comes to have them. It knows no statement that uses them.
//!
//! A release reads what the previous minor wrote and the other way round, on the same file at the same time. So a step
//! may only add what the older release can do without: tables, indexes, columns with a default. A step that breaks this
//! raises [`Schema::generation`], and from then on older releases refuse the file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use sluice_engine::journal::store::StoreError;

use super::errors;

pub(super) const SCHEMA: Schema = Schema { generation: 1, steps: &[TABLES, STANDINGS] };

/// Marks the file as ours, for `file` and against opening somebody else's database: "SLUC".
const APPLICATION: i64 = 0x534C_5543;

/// `user_version` is the generation times this, plus the number of steps done.
const STEPS_PER_GENERATION: i64 = 1000;

/// A record's place is its journal's number and its ordinal in one integer. So the records of a run lie together, a lazy
/// append writes one page to the log, and pages fill up before they split; with run and ordinal as the key, an append
/// takes half as long again on average.
const TABLES: &str = "
CREATE TABLE journals (
    number INTEGER PRIMARY KEY,
    run    TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE records (
    place INTEGER PRIMARY KEY,
    hash  BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- A free lock stays, with no run, so that its generation goes on.
CREATE TABLE locks (
    name        TEXT PRIMARY KEY,
    generation  INTEGER NOT NULL,
    run         TEXT,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run           TEXT PRIMARY KEY,
    runbook       TEXT NOT NULL,
    started       INTEGER NOT NULL,
    ended         INTEGER,
    status        TEXT NOT NULL,
    exit          INTEGER,
    waiting_until INTEGER,
    ordinal       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started, run);
CREATE INDEX runs_waiting ON runs (waiting_until, run) WHERE ended IS NULL AND waiting_until IS NOT NULL;

CREATE TABLE fires (
    fire       TEXT PRIMARY KEY,
    claimed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    hash  BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
";

/// A lock's `standing` is a JSON document; `run` and `lease_until` repeat what older releases read of it. `leases` has a
/// row for each run that a process has.
const STANDINGS: &str = "
ALTER TABLE locks ADD COLUMN standing TEXT NOT NULL DEFAULT '{\"is\":\"free\"}';

CREATE TABLE leases (
    run   TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

pub(super) struct Schema {
    /// Files of a higher one are not to be touched.
    pub(super) generation: i64,
    /// All steps since the first release; each is done once, in order.
    pub(super) steps: &'static [&'static str],
}

/// What a file says about itself.
enum Found {
    Empty,
    Ours { generation: i64, steps: usize },
    SomebodyElses,
}

impl Schema {
    pub(super) fn bring_up(&self, connection: &mut Connection, file: &Path) -> Result<(), StoreError> {
        let fault = |error: rusqlite::Error| errors::store_error(file, &error);
        // In a transaction even where nothing is written: another process may bring the file up between two questions.
        let glance = connection.transaction().map_err(fault)?;
        if self.missing(&glance, file)?.is_empty() {
            return Ok(());
        }
        glance.commit().map_err(fault)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let missing = self.missing(&transaction, file)?;
        if missing.is_empty() {
            return Ok(());
        }
        for step in missing {
            transaction.execute_batch(step).map_err(fault)?;
        }
        self.stamp(&transaction).map_err(fault)?;
        transaction.commit().map_err(fault)?;
        // Whoever looks at the file alone finds a store there. Where others are at work, one of them does it later.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        Ok(())
    }

    fn stamp(&self, connection: &Connection) -> rusqlite::Result<()> {
        let version = self.generation * STEPS_PER_GENERATION + i64::try_from(self.steps.len()).unwrap_or(0);
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", version)
    }

    /// Ask it inside a transaction.
    fn missing(&self, connection: &Connection, file: &Path) -> Result<&'static [&'static str], StoreError> {
        match found(connection).map_err(|error| errors::store_error(file, &error))? {
            Found::Empty => Ok(self.steps),
            Found::SomebodyElses => Err(errors::not_ours(file)),
            Found::Ours { generation, .. } if generation > self.generation => {
                Err(errors::too_new(file, generation, self.generation))
            }
            Found::Ours { steps, .. } => Ok(self.steps.get(steps..).unwrap_or(&[])),
        }
    }
}

fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if application == APPLICATION {
        let steps = usize::try_from(version % STEPS_PER_GENERATION).unwrap_or(0);
        return Ok(Found::Ours { generation: version / STEPS_PER_GENERATION, steps });
    }
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(if (application, version, tables) == (0, 0, 0) { Found::Empty } else { Found::SomebodyElses })
}
