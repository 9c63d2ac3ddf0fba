//! `nats.cluster_health` and `nats.servers` against a real cluster in good and bad times.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab, Options, Plan};
use sluice_plugin::Verdict;
use tokio::task::JoinHandle;

use crate::host::run;
use crate::with_creds::creds;

pub(crate) fn cluster(plan: &Plan) -> Value {
    let node = |n: u8| {
        json!({
            "number": n, "name": plan.node_name(n), "cluster": plan.options.cluster, "host": plan.client(n).ip().to_string(),
            "group": plan.group(n), "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": null
        })
    };
    json!({
        "name": plan.options.cluster, "labels": {}, "nodes": [node(1), node(2), node(3)], "aws": null, "ssm_prefix": "/x",
        "streams": ["pivot_main"], "services": {}, "creds": { "admin": { "jwt": "/j", "seed": "/s" }, "system": null }
    })
}

struct Health {
    verdict: Verdict,
    output: Value,
    took: Duration,
}

impl Health {
    fn codes(&self) -> Vec<String> {
        let finding = |finding: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!("{} {} {}", text(&finding["severity"]), text(&finding["code"]), text(&finding["subject"]["name"]))
        };
        self.output["findings"].as_array().unwrap().iter().map(finding).collect()
    }

    fn has(&self, part: &str) -> bool {
        self.codes().iter().any(|code| code.contains(part))
    }
}

async fn health(plan: &Plan) -> Health {
    health_with(plan, json!({})).await
}

async fn health_with(plan: &Plan, more: Value) -> Health {
    let thresholds: Value = serde_saphyr::from_str(include_str!("../../../runbooks/thresholds.yaml")).unwrap();
    let mut with = json!({ "cluster": cluster(plan), "thresholds": thresholds["thresholds"] });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let start = Instant::now();
    let outcome = run("cluster_health", with).await.unwrap();
    let health = Health { verdict: outcome.judgement.unwrap().verdict, output: outcome.output, took: start.elapsed() };
    eprintln!(
        "{:?} in {:?}: {}\n  {}",
        health.verdict,
        health.took,
        health.output["summary"],
        health.codes().join("\n  ")
    );
    health
}

/// Asks until it is as wanted, for at most a minute.
async fn until(plan: &Plan, what: &str, wanted: impl Fn(&Health) -> bool) -> Health {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let health = health(plan).await;
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "not {what} within a minute: {:?}", health.codes());
    }
}

/// About 2,000 messages a second for as long as it runs; the first one is in the stream when this returns.
pub(crate) async fn traffic(lab: &Lab) -> JoinHandle<()> {
    let creds = lab.creds("facebox").await.unwrap();
    let options = async_nats::ConnectOptions::with_credentials(&creds).unwrap();
    let client = options.connect(lab.plan().client(1).to_string()).await.unwrap();
    let context = async_nats::jetstream::new(client.clone());
    let acknowledged = || async { context.publish("facebox.load", "first".into()).await.ok()?.await.ok() };
    let deadline = Instant::now() + Duration::from_secs(60);
    while acknowledged().await.is_none() {
        assert!(Instant::now() < deadline, "no message was acknowledged within a minute");
    }
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        loop {
            every.tick().await;
            for _ in 0..20 {
                // A lost message is no matter here.
                let _ = client.publish("facebox.load", vec![b'x'; 1_000].into()).await;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_through_good_and_bad_times() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let plan = lab.plan().clone();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();

    let well = until(&plan, "well", |health| health.verdict == Verdict::Pass).await;
    assert!(well.took < Duration::from_secs(5), "{:?}", well.took);
    assert_eq!(well.output["voters"]["left"], 3);

    let load = traffic(&lab).await;
    let mut before = 0;
    for _ in 0..3 {
        let busy = health(&plan).await;
        let last_seq = busy.output["streams"][0]["last_seq"].as_u64().unwrap();
        assert!(last_seq > before, "there is traffic");
        before = last_seq;
        assert_eq!(busy.verdict, Verdict::Pass, "traffic is no illness: {:?}", busy.codes());
        assert!(busy.output["totals"]["connections"].as_u64().unwrap() >= 1);
    }
    load.abort();

    two_sources(&lab, &plan).await;
    frozen(&lab, &plan).await;
    killed(&lab, &plan).await;
    replaced(&lab, &plan).await;
    let name = plan.node_name(2);
    lab.fault(Fault::Replace { node: "2".into(), new_name: true, boot_delay: None }).await.unwrap();
    let ghost = until(&plan, "haunted", |health| health.has("ghost_peer")).await;
    assert_eq!(ghost.verdict, Verdict::Fail);
    assert!(ghost.has(&format!("wrong_server_name {name}")) || ghost.has("node_unreachable"), "{:?}", ghost.codes());
    lab.down().unwrap();
}

/// The API agrees, and neither our connection nor our errors count.
async fn two_sources(lab: &Lab, plan: &Plan) {
    let mut with = json!({ "cluster": cluster(plan), "creds": creds(lab, "admin").await });
    let both = health_with(plan, with.clone()).await;
    assert_eq!(both.codes(), ["warning no_connections nats-staging"]);
    with["cluster"]["streams"] = json!(["pivot_main", "orders"]);
    let missing = health_with(plan, with.clone()).await;
    assert_eq!(missing.codes(), ["critical stream_missing orders", "warning no_connections nats-staging"]);
    with["creds"] = creds(lab, "facebox").await;
    with["cluster"]["streams"] = json!(["pivot_main"]);
    assert!(health_with(plan, with).await.has("warning no_second_source pivot_main"));
}

async fn frozen(lab: &Lab, plan: &Plan) {
    let name = plan.node_name(3);
    lab.fault(Fault::Freeze { node: "3".into() }).await.unwrap();
    let servers = Instant::now();
    let output = run("servers", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    assert!(servers.elapsed() < Duration::from_secs(3), "{:?}", servers.elapsed());
    assert_eq!(output["servers"][2]["unreached"]["kind"], "timeout");
    let health = health(plan).await;
    assert!(health.has(&format!("unknown node_unreachable {name}")), "{:?}", health.codes());
    assert_ne!(health.verdict, Verdict::Pass);
    assert!(health.took < Duration::from_secs(12), "{:?}", health.took);
    lab.fault(Fault::Thaw { node: "3".into() }).await.unwrap();
    until(plan, "well again", |health| health.verdict == Verdict::Pass).await;
}

async fn killed(lab: &Lab, plan: &Plan) {
    let name = plan.node_name(1);
    lab.fault(Fault::Kill { node: "1".into() }).await.unwrap();
    let dead = until(plan, "seen dead", |health| health.has("replica_") && health.has(&name)).await;
    assert_eq!(dead.verdict, Verdict::Fail);
    assert_eq!(dead.output["nodes"][0]["unreached"]["kind"], "refused");
    assert_eq!(dead.output["voters"]["left"], 2);
    lab.fault(Fault::Start { node: "1".into() }).await.unwrap();
    until(plan, "well again", |health| health.verdict == Verdict::Pass).await;
}

/// The new server is empty and has thousands of messages to fetch, slowly. Pass must not come before they are there;
/// the lab's own look at the stores is the judge of that.
async fn replaced(lab: &Lab, plan: &Plan) {
    lab.fault(Fault::Slow { node: "1".into(), duty: 0.3 }).await.unwrap();
    lab.fault(Fault::Replace { node: "1".into(), new_name: false, boot_delay: None }).await.unwrap();
    // On a quiet machine it may be back, and full, before anybody has looked once.
    until(plan, "replaced", |health| health.verdict == Verdict::Pass).await;
    lab.ask("/healthy", json!({})).await.expect("all stores hold what the leader has");
    lab.fault(Fault::Thaw { node: "1".into() }).await.unwrap();
}
