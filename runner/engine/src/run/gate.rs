//! When a gate has passed: samples in, a decision out. Pure; the loop does the sampling and the waiting.

use sluice_plugin::{Timestamp, Verdict};

use crate::journal::Samples;
use crate::runbook::checked::{Hold, Passes};

/// The samples of one gate so far.
#[derive(Clone, Debug, Default)]
pub struct GateRun {
    count: u32,
    flips: u32,
    first: Timestamp,
    last: Timestamp,
    before: Option<Verdict>,
    /// Passes in a row, and when the first of them was.
    streak: u32,
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Passed,
    /// It did not pass, with the verdict to write down.
    Stopped(Verdict),
    /// Sample again then.
    Again(Timestamp),
}

impl GateRun {
    /// Takes one sample that began at `began` and is known at `now`. `until` is the gate's deadline.
    pub fn sample(
        &mut self,
        passes: &Passes,
        verdict: Verdict,
        began: Timestamp,
        now: Timestamp,
        until: Timestamp,
    ) -> Decision {
        self.count_in(verdict, began);
        if self.holds(passes, now) {
            return Decision::Passed;
        }
        // Without time to wait, passes must follow one another from the first sample on.
        let patient = !passes.within.is_zero();
        if !patient && verdict != Verdict::Pass {
            return Decision::Stopped(verdict);
        }
        let next = began.plus(passes.every).max(now);
        if patient && next > until {
            let verdict = if verdict == Verdict::Pass { Verdict::Inconclusive } else { verdict };
            return Decision::Stopped(verdict);
        }
        Decision::Again(next)
    }

    /// For the journal.
    pub fn samples(&self) -> Samples {
        Samples { count: self.count, flips: self.flips, first: self.first, last: self.last }
    }

    pub fn streak(&self) -> u32 {
        self.streak
    }

    fn count_in(&mut self, verdict: Verdict, began: Timestamp) {
        if self.count == 0 {
            self.first = began;
        }
        self.count += 1;
        self.last = began;
        if self.before.is_some_and(|before| before != verdict) {
            self.flips += 1;
        }
        if verdict == Verdict::Pass {
            if self.streak == 0 {
                self.since = began;
            }
            self.streak += 1;
        } else {
            self.streak = 0;
        }
        self.before = Some(verdict);
    }

    fn holds(&self, passes: &Passes, now: Timestamp) -> bool {
        match passes.hold {
            Hold::Consecutive(wanted) => self.streak >= wanted.max(1),
            Hold::For(wanted) => self.streak >= 2 && now.since(self.since) >= wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `samples`: one letter a second, `p`ass, `f`ail, `i`nconclusive. Gives the decision and after how many samples.
    fn check(hold: Hold, within: u64, samples: &str, expect: (Decision, usize)) {
        let passes =
            Passes { hold, every: Duration::from_secs(1), within: Duration::from_secs(within), ..Passes::default() };
        let until = Timestamp(0).plus(passes.within);
        let mut gate = GateRun::default();
        for (at, letter) in samples.chars().enumerate() {
            let verdict = match letter {
                'p' => Verdict::Pass,
                'f' => Verdict::Fail,
                _ => Verdict::Inconclusive,
            };
            let now = Timestamp(at as i64 * 1000);
            let decision = gate.sample(&passes, verdict, now, now, until);
            if !matches!(decision, Decision::Again(_)) {
                assert_eq!((decision, at + 1), expect, "{samples}");
                return;
            }
        }
        assert_eq!((Decision::Again(Timestamp(samples.len() as i64 * 1000)), samples.len()), expect, "{samples}");
    }

    #[test]
    fn gates_decide() {
        use Decision::{Again, Passed, Stopped};
        use Verdict::{Fail, Inconclusive};
        let once = Hold::Consecutive(1);
        check(once, 0, "p", (Passed, 1));
        check(once, 0, "f", (Stopped(Fail), 1));
        check(once, 0, "i", (Stopped(Inconclusive), 1));
        check(once, 9, "ffip", (Passed, 4));
        check(once, 2, "fff", (Stopped(Fail), 3));
        check(once, 2, "ffi", (Stopped(Inconclusive), 3));
        let thrice = Hold::Consecutive(3);
        check(thrice, 0, "ppp", (Passed, 3));
        check(thrice, 0, "ppf", (Stopped(Fail), 3));
        check(thrice, 9, "ppfppp", (Passed, 6));
        check(thrice, 9, "ppi", (Again(Timestamp(3000)), 3));
        // Its time is over while it was passing: that is not yet a pass.
        check(thrice, 3, "fffp", (Stopped(Inconclusive), 4));
        let held = Hold::For(Duration::from_secs(3));
        check(held, 20, "pppp", (Passed, 4));
        check(held, 20, "ppfpppp", (Passed, 7));
        check(Hold::For(Duration::ZERO), 20, "pp", (Passed, 2));
    }
}
