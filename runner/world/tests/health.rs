//! `health-check` over the world, judged by the real plugin: well when all is well, never a pass when the data is not
//! there, whatever happens and whenever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_engine::journal::{Event, Outcome};
use sluice_engine::run::Ending;
use sluice_store::MemoryStore;
use sluice_world::{Called, Fault, Processes, Traffic, When};

use crate::books::{Bench, text};

/// A health check that has ended.
pub(crate) struct Check {
    pub(crate) passed: bool,
    pub(crate) why: String,
    pub(crate) seen: Value,
    /// The calls of the world that it made: from the first, below the second.
    pub(crate) calls: (usize, usize),
}

impl Check {
    fn has(&self, code: &str, name: &str) -> bool {
        let findings = self.seen["findings"].as_array().unwrap();
        findings.iter().any(|found| found["code"] == code && found["subject"]["name"].as_str().unwrap().contains(name))
    }
}

pub(crate) async fn check(bench: &Bench) -> Check {
    let world = &bench.world;
    let order = bench.order();
    let run = order.run.clone();
    let process = Processes::new(world.clone(), Arc::new(MemoryStore::default())).start(1, bench.registry.clone());
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let first = world.calls().len();
    let (ending, _) = world.run(process.engine.start(order, &mut signals)).await.unwrap();
    let loaded = process.engine.load(&run, &|snapshot: &_| bench.recheck(snapshot)).await.unwrap();
    let judged = loaded.envelopes.into_iter().find_map(|envelope| match envelope.event {
        Event::Judged { why, seen, .. } => Some((why, seen)),
        _ => None,
    });
    let (why, seen) = judged.unwrap();
    let passed = match ending {
        Ending::Ended(Outcome::Done) => true,
        Ending::Ended(Outcome::Stopped { .. }) => false,
        other => panic!("{other:?}: {why}"),
    };
    Check { passed, why, seen, calls: (first, world.calls().len()) }
}

fn bench() -> Bench {
    Bench::new(&text("health-check"))
}

fn node(number: usize) -> String {
    format!("nats-staging-node-{number}")
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test]
async fn a_healthy_cluster_passes_in_no_time() {
    let bench = bench();
    let well = check(&bench).await;
    assert!(well.passed, "{}", well.why);
    assert_eq!(well.seen["findings"], serde_json::json!([]), "{}", well.why);
    assert!(bench.world.clock().elapsed() > Duration::from_secs(3));
    let start = Instant::now();
    for seed in 0..100 {
        bench.world.begin_again(bench.setup(seed));
        assert!(check(&bench).await.passed);
    }
    eprintln!("a health check over the world: {:?}", start.elapsed() / 100);
}

/// Runs a check `after` the faults, and looks for this finding about something of this name.
async fn found(bench: &Bench, faults: Vec<Fault>, after: Duration, code: &str, name: &str) {
    bench.world.begin_again(bench.setup(3));
    let what = format!("{faults:?} and {after:?}");
    faults.into_iter().for_each(|fault| bench.world.happen(fault));
    bench.world.run(bench.world.clock().sleep(after)).await;
    let check = check(bench).await;
    assert!(!check.passed && check.has(code, name), "{what}: {}\n{}", check.why, check.seen["findings"]);
}

#[tokio::test]
async fn every_fault_is_found_and_named() {
    let bench = bench();
    let (one, moment) = (node(1), seconds(30));
    let kill = |node: &str| Fault::Kill { node: node.into() };
    found(&bench, vec![kill(&one)], moment, "node_unreachable", &one).await;
    found(&bench, vec![kill(&one)], moment, "replica_silent", "pivot_main").await;
    found(&bench, vec![kill(&one), kill(&node(2))], moment, "no_quorum", "pivot_main").await;
    found(&bench, vec![kill(&one), kill(&node(2))], moment, "meta_no_leader", "nats-staging").await;
    found(&bench, vec![Fault::Freeze { node: one.clone() }], moment, "node_unreachable", &one).await;
    found(&bench, vec![Fault::CutOff { node: one.clone() }], seconds(1), "node_unreachable", &one).await;
    found(&bench, vec![Fault::Terminate { node: one.clone() }], seconds(5), "node_unreachable", &one).await;
    let renamed = Fault::TerminateRenamed { node: one.clone(), server: "ip-10-0-1-7".into() };
    found(&bench, vec![renamed.clone()], seconds(120), "wrong_server_name", &one).await;
    found(&bench, vec![renamed], seconds(120), "ghost_peer", "pivot_main").await;
    found(&bench, vec![Fault::GhostPeer { server: "old".into() }], moment, "ghost_peer", "nats-staging").await;
    let deleted = Fault::DeleteStream { stream: "pivot_main".into() };
    found(&bench, vec![deleted], moment, "stream_missing", "pivot_main").await;
}

/// Every fault there is, about this node.
fn faults(node: &str) -> Vec<Fault> {
    let node = || node.to_owned();
    vec![
        Fault::Kill { node: node() },
        Fault::Freeze { node: node() },
        Fault::Slow { node: node(), percent: 5 },
        Fault::CutOff { node: node() },
        Fault::Terminate { node: node() },
        Fault::TerminateRenamed { node: node(), server: "ip-10-0-1-7".into() },
        Fault::GhostPeer { server: "old".into() },
        Fault::DeleteStream { stream: "pivot_main".into() },
        Fault::ApiErrors { node: node(), count: 3 },
        Fault::SlowConsumers { node: node(), count: 3 },
        Fault::SuspendProcess { node: node(), process: "Launch".into() },
        Fault::InstanceRefresh { node: node() },
        Fault::Suspend(seconds(3_600)),
        Fault::SetClock(-7_200_000),
        Fault::SetClock(7_200_000),
    ]
}

/// The truth about a check that passed: where each node was looked at last, it ran, and its store held what the leader
/// had when the check first looked.
fn assert_true(bench: &Bench, check: &Check, what: &str) {
    let calls = bench.world.calls();
    let calls = &calls[check.calls.0..check.calls.1];
    let looks: Vec<&Called> = calls.iter().filter(|call| call.what.contains("/jsz")).collect();
    let stream = |call: &Called| call.truth.stream("pivot_main").cloned();
    let target = looks.iter().find_map(|call| {
        let stream = stream(call)?;
        Some(stream.has(stream.leader.as_ref()?))
    });
    let target = target.unwrap_or_else(|| panic!("{what}: passed and never saw a leader"));
    for number in 1..=3 {
        let node = node(number);
        let last = looks.iter().rev().find(|call| call.what.contains(&format!("{node}."))).unwrap();
        assert!(last.truth.servers.contains(&node), "{what}: passed and {node} does not run");
        let has = stream(last).map_or(0, |stream| stream.has(&node));
        assert!(has >= target, "{what}: passed and {node} has {has} of {target}");
        // Only the leader's word of the meta group is news.
        let leads = last.truth.meta_leader.as_ref() == Some(&node);
        assert!(!leads || last.truth.meta_peers.len() == 3, "{what}: passed with a ghost");
    }
}

/// Each fault at each call that a check makes, right before it is answered and right after.
#[tokio::test]
async fn no_fault_at_any_moment_makes_it_pass_without_the_data() {
    let bench = bench();
    let (mut checks, mut passed) = (0, 0);
    for traffic in [0, 400] {
        let begin = || {
            let mut setup = bench.setup(5);
            setup.traffic = Traffic::steady(traffic);
            bench.world.begin_again(setup);
        };
        begin();
        let calls = check(&bench).await.calls.1;
        let about = |number: usize| faults(&node(number)).into_iter().map(move |fault| (number, fault));
        for (number, fault) in (1..=3).flat_map(about) {
            // What is about no node is tried once, and under traffic one node is enough.
            if number != 2 && (traffic > 0 || !format!("{fault:?}").contains("node")) {
                continue;
            }
            for call in 1..=calls {
                let when = if (call + number) % 2 == 0 { When::Before { call } } else { When::After { call } };
                begin();
                bench.world.plan(when, fault.clone());
                let check = check(&bench).await;
                checks += 1;
                if check.passed {
                    passed += 1;
                    assert_true(&bench, &check, &format!("{fault:?} {when:?} with {traffic} messages a second"));
                }
            }
        }
    }
    eprintln!("{checks} checks, {passed} passed");
    assert!(checks > 500 && passed > 50 && passed < checks, "{passed} of {checks}");
}

/// What a careless check would go by: all say that they are healthy, and the leader that all are current.
fn all_say_so(bench: &Bench) -> bool {
    bench.world.said().into_iter().all(|said| said.healthy && said.calls_all_current != Some(false))
}

/// A node is replaced, with an empty disk and under traffic, and looked at over and over until the check passes.
#[tokio::test]
async fn a_replaced_node_passes_when_its_data_is_back_and_not_when_it_says_so() {
    let bench = bench();
    let mut lies = 0;
    for (seed, traffic) in [(1, 0), (2, 0), (3, 300), (4, 300), (5, 700)] {
        for number in 1..=3 {
            let mut setup = bench.setup(seed);
            (setup.traffic, setup.messages) = (Traffic::steady(traffic), 30_000);
            bench.world.begin_again(setup);
            bench.world.happen(Fault::Terminate { node: node(number) });
            let back = loop {
                lies += usize::from(all_say_so(&bench) && !whole(&bench));
                let check = check(&bench).await;
                if check.passed {
                    assert_true(&bench, &check, &format!("seed {seed}, node {number}"));
                    break bench.world.clock().elapsed();
                }
                bench.world.run(bench.world.clock().sleep(seconds(1))).await;
                assert!(bench.world.clock().elapsed() < seconds(300), "never: {}", check.why);
            };
            // 27 s to boot, 1.5 s to join, 20 s to fetch.
            assert!(back > seconds(45), "seed {seed}, node {number}: after {back:?}");
        }
    }
    assert!(lies > 15, "the servers told the truth but for {lies} times: this test can find nothing");
}

/// Every node runs and holds nearly what the leader holds.
fn whole(bench: &Bench) -> bool {
    let truth = bench.world.truth();
    let stream = truth.stream("pivot_main").unwrap();
    let reaches = stream.stores.values().copied().max().unwrap();
    (1..=3).all(|number| truth.servers.contains(&node(number)) && stream.has(&node(number)) + 50 >= reaches)
}
