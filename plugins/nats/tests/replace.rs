//! The actions around a replacement, against a real cluster: who may go, what moves, and when the data is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab, Load, Options, Plan};
use sluice_plugin::{Outcome, Preview, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::health::{cluster, traffic};
use crate::host::{get, preview, run};
use crate::with_creds::{creds, up};

/// `cluster`, and a node of it under this name.
fn with(plan: &Plan, key: &str, number: usize) -> Value {
    let cluster = cluster(plan);
    let node = cluster["nodes"][number - 1].clone();
    let mut with = json!({ "cluster": cluster });
    with[key] = node;
    with
}

async fn gate(action: &str, with: Value) -> (Verdict, Value) {
    let start = Instant::now();
    let Outcome { output, judgement } = run(action, with).await.unwrap();
    let judgement = judgement.unwrap();
    eprintln!("{action}: {:?} in {:?}: {}", judgement.verdict, start.elapsed(), judgement.why);
    (judgement.verdict, output)
}

/// Asks until it is as wanted, for at most two minutes.
async fn until(action: &str, with: &Value, wanted: impl Fn(Verdict, &Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let (verdict, output) = gate(action, with.clone()).await;
        if wanted(verdict, &output) {
            return output;
        }
        assert!(Instant::now() < deadline, "{action} within two minutes: {:#}", output["reasons"]);
    }
}

async fn until_pass(action: &str, with: &Value) -> Value {
    until(action, with, |verdict, _| verdict == Verdict::Pass).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_go() {
    let lab = up(Options::default()).await;
    let plan = lab.plan().clone();
    let mut without = with(&plan, "without", 2);
    let alone = until_pass("quorum", &without).await;
    assert_eq!((&alone["voters"], &alone["voters_left"], &alone["majority"]), (&json!(3), &json!(2), &json!(2)));
    assert_eq!(alone["sources"], json!(["monitoring"]));
    without["creds"] = creds(&lab, "sys").await;
    assert_eq!(until_pass("quorum", &without).await["sources"], json!(["monitoring", "system"]));
    without["creds"] = creds(&lab, "admin").await;
    assert_eq!(until_pass("quorum", &without).await["sources"], json!(["monitoring", "jetstream_api"]));

    // All the time, and never a doubt.
    let load = traffic(&lab).await;
    for _ in 0..3 {
        for action in ["quorum", "replicas_current"] {
            let (verdict, output) = gate(action, without.clone()).await;
            assert_eq!(verdict, Verdict::Pass, "{action} under traffic: {:#}", output["reasons"]);
        }
    }
    load.abort();
    consumed(&lab, &without).await;
    frozen(&lab, &without).await;
    one_replica(&lab, &plan, &without).await;
    impostor(&lab, &plan, &without).await;
    lab.down().unwrap();
}

/// Messages come and go: what consumers acknowledge is deleted everywhere at its own time.
async fn consumed(lab: &Lab, without: &Value) {
    lab.load(Load { rate: 500, size: 256, count: None, no_consume: false }).await.unwrap();
    let mut passed = 0;
    for _ in 0..10 {
        let (verdict, _) = gate("replicas_current", without.clone()).await;
        passed += usize::from(verdict == Verdict::Pass);
    }
    lab.load(Load { rate: 0, size: 0, count: None, no_consume: false }).await.unwrap();
    assert_eq!(passed, 10);
}

/// The node that is to go says nothing: the others are asked, and a sample stays fresh.
async fn frozen(lab: &Lab, without: &Value) {
    lab.fault(Fault::Freeze { node: "2".into() }).await.unwrap();
    let frozen = |verdict, output: &Value| verdict == Verdict::Pass && output["target_up"] == false;
    until("quorum", without, frozen).await;
    let start = Instant::now();
    let output = until_pass("replicas_current", without).await;
    assert_eq!(output["nodes"][1]["up"], false);
    // Over once its groups have new leaders: each sample is fresh enough to act on.
    let one = Instant::now();
    assert_eq!(gate("quorum", without.clone()).await.0, Verdict::Pass);
    assert!(one.elapsed() < Duration::from_secs(5), "{:?} (leaders after {:?})", one.elapsed(), start.elapsed());
    lab.fault(Fault::Thaw { node: "2".into() }).await.unwrap();
    let up = |verdict, output: &Value| verdict == Verdict::Pass && output["target_up"] == true;
    until("quorum", without, up).await;
}

/// A durable consumer of one replica on the node that is to go: while that is dead, nobody tells of it, and it is told
/// that somebody is missing.
async fn one_replica(lab: &Lab, plan: &Plan, without: &Value) {
    let creds = lab.creds("admin").await.unwrap();
    let options = async_nats::ConnectOptions::new().credentials(&creds).unwrap();
    let client = options.connect(plan.client(1).to_string()).await.unwrap();
    let api = async |subject: String, body: Value| -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = client.request(format!("$JS.API.{subject}"), body.into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["error"], Value::Null, "{subject}: {answer}");
        answer
    };
    let config = json!({ "name": "orders", "subjects": ["orders"], "retention": "limits", "num_replicas": 3 });
    api("STREAM.CREATE.orders".to_owned(), config).await;
    // Where it stands is not ours to choose.
    for number in 1.. {
        assert!(number < 50, "one of so many stands on every node");
        let config = json!({ "durable_name": format!("c{number}"), "ack_policy": "explicit", "num_replicas": 1 });
        let body = json!({ "stream_name": "orders", "config": config });
        let made = api(format!("CONSUMER.DURABLE.CREATE.orders.c{number}"), body).await;
        if made["cluster"]["leader"] == json!(plan.node_name(2)) {
            break;
        }
        api(format!("CONSUMER.DELETE.orders.c{number}"), json!(null)).await;
    }
    let because = |verdict: Verdict, part: &'static str| {
        move |got, output: &Value| got == verdict && output["reasons"][0].as_str().is_some_and(|why| why.contains(part))
    };
    until("quorum", without, because(Verdict::Fail, "has one replica, on nats-staging-node-2")).await;
    lab.fault(Fault::Kill { node: "2".into() }).await.unwrap();
    let missing = "not all consumers of stream PIVOT/orders are told: one may be on nats-staging-node-2 alone";
    // What it led has new leaders after a while, which tell of everything else.
    let missing = because(Verdict::Inconclusive, missing);
    let alone = |output: &Value| output["reasons"].as_array().is_some_and(|reasons| reasons.len() == 1);
    until("quorum", without, |verdict, output| missing(verdict, output) && alone(output)).await;
    lab.fault(Fault::Start { node: "2".into() }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    api("STREAM.DELETE.orders".to_owned(), json!(null)).await;
    // All others of the account have three replicas: dead, with a user of the account alone, it may go.
    lab.fault(Fault::Kill { node: "2".into() }).await.unwrap();
    let dead =
        until("quorum", without, |verdict, output| verdict == Verdict::Pass && output["target_up"] == false).await;
    let listed = dead["summary"].as_str().unwrap();
    assert!(listed.ends_with("of what it alone holds, only streams of account PIVOT were listed"), "{listed}");
    until_pass("replicas_current", without).await;
    lab.fault(Fault::Start { node: "2".into() }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
}

const PATHS: [&str; 5] = ["/healthz", "/varz", "/jsz", "/connz", "/routez"];

/// Another node is dead, and something answers on its monitoring port what it said when it was well.
async fn impostor(lab: &Lab, plan: &Plan, without: &Value) {
    let port = format!("{}:8222", plan.client(1).ip());
    let mut said = Vec::new();
    for path in PATHS {
        let query = if path == "/jsz" { "?accounts=1&streams=1&consumers=1&config=1&raft=1" } else { "" };
        said.push((path, get(&format!("http://{port}{path}{query}")).await.unwrap().body));
    }
    lab.fault(Fault::Kill { node: "1".into() }).await.unwrap();
    let lost = |verdict, output: &Value| verdict == Verdict::Fail && output["voters_left"] == 1;
    until("quorum", without, lost).await;
    let mut alone = without.clone();
    alone["creds"] = Value::Null;
    for live in [false, true] {
        let stranger = answer(&port, said.clone(), live).await;
        for with in [without, &alone] {
            let (verdict, output) = gate("quorum", with.clone()).await;
            assert_eq!((verdict, &output["nodes"][0]["up"]), (Verdict::Fail, &json!(false)), "{output:#}");
            let (verdict, _) = gate("replicas_current", with.clone()).await;
            assert_eq!(verdict, Verdict::Fail);
        }
        stranger.abort();
        assert!(stranger.await.unwrap_err().is_cancelled(), "its port is free again");
    }
    lab.fault(Fault::Start { node: "1".into() }).await.unwrap();
    until_pass("quorum", without).await;
}

/// Answers on this port what was said, with a clock that stands still or goes on.
async fn answer(port: &str, said: Vec<(&'static str, Vec<u8>)>, live: bool) -> JoinHandle<()> {
    let listener = TcpListener::bind(port).await.unwrap();
    tokio::spawn(async move {
        for count in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let known = said.iter().find(|(path, _)| request.starts_with(&format!("GET {path}")));
            let mut body = known.map(|(_, body)| body.clone()).unwrap_or_default();
            if let (true, Ok(Value::Object(mut told))) = (live, serde_json::from_slice(&body)) {
                told.insert("now".into(), json!(format!("moment {count}")));
                body = Value::Object(told).to_string().into_bytes();
            }
            let head = format!("HTTP/1.0 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            // Who asked may not wait for the end.
            let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_replaced_and_its_data_comes_back() {
    let lab = up(Options::default()).await;
    let plan = lab.plan().clone();
    lab.load(Load { rate: 4_000, size: 1_000, count: Some(20_000), no_consume: true }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    let number = leader(&plan).await;
    moved(&lab, &plan, number).await;

    let admin = creds(&lab, "admin").await;
    let before = run("baseline", json!({ "cluster": cluster(&plan), "creds": admin })).await.unwrap().output;
    assert_eq!((&before["streams"][0]["messages"], &before["notes"]), (&json!(20_000), &json!([])), "{before:#}");
    let mut after = with(&plan, "node", number);
    (after["baseline"], after["creds"]) = (before.clone(), admin);
    let (verdict, output) = gate("caught_up", after.clone()).await;
    assert_eq!(verdict, Verdict::Fail, "it is the server of before");
    assert!(output["reasons"][0].as_str().unwrap().contains("still the server of before"), "{output:#}");

    comes_back(&lab, number, &after).await;
    with_the_target_dead(&lab, &plan, number, &before).await;
    while_it_is_used(&lab, &plan).await;
    renamed(&lab, &plan, number).await;
    lab.down().unwrap();
}

/// The number of the node that leads the stream.
async fn leader(plan: &Plan) -> usize {
    let streams = run("streams", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    let leader = streams["streams"][0]["group"]["leader"].as_str().unwrap().to_owned();
    (1..=3).find(|number| plan.node_name(*number) == leader).unwrap().into()
}

/// What it leads goes to others, and a second time there is nothing to do; the meta leader goes with system rights only.
async fn moved(lab: &Lab, plan: &Plan, number: usize) {
    let mut step_down = with(plan, "node", number);
    let left = run("step_down", step_down.clone()).await.unwrap().output;
    assert_eq!(
        (&left["moved"], &left["left"][0]["why"]),
        (&json!([]), &json!("no credentials of its account were given"))
    );
    step_down["creds"] = creds(lab, "admin").await;
    let Preview::Ready { binding, facts } = preview("step_down", step_down.clone()).await.unwrap() else {
        panic!("it leads the stream")
    };
    assert_eq!(binding, json!({ "cluster": "nats-staging", "node": plan.node_name(u8::try_from(number).unwrap()) }));
    assert!(facts["leads"].as_array().unwrap().contains(&json!("PIVOT/pivot_main")), "{facts:#}");
    let done = run("step_down", step_down.clone()).await.unwrap().output;
    eprintln!("{done:#}");
    let what = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap().to_owned()).collect()
    };
    assert!(what(&done["moved"]).contains(&"stream PIVOT/pivot_main".to_owned()), "{done:#}");
    assert!(what(&done["left"]).iter().all(|what| what == "the meta group"), "{done:#}");
    assert_ne!(leader(plan).await, number);
    let again = run("step_down", step_down.clone()).await.unwrap().output;
    assert_eq!(again["moved"], json!([]), "a second time there is nothing to do");

    let meta = run("meta", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    let leads = meta["meta"]["group"]["leader"].as_str().unwrap();
    let leads = (1..=3).find(|number| plan.node_name(*number) == leads).unwrap();
    let mut step_down = with(plan, "node", leads.into());
    step_down["creds"] = creds(lab, "admin").await;
    let left = run("step_down", step_down.clone()).await.unwrap().output;
    assert_eq!(left["left"], json!([{ "what": "the meta group", "why": "moving it needs system rights" }]));
    step_down["system"] = creds(lab, "sys").await;
    let done = run("step_down", step_down.clone()).await.unwrap().output;
    assert!(what(&done["moved"]).contains(&"the meta group".to_owned()), "{done:#}");
    let meta = run("meta", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    assert_ne!(meta["meta"]["group"]["leader"], json!(plan.node_name(leads)));
}

/// The new node is slow, so that it is called current before it has the data.
async fn comes_back(lab: &Lab, number: usize, after: &Value) {
    lab.fault(Fault::Slow { node: number.to_string(), duty: 0.1 }).await.unwrap();
    lab.fault(Fault::Replace { node: number.to_string(), new_name: false, boot_delay: None }).await.unwrap();
    let mut behind = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let (verdict, output) = gate("caught_up", after.clone()).await;
        if verdict == Verdict::Pass {
            assert_eq!((&output["behind"], &output["total"]), (&json!(0), &json!(20_000)));
            lab.ask("/healthy", json!({})).await.expect("all stores hold what the leader has");
            break;
        }
        assert!(Instant::now() < deadline && output["lost"] == false, "{output:#}");
        behind.push(output["behind"].as_u64().unwrap());
    }
    assert!(behind.iter().any(|count| *count > 0), "it was seen to lack messages: {behind:?}");
    lab.fault(Fault::Thaw { node: number.to_string() }).await.unwrap();
    until_pass("caught_up", after).await;
    let audit = lab.audit().await.unwrap();
    assert_eq!(audit.lost, 0, "{audit:?}");
}

/// A dead node can be replaced: the baseline has no id for it, and the others hold the data.
async fn with_the_target_dead(lab: &Lab, plan: &Plan, number: usize, before: &Value) {
    lab.fault(Fault::Kill { node: number.to_string() }).await.unwrap();
    let without = with(plan, "without", number);
    let dead = |verdict, output: &Value| verdict == Verdict::Pass && output["target_up"] == false;
    until("quorum", &without, dead).await;
    until_pass("replicas_current", &without).await;
    let noted = run("baseline", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    assert_eq!(noted["nodes"][number - 1]["server_id"], Value::Null);
    for key in ["name", "created", "config", "last_seq", "messages"] {
        assert_eq!(noted["streams"][0][key], before["streams"][0][key], "{key}");
    }
    lab.fault(Fault::Start { node: number.to_string() }).await.unwrap();
    let mut after = with(plan, "node", number);
    after["baseline"] = noted;
    until_pass("caught_up", &after).await;
}

/// Messages come and go, and the leader of all goes without a word: elections and followers that are behind are no loss.
async fn while_it_is_used(lab: &Lab, plan: &Plan) {
    lab.load(Load { rate: 500, size: 256, count: None, no_consume: false }).await.unwrap();
    for _ in 0..2 {
        let number = leader(plan).await;
        let mut after = with(plan, "node", number);
        after["creds"] = creds(lab, "admin").await;
        after["baseline"] = run("baseline", json!({ "cluster": cluster(plan) })).await.unwrap().output;
        lab.fault(Fault::Replace { node: number.to_string(), new_name: false, boot_delay: None }).await.unwrap();
        let never_lost = |verdict, output: &Value| {
            assert_eq!(output["lost"], false, "{output:#}");
            verdict == Verdict::Pass
        };
        until("caught_up", &after, never_lost).await;
        lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    }
    lab.load(Load { rate: 0, size: 0, count: None, no_consume: false }).await.unwrap();
}

/// A new name instead of the old one: waiting will not help, and that is said.
async fn renamed(lab: &Lab, plan: &Plan, number: usize) {
    let mut after = with(plan, "node", number);
    after["baseline"] = run("baseline", json!({ "cluster": cluster(plan) })).await.unwrap().output;
    lab.fault(Fault::Replace { node: number.to_string(), new_name: true, boot_delay: None }).await.unwrap();
    let haunted = |verdict, output: &Value| verdict == Verdict::Fail && output["ghost_peer"] == true;
    until("caught_up", &after, haunted).await;
    let other = if number == 1 { 2 } else { 1 };
    let (verdict, output) = gate("quorum", with(plan, "without", other)).await;
    assert_eq!((verdict, &output["voters"]), (Verdict::Fail, &json!(4)), "{output:#}");
}
