//! Logs Insights over the boots' log group: queries that take their time, what they understand, and the group's faults.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use sluice_lab::{Fault, Lab};

use crate::wire::{log_lines, log_page, logs};
use crate::{lab, node, until};

const SEED: &str =
    "fields @timestamp, @message | filter @message like /Axiom ingest check/ | sort @timestamp desc | limit 200";

/// What StartQuery is asked, for an hour around now.
fn asked(lab: &Lab, query: &str) -> Value {
    let now = Timestamp::now().as_second();
    json!({ "logGroupName": lab.plan().log_group(), "startTime": now - 1800, "endTime": now + 1800, "queryString": query })
}

async fn complete(lab: &Lab, started: &Value) -> Value {
    loop {
        let results = logs(lab, "GetQueryResults", started.clone()).await.unwrap();
        if results["status"] == "Complete" {
            return results;
        }
        assert!(["Scheduled", "Running"].contains(&results["status"].as_str().unwrap()), "{results:#}");
    }
}

async fn rows(lab: &Lab, query: &str) -> Vec<Value> {
    let started = logs(lab, "StartQuery", asked(lab, query)).await.unwrap();
    complete(lab, &started).await["results"].as_array().unwrap().clone()
}

fn field<'a>(row: &'a Value, name: &str) -> &'a str {
    let found = row.as_array().unwrap().iter().find(|field| field["field"] == name);
    found.map(|field| field["value"].as_str().unwrap()).unwrap_or_default()
}

/// Insights sees a line only a while after it was written.
async fn until_all_are_seen(lab: &Lab, lines: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    while rows(lab, "limit 100").await.len() < lines {
        assert!(Instant::now() < end, "the lines are not seen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_query_takes_its_time_and_finds_what_it_says() {
    let lab = lab().await;
    until_all_are_seen(&lab, 9).await;
    let started = logs(&lab, "StartQuery", asked(&lab, SEED)).await.unwrap();
    let look = || logs(&lab, "GetQueryResults", started.clone());
    let scheduled = look().await.unwrap();
    assert_eq!((&scheduled["status"], &scheduled["results"]), (&json!("Scheduled"), &json!([])));
    let running = look().await.unwrap();
    assert_eq!(
        (&running["status"], running["results"].as_array().unwrap().len()),
        (&json!("Running"), 1),
        "{running:#}"
    );
    let done = look().await.unwrap();
    let found = done["results"].as_array().unwrap();
    assert_eq!(
        (&done["status"], found.len(), &done["statistics"]["recordsMatched"]),
        (&json!("Complete"), 3, &json!(3.0))
    );
    let stopped = logs(&lab, "StopQuery", started.clone()).await.unwrap_err();
    assert_eq!(stopped, "InvalidParameterException: The specified query is not running.");
    for row in found {
        let names: Vec<&str> = row.as_array().unwrap().iter().map(|field| field["field"].as_str().unwrap()).collect();
        assert_eq!(names, ["@timestamp", "@message", "@ptr"]);
        let shape: String =
            field(row, "@timestamp").chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00.000");
        assert!(field(row, "@message").contains("Axiom ingest check: OK"), "{row:#}");
    }
    let times: Vec<&str> = found.iter().map(|row| field(row, "@timestamp")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");

    let cases = [
        ("fields @message | filter @message like \"started\"", 3),
        ("filter @message like 'STARTED'", 0),
        ("filter @message like /(?i)STARTED/", 3),
        ("filter @message like /mounted|started/", 6),
        ("filter @message =~ /node-1 on .*mounted/", 1),
        ("filter @message not like /Axiom/ | sort @timestamp asc", 6),
        ("filter @message like /Axiom/ and @logStream like /^nats-staging-node-2-bootstrap-/", 1),
        ("filter @message like /mounted/ or @message like /Axiom/ | limit 4", 4),
        ("# the checks\nfields @timestamp\n| filter @message like /Axiom ingest check/\n| limit 2", 2),
        ("fields @timestamp, nobody", 9),
    ];
    for (query, expect) in cases {
        assert_eq!(rows(&lab, query).await.len(), expect, "{query}");
    }
    let stream = rows(&lab, "fields @logStream, @log | filter @logStream like /node-3/ | limit 1").await;
    assert!(field(&stream[0], "@logStream").starts_with("nats-staging-node-3-bootstrap-i-"), "{stream:#?}");
    assert_eq!(field(&stream[0], "@log"), format!("123456789012:{}", lab.plan().log_group()));
    let mut limited = asked(&lab, "fields @message");
    limited["limit"] = json!(2);
    let started = logs(&lab, "StartQuery", limited).await.unwrap();
    assert_eq!(complete(&lab, &started).await["results"].as_array().unwrap().len(), 2);
    let mut before = asked(&lab, "fields @message");
    before["endTime"] = json!(Timestamp::now().as_second() - 1700);
    assert!(
        logs(&lab, "StartQuery", before).await.unwrap_err().starts_with("MalformedQueryException: Query's end date")
    );

    let started = logs(&lab, "StartQuery", asked(&lab, SEED)).await.unwrap();
    assert_eq!(logs(&lab, "StopQuery", started.clone()).await.unwrap(), json!({ "success": true }));
    let cancelled = logs(&lab, "GetQueryResults", started).await.unwrap();
    assert_eq!((&cancelled["status"], &cancelled["results"]), (&json!("Cancelled"), &json!([])));
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let lab = lab().await;
    for query in [
        "",
        "| limit 1",
        "fields",
        "fields @timestamp,",
        "fields @timestamp as t",
        "filter @message like Axiom",
        "filter @message like /Axiom",
        "filter @message like /(/",
        "filter @message like \"Axiom",
        "filter @message like /a/ and @message like /b/ or @message like /c/",
        "filter @message",
        "sort @timestamp",
        "sort @message desc",
        "limit 0",
        "limit 10001",
        "limit two",
        "stats count(*) by @logStream",
        "parse @message \"*\" as x",
        "fields @timestamp limit 1",
        "fields @timestamp | | limit 1",
        "SELECT * FROM logs",
    ] {
        let error = logs(&lab, "StartQuery", asked(&lab, query)).await.unwrap_err();
        assert!(error.starts_with("MalformedQueryException: unexpected symbol found "), "{query}: {error}");
    }
    let with = |key: &str, value: Value| {
        let mut asked = asked(&lab, SEED);
        asked[key] = value;
        asked
    };
    let cases = [
        (
            with("startTime", json!(null)),
            "InvalidParameterException: 1 validation error detected: Value null at 'startTime'",
        ),
        (with("startTime", json!(5_000_000_000u64)), "InvalidParameterException: startTime is after"),
        (with("limit", json!(100_001)), "InvalidParameterException: "),
        (with("queryString", json!(7)), "SerializationException: "),
        (with("queryLanguage", json!("SQL")), "InvalidParameterException: "),
        (with("logGroupNames", json!([lab.plan().log_group()])), "InvalidParameterException: say exactly one"),
        (with("logGroupName", json!(null)), "InvalidParameterException: say exactly one"),
        (with("logGroupName", json!("/none")), "ResourceNotFoundException: "),
    ];
    for (asked, expect) in cases {
        let error = logs(&lab, "StartQuery", asked.clone()).await.unwrap_err();
        assert!(error.starts_with(expect), "{asked}: {error}");
    }
    for operation in ["GetQueryResults", "StopQuery"] {
        let error = logs(&lab, operation, json!({ "queryId": "none" })).await.unwrap_err();
        assert_eq!(error, "ResourceNotFoundException: The specified query does not exist.");
    }
    // As before, and backwards.
    for bad in [json!({ "limit": 0 }), json!({ "startFromHead": false }), json!({ "logGroupIdentifier": "/b" })] {
        let error = log_page(&lab, bad.clone()).await.unwrap_err();
        assert!(error.starts_with("InvalidParameterException"), "{bad}: {error}");
    }
    let of_node = json!({ "logStreamNamePrefix": "nats-staging-node-2-", "startTime": 1_704_067_200_000u64 });
    let mut backwards = of_node.clone();
    backwards["startFromHead"] = json!(false);
    let (mut lines, _) = log_lines(&lab, of_node).await;
    lines.reverse();
    assert_eq!((log_lines(&lab, backwards).await.0, lines.len()), (lines, 3));
}

#[tokio::test]
async fn the_group_is_gone_and_lines_are_a_day_old() {
    let lab = lab().await;
    until_all_are_seen(&lab, 9).await;
    lab.fault(Fault::OldBootLines { node: "2".into() }).await.unwrap();
    assert_eq!(rows(&lab, SEED).await.len(), 2, "those of node 2 are not of this hour");
    let prefix = |n: u8| json!({ "logStreamNamePrefix": format!("{}-bootstrap-", lab.plan().node_name(n)) });
    let first = |page: &Value| page["events"][0]["timestamp"].as_i64().unwrap();
    let age = async |n: u8| {
        let empty = log_page(&lab, prefix(n)).await.unwrap();
        let mut next = prefix(n);
        next["nextToken"] = empty["nextToken"].clone();
        (Timestamp::now().as_millisecond() - first(&log_page(&lab, next).await.unwrap())) / 3_600_000
    };
    assert_eq!((age(1).await, age(2).await), (0, 24));

    lab.fault(Fault::LogGroupGone).await.unwrap();
    let missing = "ResourceNotFoundException: ";
    assert!(logs(&lab, "StartQuery", asked(&lab, SEED)).await.unwrap_err().starts_with(missing));
    assert!(log_page(&lab, prefix(1)).await.unwrap_err().starts_with(missing));
    // A boot goes on without it.
    let old = lab.instances().await.unwrap()["nats-staging-node-3"].clone();
    lab.fault(Fault::Replace { node: "3".into(), new_name: false, boot_delay: Some(0.0) }).await.unwrap();
    until("a server without a log group", 40, &lab, |status| {
        node(status, 3)["doing"] == "running" && node(status, 3)["instance"] != json!(old)
    })
    .await;
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    lab.fault(Fault::Clear).await.unwrap();
    assert!(rows(&lab, SEED).await.len() >= 3, "what was in it is there again");
    assert_eq!(age(2).await, 0);
}
