//! `aws.log_lines` against pages of log events: whose lines are given, which ones, and how a reading goes on.

use serde_json::Value;
use sluice_plugin::{Plugin as _, Purpose};

use super::*;
use crate::standin::{Answer, Expect, FakeHost, StandIn, call, check};
use crate::standin_cloud::{self as cloud, cluster, node};

const ACTION: &str = "log_lines";
const SINCE: i64 = 1_795_370_400_000;
const STREAM: &str = "lab-node-1-bootstrap-i-1";

fn with(change: Value) -> Value {
    let mut with = json!({ "cluster": cluster(3), "node": node(1), "since": SINCE });
    with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    with
}

fn event(id: &str, at: i64, message: &str) -> Value {
    json!({ "logStreamName": STREAM, "timestamp": SINCE + at, "message": message, "eventId": id })
}

/// Each page but the last leads to the next.
async fn pages(pages: Vec<Vec<Value>>) -> StandIn {
    StandIn::start(move |request, nth| match request.operation.as_str() {
        "FilterLogEvents" => {
            let nth = (nth - 1) % pages.len();
            let mut page = json!({ "events": pages[nth], "searchedLogStreams": [] });
            if nth + 1 < pages.len() {
                page["nextToken"] = json!(format!("t{nth}"));
            }
            Answer::json(&page)
        }
        _ => cloud::answer(&[], request),
    })
    .await
}

async fn asked(stand_in: &StandIn, change: Value) -> Value {
    let call = call(Purpose::Read, with(change));
    stand_in.plugin().run(ACTION, &FakeHost::default(), &call).await.unwrap().output
}

fn messages(output: &Value) -> Vec<&str> {
    output["lines"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_newest_lines_are_given_last_whatever_pages_they_are_on() {
    let stand_in =
        pages(vec![vec![], vec![event("2", 2, "two")], vec![], vec![event("1", 1, "one"), event("3", 3, "3\n")]]);
    let stand_in = stand_in.await;
    let output = asked(&stand_in, json!({})).await;
    assert_eq!(messages(&output), ["one", "two", "3"]);
    let line = json!({ "time": "2026-11-22T18:00:00.001Z", "stream": STREAM, "message": "one" });
    assert_eq!(output["lines"][0], line);
    assert_eq!((&output["group_exists"], &output["why"], &output["left_out"]), (&json!(true), &Value::Null, &json!(0)));
    let bodies = stand_in.bodies("FilterLogEvents");
    let first = json!({ "logGroupName": "/lab/diagnostic", "logStreamNamePrefix": "lab-node-1-bootstrap-", "startTime": SINCE });
    assert_eq!((bodies.len(), &bodies[0], &bodies[3]["nextToken"]), (4, &first, &json!("t2")));

    let output = asked(&stand_in, json!({ "limit": 2 })).await;
    assert_eq!((messages(&output), &output["left_out"]), (vec!["two", "3"], &json!(1)));
}

#[tokio::test]
async fn only_lines_of_the_node_in_its_time_with_the_text_count() {
    let other =
        |stream: &str| json!({ "logStreamName": stream, "timestamp": SINCE, "message": "Axiom", "eventId": stream });
    let events = vec![
        event("old", -1, "Axiom old"),
        event("a", 0, "an Axiom line"),
        event("late", 101, "Axiom late"),
        event("else", 5, "axiom in small letters"),
        other("lab-node-2-bootstrap-i-1"),
        other("lab-node-11-bootstrap-i-1"),
    ];
    let stand_in = pages(vec![events]).await;
    let output = asked(&stand_in, json!({ "contains": "Axiom", "until": SINCE + 100 })).await;
    assert_eq!(messages(&output), ["an Axiom line"]);
    let body = &stand_in.bodies("FilterLogEvents")[0];
    assert_eq!((&body["filterPattern"], &body["endTime"]), (&json!("\"Axiom\""), &json!(SINCE + 100)));
    asked(&stand_in, json!({ "contains": "\"; $(id) `id` -x ?a %re%'" })).await;
    assert_eq!(stand_in.bodies("FilterLogEvents")[1]["filterPattern"], "\"\\\"; $(id) `id` -x ?a %re%'\"");
}

#[tokio::test]
async fn none_is_an_answer_and_so_is_a_group_that_is_gone() {
    let output = asked(&pages(vec![vec![]]).await, json!({ "contains": "Axiom" })).await;
    let why = output["why"].as_str().unwrap();
    for part in
        ["no line with \"Axiom\"", "/lab/diagnostic", "lab-node-1-bootstrap-*", "2026-11-22T18:00:00", "proves nothing"]
    {
        assert!(why.contains(part), "`{part}` is not in: {why}");
    }
    assert_eq!((&output["group_exists"], &output["next"]["from"]), (&json!(true), &json!("2026-11-22T18:00:00.000Z")));

    let gone = StandIn::start(|request, _| match request.operation.as_str() {
        "FilterLogEvents" => {
            Answer::json_error(400, "ResourceNotFoundException", "The specified log group does not exist.")
        }
        _ => cloud::answer(&[], request),
    })
    .await;
    let output = asked(&gone, json!({})).await;
    assert_eq!((&output["group_exists"], messages(&output).len()), (&json!(false), 0));
    assert!(output["why"].as_str().unwrap().contains("no log group /lab/diagnostic in us-east-2"), "{output}");
}

/// A log that grows while it is read, with lines that come late and many at one moment.
#[tokio::test]
async fn who_asks_again_gets_every_line_once() {
    let line = |nth: usize, at: i64| event(&format!("e{nth:03}"), at, &format!("line {nth}"));
    // By the number of the question: what is new then. Some of it is older than what was there.
    let news: Vec<Vec<Value>> = vec![
        (0..30).map(|nth| line(nth, 1_000)).collect(),
        vec![],
        (30..40).map(|nth| line(nth, 30_000)).collect(),
        vec![line(40, 500), line(41, 30_000), line(42, 29_999)],
        (43..200).map(|nth| line(nth, 90_000 + i64::try_from(nth / 50).unwrap())).collect(),
        vec![line(200, 45_000)],
    ];
    let total = news.iter().flatten().count();
    for limit in [1000, 25, 7] {
        let grown = news.clone();
        let stand_in = StandIn::start(move |request, nth| match request.operation.as_str() {
            "FilterLogEvents" => {
                let from = serde_json::from_str::<Value>(&request.body).unwrap()["startTime"].as_i64().unwrap();
                let there = grown.iter().take(nth).flatten();
                let mut events: Vec<Value> =
                    there.filter(|one| one["timestamp"].as_i64().unwrap() >= from).cloned().collect();
                events.sort_by_key(|one| one["timestamp"].as_i64());
                Answer::json(&json!({ "events": events }))
            }
            _ => cloud::answer(&[], request),
        })
        .await;
        let mut output = asked(&stand_in, json!({ "limit": 1000 })).await;
        let mut seen: Vec<String> = messages(&output).into_iter().map(str::to_owned).collect();
        for _ in 0..60 {
            output = asked(&stand_in, json!({ "after": output["next"], "limit": limit })).await;
            let lines = messages(&output);
            assert!(lines.len() <= limit && (output["more"] == false || lines.len() == limit), "{output}");
            seen.extend(lines.into_iter().map(str::to_owned));
        }
        assert_eq!(output["more"], false);
        let unlike: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), unlike.len()), (total, total), "limit {limit}");
    }
}

/// What was left out at the beginning is older than what was shown, and does not come back.
#[tokio::test]
async fn what_was_left_out_stays_left_out() {
    let stand_in =
        pages(vec![(0..50).map(|nth| event(&format!("e{nth}"), nth / 10, &nth.to_string())).collect()]).await;
    let first = asked(&stand_in, json!({ "limit": 5 })).await;
    assert_eq!((messages(&first), &first["left_out"]), (vec!["45", "46", "47", "48", "49"], &json!(45)));
    let second = asked(&stand_in, json!({ "limit": 5, "after": first["next"] })).await;
    assert_eq!((messages(&second).len(), &second["left_out"], &second["more"]), (0, &json!(0), &json!(false)));
}

#[tokio::test]
async fn a_service_that_turns_in_circles_is_left() {
    let stand_in = StandIn::start(|request, _| match request.operation.as_str() {
        "FilterLogEvents" => Answer::json(&json!({ "events": [], "nextToken": "again" })),
        _ => cloud::answer(&[], request),
    })
    .await;
    check(&stand_in, ACTION, with(json!({})), Expect::retryable("bad_answer", &["same page"])).await;
    assert_eq!(stand_in.times("FilterLogEvents"), 2);
}

#[tokio::test]
async fn trouble_is_named() {
    let check_it = async |answer: Answer, expect: Expect<'_>| {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "FilterLogEvents" => answer.clone(),
            _ => cloud::answer(&[], request),
        })
        .await;
        check(&stand_in, ACTION, with(json!({})), expect).await;
    };
    let error = |code| Answer::json_error(400, code, "no");
    check_it(error("AccessDeniedException"), Expect::problem("denied", &["logs:FilterLogEvents"])).await;
    check_it(error("ThrottlingException"), Expect::retryable("throttled", &["logs:FilterLogEvents"])).await;
    check_it(error("ExpiredTokenException"), Expect::retryable("credentials", &["aws sso login"])).await;
    check_it(Answer::page(503), Expect::retryable("server_error", &["HTTP 503"])).await;
    let stand_in = StandIn::start(|_, _| Answer::identity("999999999999")).await;
    check(&stand_in, ACTION, with(json!({})), Expect::problem("wrong_account", &["999999999999"])).await;
}

#[tokio::test]
async fn what_is_no_time_or_text_is_refused_before_anybody_is_asked() {
    let stand_in = pages(vec![vec![]]).await;
    for attack in ["'; rm -rf /", "a\nb", "$(id)", "`id`", ""] {
        for field in ["since", "until"] {
            let problem = Expect::problem("bad_input", &["is no moment"]);
            check(&stand_in, ACTION, with(json!({ field: attack })), problem).await;
        }
        check(
            &stand_in,
            ACTION,
            with(json!({ "after": { "from": attack, "shown": [] } })),
            Expect::problem("bad_input", &["`next`"]),
        )
        .await;
    }
    for text in ["a\nb", "", "\u{1b}[2J"] {
        check(&stand_in, ACTION, with(json!({ "contains": text })), Expect::problem("bad_input", &[])).await;
    }
    let before = json!({ "until": SINCE - 1 });
    check(&stand_in, ACTION, with(before), Expect::problem("bad_input", &["lies before"])).await;
    let mut nowhere = with(json!({}));
    nowhere["cluster"]["logs"] = Value::Null;
    check(&stand_in, ACTION, nowhere, Expect::problem("bad_input", &["where the logs of lab-node-1 are"])).await;
    assert!(stand_in.asked().is_empty());
}
