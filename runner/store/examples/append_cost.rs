//! What an append costs, beside what the disk and SQLite themselves cost in the same run:
//! `cargo run --release -p sluice-store --example append_cost [FOLDER]`. FOLDER is on the disk to measure, the system's
//! folder for temporary files by default. Times are of the clock, in microseconds.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{Durability, Journal as _, Record, Version};
use sluice_store::SqliteStore;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A usual event.
const BYTES: usize = 300;
const LAZY: usize = 20_000;
const SYNC: usize = 500;

fn main() -> Outcome {
    let above = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = above.join(format!("sluice-append-cost-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let measured = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure(folder: &Path) -> Outcome {
    println!("{BYTES} bytes each; microseconds         p50      mean       p99");
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("raw"))?;
    print("write", LAZY, || write(&mut file))?;
    let disk = print("write + fdatasync", SYNC, || write(&mut file).and_then(|()| Ok(file.sync_data()?)))?;

    let plain = plain_table(&folder.join("plain.sqlite"))?;
    let lazy_floor = print("one row, plain SQLite, NORMAL", LAZY, || insert(&plain))?;
    plain.execute_batch("PRAGMA synchronous = FULL")?;
    let sync_floor = print("one row, plain SQLite, FULL", SYNC, || insert(&plain))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = SqliteStore::open(&folder.join("store"))?;
    let mut journal = Appender { store: &store, run: RunId::new(1_700_000_000_000, [1; 10]), end: Version::START };
    let lazy = print("lazy append", LAZY, || runtime.block_on(journal.append(Durability::Lazy)))?;
    let sync = print("sync append", SYNC, || runtime.block_on(journal.append(Durability::Sync)))?;
    print("lazy, then sync append", SYNC, || {
        runtime.block_on(journal.append(Durability::Lazy))?;
        runtime.block_on(journal.append(Durability::Sync))
    })?;
    println!();
    println!("lazy append: {:.2} x plain SQLite", ratio(lazy, lazy_floor));
    println!("sync append: {:.2} x plain SQLite, {:.2} x fdatasync", ratio(sync, sync_floor), ratio(sync, disk));
    Ok(())
}

/// Measures and prints; gives the median.
fn print(what: &str, times: usize, mut work: impl FnMut() -> Outcome) -> Outcome<Duration> {
    let mut spent = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        work()?;
        spent.push(started.elapsed());
    }
    let mean = spent.iter().sum::<Duration>() / u32::try_from(times)?;
    spent.sort_unstable();
    let at = |part: usize| spent.get(times * part / 100).copied().unwrap_or_default();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{what:<32} {:>9.1} {:>9.1} {:>9.1}", micros(at(50)), micros(mean), micros(at(99)));
    Ok(at(50))
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}

fn write(file: &mut File) -> Outcome {
    Ok(file.write_all(&[7; BYTES])?)
}

/// The least a durable list in SQLite can be: no conditions, no hashes, no names.
fn plain_table(file: &Path) -> Outcome<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE rows (id INTEGER PRIMARY KEY, bytes BLOB)",
    )?;
    Ok(connection)
}

fn insert(connection: &Connection) -> Outcome {
    connection.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)")?.execute(params![[7_u8; BYTES].as_slice()])?;
    Ok(())
}

struct Appender<'a> {
    store: &'a SqliteStore,
    run: RunId,
    end: Version,
}

impl Appender<'_> {
    async fn append(&mut self, durability: Durability) -> Outcome {
        // Hashing is the engine's work and not measured; the store takes the hash as it is.
        let ordinal = self.end.ordinal + 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&ordinal.to_be_bytes());
        let record = Record { ordinal, hash: Sha256::from_bytes(hash), bytes: vec![7; BYTES] };
        self.end = self.store.append(&self.run, self.end, &[record], durability).await?;
        Ok(())
    }
}
