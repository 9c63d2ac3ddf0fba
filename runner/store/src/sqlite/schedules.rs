//! Who fires a schedule: whoever makes its row.

use async_trait::async_trait;
use rusqlite::params;
use sluice_engine::journal::store::{Durability, Schedules, StoreError, Timestamp};

use super::SqliteStore;

const CLAIM: &str = "INSERT INTO fires (fire, claimed_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

#[async_trait]
impl Schedules for SqliteStore {
    async fn claim(&self, fire: &str, now: Timestamp) -> Result<bool, StoreError> {
        // Durable, or the same fire could be claimed again after a power cut.
        self.writing(Durability::Sync, |connection| {
            Ok(connection.prepare_cached(CLAIM)?.execute(params![fire, now.0])? == 1)
        })
    }
}
