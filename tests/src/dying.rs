//! `sluice`, killed (SIGKILL, by itself) before or after its n-th append: `DIES_BEFORE=n` or `DIES_AFTER=n`.
//!
//! The product has no test mode; this is another program, made of the same library with a store around its store.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{
    AppendError, Blobs, Durability, Filter, HeldLock, Index, IndexEntry, Journal, Locks, Page, Record, Schedules,
    Store, StoreError, Take, Timestamp, Version,
};

fn main() -> ExitCode {
    sluice::main_around(|inner| Arc::new(Dying { inner, appends: AtomicU32::new(0), at: At::of_environment() }))
}

/// A store whose process dies around one of its appends.
struct Dying {
    inner: Arc<dyn Store>,
    appends: AtomicU32,
    at: At,
}

/// Which append; counts from 1, and 0 is none.
struct At {
    before: u32,
    after: u32,
}

impl At {
    fn of_environment() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { before: number("DIES_BEFORE"), after: number("DIES_AFTER") }
    }
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
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.at.before {
            die();
        }
        let appended = self.inner.append(run, expected, records, durability).await;
        if number == self.at.after {
            die();
        }
        appended
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
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
    Locks {
        take(name: &str, run: &RunId, lease: Duration, now: Timestamp) -> Take;
        renew(name: &str, run: &RunId, lease: Duration, now: Timestamp) -> bool;
        release(name: &str, run: &RunId) -> ();
        break_lock(name: &str, generation: u64) -> bool;
        held() -> Vec<HeldLock>;
    }
    Index {
        put(entry: &IndexEntry) -> ();
        get(run: &RunId) -> Option<IndexEntry>;
        list(filter: &Filter, page: Page) -> Vec<IndexEntry>;
        waiting(until: Timestamp) -> Vec<IndexEntry>;
        journals() -> Vec<RunId>;
    }
    Schedules {
        claim(fire: &str, now: Timestamp) -> bool;
    }
    Blobs {
        put_blob(bytes: &[u8]) -> Sha256;
        get_blob(hash: &Sha256) -> Option<Vec<u8>>;
    }
}
