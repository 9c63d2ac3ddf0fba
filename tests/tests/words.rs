//! What the program says around locks and interrupted runs to somebody who has not read the design.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::sluice::Sluice;

const SLOW: &str = r#"
runbook: slow
summary: It acts, and waits.
inputs:
  folder: { type: string }
lock: it
steps:
  - id: act
    uses: base.toy_change
    with: { file: "{{ inputs.folder }}/lines", line: slow }
  - id: after
    gate: base.read_file
    with: { path: "{{ inputs.folder }}/may-end" }
    expect: [{ that: "seen.bytes >= 0" }]
    passes: { every: 100ms, within: 5m }
finally:
  - id: over
    uses: base.toy_change
    with: { file: "{{ inputs.folder }}/lines", line: over }
"#;

fn last(home: &Sluice) -> Value {
    let shown = home.run(&["runs", "show", "last", "--json"]);
    if shown.code == Some(0) { shown.json() } else { Value::Null }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not come");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_lock_of_a_living_run_and_of_a_dead_one() {
    let home = Sluice::alone();
    let slow = home.file("slow.yaml", SLOW).display().to_string();
    let folder = format!("folder={}", home.home().display());
    let running = home.start(&["run", &slow, "-i", &folder]);
    until("the gate", || last(&home)["steps"][1]["status"] == "waiting");
    let run = last(&home)["run"].as_str().unwrap().to_owned();

    let refused = home.run(&["locks", "break", "it", "--because", "a test"]);
    assert_ne!(refused.code, Some(0));
    for said in ["nothing was broken", "is alive", &format!("sluice cancel {run}"), "break the lock then"] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.said());
    }
    assert!(!refused.stderr.contains("locks break it"), "{}", refused.said());

    kill(Pid::from_raw(i32::try_from(running.pid()).unwrap()), Signal::SIGKILL).unwrap();
    running.end();
    let broken = home.run(&["locks", "break", "it", "--because", "a test"]).expect_code(0);
    assert!(broken.stderr.contains(&format!("sluice cancel {run}")), "{}", broken.said());
    let shown = home.run(&["runs", "show", &run]).expect_code(0).stdout;
    for said in ["lost: broken: a test", "its lock is not its own any more", "sluice locks", "sluice resume"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }

    // Seconds later nobody has put a backup back.
    home.file("may-end", "");
    let resumed = home.run(&["resume", &run]).expect_code(0);
    assert!(!resumed.stderr.contains("backup"), "{}", resumed.said());
    assert_eq!(last(&home)["acts_may_be_missing"], false);
}

#[test]
fn by_hand_begins_with_the_lock_and_ends_with_finally() {
    let home = Sluice::alone();
    let slow = home.file("slow.yaml", SLOW).display().to_string();
    let folder = format!("folder={}", home.home().display());
    let script = home.run(&["plan", &slow, "-i", &folder, "--by-hand"]).expect_code(0).stdout;
    let order =
        ["no run has the lock it", "\nsluice locks\n", "act (change)", "finally: what follows", "over (change)"];
    let places: Vec<usize> =
        order.iter().map(|said| script.find(said).unwrap_or_else(|| panic!("{said}: {script}"))).collect();
    assert!(places.is_sorted(), "{script}");
}
