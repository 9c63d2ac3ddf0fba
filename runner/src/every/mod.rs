//! `sluice run --every`: one run that does the same again at every interval until it is told to end. What ticks do is the
//! runbook's; this keeps the time, the count and one line on disk, and tells systemd that it lives.

mod grid;
mod place;
mod site;
mod supervisor;
mod told;

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::run::Clock as _;
use sluice_plugin::{Timestamp, format_duration};

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::launch::new_run;
use crate::paths;
use crate::prepare::Pair;
use crate::report::{Report, time};
use crate::screen::{Screen, Stream};
use crate::views;

use grid::{Grid, Slot};
use place::Place;
use site::{Failure, Site};
use told::{Ears, Told};

/// A machine that does nothing but look at itself would see itself.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A tick that goes on when the process is told to end is waited for that long.
const GRACE: Duration = Duration::from_secs(10);

/// What to do, and how often.
pub(crate) struct Order {
    pub(crate) runbook: String,
    pub(crate) inputs: Vec<Pair>,
    pub(crate) every: Duration,
}

/// How it goes, as the line on disk tells it.
#[derive(Clone, Debug, Serialize)]
struct Status {
    run: String,
    runbook: String,
    every: String,
    host: String,
    pid: u32,
    started: String,
    /// When this was written, which is after each tick.
    at: String,
    ticks: u64,
    failed: u64,
    /// Moments that had come while a tick still went on.
    skipped: u64,
    reloads: u64,
    last_tick: Option<String>,
    took_ms: u64,
    /// Since when every tick has failed, and why the last one did.
    failing_since: Option<String>,
    why: Option<String>,
    next: String,
}

/// One that failed, as it is kept.
#[derive(Serialize)]
struct FailedTick<'a> {
    at: String,
    took_ms: u64,
    why: &'a str,
    report: Option<&'a Report>,
}

pub(crate) fn run(context: &Context, order: &Order) -> Result<Exit> {
    if !(SHORTEST..=LONGEST).contains(&order.every) {
        let (least, most) = (format_duration(SHORTEST), format_duration(LONGEST));
        return Err(CommandError::usage(format!("`--every` is between {least} and {most}")));
    }
    context.block_on(ticks(context, order))?
}

/// Until it is told to end. Each round reads everything anew.
async fn ticks(first: &Context, order: &Order) -> Result<Exit> {
    let run = new_run()?;
    let mut ears = Ears::open().map_err(|error| CommandError::failed(format!("cannot listen for signals: {error}")))?;
    let mut context = first.anew();
    let mut site = Site::open(&context, &run, &order.runbook, &order.inputs).await?;
    let mut teller = Teller::new(&context, order, &run, site.runbook())?;
    teller.begin(&context);
    loop {
        match teller.until_told(&mut site, &mut ears).await? {
            Told::End => break,
            Told::Reload => {
                supervisor::reloading();
                let anew = context.anew();
                // Tried before what works is given up.
                match Site::open(&anew, &run, &order.runbook, &order.inputs).await {
                    Ok(tried) => {
                        drop((tried, site));
                        context = anew;
                        site = Site::open(&context, &run, &order.runbook, &order.inputs).await?;
                        teller.status.reloads += 1;
                        context.note("read anew: runbook, inventory, secrets");
                    }
                    Err(error) => {
                        error.show(&context.screen.err);
                        context.note("what was read before goes on");
                    }
                }
                supervisor::ready();
            }
        }
    }
    supervisor::ending();
    Ok(Exit::DONE)
}

/// Counts, and says what changes.
struct Teller {
    grid: Grid,
    every: Duration,
    place: Place,
    status: Status,
    /// What could not be written, as long as it cannot.
    unwritten: Option<String>,
    screen: Screen,
}

impl Teller {
    fn new(context: &Context, order: &Order, run: &RunId, runbook: &str) -> Result<Self> {
        let place = Place::claim(&context.store_folder()?.join("every"), &name(order, runbook))?;
        let status = Status {
            run: run.to_string(),
            runbook: runbook.to_owned(),
            every: format_duration(order.every),
            host: crate::owners::hostname(),
            pid: std::process::id(),
            started: time(WallClock.now()),
            at: String::new(),
            ticks: 0,
            failed: 0,
            skipped: 0,
            reloads: 0,
            last_tick: None,
            took_ms: 0,
            failing_since: None,
            why: None,
            next: String::new(),
        };
        let grid = Grid::new(order.every);
        Ok(Self { grid, every: order.every, place, status, unwritten: None, screen: context.screen.clone() })
    }

    fn begin(&mut self, context: &Context) {
        let due = self.grid.start(self.grid.after(self.grid.slot(WallClock.now())));
        let (runbook, every) = (&self.status.runbook, &self.status.every);
        context.note(&format!(
            "{runbook} every {every}, first at {}; how it goes: {}; Ctrl-C or SIGTERM ends it, SIGHUP reads everything anew",
            time(due),
            paths::shown(self.place.status()),
        ));
        self.written(due);
        supervisor::ready();
    }

    async fn until_told(&mut self, site: &mut Site<'_>, ears: &mut Ears) -> Result<Told> {
        loop {
            let due = self.grid.after(self.grid.slot(WallClock.now()));
            tokio::select! {
                biased;
                told = ears.next() => return Ok(told),
                () = until(self.grid.start(due)) => {}
            }
            let told = self.tick(site, due, ears).await?;
            if let Some(told) = told {
                return Ok(told);
            }
        }
    }

    /// What it was told meanwhile is done after the tick.
    async fn tick(&mut self, site: &mut Site<'_>, due: Slot, ears: &mut Ears) -> Result<Option<Told>> {
        let began = WallClock.since_boot();
        let longest = site::longest(self.every);
        let mut told = None;
        let hurry = async {
            tokio::select! {
                () = tokio::time::sleep(longest) => "it took too long",
                heard = ears.next() => {
                    told = Some(heard);
                    tokio::time::sleep(GRACE.min(longest)).await;
                    "the process was told to end, and it took too long"
                }
            }
        };
        let mut done = site.tick(hurry).await;
        site.carry(&mut done.outputs);
        let took = WallClock.since_boot().saturating_sub(began);
        self.status.ticks += 1;
        self.status.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.status.last_tick = Some(time(self.grid.start(due)));
        match &done.failure {
            None => self.well(),
            Some(failure) => self.ill(failure),
        }
        match shown(&done.outputs, &self.screen.out) {
            Ok(()) => {}
            // Without a reader there is nothing to go on for; a file on a full disk may have room again.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(error.into()),
            Err(error) => self.say(&format!("standard output cannot be written, and a line is lost: {error}")),
        }
        let now = WallClock.now();
        self.status.skipped += self.grid.missed(due, now);
        self.written(self.grid.start(self.grid.after(self.grid.slot(now))));
        Ok(told)
    }

    fn well(&mut self) {
        if let Some(since) = self.status.failing_since.take() {
            self.status.why = None;
            self.say(&format!("well again; it had failed since {since}"));
        }
    }

    /// Kept whole, and said once for each reason.
    fn ill(&mut self, failure: &Failure) {
        self.status.failed += 1;
        let at = self.status.last_tick.clone().unwrap_or_default();
        let (took_ms, why) = (self.status.took_ms, failure.why.as_str());
        let kept = self.place.add_failed(&FailedTick { at: at.clone(), took_ms, why, report: failure.report.as_ref() });
        if !self.status.why.as_deref().is_some_and(|before| is_the_same(before, why)) {
            let kept =
                if kept.is_ok() { format!("; more in {}", paths::shown(self.place.failed())) } else { String::new() };
            self.say(&format!("the tick of {at} failed: {why}{kept}"));
        }
        self.status.failing_since.get_or_insert(at);
        self.status.why = Some(why.to_owned());
    }

    /// A disk that is full is said, and nothing else comes of it.
    fn written(&mut self, next: Timestamp) {
        self.status.at = time(WallClock.now());
        self.status.next = time(next);
        let failed = self.place.write(&self.status).err().map(|error| error.to_string());
        match (&failed, &self.unwritten) {
            (Some(error), before) if before.as_ref() != Some(error) => {
                self.say(&format!("cannot write {}: {error}; ticks go on", paths::shown(self.place.status())));
            }
            (None, Some(_)) => self.say(&format!("{} is written again", paths::shown(self.place.status()))),
            (Some(_), _) | (None, None) => {}
        }
        self.unwritten = failed;
        let Status { ticks, failed, skipped, .. } = self.status;
        let why = self.status.why.as_ref().map(|why| format!(", failing: {why}")).unwrap_or_default();
        supervisor::alive(&format!("{ticks} ticks, {failed} failed, {skipped} skipped{}", visible(&why)));
    }

    fn say(&self, text: &str) {
        let sign = views::sign::Sign::Note.on(&self.screen.err);
        views::err(&format!("{sign} {}\n", visible(text)));
    }
}

/// But for times and counts in it.
fn is_the_same(one: &str, other: &str) -> bool {
    let words = |text: &str| text.chars().filter(|char| !char.is_ascii_digit()).collect::<String>();
    words(one) == words(other)
}

/// The sleep may end a moment early; a clock that was set back keeps nobody waiting.
async fn until(due: Timestamp) {
    WallClock.sleep_until(due).await;
    let early = due.since(WallClock.now());
    if early < Duration::from_secs(1) {
        tokio::time::sleep(early).await;
    }
}

/// A person sees what the runbook gives as after any run. Elsewhere it is one line for each tick that gives something: of a
/// single output its value, of several all of them.
fn shown(outputs: &Map<String, Value>, out: &Stream) -> io::Result<()> {
    if out.terminal {
        return views::out(&views::outcome::outputs_of(outputs, out));
    }
    let mut values = outputs.values();
    let line = match (values.next(), values.next()) {
        (None, _) => return Ok(()),
        (Some(only), None) => serde_json::to_string(only),
        (Some(_), Some(_)) => serde_json::to_string(outputs),
    };
    views::out(&(line.map_err(io::Error::other)? + "\n"))
}

/// The same order has the same name, whoever gives it.
fn name(order: &Order, runbook: &str) -> String {
    let mut given: Vec<String> = order.inputs.iter().map(|pair| format!("{}={}", pair.name(), pair.value())).collect();
    given.sort();
    let text = [order.runbook.clone(), format_duration(order.every)].into_iter().chain(given).collect::<Vec<_>>();
    let hash = Sha256::of(text.join("\n").as_bytes()).to_string();
    format!("{runbook}-{}", hash.chars().take(8).collect::<String>())
}
