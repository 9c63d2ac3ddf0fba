//! The machine's clock, as the engine wants it.

use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::run::Clock;
use sluice_host::{Clock as _, SystemClock};
use sluice_plugin::Timestamp;

/// Wall time; waits count time in which the machine was suspended.
pub(crate) struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn since_boot(&self) -> Duration {
        SystemClock.since_boot()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // The wall clock may be set back meanwhile; whoever waits asks again.
        SystemClock.sleep(at.since(SystemClock.now())).await;
    }
}
