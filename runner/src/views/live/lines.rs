//! The course of a run where nobody sees a terminal: a line for each thing that has happened, without control codes,
//! and now and then one about what is still waited for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_engine::journal::{Envelope, Key};
use sluice_engine::run::{Sample, Watched};
use sluice_engine::runbook::checked::Step;
use sluice_plugin::Progress;

use super::RunView;
use super::course::{Course, Line};
use crate::screen::Stream;
use crate::views;
use crate::views::sign::Sign;
use crate::views::text;

/// How long nothing happens before a line says what is waited for.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Lines {
    stream: Stream,
    inner: Mutex<Inner>,
}

struct Inner {
    course: Course,
    last: Instant,
}

impl Lines {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inner: Mutex::new(Inner { course: Course::default(), last: Instant::now() }) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, inner: &mut Inner, line: &Line) {
        inner.last = Instant::now();
        let text = inner.course.show(line, &self.stream) + "\n";
        views::err(&text);
    }
}

impl RunView for Lines {
    fn event(&self, watched: &Watched<'_>, envelope: &Envelope) {
        self.with(|inner| {
            if let Some(line) = inner.course.event(watched, envelope, Instant::now()) {
                self.write(inner, &line);
            }
        });
    }

    fn began(&self, key: &Key, step: &Step) {
        self.with(|inner| inner.course.began(key, step, Instant::now()));
    }

    fn sampled(&self, key: &Key, sample: &Sample) {
        use sluice_engine::run::Clock as _;
        let at = crate::clock::WallClock.now();
        self.with(|inner| inner.course.sampled(key, sample, Instant::now(), at));
    }

    fn progress(&self, step: &str, progress: &Progress) {
        self.with(|inner| inner.course.progress(step, progress));
    }

    fn tick(&self) {
        self.with(|inner| {
            if inner.last.elapsed() < SILENCE {
                return;
            }
            for running in inner.course.running(Instant::now()) {
                let text = format!("since {}: {}", text::duration(running.since), running.waits);
                self.write(inner, &Line { sign: Sign::Running, key: running.key, text, took: None });
            }
        });
    }

    fn say(&self, text: &str) {
        super::say(&self.stream, text);
    }
}
