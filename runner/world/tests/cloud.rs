//! AWS in the world: what its actions answer fits the real plugin's schemas at every moment of a replacement, and every
//! trouble comes out under the real plugin's codes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_engine::run::Hosts;
use sluice_plugin::{ActionName, Attempt, Call, Outcome, Problem, Purpose};
use sluice_world::{AwsFault, AwsTrouble, Fault, SimHosts, When};

use crate::books::{Bench, cluster, text};
use crate::crash::ended;

/// Calls an action of the simulated plugin as the engine does, and holds the answer against the schema.
pub(crate) async fn ask(bench: &Bench, operation: &str, with: Value) -> Result<Value, Problem> {
    Ok(judge(bench, operation, with, Purpose::Read).await?.output)
}

/// The same with its verdict.
pub(crate) async fn judge(bench: &Bench, operation: &str, with: Value, purpose: Purpose) -> Result<Outcome, Problem> {
    let name = ActionName::parse(&format!("aws.{operation}")).unwrap();
    let action = bench.registry.action(&name).unwrap();
    assert_eq!(action.input_errors(&with), [], "{operation}");
    let (run, step, attempt) = ("r".to_owned(), "a".to_owned(), Attempt(1));
    let call = Call { run, step, attempt, purpose, deadline: None, with };
    let host = SimHosts::new(bench.world.clone()).host(&action.spec.name, &call);
    let outcome = bench.world.run(action.plugin.run(operation, &*host, &call)).await?;
    assert_eq!(action.output_errors(&outcome.output), [], "{operation}: {}", outcome.output);
    assert_eq!(outcome.judgement.is_some(), action.spec.gate.is_some(), "{operation}");
    Ok(outcome)
}

fn with(operation: &str) -> Value {
    let cluster = cluster();
    match operation {
        "groups" | "cluster_idle" => json!({ "cluster": cluster }),
        "node_instance" | "activities" | "new_instance" => json!({ "node": cluster.nodes[0] }),
        "bootstrap_line" => json!({ "cluster": cluster, "node": cluster.nodes[0], "instance": "i-none", "since": 0 }),
        "parameters" => json!({
            "aws": cluster.aws, "names": { "jwt": cluster.creds.admin.jwt, "none": "/none" },
            "secret": ["jwt"], "optional": ["none"],
        }),
        _ => json!({ "aws": cluster.aws }),
    }
}

const ALL: [&str; 8] = [
    "activities",
    "bootstrap_line",
    "caller_identity",
    "cluster_idle",
    "groups",
    "new_instance",
    "node_instance",
    "parameters",
];

#[tokio::test]
async fn a_replacement_is_seen_as_it_goes() {
    let bench = Bench::new(&text("hello"));
    let before = ask(&bench, "node_instance", with("node_instance")).await.unwrap();
    bench.world.happen(Fault::Terminate { node: "nats-staging-node-1".into() });
    let mut seen = Vec::new();
    while bench.world.clock().elapsed() < Duration::from_secs(90) {
        let group = ask(&bench, "groups", with("groups")).await.unwrap()["groups"][0].clone();
        let lives = group["instances"].as_array().unwrap().iter().map(|one| one["lifecycle"].as_str().unwrap());
        let instance = match ask(&bench, "node_instance", with("node_instance")).await {
            Ok(output) => output["lifecycle"].as_str().unwrap_or("none").to_owned(),
            Err(problem) => {
                assert!(problem.retryable, "{problem}");
                problem.code
            }
        };
        let state = format!("{}: {instance}", lives.collect::<Vec<_>>().join("+"));
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        bench.world.run(bench.world.clock().sleep(Duration::from_secs(1))).await;
    }
    let expect = [
        "Terminating: odd_state",
        "Terminating+Pending: several_instances",
        "Terminating+InService: several_instances",
        "InService: InService",
    ];
    assert_eq!(seen, expect);
    let after = ask(&bench, "node_instance", with("node_instance")).await.unwrap();
    assert_ne!(before["id"], after["id"]);
}

#[tokio::test]
async fn a_group_that_may_not_launch_stays_empty() {
    let bench = Bench::new(&text("hello"));
    bench.world.happen(Fault::SuspendProcess { node: "nats-staging-node-1".into(), process: "Launch".into() });
    bench.world.happen(Fault::Terminate { node: "nats-staging-node-1".into() });
    bench.world.run(bench.world.clock().sleep(Duration::from_secs(600))).await;
    let output = ask(&bench, "node_instance", with("node_instance")).await.unwrap();
    assert_eq!((&output["id"], &output["suspended"]), (&Value::Null, &json!(["Launch"])));
}

pub(crate) fn trouble(how: AwsTrouble, operation: Option<&str>, times: u32) -> Fault {
    Fault::Aws(AwsFault { operation: operation.map(str::to_owned), how, times })
}

#[tokio::test]
async fn every_trouble_has_the_real_code() {
    let bench = Bench::new(&text("hello"));
    let cases = [
        (AwsTrouble::Throttled, "throttled", true),
        (AwsTrouble::Down, "unreachable", true),
        (AwsTrouble::ServerError, "server_error", true),
        (AwsTrouble::Denied, "denied", false),
        (AwsTrouble::Expired, "credentials", true),
        (AwsTrouble::AnswerLost, "unreachable", true),
    ];
    for operation in ALL {
        assert!(ask(&bench, operation, with(operation)).await.is_ok(), "{operation}");
        for (how, code, retryable) in cases {
            bench.world.begin_again(bench.setup(1));
            bench.world.happen(trouble(how, None, 1));
            let problem = ask(&bench, operation, with(operation)).await.unwrap_err();
            assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{operation} {how:?}");
        }
    }
    let mut elsewhere = with("caller_identity");
    elsewhere["aws"]["account"] = json!("999999999999");
    assert_eq!(ask(&bench, "caller_identity", elsewhere).await.unwrap_err().code, "wrong_account");
    bench.world.begin_again(bench.setup(1));
    bench.world.happen(trouble(AwsTrouble::Denied, Some("autoscaling:DescribeScalingActivities"), 9));
    let groups = ask(&bench, "groups", with("groups")).await.unwrap();
    assert!(groups["groups"][0]["unknown"]["newest_activity"].is_string(), "{groups}");
}

/// `connect` tries its parameters twice, and its servers one after the other.
#[tokio::test]
async fn connect_gets_through_what_can_be_got_through() {
    let bench = Bench::new(&text("connect"));
    let node = |number: usize| format!("nats-staging-node-{number}");
    let kill = |number| Fault::Kill { node: node(number) };
    let cases = [
        (vec![], "done"),
        (vec![trouble(AwsTrouble::Throttled, None, 1)], "done"),
        (vec![trouble(AwsTrouble::Throttled, None, 2)], "failed params"),
        (vec![trouble(AwsTrouble::Denied, None, 1)], "failed params"),
        (vec![kill(1)], "done"),
        (vec![kill(1), Fault::Freeze { node: node(2) }], "done"),
        (vec![kill(1), kill(2), kill(3)], "stopped who"),
        (vec![Fault::DeleteStream { stream: "pivot_main".into() }], "done"),
    ];
    for (faults, expect) in cases {
        bench.world.begin_again(bench.setup(2));
        faults.iter().cloned().for_each(|fault| bench.world.happen(fault));
        assert_eq!(ended(&bench).await, expect, "{faults:?}");
    }
}

#[tokio::test]
async fn the_same_seed_is_the_same_world() {
    let bench = Bench::new(&text("connect"));
    let mut all = BTreeSet::new();
    for seed in [1, 2, 3, 1, 2, 3] {
        bench.world.begin_again(bench.setup(seed));
        bench.world.plan(When::Before { call: 9 }, Fault::Terminate { node: "nats-staging-node-2".into() });
        assert_eq!(ended(&bench).await, "done");
        bench.world.run(bench.world.clock().sleep(Duration::from_secs(100))).await;
        all.insert(format!("{:?} {:?}", bench.world.calls(), bench.world.truth()));
    }
    assert_eq!(all.len(), 3);
}
