//! When a gate has passed: samples in, a decision out. Pure; the loop does the sampling and the waiting.
//!
//! All that is remembered here lives as long as the process: after a resume, and after a gap in which nobody looked (the
//! machine slept, the clock was set), passes in a row are counted anew.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{Timestamp, Verdict, format_duration};

use super::progress::Course;
use crate::journal::Samples;
use crate::runbook::checked::{Hold, Passes};

/// Beyond twice `every`, so long may nobody have looked before passes are no longer in a row.
const SLACK: Duration = Duration::from_secs(5);

/// The samples of one gate so far.
#[derive(Clone, Debug, Default)]
pub struct GateRun {
    count: u32,
    flips: u32,
    first: Timestamp,
    /// When the last sample began, and when its answer was there.
    last: Timestamp,
    ended: Timestamp,
    before: Option<Verdict>,
    /// Passes in a row, and when the first of them began.
    streak: u32,
    since: Timestamp,
    course: Course,
}

/// One sample.
#[derive(Clone, Debug)]
pub struct Look {
    pub verdict: Verdict,
    pub why: String,
    /// It will never pass, and `why` says so: `fail_if` holds, or it may not look.
    pub fails: bool,
    /// What `progress` gives, where it gives something.
    pub progress: Option<Value>,
    /// When the call began, and when its answer was there.
    pub began: Timestamp,
    pub ended: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Passed,
    /// It did not pass: the verdict to write down, and why.
    Stopped(Verdict, String),
    /// Sample again then.
    Again(Timestamp),
}

impl GateRun {
    /// Takes one sample. `until` is the gate's deadline, if it may wait at all: what is known only after it is no pass.
    pub fn sample(&mut self, passes: &Passes, look: &Look, until: Option<Timestamp>) -> Decision {
        let late = until.is_some_and(|until| look.ended > until);
        self.count_in(passes, look, late);
        if look.fails {
            return Decision::Stopped(look.verdict, look.why.clone());
        }
        if late {
            return self.time_over(passes, look.verdict, &look.why);
        }
        if self.holds(passes) {
            return Decision::Passed;
        }
        if let Some(why) = self.stalled(passes, look) {
            return Decision::Stopped(Verdict::Fail, why);
        }
        // Without time to wait, passes must follow one another from the first sample on.
        if until.is_none() && look.verdict != Verdict::Pass {
            return Decision::Stopped(look.verdict, look.why.clone());
        }
        let next = self.next(passes, look);
        match until {
            Some(until) if next >= until => self.time_over(passes, look.verdict, &look.why),
            _ => Decision::Again(next),
        }
    }

    /// Its time is over; `verdict` and `why` are of the last sample that was answered.
    pub fn time_over(&self, passes: &Passes, verdict: Verdict, why: &str) -> Decision {
        let over = format!("its time ({}) was over", format_duration(passes.within));
        if verdict != Verdict::Pass {
            return Decision::Stopped(verdict, format!("{over}: {why}"));
        }
        let why = match passes.hold {
            _ if self.streak == 0 => format!("{over} before it had passed"),
            Hold::Consecutive(wanted) => format!("{over} after {} of {wanted} passes in a row", self.streak),
            Hold::For(wanted) => {
                let held = self.last.since(self.since);
                // Nobody reads milliseconds of half a minute.
                let held = if held.as_secs() > 0 { Duration::from_secs(held.as_secs()) } else { held };
                format!("{over} after passes for {} of {}", format_duration(held), format_duration(wanted))
            }
        };
        Decision::Stopped(Verdict::Inconclusive, why)
    }

    /// For the journal.
    pub fn samples(&self) -> Samples {
        Samples { count: self.count, flips: self.flips, first: self.first, last: self.last }
    }

    pub fn streak(&self) -> u32 {
        self.streak
    }

    pub fn course(&self) -> &Course {
        &self.course
    }

    fn count_in(&mut self, passes: &Passes, look: &Look, late: bool) {
        if self.count == 0 {
            self.first = look.began;
        } else if self.nobody_looked(passes, look.began) {
            self.streak = 0;
            self.course = Course::default();
        }
        self.count += 1;
        if self.before.is_some_and(|before| before != look.verdict) {
            self.flips += 1;
        }
        match look.verdict {
            Verdict::Pass if late => {}
            Verdict::Pass => {
                if self.streak == 0 {
                    self.since = look.began;
                }
                self.streak += 1;
            }
            Verdict::Fail | Verdict::Inconclusive => self.streak = 0,
        }
        (self.last, self.ended, self.before) = (look.began, look.ended, Some(look.verdict));
        self.course.note(look.progress.as_ref(), look.began, look.verdict == Verdict::Pass);
    }

    /// The sample before was long ago, or lies in the future: nothing is known of the time between.
    fn nobody_looked(&self, passes: &Passes, began: Timestamp) -> bool {
        let planned = self.last.plus(passes.every).max(self.ended);
        began < self.last || began.since(planned) > passes.every.saturating_add(SLACK)
    }

    /// A sample that takes longer than `every` delays the next; one that completes `for` comes on time.
    fn next(&self, passes: &Passes, look: &Look) -> Timestamp {
        let next = look.began.plus(passes.every);
        let next = match passes.hold {
            Hold::For(wanted) if self.streak > 0 && look.began < self.since.plus(wanted) => {
                next.min(self.since.plus(wanted))
            }
            Hold::For(_) | Hold::Consecutive(_) => next,
        };
        next.max(look.ended)
    }

    fn holds(&self, passes: &Passes) -> bool {
        match passes.hold {
            Hold::Consecutive(wanted) => self.streak >= wanted.max(1),
            Hold::For(wanted) => self.streak >= 2 && self.last.since(self.since) >= wanted,
        }
    }

    fn stalled(&self, passes: &Passes, look: &Look) -> Option<String> {
        let limit = passes.progress.as_ref()?.stalled?;
        let (value, _) = self.course.stands().filter(|(_, stood)| look.verdict != Verdict::Pass && *stood >= limit)?;
        Some(format!("no progress for {}: `progress` stays at {value}; {}", format_duration(limit), look.why))
    }
}

#[cfg(test)]
mod tests;
