//! `rolling-replace` of two nodes whose process dies at every point, and with each of its steps failing.

use std::sync::Arc;

use sluice_engine::journal::Snapshot;
use sluice_engine::run::{Asker, Recheck};
use sluice_store::MemoryStore;
use sluice_world::harness::Trial;

use super::{NODES, Person, bench, leads};
use crate::books::{Bench, cluster};
use crate::crash::Begun;
use crate::replace::{SLACK, requests, setup};

fn begun(bench: &Bench) -> Begun {
    bench.world.begin_again(setup(bench));
    bench.world.happen(leads(NODES[0]));
    let mut order = bench.order();
    let inputs = order.inputs.as_object_mut().unwrap();
    inputs.insert("soak".into(), "10s".into());
    inputs.insert("nodes".into(), serde_json::json!([cluster().nodes[1], cluster().nodes[2]]));
    (Arc::new(MemoryStore::default()), order)
}

fn trial<'a>(bench: &'a Bench, begin: &'a (dyn Fn() -> Begun + Sync), recheck: Recheck<'a>) -> Trial<'a> {
    let asker: Arc<dyn Asker> = Arc::new(Person::new(&bench.world, Vec::new()));
    Trial { asker: Some(asker), ..crate::crash::trial(bench, begin, recheck) }
}

fn harm(bench: &Bench) -> Vec<String> {
    let nodes = [NODES[1], NODES[2]].iter();
    nodes.zip(requests(&bench.world)).filter_map(|(node, call)| call.truth.needs(node, SLACK)).collect()
}

#[tokio::test]
async fn wherever_a_process_dies_each_instance_is_ended_once_and_none_too_early() {
    let bench = bench();
    let (begin, recheck) = (|| begun(&bench), |snapshot: &Snapshot| bench.recheck(snapshot));
    let trial = trial(&bench, &begin, &recheck);
    bench.world.begin_again(setup(&bench));
    let old: Vec<String> = [NODES[1], NODES[2]].iter().map(|node| bench.world.instance(node).unwrap()).collect();
    let (expect, _) = trial.uninterrupted().await.unwrap();
    assert_eq!(expect.outcome, "done", "{}", expect.summary());
    let mut points = 0;
    while let Some(crashed) = trial.crashed_at(points + 1).await {
        let point = &crashed.point;
        let end = crashed.end.clone().unwrap_or_else(|why| panic!("{point}: {why}"));
        assert_eq!(end.summary(), expect.summary(), "{point}");
        assert_eq!(end.outputs, expect.outputs, "{point}");
        assert_eq!(crashed.terminations, old, "{point}");
        assert_eq!(harm(&bench), [""; 0], "{point}");
        points += 1;
    }
    eprintln!("rolling-replace: {points} points");
    assert!(points > 150, "{points}");
}

#[tokio::test]
async fn whichever_step_fails_no_second_node_goes_after_it() {
    let bench = bench();
    let (begin, recheck) = (|| begun(&bench), |snapshot: &Snapshot| bench.recheck(snapshot));
    let trial = trial(&bench, &begin, &recheck);
    let failures = trial.failed_everywhere().await.unwrap();
    let passes = ["boot_before", "step_down", "step_down_meta", "at_the_act"];
    for failure in &failures {
        let (step, end) = (failure.step.as_str(), failure.end.clone().unwrap());
        let what = format!("{step}: {}", end.summary());
        let passed = passes.iter().any(|name| step.ends_with(name));
        let first = step.contains("[nats-staging-node-2]");
        let ended = failure.terminations.len();
        match (passed, first) {
            (true, _) => assert_eq!((ended, end.outcome.as_str()), (2, "done"), "{what}"),
            (false, true) => assert!(ended <= 1 && end.outcome != "done", "{what}"),
            (false, false) => assert!(end.outcome != "done", "{what}"),
        }
    }
    assert!(failures.len() > 25, "{}", failures.len());
}
