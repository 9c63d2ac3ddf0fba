//! What SQLite and the system say, turned into the store's errors: which file, what happened, what to do next.
//! It decides nothing but the kind and the words.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};
use sluice_engine::journal::store::{AppendError, StoreError};

use super::open::BUSY;

pub(super) fn store_error(file: &Path, error: &rusqlite::Error) -> StoreError {
    let Some(sqlite) = error.sqlite_error() else {
        // What is left are values of another type or range than we ever write.
        return damaged(file, error);
    };
    match sqlite.code {
        ErrorCode::DiskFull => full(file, error),
        ErrorCode::SystemIoFailure if is_failed_write(sqlite) => full(file, error),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            read_only(file, error)
        }
        // Unknown is SQLite's plain error: a table or a column is not there.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => damaged(file, error),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => busy(file),
        _ => StoreError::Unreachable(format!(
            "{}: {error} (SQLite code {}); look at the disk and its mount, then try again",
            file.display(),
            sqlite.extended_code
        )),
    }
}

/// The same for an append. After an I/O error that is not a refused write nobody knows how far it came.
pub(super) fn append_error(file: &Path, error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error() {
        Some(sqlite) if sqlite.code == ErrorCode::SystemIoFailure && !is_failed_write(sqlite) => {
            AppendError::Ambiguous(format!("{}: {error} (SQLite code {})", file.display(), sqlite.extended_code))
        }
        Some(_) | None => AppendError::Store(store_error(file, error)),
    }
}

pub(super) fn io_error(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => read_only(path, error),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(path, error),
        _ => StoreError::Unreachable(format!(
            "{}: {error}; make that folder, or name another one as store.path in sluice.yaml",
            path.display()
        )),
    }
}

pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|sqlite| matches!(sqlite.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

pub(super) fn after_failed_sync(file: &Path) -> StoreError {
    StoreError::Unreachable(format!(
        "{}: the disk failed to keep an earlier write, so nothing more is written by this process; look for disk errors \
         (`dmesg`), then start sluice again and resume the run",
        file.display()
    ))
}

pub(super) fn no_log(file: &Path) -> StoreError {
    StoreError::Unreachable(format!(
        "{}: this file system cannot hold a shared write-ahead log, as network file systems cannot; name a folder on a \
         local disk as store.path in sluice.yaml",
        file.display()
    ))
}

pub(super) fn not_ours(file: &Path) -> StoreError {
    StoreError::Corrupt(format!(
        "{}: it is a database of another program; move it away, or name another folder as store.path in sluice.yaml",
        file.display()
    ))
}

pub(super) fn too_new(file: &Path, found: i64, known: i64) -> StoreError {
    StoreError::TooNew(format!(
        "{}: its schema is {found}, this sluice knows up to {known}; run the newer sluice, or name another folder as \
         store.path in sluice.yaml",
        file.display()
    ))
}

pub(super) fn damaged(file: &Path, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!(
        "{}: {what}; keep a copy of the whole folder, then restore a backup, or move the folder away to start with an \
         empty store",
        file.display()
    ))
}

fn full(file: &Path, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Full(format!(
        "{}: {what}; the disk, a quota or the limit on file sizes is reached (`df`, `quota`, `ulimit -f`), or the disk \
         fails (`dmesg`): make room, then resume the run",
        file.display()
    ))
}

fn read_only(path: &Path, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::ReadOnly(format!(
        "{}: {what}; give this user the right to read and write the folder and its files, or name another folder as \
         store.path in sluice.yaml",
        path.display()
    ))
}

fn busy(file: &Path) -> StoreError {
    StoreError::Unreachable(format!(
        "{}: other processes kept it locked for {} s; see which ones with `fuser {}`, then try again",
        file.display(),
        BUSY.as_secs(),
        file.display()
    ))
}

/// A full disk has a code of its own; a quota, a limit on file sizes and a failing disk share this one.
fn is_failed_write(sqlite: &ffi::Error) -> bool {
    sqlite.extended_code == ffi::SQLITE_IOERR_WRITE
}
