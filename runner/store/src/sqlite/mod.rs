//! A store in one SQLite file, shared by any number of processes on one machine. This file holds the connection and who
//! may use it when; the tables are in `schema`, the statements in the file of each trait.
//!
//! SQLite is called inline: a lazy append takes less time than handing it to another thread would.

mod blobs;
mod errors;
mod index;
mod journal;
mod locks;
mod open;
mod row;
mod schedules;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use sluice_engine::ids::RunId;
use sluice_engine::journal::store::{Durability, StoreError};
use tokio::sync::watch;

use self::schema::SCHEMA;

/// How long the log may be when a store is closed, in bytes. What is in it has to be read by the next to open the store.
const LOG_LEFT: u64 = 256 * 1024;

/// One connection to the store of a folder. Open it once per process, not once per use.
pub struct SqliteStore {
    file: PathBuf,
    link: Mutex<Link>,
    /// Told of each append through this connection; those of others are seen by polling.
    appended: watch::Sender<()>,
}

struct Link {
    connection: Connection,
    /// What `synchronous` of the connection is set to.
    level: Durability,
    /// Something was worth a sync.
    synced: bool,
    /// After a failed sync the kernel may have dropped what it could not write, and a later sync would succeed without
    /// it. So nothing more is written through this connection.
    sync_failed: bool,
    /// The numbers of journals used lately; they never change.
    numbers: HashMap<RunId, i64>,
}

impl SqliteStore {
    /// Opens the store in `folder`; creates the folder (0700) and the file (0600) when they are missing, and brings an
    /// older schema up to date.
    ///
    /// Waits up to five seconds for other processes. Errors name the file and what to do.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let (file, connection) = open::connect(folder, &SCHEMA)?;
        let link =
            Link { connection, level: open::INITIAL_LEVEL, synced: false, sync_failed: false, numbers: HashMap::new() };
        Ok(Self { file, link: Mutex::new(link), appended: watch::Sender::new(()) })
    }

    /// The file that holds everything; SQLite keeps two more beside it while the store is open.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn reading<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.link().connection).map_err(|error| errors::store_error(&self.file, &error))
    }

    fn writing<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.try_writing(durability, |link| work(&mut link.connection))?
            .map_err(|error| errors::store_error(&self.file, &error))
    }

    /// The outer error says that nothing was tried; the inner one is of the work itself.
    fn try_writing<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Link) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        let mut link = self.link();
        if link.sync_failed {
            return Err(errors::after_failed_sync(&self.file));
        }
        link.synced |= durability == Durability::Sync;
        link.set_level(durability).map_err(|error| errors::store_error(&self.file, &error))?;
        let outcome = work(&mut link);
        link.sync_failed = outcome.as_ref().is_err_and(errors::is_failed_sync);
        Ok(outcome)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        // A panic inside a transaction rolls it back, so the connection is good for the next caller.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was worth a sync (an act that may happen once, a lock) is moved out of the log, into the one file, when the store
/// is closed. Anything else may stay as it was written, a few pages in the log: moving them takes three syncs, longer than all the rest of a short run. The
/// next to open the store finds them there.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        let link = self.link.get_mut().unwrap_or_else(PoisonError::into_inner);
        let long = std::fs::metadata(open::log_of(&self.file)).is_ok_and(|log| log.len() > LOG_LEFT);
        if !link.sync_failed && (link.synced || long) {
            // Where others are reading or writing, one of them will do it.
            let connection = &link.connection;
            let _ = connection.busy_timeout(Duration::ZERO);
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}

impl Link {
    /// The pragma takes effect while it is parsed, so it cannot be a cached statement; hence the memory of the last one.
    fn set_level(&mut self, level: Durability) -> rusqlite::Result<()> {
        if self.level != level {
            self.connection.execute_batch(match level {
                Durability::Lazy => "PRAGMA synchronous = NORMAL",
                Durability::Sync => "PRAGMA synchronous = FULL",
            })?;
            self.level = level;
        }
        Ok(())
    }
}
