//! Processes killed by SIGKILL before and after every append of their journal: `sluice resume` brings each run to the
//! end it would have had.
//!
//! `sluice-dying` is the product with a store that kills its process; what goes on is the product as shipped.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::{Map, Value, json};
use sluice_lab::{Lab, Options};

use crate::common::sluice::{Done, Running, Sluice};

/// Every kind of event that a run without an act of its own can have, but for those of people; rounds beside each other,
/// and a gate that has to come on.
const TOY: &str = r#"
runbook: toy
summary: A little of everything.
inputs:
  folder: { type: string }
steps:
  - id: names
    uses: base.toy
    with: { value: [ant, bee], script: { memory: "{{ inputs.folder }}/calls" } }
  - id: shaky
    uses: base.toy
    with: { value: 7, script: { fail_first: 1, problem: { code: shaky, message: not yet, retryable: true } } }
    retry: { attempts: 3, delay: 50ms }
  - id: never
    when: "steps.shaky.value == 8"
    uses: base.echo
    with: { value: 0 }
  - id: settled
    gate: base.toy
    with:
      verdicts: [fail, pass]
      script: { memory: "{{ inputs.folder }}/gate" }
    passes: { every: 50ms, within: 1m, progress: seen.value, stalled: 50s, fail_if: "seen.value == 9" }
  - id: each
    for_each: "steps.names.value"
    max_parallel: 2
    steps:
      - id: line
        uses: base.toy_change
        with: { file: "{{ inputs.folder }}/lines of {{ item }}", line: "{{ item }} {{ steps.shaky.value }}" }
      - id: both
        parallel:
          - { id: left, uses: base.echo, with: { value: "left {{ item }}" } }
          - { id: right, uses: base.echo, with: { value: "right {{ item }}" } }
finally:
  - id: last
    uses: base.file
    with: { path: "{{ inputs.folder }}/last", content: "over\n" }
outputs:
  shaky: "{{ steps.shaky.value }}"
  names: "{{ steps.names.value }}"
"#;

/// The same steps, and a gate that never passes: it ends with exit 3, after its `finally`.
fn stopping() -> String {
    TOY.replace("runbook: toy", "runbook: stopping")
        .replace("finally:", "  - { id: no, gate: base.toy, with: { verdicts: [fail] } }\nfinally:")
}

/// What may happen once only: under a lock, in turns, in a runbook that is called, and its answer lost.
const ACTING: &str = r#"
runbook: acting
summary: Lines that are written once.
lock: lines
inputs:
  folder: { type: string }
steps:
  - id: first
    uses: base.toy_append
    with: { file: "{{ inputs.folder }}/lines", line: first }
    timeout: 2s
  - id: turns
    for_each: [ant, bee]
    next_by: { uses: base.toy, with: { value: ant }, by: "item == seen.value" }
    steps:
      - id: line
        uses: base.toy_append
        with: { file: "{{ inputs.folder }}/lines", line: "{{ item }}" }
        timeout: 2s
  - { id: below, call: ./below.yaml, with: { folder: "{{ inputs.folder }}" } }
  - id: lost
    uses: base.toy_append
    with:
      file: "{{ inputs.folder }}/lines"
      line: lost
      moment: after
      script: { outcome: fail, problem: { code: cut, message: the answer was cut off, applied: maybe } }
    timeout: 2s
  - { id: no, uses: base.toy, with: { script: { outcome: fail } }, on_error: continue }
finally:
  - id: last
    uses: base.file
    with: { path: "{{ inputs.folder }}/last", content: "over\n" }
outputs:
  below: "{{ steps.below.said }}"
"#;

const BELOW: &str = r#"
runbook: below
summary: A line more.
lock: lines
inputs:
  folder: { type: string }
steps:
  - id: line
    uses: base.toy_append
    with: { file: "{{ inputs.folder }}/lines", line: below }
    timeout: 2s
finally:
  - id: tidy
    uses: base.toy_change
    with: { file: "{{ inputs.folder }}/tidied", line: below }
outputs:
  said: "{{ steps.line.changed }}"
"#;

#[derive(Clone, Copy, Debug)]
enum When {
    Before,
    After,
}

impl When {
    fn variable(self) -> &'static str {
        match self {
            Self::Before => "DIES_BEFORE",
            Self::After => "DIES_AFTER",
        }
    }
}

/// A command that dies around its n-th append; run to its end when it has fewer.
fn dying(sluice: &Sluice, when: When, append: u32, arguments: &[&str]) -> Done {
    let mut command = sluice.program(Path::new(env!("CARGO_BIN_EXE_sluice-dying")), arguments);
    command.env(when.variable(), append.to_string());
    Running::new(command).end()
}

/// How a run ended, without what differs from run to run: times, attempts, how often a gate looked.
#[derive(Debug, PartialEq)]
struct End {
    status: Value,
    exit: Value,
    decided_by: Value,
    outputs: Value,
    steps: Vec<(String, String)>,
}

impl End {
    fn of(report: &Value) -> Self {
        let mut steps = Vec::new();
        for part in ["steps", "finally"] {
            flatten(&report[part], &mut steps);
        }
        let of = |name: &str| report[name].clone();
        Self { status: of("status"), exit: of("exit"), decided_by: of("decided_by"), outputs: of("outputs"), steps }
    }
}

fn flatten(steps: &Value, into: &mut Vec<(String, String)>) {
    for step in steps.as_array().unwrap() {
        into.push((step["key"].as_str().unwrap().to_owned(), step["status"].as_str().unwrap().to_owned()));
        flatten(&step["steps"], into);
    }
}

/// After a crash: the run as it is listed and shown, and then taken to its end by the product as shipped. `None` when
/// the process died before it had written anything.
fn taken_up(sluice: &Sluice) -> Option<End> {
    let runs = sluice.run(&["runs", "--json"]).expect_code(0).json();
    let run = runs.as_array().unwrap().first()?.clone();
    assert_ne!(run["status"], "running", "{run}");
    let id = run["run"].as_str().unwrap();
    if run["status"] == "interrupted" {
        let resumed = sluice.run(&["resume", id, "--json"]);
        assert_eq!(json!(resumed.code), resumed.json()["exit"], "{}", resumed.said());
    }
    let shown = sluice.run(&["runs", "show", id, "--json"]).expect_code(0).json();
    let after = sluice.run(&["runs", "--json"]).expect_code(0).json();
    assert_eq!(after.as_array().unwrap().len(), 1);
    assert_eq!((&after[0]["status"], &after[0]["exit"]), (&shown["status"], &shown["exit"]));
    Some(End::of(&shown))
}

/// The files that a toy leaves, by name.
fn files(folder: &Path) -> Map<String, Value> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // How often something was asked is no part of the end.
        (name != "gate" && name != "calls").then(|| (name, Value::from(std::fs::read_to_string(path).unwrap())))
    };
    std::fs::read_dir(folder).unwrap().filter_map(file).collect()
}

/// A new machine with the toy on it, and the command that runs it.
struct Toy {
    sluice: Sluice,
    folder: String,
    runbook: String,
}

impl Toy {
    fn new(text: &str) -> Self {
        let sluice = Sluice::alone();
        let folder = sluice.home().join("world").display().to_string();
        std::fs::create_dir(&folder).unwrap();
        let runbook = sluice.file("toy.yaml", text).display().to_string();
        Self { sluice, folder: format!("folder={folder}"), runbook }
    }

    fn arguments(&self) -> [&str; 5] {
        ["run", &self.runbook, "-i", &self.folder, "--json"]
    }

    /// How often its first step was called.
    fn calls(&self) -> String {
        std::fs::read_to_string(self.sluice.home().join("world/calls")).unwrap().trim().to_owned()
    }

    fn files(&self) -> Map<String, Value> {
        files(&self.sluice.home().join("world"))
    }
}

/// Dies at every point of the toy; the number of points.
fn killed_everywhere(text: &str, code: i32) -> u32 {
    let whole = Toy::new(text);
    let expect = End::of(&whole.sluice.run(&whole.arguments()).expect_code(code).json());
    let left = whole.files();
    assert_eq!((&left["lines of ant"], &left["lines of bee"]), (&json!("ant 7\n"), &json!("bee 7\n")));
    assert_eq!(left["last"], "over\n");
    let (mut points, mut repeated) = (0, 0);
    for when in [When::Before, When::After] {
        for append in 1.. {
            let toy = Toy::new(text);
            let died = dying(&toy.sluice, when, append, &toy.arguments());
            if died.signal != Some(9) {
                died.expect_code(code);
                break;
            }
            points += 1;
            let end = taken_up(&toy.sluice).unwrap_or_else(|| {
                assert!(matches!(when, When::Before) && append == 1, "{when:?} append {append}: there is no run");
                End::of(&toy.sluice.run(&toy.arguments()).json())
            });
            assert_eq!(end, expect, "{when:?} append {append}");
            assert_eq!(toy.files(), left, "{when:?} append {append}");
            repeated += u32::from(toy.calls() != "1");
        }
    }
    // Only a process that dies between the answer and its append leaves it to be asked for again.
    assert_eq!(repeated, 1, "what was done was done again");
    points
}

#[test]
fn a_toy_killed_around_every_append_comes_to_the_same_end() {
    let points = thread::scope(|scope| {
        let done = scope.spawn(|| killed_everywhere(TOY, 0));
        let stopped = scope.spawn(|| killed_everywhere(&stopping(), 3));
        done.join().unwrap() + stopped.join().unwrap()
    });
    eprintln!("{points} points of crash, each resumed to the same end");
    assert!(points > 40, "only {points} points were tried");
}

/// A line tells the run that wrote it, which is another each time.
fn without_runs(files: Map<String, Value>) -> Map<String, Value> {
    let run = regex::Regex::new("# [0-9a-f-]{36} ").unwrap();
    let one = |(name, text): (String, Value)| (name, json!(run.replace_all(text.as_str().unwrap(), "# ")));
    files.into_iter().map(one).collect()
}

#[test]
fn acts_that_may_happen_once_happen_once_wherever_the_process_is_killed() {
    let toy = || {
        let toy = Toy::new(ACTING);
        toy.sluice.file("below.yaml", BELOW);
        toy
    };
    let whole = toy();
    let expect = End::of(&whole.sluice.run(&whole.arguments()).expect_code(0).json());
    let left = without_runs(whole.files());
    let lines =
        ["first # first", "bee # turns[bee]/line", "ant # turns[ant]/line", "below # below/line", "lost # lost"];
    assert_eq!(left["lines"].as_str().unwrap().lines().collect::<Vec<_>>(), lines);
    let points = AtomicU32::new(0);
    let point = |when, append| {
        let toy = toy();
        let died = dying(&toy.sluice, when, append, &toy.arguments());
        if died.signal != Some(9) {
            died.expect_code(0);
            return false;
        }
        points.fetch_add(1, Ordering::Relaxed);
        let end = taken_up(&toy.sluice).unwrap_or_else(|| End::of(&toy.sluice.run(&toy.arguments()).json()));
        assert_eq!(end, expect, "{when:?} append {append}");
        assert_eq!(without_runs(toy.files()), left, "{when:?} append {append}");
        true
    };
    // An act that was open when its process died is looked at twice, some seconds apart: most of the time is waiting.
    thread::scope(|scope| {
        for first in 1..=10 {
            for when in [When::Before, When::After] {
                let point = &point;
                scope.spawn(move || (first..).step_by(10).find(|append| !point(when, *append)));
            }
        }
    });
    let points = points.into_inner();
    eprintln!("{points} points of crash around acts that may happen once");
    assert!(points > 40, "only {points} points were tried");
}

#[test]
fn a_toy_whose_every_process_is_killed_gets_there_too() {
    let whole = Toy::new(TOY);
    let expect = End::of(&whole.sluice.run(&whole.arguments()).expect_code(0).json());
    let toy = Toy::new(TOY);
    let mut died = dying(&toy.sluice, When::After, 1, &toy.arguments());
    let mut processes = 1;
    // Each takes the run over, and dies after three appends more: what two acts beside each other intend, and what became
    // of one. With fewer, they would be intended for ever.
    while died.signal == Some(9) {
        died = dying(&toy.sluice, When::After, 4, &["resume", "last", "--json"]);
        processes += 1;
        assert!(processes < 200, "it gets nowhere: {}", died.said());
    }
    eprintln!("{processes} processes, all but the last killed");
    assert!(processes > 5);
    assert_eq!(taken_up(&toy.sluice), Some(expect));
    assert_eq!(toy.files(), whole.files());
}

#[tokio::test]
async fn a_health_check_killed_around_every_append_comes_to_the_same_end() {
    const CHECK: [&str; 5] = ["run", "health-check", "-i", "cluster=nats-staging", "--json"];
    let lab = Lab::up(Options::default()).await.unwrap();
    lab.wait_healthy(std::time::Duration::from_secs(90)).await.unwrap();
    let whole = Sluice::on(&lab);
    let expect = End::of(&whole.run(&CHECK).expect_code(0).json());
    let points = AtomicU32::new(0);
    // The summary names the leader, and a cluster may elect another one at any time.
    let end = |end: End| End { outputs: json!(without_leader(&end.outputs.to_string())), ..end };
    let expect = end(expect);
    let point = |when, append| {
        let sluice = Sluice::on(&lab);
        let died = dying(&sluice, when, append, &CHECK);
        if died.signal != Some(9) {
            died.expect_code(0);
            return false;
        }
        points.fetch_add(1, Ordering::Relaxed);
        let ended = taken_up(&sluice).unwrap_or_else(|| End::of(&sluice.run(&CHECK).json()));
        assert_eq!(end(ended), expect, "{when:?} append {append}");
        true
    };
    // Most of the time is spent waiting for the cluster, so some are tried at once.
    thread::scope(|scope| {
        for first in 1..=2 {
            for when in [When::Before, When::After] {
                let point = &point;
                scope.spawn(move || (first..).step_by(2).find(|append| !point(when, *append)));
            }
        }
    });
    let points = points.into_inner();
    eprintln!("{points} points of crash of a health-check, each resumed to the same end");
    assert!(points >= 6, "only {points} points were tried");
    lab.down().unwrap();
}

fn without_leader(text: &str) -> String {
    regex::Regex::new("meta leader [a-z0-9-]+").unwrap().replace(text, "meta leader").into_owned()
}
