//! The lab, tried: what a lab promises to the tests that use it must be true of the lab itself.

// clippy.toml allows these in tests, but takes only functions marked as such for tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod aws;
mod axiom;
mod background;
mod boots;
mod callers;
mod demo;
mod faults;
mod groups;
mod insights;
mod ledger;
mod life;
mod ssm;
mod terraform;
mod traffic;
mod wire;

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_lab::{Lab, Options};

/// A lab that boots replaced nodes quickly.
async fn lab() -> Lab {
    Lab::up(Options { boot_delay: 0.2, ..Options::default() }).await.unwrap()
}

/// Looks until it is so; fails with the last thing seen.
async fn until(what: &str, within: u64, lab: &Lab, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(within);
    loop {
        let status = lab.status().await.unwrap();
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < end, "not within {within} s: {what}\n{status:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A node of a status, by number.
fn node(status: &Value, n: usize) -> &Value {
    &status["nodes"][n - 1]
}
