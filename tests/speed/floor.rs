//! The least a journal in SQLite can cost: rows of the size of a usual event appended to a write-ahead log, without
//! fsync, conditions, hashes or names.

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
        for _ in 0..times {
            self.connection.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)")?.execute(params![&BYTES[..]])?;
        }
        Ok(())
    }
}
