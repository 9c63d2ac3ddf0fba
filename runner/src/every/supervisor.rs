//! Words for systemd, where it started us and listens: ready, alive, reloading, ending, and how it goes. Without it nothing is
//! said to anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use sluice_engine::run::Clock as _;

use crate::clock::WallClock;

/// Beyond what something may take, for a machine that is busy.
const SLACK: Duration = Duration::from_secs(30);

/// Says that the process lives as often as `WatchdogSec` of its unit asks for, as long as what is being done is done in time.
#[derive(Clone, Default)]
pub(super) struct Watchdog {
    /// In milliseconds since boot.
    good_until: Arc<AtomicU64>,
}

impl Watchdog {
    /// Where nobody asks for it, it says nothing.
    pub(super) fn start(within: Duration) -> Self {
        let watchdog = Self::default();
        watchdog.expects(within);
        if let Some(period) = sd_notify::watchdog_enabled() {
            tokio::spawn(watchdog.clone().feed(period / 2));
        }
        watchdog
    }

    /// From now on it is alive for so long, until it expects something else.
    pub(super) fn expects(&self, within: Duration) {
        self.good_until.store(millis(WallClock.since_boot() + within + SLACK), Ordering::Relaxed);
    }

    async fn feed(self, every: Duration) {
        loop {
            if millis(WallClock.since_boot()) < self.good_until.load(Ordering::Relaxed) {
                tell(&[NotifyState::Watchdog]);
            }
            tokio::time::sleep(every).await;
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// After the first moment from which ticks come.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

pub(super) fn ending() {
    tell(&[NotifyState::Stopping]);
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd does not listen");
    }
}
