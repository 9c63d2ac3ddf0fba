//! From a folder to a connection that is ready: folder and file with their rights, write-ahead log, schema.
//! It does not know what the tables are for.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{AccessFlags, access};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sluice_engine::journal::store::{Durability, StoreError};

use super::errors;
use super::schema::Schema;

const FILE: &str = "sluice.sqlite";

/// SQLite's name for the write-ahead log of a file.
pub(super) fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// What `synchronous` is set to when the store has been opened. Making the tables is worth a sync.
pub(super) const INITIAL_LEVEL: Durability = Durability::Sync;

/// How long one call waits for other processes.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// More than there are statements.
const CACHED_STATEMENTS: usize = 48;

pub(super) fn connect(folder: &Path, schema: &Schema) -> Result<(PathBuf, Connection), StoreError> {
    let file = folder.join(FILE);
    make_folder(folder).map_err(|error| errors::io_error(folder, &error))?;
    make_file(&file).map_err(|error| errors::io_error(&file, &error))?;
    writable(folder)?;
    writable(&file)?;
    let mut connection = prepare(&file).map_err(|error| errors::store_error(&file, &error))?;
    if !has_log(&connection).map_err(|error| errors::store_error(&file, &error))? {
        return Err(errors::no_log(&file));
    }
    schema.bring_up(&mut connection, &file)?;
    Ok((file, connection))
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// SQLite would make the file readable to others; the files beside it inherit the rights set here.
///
/// Closing any descriptor of the file drops all locks this process has on it, those of SQLite too. So the file is
/// touched only when it is new, and by one thread at a time, before anybody in this process can have locks on it.
fn make_file(file: &Path) -> std::io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Asked before SQLite is, whose own answer is "unable to open database file" for this and much else.
fn writable(path: &Path) -> Result<(), StoreError> {
    access(path, AccessFlags::R_OK | AccessFlags::W_OK).map_err(|errno| errors::io_error(path, &errno.into()))
}

fn prepare(file: &Path) -> rusqlite::Result<Connection> {
    // The mutex around the connection does what SQLite's own would do again.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // What is in the log when the store is closed is as good there; see `SqliteStore::drop`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    Ok(connection)
}

/// Turns the write-ahead log on; false where the file system cannot have one.
///
/// The switch needs the file for itself and does not wait for it as other statements do.
fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let started = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) => return Ok(mode == "wal"),
            Err(error) if is_busy(&error) && started.elapsed() < BUSY => sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}
