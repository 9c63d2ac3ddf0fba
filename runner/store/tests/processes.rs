//! Several processes on one file: races between them, and news from one to the other.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_engine::ids::RunId;
use sluice_engine::journal::store::{
    AppendError, Durability, Holder, Journal as _, Locks as _, Schedules as _, Standing, Timestamp,
};
use sluice_engine::journal::{Epoch, Owner};
use sluice_store::SqliteStore;
use tempfile::TempDir;

use crate::child::{Process, say};
use crate::crash::{end, record, run};

const PROCESSES: usize = 4;
const LENGTH: u64 = 150;
const FIRES: u64 = 20;
const TURNS: usize = 10;

/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(30);

/// Opens the new store together with the others, then races them for records, fires and a lock.
pub(crate) async fn race(folder: &Path) {
    let store = SqliteStore::open(folder).unwrap();
    let me = std::process::id();
    let mut seen = end(&store).await;
    while seen.ordinal < LENGTH {
        let durability = if seen.ordinal % 10 == 0 { Durability::Sync } else { Durability::Lazy };
        let next = record(seen.ordinal + 1, &me.to_be_bytes());
        seen = match store.append(&run(), seen, &[next], durability).await {
            Ok(version) => {
                say(format_args!("record {}", version.ordinal));
                version
            }
            Err(AppendError::Conflict) => end(&store).await,
            Err(other) => panic!("{other}"),
        };
    }
    for fire in 0..FIRES {
        if store.claim(&fire.to_string(), Timestamp(0)).await.unwrap() {
            say(format_args!("fire {fire}"));
        }
    }
    take_turns(&store).await;
}

async fn take_turns(store: &SqliteStore) {
    let mut turns = 0;
    while turns < TURNS {
        let seen = store.look("cluster/a").await.unwrap();
        if seen.as_ref().is_some_and(|lock| lock.standing != Standing::Free) {
            continue;
        }
        if let Some(generation) = store.take("cluster/a", seen.as_ref(), &holder()).await.unwrap() {
            say(format_args!("generation {generation}"));
            assert!(store.release("cluster/a", generation).await.unwrap());
            turns += 1;
        }
    }
}

fn holder() -> Holder {
    Holder {
        run: RunId::new(u64::from(std::process::id()), [2; 10]),
        epoch: Epoch(1),
        runbook: "race".into(),
        person: "ana".into(),
        owner: Owner { host: "here".into(), pid: std::process::id(), started: String::new() },
        since: Timestamp(0),
        lease_until: Timestamp(0),
        effect: false,
        acted: None,
        repairs: None,
    }
}

#[tokio::test]
async fn racing_processes_share_nothing_twice() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("made/by/whoever/comes/first");
    let children: Vec<_> = (0..PROCESSES).map(|_| Process::start("race", &folder)).collect();
    let said: Vec<_> = children.into_iter().flat_map(Process::finish).collect();

    let of = |kind: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> =
            said.iter().filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(of("record"), (1..=LENGTH).collect::<Vec<_>>());
    assert_eq!(of("fire"), (0..FIRES).collect::<Vec<_>>());
    assert_eq!(of("generation"), (1..=(PROCESSES * TURNS) as u64).collect::<Vec<_>>());
    let store = SqliteStore::open(&folder).unwrap();
    assert_eq!(store.read(&run(), 0).await.unwrap().len() as u64, LENGTH);
    assert_eq!(store.held().await.unwrap(), []);
}

pub(crate) async fn append_one(folder: &Path) {
    let store = SqliteStore::open(folder).unwrap();
    let end = end(&store).await;
    store.append(&run(), end, &[record(end.ordinal + 1, b"news")], Durability::Lazy).await.unwrap();
}

#[tokio::test]
async fn an_append_of_another_process_is_noticed() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for after in 0..3 {
        let child = Process::start("append-one", folder.path());
        let started = Instant::now();
        assert!(store.changed(&run(), after, LONG).await.unwrap());
        assert!(started.elapsed() < LONG / 2, "found only when patience was over");
        child.finish();
        assert_eq!(end(&store).await.ordinal, after + 1);
    }
}

/// Whether this process has a lock on `file`.
#[cfg(target_os = "linux")]
fn has_lock(file: &Path) -> bool {
    let inode = format!(":{}", std::fs::metadata(file).unwrap().ino());
    let me = std::process::id().to_string();
    std::fs::read_to_string("/proc/locks").unwrap().lines().any(|line| {
        let mut fields = line.split_whitespace().skip(4);
        fields.next() == Some(&me) && fields.next().is_some_and(|place| place.ends_with(&inode))
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_handle_closed_here_leaves_the_locks_of_another() {
    // A process that closes any descriptor of a file drops all its locks on it.
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for _ in 0..2 {
        assert!(has_lock(store.file()));
        let other = SqliteStore::open(folder.path()).unwrap();
        assert!(has_lock(store.file()));
        drop(other);
    }
}

/// Time this thread has spent on a processor.
#[cfg(target_os = "linux")]
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn waiting_costs_next_to_nothing() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (patience, before) = (Duration::from_secs(1), used());
    assert!(!store.changed(&run(), 0, patience).await.unwrap());
    let spent = used() - before;
    assert!(spent < patience / 20, "{spent:?} of processor time in {patience:?}");
}
