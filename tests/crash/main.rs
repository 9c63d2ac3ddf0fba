//! A replacement on labs with traffic, its process killed by SIGKILL around every event, taken up again, and judged by
//! what the labs recorded. `cargo lab crash` builds it and runs it; what one story is stands in the driver.

mod driver;
mod table;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use futures::future::join_all;
use tokio::signal::unix::{SignalKind, signal};

use driver::book::{self, Book};
use driver::desk::Programs;
use driver::point::{self, Appends, Point};
use driver::stage::Stage;
use driver::{Because, Outcome};
use table::Row;

/// Kill a replacement of a node around every event of its journal, and take it up again
#[derive(Parser)]
#[command(name = "cargo lab crash")]
struct Args {
    /// The product as shipped
    #[arg(long, value_name = "PATH", hide = true)]
    sluice: PathBuf,

    /// The same, dying around an append
    #[arg(long, value_name = "PATH", hide = true)]
    dying: PathBuf,

    /// A shipped runbook that replaces a node: `replace-node`, or `rolling-replace` of this node alone
    #[arg(value_name = "RUNBOOK", default_value = "replace-node")]
    runbook: String,

    /// Where to kill: `one-each` for each step and kind of event, `all` for both sides of every append, or so many of all
    #[arg(long, value_name = "WHICH", default_value = "one-each")]
    points: Which,

    /// Begin with this point of the list
    #[arg(long, value_name = "K", default_value_t = 1)]
    from: usize,

    /// Only points with this number of the list, or with this in their name; may be given more than once
    #[arg(long, value_name = "WHICH")]
    only: Vec<String>,

    /// Labs side by side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    labs: u8,

    /// Messages per second, all the time, in each lab
    #[arg(long, value_name = "N", default_value_t = 300)]
    rate: u32,

    /// The runbook as shipped, with its waits
    #[arg(long)]
    as_shipped: bool,

    /// Say which points there are, and kill nothing
    #[arg(long)]
    list: bool,
}

impl Args {
    fn wants(&self, number: usize, point: &Point) -> bool {
        let is = |only: &String| match only.parse::<usize>() {
            Ok(wanted) => wanted == number,
            Err(_) => point.to_string().contains(only),
        };
        number >= self.from && (self.only.is_empty() || self.only.iter().any(is))
    }
}

#[derive(Clone, Copy)]
enum Which {
    OneEach,
    All,
    Some(usize),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "one-each" => Ok(Self::OneEach),
            "all" => Ok(Self::All),
            number => number.parse().map(Self::Some).map_err(|_| "say one-each, all or a number".to_owned()),
        }
    }
}

impl Which {
    fn of(self, appends: &Appends) -> Vec<Point> {
        match self {
            Self::OneEach => point::one_each(appends),
            Self::All => point::all(appends),
            Self::Some(count) => point::some(point::all(appends), count),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().because("runtime").and_then(|runtime| {
            runtime.block_on(async {
                // What was begun is dropped then: each lab and each process goes with it.
                tokio::select! {
                    done = crash(&args) => done,
                    stopped = told_to_end() => stopped.and(Err("stopped; the labs are down".to_owned())),
                }
            })
        });
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

async fn told_to_end() -> Outcome {
    let mut kinds = [SignalKind::interrupt(), SignalKind::terminate()]
        .into_iter()
        .map(|kind| signal(kind).because("signals"))
        .collect::<Outcome<Vec<_>>>()?;
    futures::future::select_all(kinds.iter_mut().map(|kind| Box::pin(kind.recv()))).await;
    Ok(())
}

/// What all labs share.
struct Work<'a> {
    args: &'a Args,
    book: Book,
    began: Instant,
    of: usize,
    left: Mutex<VecDeque<(usize, Point)>>,
    rows: Mutex<Vec<Row>>,
}

async fn crash(args: &Args) -> Outcome<ExitCode> {
    let book = book::shipped(&args.runbook)?;
    let book = if args.as_shipped { book } else { book::shorter(book)? };
    let began = Instant::now();
    let first = up(args, &book).await?;
    eprintln!("[{:>6.1} s] a run that nobody kills tells which points there are", began.elapsed().as_secs_f64());
    let appends = first.appends(1).await?;
    let chosen = args.points.of(&appends).into_iter().enumerate().map(|(n, point)| (n + 1, point));
    let left: VecDeque<_> = chosen.filter(|(number, point)| args.wants(*number, point)).collect();
    eprintln!("[{:>6.1} s] {} appends, {} points", began.elapsed().as_secs_f64(), appends.len(), left.len());
    if args.list {
        left.iter().for_each(|(n, point)| println!("{n:>4}  {point}"));
        return Ok(ExitCode::SUCCESS);
    }
    let of = left.iter().map(|(n, _)| *n).max().unwrap_or_default();
    let work = Work { args, book, began, of, left: Mutex::new(left), rows: Mutex::default() };
    let others = (1..args.labs).map(|_| None);
    let labs = [Some(first)].into_iter().chain(others).map(|stage| play(&work, stage));
    join_all(labs).await.into_iter().collect::<Outcome<()>>()?;
    let mut rows = std::mem::take(&mut *guard(&work.rows));
    rows.sort_by_key(|row| row.number);
    print!("{}", table::shown(&rows));
    println!("{}", table::summary(&rows, began.elapsed()));
    Ok(if rows.iter().all(|row| row.told.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn up(args: &Args, book: &Book) -> Outcome<Stage> {
    let programs = Programs { shipped: args.sluice.clone(), dying: args.dying.clone() };
    Stage::up(programs, book.clone(), args.rate).await
}

/// One lab: a point after the other, on its three nodes in turns. After a bad end it is another lab.
async fn play(work: &Work<'_>, mut stage: Option<Stage>) -> Outcome {
    let mut node = 1;
    loop {
        let next = guard(&work.left).pop_front();
        let Some((number, point)) = next else { break };
        let on = match stage.take() {
            Some(stage) => stage,
            None => up(work.args, &work.book).await?,
        };
        node = node % 3 + 1;
        let told = on.play(&point, node).await;
        let row = Row { number, point, lab: on.name().to_owned(), node, told };
        eprintln!("[{:>6.1} s] {number} of {}  {}", work.began.elapsed().as_secs_f64(), work.of, row.line());
        match row.told {
            Ok(_) => stage = Some(on),
            Err(_) => on.down()?,
        }
        guard(&work.rows).push(row);
    }
    stage.map_or(Ok(()), Stage::down)
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
