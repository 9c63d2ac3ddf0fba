//! `aws.bootstrap_line` against pages of log events: whose lines count, and what they say.

use serde_json::Value;
use sluice_plugin::{Plugin, Purpose};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call, check};
use crate::standin_cloud::{self as cloud, Group as Listed, cluster, node};

const NEW: &str = "i-0123456789abcdef0";
const SINCE: i64 = 1_795_370_400_000;
const OK: &str = "[bootstrap] Axiom ingest check: OK (HTTP 200)";
const FAILED: &str = "[bootstrap] Axiom ingest check: FAILED (HTTP 403)";

fn with(since: Option<i64>) -> Value {
    json!({ "cluster": cluster(3), "node": node(1), "instance": NEW, "since": since })
}

fn event(stream: &str, at: i64, message: &str) -> Value {
    json!({ "logStreamName": stream, "timestamp": at, "message": message, "eventId": "1" })
}

fn stream() -> String {
    format!("lab-node-1-bootstrap-{NEW}")
}

/// Each page but the last leads to the next.
async fn pages(pages: Vec<Vec<Value>>) -> StandIn {
    StandIn::start(move |request, nth| match request.operation.as_str() {
        "FilterLogEvents" => {
            let mut page = json!({ "events": pages[nth - 1], "searchedLogStreams": [] });
            if nth < pages.len() {
                page["nextToken"] = json!(format!("t{nth}"));
            }
            Answer::json(&page)
        }
        _ => {
            let group = Listed::well(1).but(|group| group.ec2 = vec![(NEW.to_owned(), "running")]);
            cloud::answer(&[group], request)
        }
    })
    .await
}

async fn judged(stand_in: &StandIn, with: Value) -> (Verdict, String, Value) {
    let outcome = stand_in.plugin().run("bootstrap_line", &FakeHost::default(), &call(Purpose::Read, with)).await;
    let outcome = outcome.unwrap();
    let judgement = outcome.judgement.unwrap();
    (judgement.verdict, judgement.why, outcome.output)
}

#[tokio::test]
async fn the_line_decides() {
    let check = async |events: Vec<Value>, expect: Verdict, says: &str| {
        let (verdict, why, _) = judged(&pages(vec![events]).await, with(Some(SINCE))).await;
        assert_eq!(verdict, expect, "{why}");
        assert!(why.contains(says), "`{says}` is not in: {why}");
    };
    let (stream, old) = (stream(), "lab-node-1-bootstrap-i-0fedcba9876543210");
    check(vec![event(&stream, SINCE, OK)], Verdict::Pass, "OK (HTTP 200)").await;
    check(vec![event(&stream, SINCE, FAILED)], Verdict::Fail, "FAILED (HTTP 403)").await;
    let both = vec![event(&stream, SINCE, FAILED), event(&stream, SINCE + 1, OK)];
    check(both, Verdict::Pass, "OK").await;
    let both = vec![event(&stream, SINCE, OK), event(&stream, SINCE, FAILED)];
    check(both, Verdict::Fail, "FAILED").await;
    check(vec![event(&stream, SINCE, "a\nAxiom ingest check: OK\nfailed to sleep")], Verdict::Pass, "OK").await;
    check(vec![event(&stream, SINCE, "Axiom ingest check: token sent")], Verdict::Inconclusive, "bootstrap.ok").await;
    check(vec![], Verdict::Inconclusive, "lab-node-1-bootstrap-*").await;

    // Not its own: of its predecessor, older, of another node, without the text.
    check(vec![event(old, SINCE, OK)], Verdict::Inconclusive, "no line").await;
    check(vec![event(&stream, SINCE - 1, OK)], Verdict::Inconclusive, "no line").await;
    check(vec![event(&format!("lab-node-2-bootstrap-{NEW}"), SINCE, OK)], Verdict::Inconclusive, "no line").await;
    check(vec![event(&stream, SINCE, "axiom Ingest check: OK")], Verdict::Inconclusive, "no line").await;
    // A stream that names no instance counts by its time.
    check(vec![event("lab-node-1-bootstrap-2026-11-22", SINCE, OK)], Verdict::Pass, "OK").await;
}

#[tokio::test]
async fn empty_pages_are_turned_over() {
    let stand_in = pages(vec![vec![], vec![], vec![event(&stream(), SINCE, OK)], vec![]]).await;
    let (verdict, _, output) = judged(&stand_in, with(Some(SINCE))).await;
    assert_eq!((verdict, output["lines"].as_array().unwrap().len()), (Verdict::Pass, 1));
    let asked: Vec<_> = stand_in.asked().into_iter().filter(|asked| asked.operation == "FilterLogEvents").collect();
    let bodies: Vec<Value> = asked.iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    let first = json!({
        "logGroupName": "/lab/diagnostic", "logStreamNamePrefix": "lab-node-1-bootstrap-", "startTime": SINCE,
        "filterPattern": "\"Axiom ingest check\"",
    });
    assert_eq!(bodies[0], first);
    let tokens: Vec<_> = bodies.iter().map(|body| body["nextToken"].as_str().unwrap_or("")).collect();
    assert_eq!(tokens, ["", "t1", "t2", "t3"]);
}

#[tokio::test]
async fn a_service_that_turns_in_circles_is_left() {
    let stand_in = StandIn::start(|request, _| match request.operation.as_str() {
        "FilterLogEvents" => Answer::json(&json!({ "events": [], "nextToken": "again" })),
        _ => cloud::answer(&[], request),
    })
    .await;
    check(&stand_in, "bootstrap_line", with(Some(SINCE)), Expect::retryable("bad_answer", &["same page"])).await;
    assert_eq!(stand_in.counts()["FilterLogEvents"], 2);
}

#[tokio::test]
async fn without_a_time_the_launch_of_the_instance_counts() {
    let stand_in = pages(vec![vec![event(&stream(), SINCE - 1, FAILED), event(&stream(), SINCE, OK)]]).await;
    let (verdict, _, output) = judged(&stand_in, with(None)).await;
    assert_eq!((verdict, &output["since"], &output["says"]), (Verdict::Pass, &json!(SINCE), &json!("ok")));

    let mut unknown = with(None);
    unknown["instance"] = json!("i-0aaaaaaaaaaaaaaa0");
    let (verdict, why, output) = judged(&stand_in, unknown).await;
    assert_eq!((verdict, &output["since"]), (Verdict::Inconclusive, &Value::Null));
    assert!(why.contains("EC2 does not tell"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let refused = async |answer: Answer, expect: Expect<'_>| {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "FilterLogEvents" => answer.clone(),
            _ => cloud::answer(&[], request),
        })
        .await;
        check(&stand_in, "bootstrap_line", with(Some(SINCE)), expect).await;
    };
    let missing = Answer::json_error(400, "ResourceNotFoundException", "The specified log group does not exist.");
    refused(missing, Expect::problem("not_found", &["logs:FilterLogEvents", "/lab/diagnostic"])).await;
    let denied = Answer::json_error(400, "AccessDeniedException", "not you");
    refused(denied, Expect::problem("denied", &["logs:FilterLogEvents"])).await;
    refused(Answer::page(500), Expect::retryable("server_error", &["logs:FilterLogEvents"])).await;

    let mut older = with(Some(SINCE));
    older["cluster"].as_object_mut().unwrap().remove("logs");
    let stand_in = pages(vec![vec![]]).await;
    check(&stand_in, "bootstrap_line", older, Expect::problem("bad_input", &["start a new run"])).await;
}
