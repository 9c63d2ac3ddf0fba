//! The least a journal in SQLite can cost: rows of the size of a usual event appended to a write-ahead log, with or
//! without a sync of each, without conditions, hashes or names.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::Outcome;

/// A usual event.
const BYTES: [u8; 300] = [7; 300];

pub(crate) struct Floor {
    connection: Connection,
}

impl Floor {
    pub(crate) fn new(file: &Path) -> Outcome<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE rows (id INTEGER PRIMARY KEY, bytes BLOB)",
        )?;
        Ok(Self { connection })
    }

    pub(crate) fn append(&self, times: usize) -> Outcome {
        self.append_at("NORMAL", times)
    }

    /// Each is on disk before the next.
    pub(crate) fn append_synced(&self, times: usize) -> Outcome {
        self.append_at("FULL", times)
    }

    fn append_at(&self, synchronous: &str, times: usize) -> Outcome {
        self.connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}"))?;
        for _ in 0..times {
            self.connection.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)")?.execute(params![&BYTES[..]])?;
        }
        Ok(())
    }
}
