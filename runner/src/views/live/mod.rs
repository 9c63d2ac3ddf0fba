//! A run in flight on a screen: lines for what has ended, and what the rest waits for.
//!
//! The engine tells an [`Observer`], plugins tell a [`Sink`]; both end in one [`RunView`]. Which one it is depends on
//! where standard error goes and on `--json`.

mod course;
mod lines;
mod ndjson;
mod terminal;

use std::sync::Arc;

use clap::ValueEnum;
use sluice_engine::diagnostic::visible;
use sluice_engine::journal::{Envelope, Key};
use sluice_engine::run::{LockError, Observer, Sample, Watched};
use sluice_engine::runbook::checked::Step;
use sluice_host::Sink;
use sluice_plugin::{Level, Problem, Progress, Timestamp};

use crate::report::time;
use crate::screen::{Screen, Stream};

pub(crate) use ndjson::{EventLine, line as event_line};

/// A screen of one run. Everything here must be quick and must not fail: a closed terminal ends no run.
pub(crate) trait RunView: Send + Sync {
    fn event(&self, _watched: &Watched<'_>, _envelope: &Envelope) {}

    fn began(&self, _key: &Key, _step: &Step) {}

    fn sampled(&self, _key: &Key, _sample: &Sample) {}

    fn progress(&self, _step: &str, _progress: &Progress) {}

    /// Some time has passed.
    fn tick(&self) {}

    /// A line for the person who watches.
    fn say(&self, text: &str);

    /// Nothing is drawn from now on until the next event: the terminal belongs to somebody else, or the run is over.
    fn clear(&self) {}
}

/// What `--json` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Json {
    /// One document when the run is over
    Document,
    /// One line for each event, as it happens
    Events,
}

/// The view for these streams. With `--json` only a person at a terminal is told of the course.
pub(crate) fn view(screen: &Screen, json: Option<Json>) -> Arc<dyn RunView> {
    match json {
        Some(Json::Events) => Arc::new(ndjson::Ndjson::new(screen.err)),
        Some(Json::Document) if !screen.err.terminal => Arc::new(Silent(screen.err)),
        _ if screen.err.terminal => Arc::new(terminal::Terminal::new(screen.err)),
        _ => Arc::new(lines::Lines::new(screen.err)),
    }
}

/// Says only what a person must know.
pub(crate) fn silent(screen: &Screen) -> Arc<dyn RunView> {
    Arc::new(Silent(screen.err))
}

struct Silent(Stream);

impl RunView for Silent {
    fn say(&self, text: &str) {
        say(&self.0, text);
    }
}

/// A line of our own on standard error.
fn say(stream: &Stream, text: &str) {
    super::err(&said(stream, text));
}

/// The same, for whoever writes it.
pub(crate) fn said(stream: &Stream, text: &str) -> String {
    format!("{} {text}\n", super::sign::Sign::Note.on(stream))
}

/// The engine's side of a view.
pub(crate) struct Watcher(pub(crate) Arc<dyn RunView>);

impl Observer for Watcher {
    fn event(&self, watched: &Watched<'_>, envelope: &Envelope) {
        self.0.event(watched, envelope);
    }

    fn began(&self, _watched: &Watched<'_>, key: &Key, step: &Step) {
        self.0.began(key, step);
    }

    fn looks(&self, _watched: &Watched<'_>, key: &Key, step: &Step, not_before: Timestamp) {
        self.0.began(key, step);
        let note = format!(
            "not known whether it happened; looks at {}, when the act's own time is over; Ctrl-C leaves it to you",
            time(not_before)
        );
        self.0.progress(key.as_str(), &Progress { note, done: 0, total: None });
    }

    fn sampled(&self, _watched: &Watched<'_>, key: &Key, sample: &Sample) {
        self.0.sampled(key, sample);
    }

    fn waits_for_lock(&self, refused: &LockError, until: Timestamp) {
        self.0.say(&visible(&format!("waits until {}: {refused}", time(until))));
    }

    fn waits_for_login(&self, key: &Key, problem: &Problem, until: Timestamp) {
        self.0.say(&visible(&format!("{key} waits until {}: {}", time(until), problem.message)));
    }
}

/// The plugins' side. What they log goes to the program's log, not to the screen.
impl Sink for Watcher {
    fn log(&self, step: &str, level: Level, text: &str) {
        match level {
            Level::Trace => tracing::trace!(target: "sluice::plugin", step, "{text}"),
            Level::Debug => tracing::debug!(target: "sluice::plugin", step, "{text}"),
            Level::Info => tracing::info!(target: "sluice::plugin", step, "{text}"),
            Level::Warn => tracing::warn!(target: "sluice::plugin", step, "{text}"),
            Level::Error => tracing::error!(target: "sluice::plugin", step, "{text}"),
        }
    }

    fn progress(&self, step: &str, progress: Progress) {
        self.0.progress(step, &progress);
    }
}
