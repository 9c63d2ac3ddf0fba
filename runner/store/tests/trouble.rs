//! Folders and files a store cannot live in: each gives its own error, which names the file and what to do.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rusqlite::Connection;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::store::{
    AppendError, Blobs as _, Durability, Index as _, Journal as _, Locks as _, StoreError, Version,
};
use sluice_store::SqliteStore;
use tempfile::TempDir;

use crate::child::{Process, say};
use crate::crash::{end, record, run};

fn error(folder: &Path) -> StoreError {
    SqliteStore::open(folder).err().expect("an error")
}

fn permissions(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

async fn filled(folder: &Path, records: u64) -> SqliteStore {
    let store = SqliteStore::open(folder).unwrap();
    let batch: Vec<_> = (1..=records).map(|ordinal| record(ordinal, &[b'x'; 500])).collect();
    store.append(&run(), Version::START, &batch, Durability::Sync).await.unwrap();
    store
}

#[tokio::test]
async fn folder_and_files_are_private() {
    let above = TempDir::new().unwrap();
    let folder = above.path().join("state/sluice");
    let store = filled(&folder, 1).await;
    for made in [above.path().join("state"), folder.clone()] {
        assert_eq!(permissions(&made), 0o700, "{}", made.display());
    }
    let mut names = Vec::new();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(permissions(&file.path()), 0o600, "{}", file.path().display());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["sluice.sqlite", "sluice.sqlite-shm", "sluice.sqlite-wal"]);
    assert_eq!(store.file(), folder.join("sluice.sqlite"));
}

#[tokio::test]
async fn a_closed_store_opens_again_with_all_that_was_written() {
    let folder = TempDir::new().unwrap();
    for times in 0..60 {
        let store = SqliteStore::open(folder.path()).unwrap();
        let last = end(&store).await;
        assert_eq!(last.ordinal, times);
        let next = record(times + 1, &[b'x'; 9000]);
        store.append(&run(), last, &[next], Durability::Lazy).await.unwrap();
        drop(store);
        let log = fs::metadata(folder.path().join("sluice.sqlite-wal")).map_or(0, |log| log.len());
        assert!(log <= 256 * 1024, "a log of {log} bytes after {times}");
    }
}

/// As somebody would copy it who does not know of the log.
#[tokio::test]
async fn once_an_act_was_journaled_a_closed_store_is_one_file() {
    let folder = TempDir::new().unwrap();
    let store = filled(folder.path(), 10).await;
    let last = end(&store).await;
    store.append(&run(), last, &[record(11, b"intended")], Durability::Sync).await.unwrap();
    drop(store);
    let copy = TempDir::new().unwrap();
    fs::copy(folder.path().join("sluice.sqlite"), copy.path().join("sluice.sqlite")).unwrap();
    let store = SqliteStore::open(copy.path()).unwrap();
    assert_eq!(end(&store).await.ordinal, 11);
}

#[test]
fn a_file_that_is_no_database() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sluice.sqlite");
    fs::write(&file, "a letter to the editor\n".repeat(500)).unwrap();
    let wanted = format!(
        "the store is damaged: {}: file is not a database; keep a copy of the whole folder, then restore a backup, or \
         move the folder away to start with an empty store",
        file.display()
    );
    assert_eq!(error(folder.path()).to_string(), wanted);
    assert!(fs::read_to_string(&file).unwrap().starts_with("a letter"));
}

#[test]
fn a_database_of_another_program() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sluice.sqlite");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE letters (text)").unwrap();
    let found = error(folder.path());
    assert!(matches!(&found, StoreError::Corrupt(text) if text.contains("another program")), "{found}");
}

#[test]
fn a_newer_schema() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let raw = Connection::open(folder.path().join("sluice.sqlite")).unwrap();
    raw.pragma_update(None, "user_version", 9_000).unwrap();
    drop(raw);
    let found = error(folder.path());
    assert!(matches!(&found, StoreError::TooNew(text) if text.contains("its schema is 9,")), "{found}");
}

#[test]
fn paths_that_lead_nowhere() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let found = error(&path);
        assert!(matches!(&found, StoreError::Unreachable(text) if text.contains(path.to_str().unwrap())), "{found}");
    }
    fs::create_dir(folder.path().join("sluice.sqlite")).unwrap();
    let found = error(folder.path());
    assert!(matches!(&found, StoreError::Unreachable(_)), "{found}");
}

/// Writes over a whole file but its first page, so that it still looks like a store.
fn trample(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    assert!(bytes.len() > 8 * 4096, "{} bytes", bytes.len());
    bytes[4096..].fill(0xA5);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_trampled_file() {
    let folder = TempDir::new().unwrap();
    drop(filled(folder.path(), 200).await);
    trample(&folder.path().join("sluice.sqlite"));
    let store = SqliteStore::open(folder.path()).unwrap();
    let outcomes = [
        store.read(&run(), 0).await.map(|_| ()),
        store.held().await.map(|_| ()),
        store.journals().await.map(|_| ()),
        store.get_blob(&Sha256::ZERO).await.map(|_| ()),
        store.release("a", 1).await.map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(&outcome, Err(StoreError::Corrupt(text)) if text.contains("sluice.sqlite")), "{outcome:?}");
    }
    let outcome = store.append(&run(), Version::START, &[record(1, b"x")], Durability::Sync).await;
    assert!(matches!(outcome, Err(AppendError::Store(StoreError::Corrupt(_)))), "{outcome:?}");
}

/// Damage SQLite cannot see, done behind the store's back.
async fn meddled(sql: &str, what: &str) {
    let folder = TempDir::new().unwrap();
    let store = filled(folder.path(), 5).await;
    let blob = store.put_blob(b"snapshot").await.unwrap();
    let raw = Connection::open(store.file()).unwrap();
    raw.execute_batch(sql).unwrap();
    let found = match store.read(&run(), 0).await {
        Ok(_) => store.get_blob(&blob).await.map(|_| ()).and(store.journals().await.map(|_| ())),
        Err(error) => Err(error),
    };
    assert!(matches!(&found, Err(StoreError::Corrupt(text)) if text.contains(what)), "{sql}: {found:?}");
}

#[tokio::test]
async fn meddling_is_found_on_reading() {
    meddled("UPDATE records SET bytes = x'00' WHERE place & 15 = 3", "record 3 does not match its hash").await;
    meddled("UPDATE records SET hash = zeroblob(32) WHERE place & 15 = 5", "record 5 does not match its hash").await;
    meddled("UPDATE records SET hash = x'00' WHERE place & 15 = 5", "32 byte value").await;
    meddled("DELETE FROM records WHERE place & 15 = 2", "record 3 follows record 1").await;
    meddled("DELETE FROM records WHERE place & 15 = 1", "record 2 follows record 0").await;
    meddled("UPDATE records SET place = -1 WHERE place & 15 = 1", "record 2 follows record 0").await;
    meddled("UPDATE records SET place = place + 10 WHERE place & 15 = 5", "record 15 follows record 4").await;
    meddled("UPDATE blobs SET bytes = x'00'", "does not match its hash").await;
    meddled("DROP TABLE records", "no such table").await;
    meddled("INSERT INTO journals VALUES (9, 'not a run')", "as a run id").await;
}

/// Appends until the store is full, then says how far it came, and that the store can still be read.
pub(crate) async fn fill(folder: &Path) {
    let store = SqliteStore::open(folder).unwrap();
    let mut end = Version::START;
    let failed = loop {
        match store.append(&run(), end, &[record(end.ordinal + 1, &[7; 3000])], Durability::Lazy).await {
            Ok(version) => end = version,
            Err(error) => break error,
        }
    };
    let AppendError::Store(StoreError::Full(text)) = failed else { panic!("{failed}") };
    assert!(text.contains("sluice.sqlite") && text.contains("make room"), "{text}");
    let batch = [record(end.ordinal + 1, b"small"), record(end.ordinal + 2, &[7; 100_000])];
    let outcome = store.append(&run(), end, &batch, Durability::Sync).await;
    assert!(matches!(outcome, Err(AppendError::Store(StoreError::Full(_)))), "{outcome:?}");
    assert_eq!(crate::crash::end(&store).await, end);
    say(end.ordinal);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_appended() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let said = Process::start_limited("fill", folder.path(), 400).finish();
    let [ordinal] = said.as_slice() else { panic!("{said:?}") };

    let store = SqliteStore::open(folder.path()).unwrap();
    let end = end(&store).await;
    assert_eq!(end.ordinal, ordinal.parse::<u64>().unwrap());
    assert!(end.ordinal > 10, "{}", end.ordinal);
    store.append(&run(), end, &[record(end.ordinal + 1, &[7; 3000])], Durability::Sync).await.unwrap();
}

/// Opens each folder below as a user without rights there, and says what came of it.
pub(crate) async fn unprivileged(folder: &Path) {
    if nix::unistd::geteuid().is_root() {
        nix::unistd::setgid(nix::unistd::Gid::from_raw(65534)).unwrap();
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).unwrap();
    }
    for name in ["empty", "store", "file", "shut"] {
        match error(&folder.join(name)) {
            StoreError::ReadOnly(text) => say(text),
            other => panic!("{name}: {other}"),
        }
    }
}

#[tokio::test]
async fn folders_that_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name);
    let allow = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for name in ["empty", "store", "file", "shut"] {
        fs::create_dir(place(name)).unwrap();
        drop(SqliteStore::open(&place(name)).unwrap());
        allow(&place(name).join("sluice.sqlite"), 0o444);
    }
    fs::remove_file(place("empty").join("sluice.sqlite")).unwrap();
    for (name, mode) in [("empty", 0o555), ("store", 0o555), ("file", 0o777), ("shut", 0o000)] {
        allow(&place(name), mode);
    }
    allow(folder.path(), 0o755);
    let said = Process::start("unprivileged", folder.path()).finish();
    for name in ["empty", "store", "file", "shut"] {
        allow(&place(name), 0o700);
    }
    assert_eq!(said.len(), 4, "{said:?}");
    for (text, name) in said.iter().zip(["empty", "store", "file", "shut"]) {
        assert!(text.starts_with(place(name).to_str().unwrap()), "{text}");
        assert!(text.contains("denied") && text.contains("give this user the right"), "{text}");
    }
}

/// Copies the files of a store in use, as a backup or a crash of the machine leaves them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        // The index of the log is rebuilt; it lived in memory.
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// The log cut or spoilt anywhere: what is left are the first appends, each whole.
#[tokio::test]
async fn a_torn_log_loses_whole_appends_from_its_end() {
    const BATCH: u64 = 3;
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let mut end = Version::START;
    let mut sizes = Vec::new();
    let log = folder.path().join("sluice.sqlite-wal");
    for _ in 0..12 {
        let batch: Vec<_> = (1..=BATCH).map(|at| record(end.ordinal + at, &[b'x'; 900])).collect();
        end = store.append(&run(), end, &batch, Durability::Sync).await.unwrap();
        sizes.push((fs::metadata(&log).unwrap().len(), end.ordinal));
    }
    let whole = fs::read(&log).unwrap();
    let first = sizes[0].0 as usize;
    let mut seen = std::collections::BTreeSet::new();
    for spoil in [false, true] {
        for at in (first - 100..whole.len()).step_by(1511) {
            let torn = TempDir::new().unwrap();
            copy(folder.path(), torn.path());
            let mut bytes = whole.clone();
            if spoil {
                bytes[at] ^= 0x10
            } else {
                bytes.truncate(at)
            }
            fs::write(torn.path().join("sluice.sqlite-wal"), bytes).unwrap();
            let store = SqliteStore::open(torn.path()).unwrap();
            let left = crate::crash::end(&store).await;
            // Every append that lies before the place is there, and nothing of the one it hit.
            let kept = sizes.iter().rev().find(|(size, _)| *size as usize <= at).map_or(0, |(_, ordinal)| *ordinal);
            assert_eq!(left.ordinal, kept, "{at} of {}, spoilt: {spoil}", whole.len());
            let next = [record(left.ordinal + 1, b"goes on")];
            store.append(&run(), left, &next, Durability::Sync).await.unwrap();
            seen.insert(left.ordinal);
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}
