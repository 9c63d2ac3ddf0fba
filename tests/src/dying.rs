//! `sluice`, killed (SIGKILL, by itself) before or after its n-th append: `DIES_BEFORE=n` or `DIES_AFTER=n`; n is a number
//! or `KEY:KIND:N`, the append that holds the N-th event of this kind about this step. With `APPENDS_TO=FILE` each append
//! is a line there, of its events, before it is made. With `LEASE_MS=n` it is taken for gone when it is not heard of for
//! so long.
//!
//! The product has no test mode; this is another program, made of the same library with a store around its store.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Beside, Blobs, Breach, Durability, Filter, Holder, Index, IndexEntry, Journal, Keep, Lock, Locks,
    Page, Record, Schedules, Store, StoreError, Timestamp, Version,
};

fn main() -> ExitCode {
    sluice::main_around(|inner| Arc::new(Dying { inner, seen: Mutex::default(), at: At::of_environment() }))
}

/// A store whose process dies around one of its appends.
struct Dying {
    inner: Arc<dyn Store>,
    seen: Mutex<Seen>,
    at: At,
}

/// What was appended so far.
#[derive(Default)]
struct Seen {
    appends: u32,
    /// By `KEY:KIND`.
    events: BTreeMap<String, u32>,
}

impl Seen {
    /// All names of the next append: its number, and `KEY:KIND:N` of each of its events.
    fn next(&mut self, records: &[Record]) -> Vec<String> {
        self.appends += 1;
        let mut names = vec![self.appends.to_string()];
        for record in records {
            let name = name_of(record);
            let count = self.events.entry(name.clone()).or_default();
            *count += 1;
            names.push(format!("{name}:{count}"));
        }
        names
    }
}

/// `KEY:KIND`. An event about no step has no key, and neither has one whose body is kept elsewhere.
fn name_of(record: &Record) -> String {
    let document: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap_or_default();
    let text = |pointer| document.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    format!("{}:{}", text("/body/key"), text("/kind"))
}

/// Which append, by one of its names.
struct At {
    before: Option<String>,
    after: Option<String>,
}

impl At {
    fn of_environment() -> Self {
        Self { before: std::env::var("DIES_BEFORE").ok(), after: std::env::var("DIES_AFTER").ok() }
    }
}

/// For whoever chooses where to die. It is written before the append: the process may not live longer.
fn note(names: &[String]) {
    let Some(path) = std::env::var_os("APPENDS_TO") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // Who reads it misses the line.
    let _ = file.and_then(|mut file| writeln!(file, "{}", names.join(" ")));
}

/// Nothing is flushed, dropped or told.
fn die() -> ! {
    // Cannot fail: it is this process.
    let _ = kill(Pid::this(), Signal::SIGKILL);
    std::process::abort()
}

#[async_trait]
impl Journal for Dying {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        self.append_beside(run, expected, records, durability, &Beside::default()).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

#[async_trait]
impl Store for Dying {
    async fn append_beside(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
        beside: &Beside<'_>,
    ) -> Result<Version, AppendError> {
        let names = self.seen.lock().unwrap_or_else(PoisonError::into_inner).next(records);
        let is = |at: &Option<String>| at.as_ref().is_some_and(|at| names.contains(at));
        note(&names);
        if is(&self.at.before) {
            die();
        }
        let appended = self.inner.append_beside(run, expected, records, durability, beside).await;
        if is(&self.at.after) {
            die();
        }
        appended
    }
}

#[async_trait]
impl Locks for Dying {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.inner.look(name).await
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        let holder = Holder { lease_until: lease(holder.lease_until), ..holder.clone() };
        self.inner.take(name, seen, &holder).await
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        self.inner.renew(name, generation, Keep { lease_until: lease(keep.lease_until), ..keep }).await
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.inner.release(name, generation).await
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        self.inner.break_lock(name, generation, breach).await
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.inner.held().await
    }
}

/// The wish, or what `LEASE_MS` says.
fn lease(wish: Timestamp) -> Timestamp {
    let short = std::env::var("LEASE_MS").ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    short.map_or(wish, |short| Timestamp(i64::try_from((now + short).as_millis()).unwrap_or(i64::MAX)))
}

/// The other traits as the store has them.
macro_rules! forward {
    ($($part:ident { $($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)* })*) => {
        $(#[async_trait]
        impl $part for Dying {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$result, StoreError> {
                self.inner.$name($($argument),*).await
            })*
        })*
    };
}

forward! {
    Index {
        put(entry: &IndexEntry) -> ();
        get(run: &RunId) -> Option<IndexEntry>;
        list(filter: &Filter, page: Page) -> Vec<IndexEntry>;
        waiting(until: Timestamp) -> Vec<IndexEntry>;
        journals() -> Vec<RunId>;
        beat(run: &RunId, until: Option<Timestamp>) -> ();
        lease(run: &RunId) -> Option<Timestamp>;
    }
    Schedules {
        claim(fire: &str, now: Timestamp) -> bool;
    }
    Blobs {
        put_blob(bytes: &[u8]) -> Sha256;
        get_blob(hash: &Sha256) -> Option<Vec<u8>>;
    }
}
