//! Content by hash in SQLite. Lazy: the event that names a blob is written after it, and cannot be durable without it.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use sluice_engine::ids::Sha256;
use sluice_engine::journal::store::{Blobs, Durability, StoreError};

use super::{SqliteStore, errors};

const PUT: &str = "INSERT INTO blobs (hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

const HAS: &str = "SELECT 1 FROM blobs WHERE hash = ?1";

const GET: &str = "SELECT bytes FROM blobs WHERE hash = ?1";

#[async_trait]
impl Blobs for SqliteStore {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError> {
        self.writing(Durability::Lazy, |connection| put(connection, bytes))
    }

    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<Vec<u8>> = self.reading(|connection| {
            connection.prepare_cached(GET)?.query_row(params![hash.as_bytes()], |row| row.get(0)).optional()
        })?;
        match found {
            Some(bytes) if Sha256::of(&bytes) != *hash => {
                Err(errors::damaged(&self.file, &format!("blob {hash} does not match its hash")))
            }
            found => Ok(found),
        }
    }

    async fn has_blob(&self, hash: &Sha256) -> Result<bool, StoreError> {
        self.reading(|connection| connection.prepare_cached(HAS)?.exists(params![hash.as_bytes()]))
    }
}

pub(super) fn put(connection: &Connection, bytes: &[u8]) -> rusqlite::Result<Sha256> {
    let hash = Sha256::of(bytes);
    connection.prepare_cached(PUT)?.execute(params![hash.as_bytes(), bytes]).map(|_| hash)
}
