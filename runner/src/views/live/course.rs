//! The course of a run as a person follows it: which steps are open and what each waits for, and a line for each that
//! ended. It draws nothing; time is given to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::journal::{
    After, CancelHow, Envelope, Event, Found, Item, Key, LockedAt, Loss, Owner, Phase, Ruling, Void,
};
use sluice_engine::machine::Status;
use sluice_engine::machine::path::locate;
use sluice_engine::machine::scope::StepScope;
use sluice_engine::machine::state::Inside;
use sluice_engine::run::{Sample, Watched};
use sluice_engine::runbook::Checked;
use sluice_engine::runbook::checked::{Hold, Kind, Step};
use sluice_plugin::{Problem, Progress, Timestamp, Verdict};

use crate::report::{of_former, time};
use crate::screen::{Stream, Tone};
use crate::views::important;
use crate::views::question;
use crate::views::sign::Sign;
use crate::views::text;

/// Longer addresses push the text to the right.
const WIDEST: usize = 32;
/// Shorter than this nobody waited.
const WORTH_SAYING: Duration = Duration::from_millis(100);

/// What is known of the steps that are open.
#[derive(Default)]
pub(super) struct Course {
    open: BTreeMap<String, Open>,
    /// Of the addresses, so that the texts behind them stand in one column.
    width: usize,
}

/// A step that has begun and not ended.
struct Open {
    began: Instant,
    /// What it is for, until something better is known.
    purpose: String,
    note: Option<String>,
    gate: Option<Waiting>,
    hold: Option<Hold>,
}

struct Waiting {
    why: String,
    streak: u32,
    /// "4,468, about 7 s"
    progress: Option<String>,
    /// For the eye: a countdown on this machine's clock.
    until: Option<Instant>,
}

/// One line about something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) sign: Sign,
    pub(super) key: String,
    /// Escaped.
    pub(super) text: String,
    pub(super) took: Option<Duration>,
}

/// A step in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) key: String,
    /// Escaped.
    pub(super) waits: String,
    pub(super) since: Duration,
}

impl Course {
    pub(super) fn began(&mut self, key: &Key, step: &Step, now: Instant) {
        let (action, hold) = match &step.kind {
            Kind::Use(used) => (used.action.to_string(), None),
            Kind::Gate(gate) => (gate.action.to_string(), Some(gate.passes.hold)),
            Kind::Group(_) | Kind::Call(_) => (String::new(), None),
        };
        // A loop is only called to choose its next item.
        let chooses = step.for_each.is_some() && !key.as_str().ends_with(']');
        let action = if chooses { "choosing what is next".to_owned() } else { action };
        let summary = step.summary.as_deref().filter(|_| !chooses);
        let purpose = visible(summary.unwrap_or(&action)).into_owned();
        let open = Open { began: now, purpose, note: None, gate: None, hold };
        // A step that is tried again began when it was first tried.
        self.open.entry(key.to_string()).or_insert(open);
    }

    /// `now` and `at` are the same moment on two clocks.
    pub(super) fn sampled(&mut self, key: &Key, sample: &Sample, now: Instant, at: Timestamp) {
        if let Some(open) = self.open.get_mut(key.as_str()) {
            let until = now.checked_add(sample.until.since(at));
            let why = visible(&sample.why).into_owned();
            open.gate = Some(Waiting { why, streak: sample.streak, progress: moving(sample), until });
        }
    }

    pub(super) fn progress(&mut self, step: &str, progress: &Progress) {
        if let Some(open) = self.open.get_mut(step) {
            let note = visible(&progress.note);
            let figures = match progress.total {
                Some(total) => format!(" {} of {}", text::count(progress.done), text::count(total)),
                None if progress.done > 0 => format!(" {}", text::count(progress.done)),
                None => String::new(),
            };
            // A note that has figures of its own needs no second ones.
            let told = note.chars().any(|char| char.is_ascii_digit());
            open.note = Some(if told { note.into_owned() } else { format!("{note}{figures}") });
        }
    }

    /// The line about an event, for those that a person wants to hear of.
    pub(super) fn event(&mut self, watched: &Watched<'_>, envelope: &Envelope, now: Instant) -> Option<Line> {
        if self.width == 0 {
            self.width = widest(watched.runbook).min(WIDEST);
        }
        let key = envelope.event.key().map(Key::as_str).unwrap_or_default();
        if let Event::Opened { items, .. } = &envelope.event {
            let longest = items.iter().map(|item| text::width(&item.key)).max().unwrap_or(0);
            self.width = self.width.max((text::width(key) + longest + 2).min(WIDEST));
        }
        if let Event::Called { key, .. } = &envelope.event
            && let Some((runbook, _)) = called(watched, key)
        {
            self.width = self.width.max(widest_in(&runbook, text::width(key.as_str()) + 1).min(WIDEST));
        }
        let (sign, text) = said(watched, envelope)?;
        let stays = matches!(sign, Sign::Again | Sign::Running | Sign::Unknown | Sign::Note);
        let took = match stays {
            true => None,
            false => self.open.remove(key).map(|open| now.saturating_duration_since(open.began)),
        };
        let key = key.trim_end_matches('.').to_owned();
        Some(Line { sign, key, text, took: took.filter(|took| *took >= WORTH_SAYING) })
    }

    /// In the order of their addresses.
    pub(super) fn running(&self, now: Instant) -> Vec<Running> {
        let row = |(key, open): (&String, &Open)| Running {
            key: key.clone(),
            waits: open.waits(now),
            since: now.saturating_duration_since(open.began),
        };
        self.open.iter().map(row).collect()
    }

    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// `✓ greet     hello, world  0.3 s`
    pub(super) fn show(&self, line: &Line, stream: &Stream) -> String {
        let text = match line.sign {
            Sign::Failed | Sign::Stopped | Sign::Again | Sign::Skipped | Sign::Unknown | Sign::Note => {
                stream.paint(line.sign.tone(), &line.text)
            }
            Sign::Done | Sign::Running | Sign::Pending => line.text.clone(),
        };
        let took =
            line.took.map(|took| stream.paint(Tone::Dim, &format!("  {}", text::duration(took)))).unwrap_or_default();
        let key = if line.key.is_empty() { String::new() } else { text::pad(&line.key, self.width) + "  " };
        format!("{} {key}{text}{took}", line.sign.on(stream)).trim_end().to_owned()
    }

    pub(super) fn pad(&self, key: &str) -> String {
        text::pad(key, self.width)
    }
}

impl Open {
    /// "3 of 5 passes, 12 s left: node-2 is 4,468 behind"
    fn waits(&self, now: Instant) -> String {
        let Some(gate) = &self.gate else { return self.note.clone().unwrap_or_else(|| self.purpose.clone()) };
        let passes = match self.hold {
            Some(Hold::Consecutive(wanted)) if wanted > 1 => Some(format!("{} of {wanted} passes", gate.streak)),
            Some(Hold::For(_)) if gate.streak > 0 => Some("passing".to_owned()),
            Some(Hold::Consecutive(_) | Hold::For(_)) | None => None,
        };
        let left = gate.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero());
        let left = left.map(|left| format!("{} left", text::whole(Duration::from_secs(left.as_secs().max(1)))));
        let progress = gate.progress.as_ref().map(|progress| format!("progress {progress}"));
        let head = passes.into_iter().chain(left).chain(progress).collect::<Vec<_>>().join(", ");
        let note = self.note.as_ref().unwrap_or(&gate.why);
        if head.is_empty() { note.clone() } else { format!("{head}: {note}") }
    }
}

/// What `progress` is, and when it will be at zero.
fn moving(sample: &Sample) -> Option<String> {
    let value = match sample.progress.as_ref()? {
        Value::String(text) => visible(text).into_owned(),
        number => number.as_u64().map_or_else(|| number.to_string(), text::count),
    };
    let left = sample.left.map(|left| Duration::from_secs(left.as_secs().max(1)));
    Some(left.map_or_else(|| value.clone(), |left| format!("{value}, about {}", text::whole(left))))
}

fn said(watched: &Watched<'_>, envelope: &Envelope) -> Option<(Sign, String)> {
    let again = |key: &Key| backoff(watched, key, envelope.at);
    Some(match &envelope.event {
        Event::Done { output, .. } => (Sign::Done, important::line(output)),
        Event::Renewed { .. } => (Sign::Done, "fetched again".to_owned()),
        // What nobody asked for is not worth a line.
        Event::Skipped { key } if is_ruled_out(watched, key) => return None,
        Event::Skipped { .. } => (Sign::Skipped, "skipped: its condition does not hold".to_owned()),
        Event::Failed { key, problem, .. } if is_unknown(watched, key) => {
            (Sign::Unknown, format!("it is not known whether it happened: {}", visible(&problem.message)))
        }
        Event::Reconciled { verdict: Found::Done { output }, .. } => {
            (Sign::Done, format!("looked: it happened  {}", important::line(output)).trim_end().to_owned())
        }
        Event::Reconciled { key, verdict: Found::NotDone, .. } => match failed(watched, key) {
            Some(problem) => (Sign::Failed, failure(&problem)),
            None => (Sign::Again, "looked: it did not happen".to_owned()),
        },
        Event::Reconciled { verdict: Found::CannotTell, .. } => {
            (Sign::Unknown, "looked: whether it happened cannot be told".to_owned())
        }
        Event::Settled { verdict, why, .. } => {
            let (sign, what) = match verdict {
                Ruling::Done { .. } => (Sign::Done, "it happened"),
                Ruling::NotDone => (Sign::Again, "it did not happen"),
            };
            (sign, format!("{} says that {what}: {}", visible(&envelope.actor), visible(why)))
        }
        Event::Failed { key, problem, .. } => match again(key) {
            Some((attempts, wait)) => {
                let wait = text::duration(wait);
                (Sign::Again, format!("attempt {attempts} failed, again in {wait}: {}", visible(&problem.message)))
            }
            None => (Sign::Failed, failure(problem)),
        },
        // What was seen tells more than that it was as expected.
        Event::Judged { verdict: Verdict::Pass, why, seen, .. } => {
            (Sign::Done, important::summary(seen).unwrap_or_else(|| visible(why).into_owned()))
        }
        Event::Asked { typed, answer_by, .. } => {
            (Sign::Unknown, format!("waits for somebody to type {} until {}", visible(typed), time(*answer_by)))
        }
        Event::Answered { yes: true, by, .. } => (Sign::Note, format!("{} says yes", visible(&by.to_string()))),
        Event::Answered { by, because, .. } => {
            let because = because.as_ref().map(|because| format!(": {}", visible(because))).unwrap_or_default();
            (Sign::Note, format!("{} says no{because}", visible(&by.to_string())))
        }
        Event::Voided { why, .. } => voided(why)?,
        Event::Rebound { facts, .. } if !facts.is_null() => {
            (Sign::Note, format!("since it was asked: {}", question::changes(facts).join("; ")))
        }
        Event::Rejudged { gate, why, .. } => {
            (Sign::Note, format!("{} passes again: {}", visible(gate.as_str()), visible(why)))
        }
        Event::LookedLast { looks, .. } => {
            (Sign::Note, format!("last look: {} pass together; it begins", text::many(looks.len(), "gate")))
        }
        Event::Overridden { by, why, .. } => {
            (Sign::Note, format!("{} lets it pass: {}", visible(&by.to_string()), visible(why)))
        }
        Event::Judged { verdict, why, .. } => (Sign::Stopped, format!("{verdict}: {}", visible(why))),
        Event::Opened { items, .. } => (Sign::Note, opened(items)),
        Event::Called { key, .. } => (Sign::Note, format!("calls {}", visible(&called(watched, key)?.1))),
        Event::EnteredFinally { .. } => (Sign::Note, "finally".to_owned()),
        Event::Returned { outputs, .. } => (Sign::Done, important::line(outputs)),
        Event::Picked { item, .. } => (Sign::Note, format!("next: {}", visible(item))),
        Event::CancelAsked { how, why } => {
            let how = match how {
                CancelHow::AfterStep => "after the steps that run now",
                CancelHow::Now => "now",
                CancelHow::Abandon => "at once, without `finally`",
            };
            (Sign::Note, format!("{} asks to end the run {how}: {}", visible(&envelope.actor), visible(why)))
        }
        Event::Claimed { epoch, owner } if epoch.0 > 1 => (Sign::Note, resumed(watched, envelope, owner)),
        Event::Locked { name, at, after, .. } => (Sign::Note, locked(watched, name, at, after.as_ref())?),
        Event::LockLost { how, .. } => (Sign::Note, lost(&envelope.actor, how)),
        Event::Entered { phase: Phase::Finally } if !watched.runbook.finally.is_empty() => {
            (Sign::Note, "finally".to_owned())
        }
        Event::Started { .. }
        | Event::Unlocked { .. }
        | Event::Claimed { .. }
        | Event::Entered { .. }
        | Event::Waiting { .. }
        | Event::Intended { .. }
        | Event::Ruled { .. }
        | Event::Rebound { .. }
        | Event::Parked
        | Event::Interrupted
        | Event::Ended { .. } => return None,
    })
}

/// Why a question counts no more.
fn voided(why: &Void) -> Option<(Sign, String)> {
    Some(match why {
        Void::Denied => (Sign::Failed, "nothing was done: somebody said no".to_owned()),
        Void::Expired => (Sign::Failed, "nothing was done: the time was over".to_owned()),
        Void::Moved { changes, .. } => {
            let changes = question::changes(changes).join("; ");
            (Sign::Again, format!("what was confirmed is not what would be done now: {changes}"))
        }
        Void::GateFailed { gate, verdict, why, .. } => {
            (Sign::Stopped, format!("{} {verdict}: {}", visible(gate.as_str()), visible(why)))
        }
        Void::Superseded => (Sign::Again, "more is to be asked".to_owned()),
        Void::Cancelled => return None,
    })
}

fn resumed(watched: &Watched<'_>, envelope: &Envelope, owner: &Owner) -> String {
    let process = format!("resumed by process {} on {}", owner.pid, visible(&owner.host));
    // The last claim is this one's own.
    let before = watched.state.claims.iter().rev().nth(1);
    match before.filter(|before| before.by != envelope.actor) {
        Some(before) => {
            format!("{process} of {}, before it was run by {}", visible(&envelope.actor), visible(&before.by))
        }
        None => process,
    }
}

/// Only what is out of the ordinary is worth a line.
fn locked(watched: &Watched<'_>, name: &str, at: &LockedAt, after: Option<&After>) -> Option<String> {
    let lock = &watched.state.lock;
    let caller = lock
        .caller
        .as_ref()
        .zip(lock.caller_before.as_ref())
        .map(|(is, was)| format!("AWS takes this process for {}, before it was {}", visible(is), visible(was)));
    let from = after.map(|after| format!("took the lock {} ({at}) {}", visible(name), visible(&of_former(after))));
    let said: Vec<String> = from.into_iter().chain(caller).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn lost(by: &str, how: &Loss) -> String {
    match how {
        Loss::Broken { why } => format!("{} broke the run's lock: {}", visible(by), visible(why)),
        Loss::Taken { by } => format!("run {by} took the lock: this run had begun nothing and was not heard of"),
        Loss::Lent { to } => format!("run {to} has the lock, to repair what this run left"),
        Loss::MovedOn => "the lock has moved on; the run does not act".to_owned(),
    }
}

fn failure(problem: &Problem) -> String {
    visible(&problem.message).into_owned()
}

/// The inputs alone say that it is not done.
fn is_ruled_out(watched: &Watched<'_>, key: &Key) -> bool {
    let path = locate(key, watched.runbook, watched.state);
    let step = path.and_then(|path| {
        let (step, _) = path.find(watched.runbook, watched.state)?;
        Some(step.is_ruled_out(StepScope::new(watched.runbook, watched.state, &path).inputs()))
    });
    step.unwrap_or(false)
}

fn is_unknown(watched: &Watched<'_>, key: &Key) -> bool {
    matches!(status(watched, key), Some(Status::Unknown { .. }))
}

fn failed(watched: &Watched<'_>, key: &Key) -> Option<Problem> {
    match status(watched, key)? {
        Status::Failed(problem) => Some(problem),
        _ => None,
    }
}

fn status(watched: &Watched<'_>, key: &Key) -> Option<Status> {
    let path = locate(key, watched.runbook, watched.state)?;
    path.find(watched.runbook, watched.state).map(|(_, slot)| slot.status.clone())
}

/// How often a step was tried that will be tried again, and when that is.
fn backoff(watched: &Watched<'_>, key: &Key, now: Timestamp) -> Option<(u32, Duration)> {
    let path = locate(key, watched.runbook, watched.state)?;
    let (_, slot) = path.find(watched.runbook, watched.state)?;
    let choice = match &slot.inside {
        Inside::Rounds(rounds) => rounds.turns.as_ref().and_then(|turns| Some((turns.tries, turns.until?))),
        Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => None,
    };
    match (&slot.status, choice) {
        (Status::Backoff { until, .. }, _) => Some((slot.attempts, until.since(now))),
        (Status::Open, Some((tries, until))) => Some((tries, until.since(now))),
        _ => None,
    }
}

/// The runbook that is called, and by which name.
fn called(watched: &Watched<'_>, key: &Key) -> Option<(Arc<Checked>, String)> {
    let path = locate(key, watched.runbook, watched.state)?;
    let (step, _) = path.find(watched.runbook, watched.state)?;
    if let Kind::Call(call) = &step.kind { Some((call.runbook.clone(), call.name.clone())) } else { None }
}

fn opened(items: &[Item]) -> String {
    const SHOWN: usize = 8;
    if items.is_empty() {
        return "nothing to do: no items".to_owned();
    }
    let names: Vec<_> = items.iter().take(SHOWN).map(|item| visible(&item.key)).collect();
    let more = if items.len() > SHOWN { ", ..." } else { "" };
    format!("{}: {}{more}", text::many(items.len(), "item"), names.join(", "))
}

fn widest(runbook: &Checked) -> usize {
    let session = if runbook.session.is_some() { text::width("session") } else { 0 };
    widest_in(runbook, 0).max(session)
}

fn widest_in(runbook: &Checked, above: usize) -> usize {
    fn of(steps: &[Step], above: usize) -> usize {
        let own = |step: &Step| above + text::width(step.id.as_str());
        let inside = |step: &Step| match &step.kind {
            Kind::Call(call) => widest_in(&call.runbook, own(step) + 1),
            Kind::Use(_) | Kind::Gate(_) | Kind::Group(_) => of(step.children(), own(step) + 1),
        };
        steps.iter().map(|step| own(step).max(inside(step))).max().unwrap_or(0)
    }
    of(&runbook.steps, above).max(of(&runbook.finally, above))
}
