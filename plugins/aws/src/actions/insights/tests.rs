//! `aws.insights` against the stand-in: the query as it is sent, that only a whole answer counts, and that no query is left
//! behind.

use serde_json::Value;
use sluice_plugin::{Plugin as _, Purpose};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call, check};
use crate::standin_cloud::{self as cloud, cluster, node};

const ACTION: &str = "insights";
const SINCE: i64 = 1_795_370_086_000;
const OK: &str = "[bootstrap] Axiom ingest check: OK (HTTP 200)";
const STREAM: &str = "lab-node-1-bootstrap-i-1";

fn with(change: Value) -> Value {
    let mut with = json!({ "cluster": cluster(3), "since": SINCE, "until": SINCE + 60_500 });
    with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    with
}

fn row(time: &str, message: &str, stream: &str) -> Value {
    let field = |name: &str, value: &str| json!({ "field": name, "value": value });
    json!([field("@timestamp", time), field("@message", message), field("@logStream", stream), field("@ptr", "x")])
}

fn results(status: &str, rows: &[Value]) -> Answer {
    let statistics = json!({ "recordsMatched": 1.0, "recordsScanned": 312.0, "bytesScanned": 40_961.0 });
    Answer::json(&json!({ "status": status, "results": rows, "statistics": statistics }))
}

/// What each question for results is answered, the last one from then on.
async fn answers(answers: Vec<Answer>) -> StandIn {
    StandIn::start(move |request, nth| match request.operation.as_str() {
        "StartQuery" => Answer::json(&json!({ "queryId": "q-1" })),
        "GetQueryResults" => answers[(nth - 1).min(answers.len() - 1)].clone(),
        "StopQuery" => Answer::json(&json!({ "success": true })),
        _ => cloud::answer(&[], request),
    })
    .await
}

async fn asked(stand_in: &StandIn, change: Value) -> Value {
    let call = call(Purpose::Read, with(change));
    stand_in.plugin().run(ACTION, &FakeHost::default(), &call).await.unwrap().output
}

#[tokio::test]
async fn the_query_is_the_one_of_the_bootstrap_check() {
    let line = row("2026-11-22 17:54:46.927", OK, STREAM);
    let other = row("2026-11-22 17:54:50.000", OK, "lab-node-2-bootstrap-i-2");
    let stand_in = answers(vec![
        results("Scheduled", &[]),
        results("Running", &[row("2026-11-22 17:54:46.927", "a part", STREAM)]),
        results("Complete", &[other.clone(), line.clone()]),
    ])
    .await;
    let output = asked(&stand_in, json!({ "node": node(1) })).await;
    let query = "fields @timestamp, @message, @logStream | filter @message like /Axiom ingest check/ | filter @logStream \
                 like /^lab-node-1-bootstrap-/ | sort @timestamp desc | limit 200";
    let body = json!({
        "logGroupName": "/lab/diagnostic", "queryString": query, "startTime": SINCE / 1000, "endTime": SINCE / 1000 + 61,
    });
    assert_eq!(stand_in.bodies("StartQuery"), [body]);
    assert_eq!(stand_in.bodies("GetQueryResults"), vec![json!({ "queryId": "q-1" }); 3]);
    let rows = json!([{ "time": "2026-11-22T17:54:46.927Z", "message": OK, "stream": STREAM }]);
    assert_eq!(output["rows"], rows);
    let statistics = json!({ "records_matched": 1, "records_scanned": 312, "bytes_scanned": 40_961 });
    assert_eq!((&output["query"], &output["statistics"]), (&json!(query), &statistics));
    let said = (&output["status"], &output["group_exists"], &output["cut"], &output["why"]);
    assert_eq!(said, (&json!("Complete"), &json!(true), &json!(false), &Value::Null));
    assert_eq!(stand_in.times("StopQuery"), 0);

    // Of all nodes.
    let stand_in = answers(vec![results("Complete", &[other, line])]).await;
    let output = asked(&stand_in, json!({ "limit": 2 })).await;
    let query = "fields @timestamp, @message, @logStream | filter @message like /Axiom ingest check/ | sort @timestamp desc \
                 | limit 2";
    assert_eq!((&output["query"], &output["cut"]), (&json!(query), &json!(true)));
    assert_eq!(output["rows"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_text_is_a_text_in_the_query() {
    let check_it = async |text: &str, expect: &str| {
        let stand_in = answers(vec![results("Complete", &[])]).await;
        asked(&stand_in, json!({ "contains": text })).await;
        let query = stand_in.bodies("StartQuery")[0]["queryString"].as_str().unwrap().to_owned();
        assert_eq!(query.split(" | ").nth(1).unwrap(), format!("filter @message like {expect}"), "{query}");
        assert_eq!(query.split(" | ").count(), 4, "{query}");
    };
    check_it("'; rm -rf /", "/\\'\\; rm -rf \\//").await;
    check_it("$(id)`id`", "/\\$\\(id\\)\\`id\\`/").await;
    check_it("x/|display @message", "/x\\/\\|display \\@message/").await;
    check_it("a.*b", "/a\\.\\*b/").await;
    for text in ["a\nb", "", "\u{0}"] {
        let stand_in = answers(vec![results("Complete", &[])]).await;
        check(&stand_in, ACTION, with(json!({ "contains": text })), Expect::problem("bad_input", &[])).await;
        assert!(stand_in.asked().is_empty());
    }
}

#[tokio::test]
async fn what_the_service_should_have_left_out_is_left_out() {
    let rows = [
        row("2026-11-22 17:54:45.999", OK, STREAM),
        row("2026-11-22 17:54:46.000", OK, STREAM),
        row("2026-11-22 17:55:46.501", OK, STREAM),
        row("2026-11-22 17:54:47.000", "something else", STREAM),
        json!([{ "field": "@message", "value": OK }]),
        json!([]),
        row("1795370086927", OK, STREAM),
    ];
    let stand_in = answers(vec![results("Complete", &rows)]).await;
    let output = asked(&stand_in, json!({})).await;
    let times: Vec<&str> = output["rows"].as_array().unwrap().iter().map(|row| row["time"].as_str().unwrap()).collect();
    assert_eq!(times, ["2026-11-22T17:54:46.000Z", "2026-11-22T17:54:46.927Z"]);
}

#[tokio::test]
async fn none_is_an_answer_and_so_is_a_group_that_is_gone() {
    let output = asked(&answers(vec![results("Complete", &[])]).await, json!({ "node": node(1) })).await;
    let why = output["why"].as_str().unwrap();
    for part in ["no line with \"Axiom ingest check\"", "lab-node-1-bootstrap-*", "may take a minute", "proves nothing"]
    {
        assert!(why.contains(part), "`{part}` is not in: {why}");
    }
    let gone = StandIn::start(|request, _| match request.operation.as_str() {
        "StartQuery" => Answer::json_error(400, "ResourceNotFoundException", "Log group does not exist"),
        _ => cloud::answer(&[], request),
    })
    .await;
    let output = asked(&gone, json!({})).await;
    let said = (&output["group_exists"], &output["status"], &output["rows"], &output["statistics"]);
    assert_eq!(said, (&json!(false), &Value::Null, &json!([]), &Value::Null));
    assert!(output["why"].as_str().unwrap().contains("no log group /lab/diagnostic"), "{output}");
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let part = [row("2026-11-22 17:54:46.927", OK, STREAM)];
    let check_it = async |status: &str, expect: Expect<'_>| {
        let stand_in = answers(vec![results(status, &part)]).await;
        check(&stand_in, ACTION, with(json!({})), expect).await;
        stand_in
    };
    for status in ["Running", "Scheduled", "Unknown", "Pondering"] {
        let stand_in = check_it(status, Expect::retryable("timed_out", &[status, "after 1m", "stopped"])).await;
        assert_eq!(stand_in.bodies("StopQuery"), [json!({ "queryId": "q-1" })]);
        assert_eq!(stand_in.times("GetQueryResults"), 61);
    }
    for status in ["Failed", "Cancelled", "Timeout"] {
        let stand_in = check_it(status, Expect::retryable("query_failed", &[status, "no whole answer"])).await;
        assert_eq!(stand_in.times("StopQuery"), 0);
    }
}

#[tokio::test]
async fn a_query_nobody_waits_for_is_stopped() {
    let stand_in = answers(vec![results("Running", &[])]).await;
    let plugin = stand_in.plugin();
    let host = FakeHost::sleeping();
    let waiting = tokio::spawn(async move { plugin.run(ACTION, &host, &call(Purpose::Read, with(json!({})))).await });
    stand_in.until("GetQueryResults", 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    stand_in.until("StopQuery", 1).await;

    let stand_in = answers(vec![Answer::json_error(400, "AccessDeniedException", "no")]).await;
    check(&stand_in, ACTION, with(json!({})), Expect::problem("denied", &["logs:GetQueryResults"])).await;
    stand_in.until("StopQuery", 1).await;
}

#[tokio::test]
async fn trouble_is_named() {
    let check_it = async |answer: Answer, expect: Expect<'_>| {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "StartQuery" => answer.clone(),
            _ => cloud::answer(&[], request),
        })
        .await;
        check(&stand_in, ACTION, with(json!({})), expect).await;
    };
    let error = |code| Answer::json_error(400, code, "no");
    check_it(error("MalformedQueryException"), Expect::problem("refused", &["MalformedQueryException"])).await;
    check_it(error("LimitExceededException"), Expect::retryable("throttled", &["too many queries"])).await;
    check_it(error("ThrottlingException"), Expect::retryable("throttled", &["logs:StartQuery"])).await;
    check_it(error("ExpiredTokenException"), Expect::retryable("credentials", &["aws sso login"])).await;
    check_it(error("AccessDeniedException"), Expect::problem("denied", &["logs:StartQuery"])).await;
    check_it(Answer::json(&json!({})), Expect::retryable("bad_answer", &["without an id"])).await;
    let stand_in = StandIn::start(|_, _| Answer::identity("999999999999")).await;
    check(&stand_in, ACTION, with(json!({})), Expect::problem("wrong_account", &["999999999999"])).await;
    let backwards = with(json!({ "until": SINCE - 1 }));
    check(&stand_in, ACTION, backwards, Expect::problem("bad_input", &["lies before"])).await;
    for attack in ["'; rm -rf /", "$(id)", "a\nb"] {
        check(&stand_in, ACTION, with(json!({ "since": attack })), Expect::problem("bad_input", &["no moment"])).await;
        check(&stand_in, ACTION, with(json!({ "timeout": attack })), Expect::problem("bad_input", &["duration"])).await;
    }
}
