//! When ticks are due: on a fixed grid of the wall clock, the same on every machine with this interval. What was missed is
//! counted and not made up for.

use std::time::Duration;

use sluice_plugin::Timestamp;

/// Moments an interval apart, counted from 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    interval_ms: i64,
}

/// One moment of a grid, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(i64);

impl Grid {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1) }
    }

    /// The one that began last.
    pub(super) fn slot(self, now: Timestamp) -> Slot {
        Slot(now.0.div_euclid(self.interval_ms))
    }

    pub(super) fn start(self, slot: Slot) -> Timestamp {
        Timestamp(slot.0.saturating_mul(self.interval_ms))
    }

    pub(super) fn after(self, slot: Slot) -> Slot {
        Slot(slot.0.saturating_add(1))
    }

    /// How many began after `done` and before the one that is due next after `now`: their moment was over before anybody was
    /// free for them.
    pub(super) fn missed(self, done: Slot, now: Timestamp) -> u64 {
        u64::try_from(self.slot(now).0.saturating_sub(done.0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tick of this slot's moment that took so long: which are missed, and when the next one is.
    #[test]
    fn what_takes_too_long_moves_nothing() {
        let check = |began: i64, took: i64, missed: u64, next: i64| {
            let grid = Grid::new(Duration::from_secs(30));
            let (slot, now) = (grid.slot(Timestamp(began)), Timestamp(began + took));
            assert_eq!(grid.missed(slot, now), missed, "{began} {took}");
            assert_eq!(grid.start(grid.after(grid.slot(now))), Timestamp(next), "{began} {took}");
        };
        check(60_000, 0, 0, 90_000);
        check(60_000, 29_999, 0, 90_000);
        // A moment that has come while somebody was busy is gone.
        check(60_000, 30_000, 1, 120_000);
        check(60_000, 30_001, 1, 120_000);
        check(60_000, 95_000, 3, 180_000);
        check(60_007, 29_990, 0, 90_000);
        check(-60_000, 0, 0, -30_000);
        // The clock was set back.
        check(60_000, -45_000, 0, 30_000);
    }
}
