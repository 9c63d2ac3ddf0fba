//! What collecting the metrics of a node costs the node, each way beside one real server under traffic: the node build of the
//! product, a shell script with curl and jq, and collectd where it is installed. `cargo lab weigh` builds it and runs it.

mod gauge;
mod order;
mod ways;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sluice_lab::{Lab, Load, Options};

use gauge::{Cost, Outcome};
use ways::Way;

/// Polls of a day, one every thirty seconds.
const A_DAY: f64 = 2_880.0;

/// The bars: processor time of a poll and memory of the collector, size of the program.
const CPU_MS: f64 = 1.5;
const RSS_MIB: f64 = 10.0;
const SIZE_MB: f64 = 8.0;

/// What collecting the metrics of a node costs the node
#[derive(Parser)]
#[command(name = "cargo lab weigh")]
struct Args {
    /// The product as nodes have it
    #[arg(long, value_name = "PATH", hide = true)]
    sluice: PathBuf,

    /// How many polls of each, one a second
    #[arg(long, value_name = "N", default_value_t = 60)]
    polls: u64,

    /// Fail where the product is over its bar
    #[arg(long)]
    check: bool,

    /// Weigh nothing; write down which functions polls run, for the linker
    #[arg(long)]
    order: bool,
}

fn main() -> ExitCode {
    weigh(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn weigh(args: &Args) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let lab = runtime.block_on(async {
        let lab = Lab::up(Options::default()).await?;
        lab.wait_healthy(Duration::from_secs(120)).await?;
        lab.load(Load { rate: 50, ..Load::steady() }).await?;
        sluice_lab::Result::Ok(lab)
    })?;
    // collectd writes into no folder whose name begins with a dot.
    let folder = tempfile::Builder::new().prefix("weigh-").tempdir()?;
    if args.order {
        order::write(&lab, &args.sluice, folder.path())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    for way in Way::all() {
        let weighed = way
            .start(&lab, &args.sluice, folder.path())
            .and_then(|started| started.map(|started| gauge::watch(started, args.polls)).transpose());
        match weighed {
            Ok(Some(cost)) => rows.push((way, cost)),
            Ok(None) => println!("{}: not installed here (Debian: apt-get install collectd-core libyajl2)", way.name()),
            Err(error) => println!("{}: left out: {error}", way.name()),
        }
    }
    let size = std::fs::metadata(&args.sluice)?.len() as f64 / 1e6;
    Ok(if shown(&rows, size) || !args.check { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints it; whether the product is below its bars.
fn shown(rows: &[(Way, Cost)], size: f64) -> bool {
    let own = rows.iter().find(|(way, _)| *way == Way::Sluice).map(|(_, cost)| cost);
    println!(
        "\n{:<10} {:>6} {:>9} {:>7} {:>17} {:>8} {:>9} {:>9}",
        "", "polls", "CPU", "ratio", "memory, MiB", "peak", "a poll", "a day"
    );
    for (way, cost) in rows {
        let ratio = own.map_or(1.0, |own| cost.cpu_ms / own.cpu_ms);
        println!(
            "{:<10} {:>6} {:>6.2} ms {:>6.1}x {:>7.1} then {:>4.1} {:>8.1} {:>7.0} B {:>6.1} MB",
            way.name(),
            cost.polls,
            cost.cpu_ms,
            ratio,
            cost.first_mib,
            cost.last_mib,
            cost.peak_mib,
            cost.bytes,
            cost.bytes * A_DAY / 1e6,
        );
    }
    println!("\nthe program: {size:.1} MB; what is written is bounded and renamed: at most three files of 8 MiB");
    let Some(own) = own else { return false };
    let bars = [
        ("CPU of a poll, ms", own.cpu_ms, CPU_MS),
        ("memory, MiB", own.last_mib, RSS_MIB),
        ("program, MB", size, SIZE_MB),
    ];
    for (what, found, bar) in bars {
        println!("{} {what}: {found:.2}, at most {bar}", if found <= bar { "ok  " } else { "OVER" });
    }
    bars.iter().all(|(_, found, bar)| found <= bar)
}
