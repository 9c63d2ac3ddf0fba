//! What needs the inside of the store: limits set on its connection, schemas of other releases, a sync that failed.

use std::path::Path;

use rusqlite::Connection;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Blobs as _, Durability, Holder, Index as _, Journal as _, Keep, Locks as _, Record, Schedules as _,
    Standing, StoreError, Timestamp, Version,
};
use sluice_engine::journal::{Epoch, Owner};
use tempfile::TempDir;

use super::schema::{SCHEMA, Schema};
use super::{SqliteStore, errors, open};

fn run() -> RunId {
    RunId::new(1_700_000_000_000, [7; 10])
}

fn next(after: Version, size: usize) -> Record {
    let bytes = vec![7; size];
    Record { ordinal: after.ordinal + 1, hash: Sha256::of(&bytes), bytes }
}

fn version(record: &Record) -> Version {
    Version { ordinal: record.ordinal, hash: record.hash }
}

fn pragma(store: &SqliteStore, pragma: &str) -> i64 {
    store.link().connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
}

fn holder() -> Holder {
    Holder {
        run: run(),
        epoch: Epoch(1),
        runbook: "x".into(),
        person: "ana".into(),
        owner: Owner { host: "here".into(), pid: 1, started: String::new() },
        since: Timestamp(0),
        lease_until: Timestamp(0),
        effect: false,
        acted: None,
        repairs: None,
    }
}

#[tokio::test]
async fn durable_appends_are_synced_and_lazy_ones_are_not() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let mut end = Version::START;
    for durability in [Durability::Lazy, Durability::Sync, Durability::Sync, Durability::Lazy, Durability::Sync] {
        end = store.append(&run(), end, &[next(end, 10)], durability).await.unwrap();
        let full = 2;
        assert_eq!(pragma(&store, "synchronous") == full, durability == Durability::Sync, "{durability:?}");
    }
    store.claim("nightly", Timestamp(0)).await.unwrap();
    assert_eq!(pragma(&store, "synchronous"), 2);
    store.take("a", None, &holder()).await.unwrap();
    assert_eq!(pragma(&store, "synchronous"), 1);
    let keep = |effect| Keep { lease_until: Timestamp(1), effect, acted: None };
    for (effect, expect) in [(true, 2), (false, 1)] {
        assert!(store.renew("a", 1, keep(effect)).await.unwrap());
        assert_eq!(pragma(&store, "synchronous"), expect, "the mark of an effect is durable");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_whole_appends_and_is_left_when_there_is_room() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let first = next(Version::START, 10);
    store.append(&run(), Version::START, std::slice::from_ref(&first), Durability::Lazy).await.unwrap();
    let pages = pragma(&store, "page_count");
    assert_eq!(pragma(&store, &format!("max_page_count = {pages}")), pages);

    let small = next(version(&first), 10);
    let large = next(version(&small), 100_000);
    for batch in [vec![small.clone(), large.clone()], vec![next(version(&first), 100_000)]] {
        let outcome = store.append(&run(), version(&first), &batch, Durability::Sync).await;
        assert!(matches!(outcome, Err(AppendError::Store(StoreError::Full(_)))), "{outcome:?}");
        assert_eq!(store.read(&run(), 0).await.unwrap(), std::slice::from_ref(&first));
    }
    let outcome = store.put_blob(&[1; 100_000]).await;
    assert!(matches!(outcome, Err(StoreError::Full(_))), "{outcome:?}");

    pragma(&store, "max_page_count = 100000");
    let end = store.append(&run(), version(&first), &[small.clone(), large.clone()], Durability::Sync).await;
    assert_eq!(end, Ok(version(&large)));
    assert_eq!(store.read(&run(), 0).await.unwrap(), [first, small, large]);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_written() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let first = next(Version::START, 10);
    store.append(&run(), Version::START, std::slice::from_ref(&first), Durability::Lazy).await.unwrap();
    let failed: Result<(), _> = store.writing(Durability::Sync, |_| Err(failure(rusqlite::ffi::SQLITE_IOERR_FSYNC)));
    assert!(matches!(failed, Err(StoreError::Unreachable(_))), "{failed:?}");

    let refused = errors::after_failed_sync(store.file());
    let outcome = store.append(&run(), version(&first), &[next(version(&first), 10)], Durability::Lazy).await;
    assert_eq!(outcome, Err(AppendError::Store(refused.clone())));
    assert_eq!(store.release("a", 1).await, Err(refused));
    assert_eq!(store.read(&run(), 0).await.unwrap(), [first]);
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

#[test]
fn only_io_errors_leave_an_append_ambiguous() {
    use rusqlite::ffi;
    let kind = |code| match errors::append_error(Path::new("f"), &failure(code)) {
        AppendError::Conflict => "conflict",
        AppendError::Ambiguous(_) => "ambiguous",
        AppendError::Store(StoreError::Full(_)) => "full",
        AppendError::Store(StoreError::ReadOnly(_)) => "read-only",
        AppendError::Store(StoreError::Corrupt(_)) => "corrupt",
        AppendError::Store(StoreError::TooNew(_)) => "too new",
        AppendError::Store(StoreError::Unreachable(_)) => "unreachable",
    };
    for (code, wanted) in [
        (ffi::SQLITE_IOERR_FSYNC, "ambiguous"),
        (ffi::SQLITE_IOERR_DIR_FSYNC, "ambiguous"),
        (ffi::SQLITE_IOERR_SHMMAP, "ambiguous"),
        (ffi::SQLITE_IOERR_WRITE, "full"),
        (ffi::SQLITE_FULL, "full"),
        (ffi::SQLITE_READONLY, "read-only"),
        (ffi::SQLITE_READONLY_DBMOVED, "read-only"),
        (ffi::SQLITE_CORRUPT, "corrupt"),
        (ffi::SQLITE_NOTADB, "corrupt"),
        (ffi::SQLITE_ERROR, "corrupt"),
        (ffi::SQLITE_BUSY, "unreachable"),
        (ffi::SQLITE_BUSY_RECOVERY, "unreachable"),
        (ffi::SQLITE_CANTOPEN, "unreachable"),
        (ffi::SQLITE_NOMEM, "unreachable"),
    ] {
        assert_eq!(kind(code), wanted, "code {code}");
    }
}

const NEXT_RELEASE: Schema =
    Schema { generation: 1, steps: &[SCHEMA.steps[0], SCHEMA.steps[1], "CREATE TABLE extra (x INTEGER) STRICT;"] };
const BROKEN_RELEASE: Schema = Schema {
    generation: 1,
    steps: &[SCHEMA.steps[0], SCHEMA.steps[1], "CREATE TABLE extra (x INTEGER) STRICT; CREATE TABLE records (x);"],
};
const NEXT_GENERATION: Schema = Schema { generation: 2, steps: NEXT_RELEASE.steps };

fn opened(folder: &TempDir, schema: &Schema) -> Result<Connection, StoreError> {
    open::connect(folder.path(), schema).map(|(_, connection)| connection)
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_keeps_its_records() {
    let folder = TempDir::new().unwrap();
    let old = SqliteStore::open(folder.path()).unwrap();
    let first = next(Version::START, 10);
    old.append(&run(), Version::START, std::slice::from_ref(&first), Durability::Lazy).await.unwrap();

    for _ in 0..2 {
        let new = opened(&folder, &NEXT_RELEASE).unwrap();
        assert_eq!(count(&new, "SELECT count(*) FROM extra"), 0);
        assert_eq!(count(&new, "SELECT count(*) FROM records"), 1);
        assert_eq!(count(&new, "PRAGMA user_version"), 1003);
    }
    // The older release goes on with the same file, open before or opened anew.
    let second = next(version(&first), 10);
    old.append(&run(), version(&first), std::slice::from_ref(&second), Durability::Lazy).await.unwrap();
    let again = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(again.read(&run(), 0).await.unwrap(), [first, second]);
    assert_eq!(pragma(&again, "user_version"), 1003);
}

#[tokio::test]
async fn a_schema_step_that_fails_changes_nothing() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    opened(&folder, &BROKEN_RELEASE).unwrap_err();
    let store = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(pragma(&store, "user_version"), 1002);
    assert_eq!(count(&store.link().connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
    assert_eq!(store.journals().await.unwrap(), []);
}

#[test]
fn a_newer_generation_is_refused_untouched() {
    let folder = TempDir::new().unwrap();
    drop(opened(&folder, &NEXT_GENERATION).unwrap());
    let error = SqliteStore::open(folder.path()).err().unwrap();
    let wanted = format!(
        "the store was written by a newer version: {}/sluice.sqlite: its schema is 2, this sluice knows up to 1; run \
         the newer sluice, or name another folder as store.path in sluice.yaml",
        folder.path().display()
    );
    assert_eq!(error.to_string(), wanted);
    opened(&folder, &NEXT_GENERATION).unwrap();
}

#[test]
fn an_older_generation_is_brought_up_and_then_refused_to_the_older_release() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    drop(opened(&folder, &NEXT_GENERATION).unwrap());
    assert!(matches!(SqliteStore::open(folder.path()).err(), Some(StoreError::TooNew(_))));
}

#[test]
fn a_new_store_is_opened_by_many_at_once() {
    for _ in 0..30 {
        let folder = TempDir::new().unwrap();
        let barrier = std::sync::Barrier::new(8);
        let errors: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                SqliteStore::open(folder.path()).err()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(errors, []);
    }
}

#[tokio::test]
async fn a_lock_of_the_first_release_is_free() {
    const FIRST: Schema = Schema { generation: 1, steps: &[SCHEMA.steps[0]] };
    let folder = TempDir::new().unwrap();
    let (_, connection) = open::connect(folder.path(), &FIRST).unwrap();
    connection.execute("INSERT INTO locks (name, generation, run, lease_until) VALUES ('a', 3, NULL, 0)", []).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lock = store.look("a").await.unwrap().unwrap();
    assert_eq!((lock.generation, &lock.standing), (3, &Standing::Free));
    assert_eq!(store.take("a", Some(&lock), &holder()).await.unwrap(), Some(4));
}
