//! The list of runs in SQLite. It holds what it is told; the journals know better and can rebuild it.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sluice_engine::ids::RunId;
use sluice_engine::journal::store::{Durability, Filter, Index, IndexEntry, Page, StoreError, Timestamp};

use super::SqliteStore;
use super::row::{run_id, signed, unsigned};

const PUT: &str = "INSERT OR REPLACE INTO runs
     (run, runbook, started, ended, status, exit, waiting_until, ordinal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const GET: &str = "SELECT run, runbook, started, ended, status, exit, waiting_until, ordinal FROM runs WHERE run = ?1";

const LIST: &str = "SELECT run, runbook, started, ended, status, exit, waiting_until, ordinal FROM runs
     WHERE (?1 IS NULL OR runbook = ?1) AND (?2 IS NULL OR (ended IS NULL) = ?2)
     ORDER BY started DESC, run DESC LIMIT ?3 OFFSET ?4";

const WAITING: &str = "SELECT run, runbook, started, ended, status, exit, waiting_until, ordinal FROM runs
     WHERE ended IS NULL AND waiting_until IS NOT NULL AND waiting_until <= ?1 ORDER BY waiting_until, run";

const JOURNALS: &str = "SELECT run FROM journals";

const BEAT: &str = "INSERT OR REPLACE INTO leases (run, until) VALUES (?1, ?2)";

const LEFT: &str = "DELETE FROM leases WHERE run = ?1";

const LEASE: &str = "SELECT until FROM leases WHERE run = ?1";

#[async_trait]
impl Index for SqliteStore {
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError> {
        self.writing(Durability::Lazy, |connection| put(connection, entry))
    }

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError> {
        self.reading(|connection| {
            connection.prepare_cached(GET)?.query_row(params![run.as_str()], index_entry).optional()
        })
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError> {
        self.reading(|connection| {
            let values = params![filter.runbook, filter.open, page.take, page.skip];
            connection.prepare_cached(LIST)?.query_map(values, index_entry)?.collect()
        })
    }

    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError> {
        self.reading(|connection| {
            connection.prepare_cached(WAITING)?.query_map(params![until.0], index_entry)?.collect()
        })
    }

    async fn journals(&self) -> Result<Vec<RunId>, StoreError> {
        self.reading(|connection| connection.prepare_cached(JOURNALS)?.query_map([], |row| run_id(row, 0))?.collect())
    }

    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError> {
        self.writing(Durability::Lazy, |connection| beat(connection, run, until))
    }

    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(LEASE)?;
            statement.query_row(params![run.as_str()], |row| row.get(0).map(Timestamp)).optional()
        })
    }
}

pub(super) fn put(connection: &Connection, entry: &IndexEntry) -> rusqlite::Result<()> {
    let values = params![
        entry.run.as_str(),
        entry.runbook,
        entry.started.0,
        entry.ended.map(|at| at.0),
        entry.status,
        entry.exit,
        entry.waiting_until.map(|at| at.0),
        signed(entry.ordinal),
    ];
    connection.prepare_cached(PUT)?.execute(values).map(drop)
}

pub(super) fn beat(connection: &Connection, run: &RunId, until: Option<Timestamp>) -> rusqlite::Result<()> {
    match until {
        Some(until) => connection.prepare_cached(BEAT)?.execute(params![run.as_str(), until.0]).map(drop),
        None => connection.prepare_cached(LEFT)?.execute(params![run.as_str()]).map(drop),
    }
}

fn index_entry(row: &Row<'_>) -> rusqlite::Result<IndexEntry> {
    Ok(IndexEntry {
        run: run_id(row, 0)?,
        runbook: row.get(1)?,
        started: Timestamp(row.get(2)?),
        ended: row.get::<_, Option<i64>>(3)?.map(Timestamp),
        status: row.get(4)?,
        exit: row.get(5)?,
        waiting_until: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        ordinal: unsigned(row, 7)?,
    })
}
