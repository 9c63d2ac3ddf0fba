//! The toy acts: each outcome does what it says to the world, and a run that puts things there leaves none behind.

use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};
use sluice_engine::run::Hosts;
use sluice_plugin::{ActionName, Applied, Attempt, Call, Plugin, Problem, Purpose, Reconciled};
use sluice_world::{SimHosts, World, toy};

use crate::books::Bench;
use crate::crash::{crashed_everywhere, failures};

/// Calls `world.change` and waits a minute at most; then reconciles. What was heard, whether it was done, what is found.
async fn change(bench: &Bench, with: Value) -> (Option<Result<Value, Problem>>, usize, Reconciled) {
    let world: &World = &bench.world;
    world.begin_again(bench.setup(1));
    let plugin = toy::plugin(world).unwrap();
    let (run, step, attempt) = ("r".to_owned(), "a".to_owned(), Attempt(1));
    let call = Call { run, step, attempt, purpose: Purpose::Act, deadline: None, with };
    let host = SimHosts::new(world.clone()).host(&ActionName::parse("world.toy").unwrap(), &call);
    let act = plugin.run("change", &*host, &call);
    let patience = world.clock().sleep(Duration::from_secs(60));
    let heard = world.run(async {
        futures::select_biased! {
            answer = act.fuse() => Some(answer.map(|outcome| outcome.output)),
            () = patience.fuse() => None,
        }
    });
    let heard = heard.await;
    let found = world.run(plugin.reconcile("change", &*host, &call)).await.unwrap();
    (heard, world.deeds().len(), found)
}

#[tokio::test]
async fn every_outcome_of_an_act_is_there() {
    let bench = Bench::new(TIDY);
    let check = async |outcome: &str, heard: &str, deeds: usize, found: &str| {
        let with = json!({ "value": 1, "outcome": outcome, "takes": "1s" });
        let (said, done, reconciled) = change(&bench, with).await;
        let said = match said {
            Some(Ok(output)) => format!("{output}"),
            Some(Err(problem)) if problem.applied == Applied::No => "no".to_owned(),
            Some(Err(_)) => "maybe".to_owned(),
            None => "silence".to_owned(),
        };
        let reconciled = match reconciled {
            Reconciled::Done { .. } => "done",
            Reconciled::NotDone { .. } => "not done",
            Reconciled::CannotTell { .. } => "cannot tell",
        };
        assert_eq!((said.as_str(), done, reconciled), (heard, deeds, found), "{outcome}");
    };
    check("done", r#"{"value":1}"#, 1, "done").await;
    check("refused", "no", 0, "not done").await;
    check("broken_done", "maybe", 1, "done").await;
    check("broken_not", "maybe", 0, "not done").await;
    check("silent_done", "silence", 1, "done").await;
    check("silent_not", "silence", 0, "not done").await;
    let hidden = change(&bench, json!({ "outcome": "broken_done", "hidden": true })).await;
    assert!(matches!(hidden.2, Reconciled::CannotTell { .. }));
}

/// Puts two things there, one in a loop, looks, and removes them in the end.
const TIDY: &str = "
runbook: tidy
summary: Put things there and remove them.
steps:
  - { id: first, uses: world.put, with: { key: a } }
  - id: more
    for_each: ['b', 'c']
    uses: world.put
    with: { key: '{{ item }}' }
  - { id: look, uses: world.things }
  - id: there
    gate: base.echo
    with: { value: '{{ steps.look.things }}' }
    expect: [ { that: 'seen.value | length == 3' } ]
finally:
  - { id: a, uses: world.remove, with: { key: a } }
  - { id: rest, for_each: ['b', 'c'], uses: world.remove, with: { key: '{{ item }}' } }
outputs: { things: '{{ steps.look.things }}' }
";

#[tokio::test]
async fn what_was_put_there_is_removed_whatever_fails() {
    let bench = Bench::new(TIDY);
    let mut cleaners = 0;
    for failure in failures(&bench).await {
        let end = failure.end.unwrap();
        // A cleaner that fails leaves its own thing and no other.
        let expect: Vec<String> = match failure.step.as_str() {
            "a" => vec!["a".to_owned()],
            "rest[b]" => vec!["b".to_owned()],
            "rest[c]" => vec!["c".to_owned()],
            _ => Vec::new(),
        };
        cleaners += expect.len();
        assert_eq!(failure.things, expect, "{}: {}", failure.step, end.summary());
        let outcome = match failure.step.as_str() {
            "there" => "stopped",
            _ => "failed",
        };
        assert_eq!(end.outcome, outcome, "{}: {}", failure.step, end.summary());
    }
    assert_eq!(cleaners, 3, "every cleaner was made to fail");
}

#[tokio::test]
async fn a_crash_leaves_nothing_behind_and_nothing_undone() {
    let points = crashed_everywhere(TIDY).await;
    assert!(points > 30, "only {points} points");
}
