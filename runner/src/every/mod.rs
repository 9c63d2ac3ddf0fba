//! `sluice run --every`: one run that does the same again at every interval until it is told to end. What ticks do is the
//! runbook's; this keeps the time, the count and one line on disk, and tells systemd that it lives.

mod grid;
mod lines;
mod place;
mod site;
mod supervisor;
mod told;

use std::io;
use std::pin::pin;
use std::rc::Rc;
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
use lines::Lines;
use place::{FAILED_LINE, Place};
use site::{Failure, Site};
use supervisor::Watchdog;
use told::{Ears, Told};

/// A machine that does nothing but look at itself would see itself.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A tick that goes on when the process is told to end is waited for that long.
const GRACE: Duration = Duration::from_secs(10);

/// And so long is whoever reads what was printed last.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Until files are read and secrets fetched.
const OPENING: Duration = Duration::from_secs(120);

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
    /// Moments that had come while a tick still went on, or the machine slept.
    skipped: u64,
    /// Lines that nobody read in time.
    unread: u64,
    reloads: u64,
    last_tick: Option<String>,
    took_ms: u64,
    /// Since when every tick has failed, and why the last one did.
    failing_since: Option<String>,
    why: Option<String>,
    next: String,
}

/// One that failed, as it is kept. Whole only where it is the first for its reason, and not too large.
#[derive(Serialize)]
struct FailedTick<'a> {
    at: &'a str,
    took_ms: u64,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
}

pub(crate) fn run(context: &Context, order: &Order) -> Result<Exit> {
    if !(SHORTEST..=LONGEST).contains(&order.every) {
        let (least, most) = (format_duration(SHORTEST), format_duration(LONGEST));
        return Err(CommandError::usage(format!("`--every` is between {least} and {most}")));
    }
    context.block_on(ticks(context, order))?
}

/// Until it is told to end. What it was told to read anew counts when all of it could be read.
async fn ticks(first: &Context, order: &Order) -> Result<Exit> {
    let run = new_run()?;
    let mut ears = Ears::open().map_err(|error| CommandError::failed(format!("cannot listen for signals: {error}")))?;
    let Some(mut site) = opened(first, &run, order, &mut ears).await? else { return Ok(Exit::DONE) };
    let mut teller = Teller::new(first, order, &run, site.runbook())?;
    teller.begin(first);
    while teller.until_told(&mut site, &mut ears).await? == Told::Reload {
        supervisor::reloading();
        teller.watchdog.expects(OPENING);
        match opened(first, &run, order, &mut ears).await {
            Ok(Some(mut anew)) => {
                anew.goes_on_from(&site);
                site = anew;
                teller.status.reloads += 1;
                teller.say("read anew: runbook, inventory, secrets");
            }
            Ok(None) => break,
            Err(error) => {
                error.show(&first.screen.err);
                teller.say("what was read before goes on");
            }
        }
        supervisor::ready();
    }
    supervisor::ending();
    teller.lines.end(READ_WITHIN);
    teller.words.end(READ_WITHIN);
    Ok(Exit::DONE)
}

/// All there is to read, read now; nothing when it is told to end meanwhile.
async fn opened(first: &Context, run: &RunId, order: &Order, ears: &mut Ears) -> Result<Option<Site>> {
    loop {
        let context = Rc::new(first.anew());
        tokio::select! {
            biased;
            told = ears.next() => if told == Told::End { return Ok(None) },
            site = Site::open(context, run, &order.runbook, &order.inputs) => return site.map(Some),
        }
    }
}

/// Counts, and says what changes.
struct Teller {
    grid: Grid,
    every: Duration,
    place: Place,
    lines: Lines,
    /// On standard error.
    words: Lines,
    watchdog: Watchdog,
    status: Status,
    /// That lines are lost has been said.
    told_unread: bool,
    /// Why lines could not be printed, once that has been said.
    unprinted: Option<String>,
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
            unread: 0,
            reloads: 0,
            last_tick: None,
            took_ms: 0,
            failing_since: None,
            why: None,
            next: String::new(),
        };
        let open = |write: fn(&str) -> io::Result<()>| {
            Lines::open(write).map_err(|error| CommandError::failed(format!("cannot start a thread: {error}")))
        };
        let to_words = |text: &str| {
            views::err(text);
            Ok(())
        };
        let (lines, words) = (open(views::out)?, open(to_words)?);
        Ok(Self {
            grid: Grid::new(order.every),
            every: order.every,
            place,
            lines,
            words,
            watchdog: Watchdog::start(order.every),
            status,
            told_unread: false,
            unprinted: None,
            unwritten: None,
            screen: context.screen.clone(),
        })
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

    async fn until_told(&mut self, site: &mut Site, ears: &mut Ears) -> Result<Told> {
        loop {
            let now = WallClock.now();
            let slot = self.grid.after(self.grid.slot(now));
            let wait = self.grid.start(slot).since(now);
            let due = Due { slot, since_boot: WallClock.since_boot() + wait };
            self.watchdog.expects(wait + site::longest(self.every) + GRACE);
            tokio::select! {
                biased;
                told = ears.next() => return Ok(told),
                error = self.lines.wrong() => { self.unwritable(error)?; continue }
                () = until(self.grid.start(slot)) => {}
            }
            if let Some(told) = self.tick(site, due, ears).await? {
                return Ok(told);
            }
        }
    }

    /// What it was told meanwhile is done after the tick.
    async fn tick(&mut self, site: &mut Site, due: Due, ears: &mut Ears) -> Result<Option<Told>> {
        let (began, at) = (WallClock.since_boot(), WallClock.now());
        let mut told = None;
        let mut done = site.tick(hurry(ears, site::longest(self.every), &mut told)).await;
        site.carry(&mut done.outputs);
        let took = WallClock.since_boot().saturating_sub(began);
        self.status.ticks += 1;
        self.status.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // Of a machine that slept through its moment it is the one it woke up in.
        self.status.last_tick = Some(time(self.grid.start(due.slot.max(self.grid.slot(at)))));
        match &done.failure {
            None => self.well(),
            Some(failure) => self.ill(failure),
        }
        self.show(&done.outputs);
        self.status.skipped += self.grid.missed(WallClock.since_boot().saturating_sub(due.since_boot));
        self.written(self.grid.start(self.grid.after(self.grid.slot(WallClock.now()))));
        Ok(told)
    }

    /// Without a reader there is nothing to go on for; a file on a full disk may have room again.
    fn unwritable(&mut self, error: io::Error) -> Result<()> {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Err(error.into());
        }
        self.status.unread += 1;
        let error = error.to_string();
        if self.unprinted.as_ref() != Some(&error) {
            self.say(&format!("standard output cannot be written, and lines are lost: {error}"));
            self.unprinted = Some(error);
        }
        Ok(())
    }

    fn show(&mut self, outputs: &Map<String, Value>) {
        let text = match shown(outputs, &self.screen.out) {
            Ok(text) => text,
            Err(error) => return self.say(&format!("what the tick gives cannot be shown: {error}")),
        };
        if text.is_none_or(|text| self.lines.add(text)) {
            self.told_unread = false;
            return;
        }
        self.status.unread += 1;
        if !std::mem::replace(&mut self.told_unread, true) {
            self.say("nobody reads standard output; lines are lost until somebody does, and ticks go on");
        }
    }

    fn well(&mut self) {
        if let Some(since) = self.status.failing_since.take() {
            self.status.why = None;
            self.say(&format!("well again; it had failed since {since}"));
        }
    }

    /// Kept, and said once for each reason.
    fn ill(&mut self, failure: &Failure) {
        self.status.failed += 1;
        let at = self.status.last_tick.clone().unwrap_or_default();
        let (took_ms, why) = (self.status.took_ms, failure.why.as_str());
        let new = !self.status.why.as_deref().is_some_and(|before| is_the_same(before, why));
        let report = failure.report.as_ref().filter(|_| new);
        let kept =
            kept_line(FailedTick { at: &at, took_ms, why, report }).and_then(|line| self.place.add_failed(&line));
        if new {
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
        supervisor::status(&format!("{ticks} ticks, {failed} failed, {skipped} skipped{}", visible(&why)));
    }

    fn say(&self, text: &str) {
        // That nobody reads it either is said to nobody.
        self.words.add(views::live::said(&self.screen.err, &visible(text)));
    }
}

/// The moment of a tick, also on the clock that cannot be set.
#[derive(Clone, Copy)]
struct Due {
    slot: Slot,
    since_boot: Duration,
}

/// Why nobody waits for the tick any more. Being told to read anew is no reason.
async fn hurry(ears: &mut Ears, longest: Duration, told: &mut Option<Told>) -> &'static str {
    let mut too_long = pin!(tokio::time::sleep(longest));
    loop {
        tokio::select! {
            () = &mut too_long => return "it took too long",
            heard = ears.next() => *told = Some(heard),
        }
        if *told == Some(Told::End) {
            tokio::time::sleep(GRACE.min(longest)).await;
            return "the process was told to end, and it took too long";
        }
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
fn shown(outputs: &Map<String, Value>, out: &Stream) -> io::Result<Option<String>> {
    if out.terminal {
        return Ok(Some(views::outcome::outputs_of(outputs, out)));
    }
    let mut values = outputs.values();
    let line = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => serde_json::to_string(only),
        (Some(_), Some(_)) => serde_json::to_string(outputs),
    };
    line.map(|line| Some(line + "\n")).map_err(io::Error::other)
}

fn kept_line(tick: FailedTick<'_>) -> io::Result<String> {
    let line = serde_json::to_string(&tick).map_err(io::Error::other)?;
    if line.len() <= FAILED_LINE {
        return Ok(line);
    }
    let why: String = tick.why.chars().take(FAILED_LINE / 8).collect();
    serde_json::to_string(&FailedTick { report: None, why: &why, ..tick }).map_err(io::Error::other)
}

/// The same order has the same name, whoever gives it.
fn name(order: &Order, runbook: &str) -> String {
    let mut given: Vec<String> = order.inputs.iter().map(|pair| format!("{}={}", pair.name(), pair.value())).collect();
    given.sort();
    let text = [order.runbook.clone(), format_duration(order.every)].into_iter().chain(given).collect::<Vec<_>>();
    let hash = Sha256::of(text.join("\n").as_bytes()).to_string();
    format!("{runbook}-{}", hash.chars().take(8).collect::<String>())
}
