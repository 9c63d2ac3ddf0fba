//! Time as plugins get it: the wall clock, and sleep that ends on time even when the machine was suspended.
//!
//! It knows nothing of deadlines or runs. Tests bring their own [`Clock`].

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use nix::time::{ClockId, clock_gettime};
use sluice_plugin::Timestamp;

#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Counts time in which the machine was suspended.
    async fn sleep(&self, time: Duration);
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A timer does not run while the machine sleeps, so a long wait looks at the clock this often: that is how late it
/// can be after a suspend.
const SLICE: Duration = Duration::from_secs(5);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, time: Duration) {
        let Some(start) = since_boot() else {
            return tokio::time::sleep(time).await;
        };
        loop {
            let passed = since_boot().unwrap_or(start).saturating_sub(start);
            let left = time.saturating_sub(passed);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}

impl SystemClock {
    /// Time since the machine was started, suspended or not. Where the machine cannot tell: since this was first asked,
    /// without time in which it was suspended.
    pub fn since_boot(&self) -> Duration {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        since_boot().unwrap_or_else(|| FIRST.elapsed())
    }
}

/// Time since the machine was started, suspended or not. No setting of the wall clock moves it.
fn since_boot() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeps_at_least_as_long_as_asked() {
        for millis in [0, 1, 30] {
            let before = since_boot().unwrap();
            SystemClock.sleep(Duration::from_millis(millis)).await;
            assert!(since_boot().unwrap() - before >= Duration::from_millis(millis));
        }
    }

    #[test]
    fn now_is_after_this_was_written() {
        assert!(SystemClock.now() > Timestamp(1_700_000_000_000));
    }
}
