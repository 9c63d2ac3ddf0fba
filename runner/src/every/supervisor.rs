//! Words for systemd, where it started us and listens: ready, alive, reloading, ending, and how it goes. Without it nothing is
//! said to anybody.

use sd_notify::NotifyState;

/// After the first moment from which ticks come.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// After each tick: `WatchdogSec` of the unit ends a process that stays silent.
pub(super) fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
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
