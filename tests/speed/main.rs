//! How fast the product is, beside its peers and its floors, all measured in one run on one machine: rows 1 to 6 of the
//! design's table. `cargo lab bench` builds it, installs the peer it needs, and runs it.

mod acts;
mod cold;
mod floor;
mod http;
mod meter;
mod native;
mod sandbox;
mod server;
mod spawn;
mod steps;
mod table;
mod toys;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use table::Row;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Measure the product beside its peers
#[derive(Parser)]
#[command(name = "cargo lab bench")]
struct Args {
    /// The program to measure, a release build
    #[arg(long, value_name = "PATH", hide = true)]
    sluice: PathBuf,

    /// Its peer at starting
    #[arg(long, value_name = "PATH", hide = true)]
    just: PathBuf,

    /// Runs of each program, taken in turns
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..))]
    runs: u16,

    /// Print one JSON document
    #[arg(long)]
    json: bool,

    /// End with exit code 1 when a bar is not met
    #[arg(long)]
    check: bool,

    /// Measure only these rows of the design's table
    #[arg(value_name = "ROW", value_parser = clap::value_parser!(u8).range(1..=6))]
    rows: Vec<u8>,
}

/// What every row needs.
struct Bench {
    sluice: PathBuf,
    just: PathBuf,
    runs: usize,
    /// Removed at the end; on the disk of the build.
    folder: PathBuf,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    match words.next() {
        Some(word) if word == meter::VERB => return meter::main(words),
        Some(word) if word == acts::VERB => return acts::main(words),
        _ => {}
    }
    match bench(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn bench(args: &Args) -> Outcome<ExitCode> {
    let own = std::env::current_exe()?;
    let beside = own.parent().ok_or("this program has no folder")?;
    let folder = tempfile::Builder::new().prefix("speed-").tempdir_in(beside)?;
    let bench = Bench {
        sluice: args.sluice.canonicalize()?,
        just: args.just.canonicalize()?,
        runs: args.runs.into(),
        folder: folder.path().to_owned(),
    };
    let rows = measure(&bench, &args.rows)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&table::document(&rows))?);
    } else {
        print!("{}", table::text(&rows));
    }
    let met = rows.iter().all(|row| row.met() != Some(false));
    Ok(if args.check && !met { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(bench: &Bench, wanted: &[u8]) -> Outcome<Vec<Row>> {
    let wants = |row: u8| wanted.is_empty() || wanted.contains(&row);
    let mut rows = Vec::new();
    if wants(1) {
        eprintln!("row 1: {} runs of each program", bench.runs);
        rows.extend(cold::rows(bench)?);
    }
    if wants(2) {
        eprintln!("row 2: {} steps and as many gates, {} times", native::STEPS, native::ROUNDS);
        rows.extend(steps::rows(bench)?);
    }
    if wants(3) {
        eprintln!("row 3: acts that may happen once only, and two synced appends");
        rows.extend(acts::rows(bench)?);
    }
    if wants(4) {
        eprintln!("row 4: a thousand processes");
        rows.extend(spawn::rows(bench)?);
    }
    if wants(5) {
        eprintln!("row 5: {} runs of each program", bench.runs);
        rows.extend(http::rows(bench)?);
    }
    if wants(6) {
        eprintln!("row 6: the same steps in both homes of a plugin");
        rows.extend(sandbox::rows(bench)?);
    }
    Ok(rows)
}

impl Bench {
    fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// The product in a home of its own. Nothing of the caller's environment reaches it.
    fn sluice(&self, home: &Path, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.sluice);
        command.args(words).current_dir(home).env_clear().env("HOME", home).env("LANG", "C.UTF-8");
        command
    }
}
