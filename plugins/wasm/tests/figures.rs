//! What the sandbox costs beside the same crate without it. `--nocapture` shows the figures; the bars are those of a release
//! build, and hold here with room to spare but for the cold start, where digests are slow without optimisation.

use std::time::{Duration, Instant};

use sluice_plugin::{Plugin, Purpose};
use sluice_wasm::{Cache, Home, Raised, WasmPlugin};

use crate::guests::{bytes, home};
use crate::homes::Recording;
use crate::hosts::call;

const ACTION: &str = "set_attribute";

/// The middle of many.
async fn whole_step(plugin: &dyn Plugin, with: &serde_json::Value) -> Duration {
    let mut took = Vec::new();
    for _ in 0..400 {
        let (host, call) = (Recording::new(Vec::new()), call(Purpose::Read, with.clone()));
        let begun = Instant::now();
        plugin.run(ACTION, &host, &call).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

#[tokio::test]
async fn a_step_in_the_sandbox_costs_little_more() {
    let native = sluice_terraform::plugin();
    let with = native.action(ACTION).unwrap().examples[0].with.clone();
    let bytes = bytes("terraform");
    let pinned = home().look(&bytes).unwrap().sha256;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("plugins");
    let load = || {
        let home = Home::new(Some(Cache::open(&folder).unwrap())).unwrap();
        WasmPlugin::new(home.load(&bytes, &pinned).unwrap(), &Raised::new())
    };
    load();
    let (warm, plain) = (whole_step(&load(), &with).await, whole_step(&native, &with).await);
    let mut cold: Vec<Duration> = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        let (plugin, host, call) = (load(), Recording::new(Vec::new()), call(Purpose::Read, with.clone()));
        plugin.run(ACTION, &host, &call).await.unwrap();
        cold.push(begun.elapsed());
    }
    cold.sort();
    println!("a step: native {plain:?}, sandbox {warm:?}; from a cold start with a cached module {:?}", cold[4]);
    assert!(warm.saturating_sub(plain) < Duration::from_millis(1), "{warm:?} beside {plain:?}");
    assert!(cold[4] < Duration::from_millis(200), "{:?}", cold[4]);
}
