//! The course of a run on a terminal: what has ended stays, what runs is drawn below it and moves.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sluice_engine::journal::{Envelope, Key};
use sluice_engine::run::{Sample, Watched};
use sluice_engine::runbook::checked::Step;
use sluice_plugin::Progress;

use super::RunView;
use super::course::{Course, Running};
use crate::screen::{Stream, Tone};
use crate::views::sign::Sign;
use crate::views::text;

/// Steps drawn at a time; more are counted.
const ROWS: usize = 12;
const FRAMES: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠋"];
const PLAIN_FRAMES: [&str; 4] = ["|", "/", "-", "\\"];

pub(super) struct Terminal {
    stream: Stream,
    bars: MultiProgress,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    course: Course,
    rows: Vec<ProgressBar>,
    frame: usize,
}

impl Terminal {
    pub(super) fn new(stream: Stream) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { stream, bars, inner: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One row for each running step, no more and no fewer.
    fn draw(&self, inner: &mut Inner) {
        let running = inner.course.running(Instant::now());
        let mut lines: Vec<String> = running.iter().take(ROWS).map(|one| self.row(inner, one)).collect();
        if running.len() > ROWS {
            lines.push(self.stream.paint(Tone::Dim, &format!("  and {} more", running.len() - ROWS)));
        }
        while inner.rows.len() > lines.len() {
            if let Some(row) = inner.rows.pop() {
                row.finish_and_clear();
                self.bars.remove(&row);
            }
        }
        while inner.rows.len() < lines.len() {
            let row = self.bars.add(ProgressBar::new_spinner());
            // The template is ours and right; where it were not, the default one is as good.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                row.set_style(style);
            }
            inner.rows.push(row);
        }
        for (row, line) in inner.rows.iter().zip(lines) {
            row.set_message(line);
        }
    }

    fn row(&self, inner: &Inner, running: &Running) -> String {
        let frames: &[&str] = if self.stream.unicode { &FRAMES } else { &PLAIN_FRAMES };
        let frame = frames.get(inner.frame % frames.len()).copied().unwrap_or_default();
        let since =
            if running.since.as_secs() > 0 { format!("  {}", text::whole(running.since)) } else { String::new() };
        let key = inner.course.pad(&running.key);
        let room = self.stream.width.saturating_sub(text::width(&key) + since.len() + 5);
        format!(
            "{} {key}  {}{}",
            self.stream.paint(Tone::Accent, frame),
            text::cut(&running.waits, room),
            self.stream.paint(Tone::Dim, &since)
        )
    }
}

impl RunView for Terminal {
    fn event(&self, watched: &Watched<'_>, envelope: &Envelope) {
        self.with(|inner| {
            let Some(line) = inner.course.event(watched, envelope, Instant::now()) else { return };
            // A closed terminal ends no run.
            let _ = self.bars.println(inner.course.show(&line, &self.stream));
            self.draw(inner);
        });
    }

    fn began(&self, key: &Key, step: &Step) {
        // Drawn with the next tick: most steps are over by then.
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
            inner.frame = inner.frame.wrapping_add(1);
            self.draw(inner);
        });
    }

    fn say(&self, text: &str) {
        let sign = Sign::Note.on(&self.stream);
        let _ = self.bars.println(format!("{sign} {}", self.stream.paint(Tone::Warn, text)));
    }

    fn clear(&self) {
        self.with(|inner| {
            inner.course.forget();
            self.draw(inner);
        });
        let _ = self.bars.clear();
    }
}
