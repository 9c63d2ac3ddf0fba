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

    /// How many had their moment while nobody was free for them, so long after a moment that somebody was free for. By a
    /// clock that cannot be set: an hour that never was has no moments.
    pub(super) fn missed(self, since: Duration) -> u64 {
        let interval = u128::try_from(self.interval_ms).unwrap_or(1);
        u64::try_from(since.as_millis() / interval).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tick that began so long after its moment and took so long: how many are missed, and when the next one is.
    #[test]
    fn what_takes_too_long_moves_nothing() {
        let check = |moment: i64, late: u64, took: u64, missed: u64, next: i64| {
            let grid = Grid::new(Duration::from_secs(30));
            let since = Duration::from_millis(late + took);
            assert_eq!(grid.missed(since), missed, "{moment} {late} {took}");
            let now = Timestamp(moment + i64::try_from(late + took).unwrap());
            assert_eq!(grid.start(grid.after(grid.slot(now))), Timestamp(next), "{moment} {late} {took}");
        };
        check(60_000, 0, 0, 0, 90_000);
        check(60_000, 0, 29_999, 0, 90_000);
        // A moment that has come while somebody was busy is gone.
        check(60_000, 0, 30_000, 1, 120_000);
        check(60_000, 0, 30_001, 1, 120_000);
        check(60_000, 0, 95_000, 3, 180_000);
        check(60_000, 7, 29_990, 0, 90_000);
        check(60_000, 7, 29_994, 1, 120_000);
        check(-60_000, 0, 0, 0, -30_000);
    }
}
