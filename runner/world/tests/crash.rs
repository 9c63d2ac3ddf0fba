//! Every shipped runbook killed at every point, and with every step failing, over the world: the end is the same one, no
//! act is done twice, and a failure is named and cleaned up after.

use std::sync::Arc;

use sluice_engine::journal::{Outcome, Snapshot, Store};
use sluice_engine::run::{Ending, Order, Recheck};
use sluice_store::MemoryStore;
use sluice_world::Processes;
use sluice_world::harness::{Crashed, End, Failed, Trial};

use crate::books::{Bench, text};

/// All that ship but `replace-node`, which has its own tests. A test in this file finds one that is missing.
const SHIPPED: &[&str] = &["connect", "health-check", "hello"];

/// What tells the time and is another after a crash.
const TIMES: &[&str] = &["uptime_seconds", "window_ms"];

pub(crate) type Begun = (Arc<dyn Store>, Order);

pub(crate) fn trial<'a>(bench: &'a Bench, begin: &'a (dyn Fn() -> Begun + Sync), recheck: Recheck<'a>) -> Trial<'a> {
    let (registry, ward) = (bench.registry.clone(), bench.ward.clone());
    Trial { world: &bench.world, registry, ward, begin, recheck, asker: None }
}

/// How many points there were. Acts that may be repeated may be, once, by the one crash; none may be missing.
pub(crate) async fn crashed_everywhere(text: &str) -> usize {
    let (expect, acts, crashes) = crashes(&Bench::new(text)).await;
    assert_eq!(expect.outcome, "done", "{}", expect.summary());
    let points = crashes.len();
    for crash in crashes {
        let end = crash.end.unwrap_or_else(|why| panic!("{}: {why}", crash.point)).without(TIMES);
        assert_eq!(end.differs_from(&expect), None, "{}", crash.point);
        assert_acts(&acts, crash.acts, &crash.point);
        assert_eq!(crash.things, Vec::<String>::new(), "{}", crash.point);
    }
    points
}

/// The end of the bench's runbook without a crash, the acts on its way, and what became of it at each crash.
pub(crate) async fn crashes(bench: &Bench) -> (End, Vec<String>, Vec<Crashed>) {
    let begin = || -> Begun {
        bench.world.begin_again(bench.setup(7));
        (Arc::new(MemoryStore::default()), bench.order())
    };
    let recheck = |snapshot: &Snapshot| bench.recheck(snapshot);
    let trial = trial(bench, &begin, &recheck);
    let (expect, acts) = trial.uninterrupted().await.unwrap();
    (expect.without(TIMES), acts, trial.crashed_everywhere().await)
}

/// How the bench's runbook ends over the world as it is: `done`, or `failed` and the step.
pub(crate) async fn ended(bench: &Bench) -> String {
    let process = Processes::new(bench.world.clone(), Arc::new(MemoryStore::default()));
    let process = process.start(1, bench.registry.clone());
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (ending, _) = bench.world.run(process.engine.start(bench.order(), &mut signals)).await.unwrap();
    match ending {
        Ending::Ended(Outcome::Failed { key }) => format!("failed {key}"),
        Ending::Ended(Outcome::Stopped { key }) => format!("stopped {key}"),
        Ending::Ended(outcome) => outcome.name().to_owned(),
        other => format!("{other:?}"),
    }
}

fn assert_acts(expect: &[String], mut done: Vec<String>, point: &str) {
    let mut expect = expect.to_vec();
    expect.sort();
    done.sort();
    let extra = done.len() - expect.len();
    done.dedup();
    assert!(done == expect && extra <= 1, "{point}: {done:?} and not {expect:?}");
}

/// Each step failing in turn.
pub(crate) async fn failures(bench: &Bench) -> Vec<Failed> {
    let begin = || -> Begun {
        bench.world.begin_again(bench.setup(7));
        (Arc::new(MemoryStore::default()), bench.order())
    };
    let recheck = |snapshot: &Snapshot| bench.recheck(snapshot);
    trial(bench, &begin, &recheck).failed_everywhere().await.unwrap()
}

#[tokio::test]
async fn a_crash_at_any_point_changes_nothing() {
    for name in SHIPPED {
        let points = crashed_everywhere(&text(name)).await;
        eprintln!("{name}: {points} points");
        assert!(points >= 7, "{name}: only {points} points");
    }
}

#[tokio::test]
async fn a_step_that_fails_is_named_and_finally_runs() {
    for name in SHIPPED {
        let bench = Bench::new(&text(name));
        let failures = failures(&bench).await;
        assert!(!failures.is_empty());
        for failure in failures {
            let end = failure.end.unwrap();
            let what = format!("{name}, {}: {}", failure.step, end.summary());
            let let_pass = end.outcome == "done";
            let step = end.step(&failure.step).unwrap();
            assert!(["failed", "stopped"].contains(&step.status), "{what}");
            assert!(let_pass || failure.named.as_ref() == Some(&failure.step), "{what}: {:?}", failure.named);
            assert_settled(&end, &what);
        }
    }
}

/// Every step of `finally` has come to its end.
fn assert_settled(end: &End, what: &str) {
    for step in &end.steps[end.finally..] {
        assert!(["done", "skipped", "failed"].contains(&step.status), "{what}");
    }
}

#[test]
fn every_shipped_runbook_is_tried() {
    let folder = format!("{}/../../runbooks", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = files.filter_map(|file| Some(file.strip_suffix(".yaml")?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| name != "thresholds" && !name.ends_with(".test")).collect();
    names.sort();
    // Those have trials of their own.
    names.retain(|name| {
        !["cancel-refresh", "replace-node", "rolling-replace", "rollout-watch"].contains(&name.as_str())
    });
    // The simulated world has no machines that somebody looks into, no logs but those of boots, and no monitors.
    let elsewhere = ["alerts", "collect-metrics", "logs", "sync-alerts", "bootstrap-check"];
    names.retain(|name| !elsewhere.contains(&name.as_str()) && !name.starts_with("node-"));
    assert_eq!(names, SHIPPED);
}
