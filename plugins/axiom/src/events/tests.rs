//! The action through the contract, as the engine calls it: what is asked, and what each answer comes to.

use serde_json::{Value, json};
use sluice_plugin::{Plugin as _, Problem};

use crate::fresh_events::{cluster, node};
use crate::plugin;
use crate::testing::{Answer, FakeHost, call, output_of, response, run};

fn with(more: Value) -> Value {
    let mut with = json!({ "cluster": cluster(), "token": { "$secret": "secrets.axiom_token" } });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with
}

fn table(fields: &[&str], columns: Value, partial: bool) -> Answer {
    let fields: Vec<Value> = fields.iter().map(|name| json!({ "name": name, "type": "string" })).collect();
    let body = json!({
        "format": "tabular", "status": { "elapsedTime": 1, "isPartial": partial },
        "tables": [
            { "name": "_totals", "fields": [], "columns": null },
            { "name": "0", "sources": [{ "name": "nats-logs" }], "fields": fields, "columns": columns },
        ],
    });
    response(200, &[], &body.to_string())
}

fn nothing() -> Answer {
    table(&["_time"], json!(null), false)
}

fn refused(said: &str) -> Answer {
    response(400, &[], &json!({ "message": said }).to_string())
}

/// Each query that was sent.
fn queries(host: &FakeHost) -> Vec<Value> {
    host.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
}

#[test]
fn the_query_is_what_was_asked_for() {
    let check = |more: Value, apl: &str| {
        let host = FakeHost::one_by_one(vec![nothing()]);
        let output = output_of("events", &host, with(more));
        let asked = &queries(&host)[0];
        assert_eq!((asked["apl"].as_str().unwrap(), &output["query"]), (apl, &asked["apl"]));
        assert_eq!(asked["startTime"], output["since"]);
    };
    let from = |at: &str| format!("['nats-logs']\n| where ['_time'] >= datetime(\"2026-11-22T{at}.000Z\")\n");
    let node1 = "| where ['node'] == \"nats-staging-node-1\"\n";
    check(json!({}), &format!("{}{node1}| sort by ['_time'] desc\n| take 201", from("17:40:00")));
    check(
        json!({
            "node": node(), "instance": "i-0new", "since": "2026-11-22T17:49:00Z", "until": "1m", "contains": "Axiom \"x\"",
            "fields": ["jsz.api.errors", "_time", "node", "node"], "order": "oldest", "limit": 7, "id_field": "id",
        }),
        &format!(
            "{}| where ['_time'] < datetime(\"2026-11-22T17:54:00.000Z\")\n{node1}| where ['instance_id'] == \"i-0new\"\n\
             | where ['message'] contains \"Axiom \\\"x\\\"\"\n| sort by ['_time'] asc\n| take 8\n\
             | project ['_time'], ['jsz.api.errors'], ['node'], ['id']",
            from("17:49:00")
        ),
    );
    let mut both = cluster();
    both["logs"]["axiom"]["match"]["nats-staging-node-2"] = json!("two");
    check(
        json!({ "cluster": both, "since": "2h", "message_field": "log", "contains": "x" }),
        &format!(
            "{}| where ['node'] in (\"nats-staging-node-1\", \"two\")\n| where ['log'] contains \"x\"\n\
             | sort by ['_time'] desc\n| take 201",
            from("15:55:00")
        ),
    );
    // After an earlier answer: the oldest first, with room for those that were given.
    check(
        json!({ "since": "2h", "limit": 10, "after": { "time": "2026-11-22T17:53:00Z", "seen": ["aa", "bb"] } }),
        &format!("{}{node1}| sort by ['_time'] asc\n| take 13", from("17:53:00")),
    );
}

#[test]
fn events_come_field_by_field() {
    let columns = json!([
        ["i-1", null, "i-1"],
        ["2026-11-22T17:54:46.927123Z", "2026-11-22T17:54:30Z", "2026-11-22T17:54:16Z"],
        [3, 2.5, null],
        [{ "a": 1 }, true, "x"],
    ]);
    let host = FakeHost::one_by_one(vec![table(&["instance_id", "_time", "cpu", "more"], columns, false)]);
    let output = output_of("events", &host, with(json!({ "limit": 2 })));
    let expect = json!([
        { "_time": "2026-11-22T17:54:46.927123Z", "instance_id": "i-1", "cpu": 3, "more": { "a": 1 } },
        { "_time": "2026-11-22T17:54:30Z", "cpu": 2.5, "more": true },
    ]);
    assert_eq!((&output["events"], &output["more"]), (&expect, &json!(true)));
    assert_eq!(output["events"][0].as_object().unwrap().keys().next().unwrap(), "_time");
    assert_eq!(output["newest"], "2026-11-22T17:54:46.927123Z");
    // A minute back would be older events, which were left out.
    assert_eq!(output["next"]["time"], "2026-11-22T17:54:30.000Z");
    assert_eq!(output["next"]["seen"].as_array().unwrap().len(), 2);
    assert_eq!((&output["partial"], &output["missing_fields"]), (&json!(false), &json!([])));
}

#[test]
fn no_events_are_an_answer() {
    for columns in [json!(null), json!([]), json!([[], []]), json!([null, null])] {
        let host = FakeHost::one_by_one(vec![table(&["_time", "node"], columns, false)]);
        let output = output_of("events", &host, with(json!({})));
        assert_eq!((&output["events"], &output["newest"], &output["more"]), (&json!([]), &json!(null), &json!(false)));
        assert_eq!(output["next"], json!({ "time": "2026-11-22T17:40:00.000Z", "seen": [] }));
    }
}

#[test]
fn what_was_given_is_not_given_again() {
    let rows = |seconds: &[u32]| {
        let times: Vec<String> = seconds.iter().map(|second| format!("2026-11-22T17:54:{second:02}Z")).collect();
        table(&["_time"], json!([times]), false)
    };
    let host = FakeHost::one_by_one(vec![rows(&[46, 16]), rows(&[16, 46, 50])]);
    let first = output_of("events", &host, with(json!({})));
    let second = output_of("events", &host, with(json!({ "after": first["next"] })));
    assert_eq!(second["events"], json!([{ "_time": "2026-11-22T17:54:50Z" }]));
    assert_eq!(second["next"]["seen"].as_array().unwrap().len(), 3);
}

#[test]
fn a_field_that_no_event_has_is_left_out() {
    let row = || table(&["_time", "b"], json!([["2026-11-22T17:54:46Z"], [1]]), false);
    let check = |answers: Vec<Answer>, more: Value, asked: usize, missing: Value, events: usize| {
        let host = FakeHost::one_by_one(answers);
        let output = output_of("events", &host, with(more));
        assert_eq!((&output["missing_fields"], queries(&host).len()), (&missing, asked));
        assert_eq!(output["events"].as_array().unwrap().len(), events);
        for missing in output["missing_fields"].as_array().unwrap() {
            let quoted = format!("['{}']", missing.as_str().unwrap());
            assert!(events == 0 || !output["query"].as_str().unwrap().contains(&quoted), "{output}");
        }
    };
    let fields = json!({ "fields": ["a.x", "b", "c"] });
    check(vec![refused("invalid field: \"a.x\""), row()], fields.clone(), 2, json!(["a.x"]), 1);
    let twice = vec![refused("invalid field: \"c\""), refused("invalid field: \"a.x\""), row()];
    check(twice, fields.clone(), 3, json!(["c", "a.x"]), 1);
    let all = vec![refused("invalid fields: a.x, b, c"), row()];
    check(all, fields, 2, json!(["a.x", "b", "c"]), 1);
    // Nothing can have that value in it, so nobody asks again.
    check(vec![refused("invalid field: \"message\"")], json!({ "contains": "x" }), 1, json!(["message"]), 0);
    check(vec![refused("invalid field: instance_id")], json!({ "instance": "i-1" }), 1, json!(["instance_id"]), 0);
    check(vec![refused("invalid field: node")], json!({}), 1, json!(["node"]), 0);
    check(vec![refused("invalid field: _time")], json!({}), 1, json!(["_time"]), 0);
}

#[test]
fn a_part_is_called_one() {
    let columns = json!([["2026-11-22T17:54:46Z"]]);
    let host = FakeHost::one_by_one(vec![table(&["_time"], columns, true)]);
    let output = output_of("events", &host, with(json!({})));
    assert_eq!((&output["partial"], output["events"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(output["next"]["time"], "2026-11-22T17:40:00.000Z", "the rest may come yet");
}

#[test]
fn every_other_answer_is_a_problem_that_says_what_to_do() {
    let check = |answer: Answer, code: &str, retryable: bool, said: &[&str]| {
        let problem = run("events", &FakeHost::one_by_one(vec![answer]), with(json!({ "fields": ["b"] }))).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
    };
    check(refused("parse error"), "bad_query", false, &["400", "parse error"]);
    // It names the same field again, although it is not asked for any more.
    check(refused("invalid field: b"), "bad_query", false, &["invalid field: b"]);
    check(response(401, &[], ""), "denied", false, &["token"]);
    check(response(403, &[], ""), "denied", false, &["nats-logs", "ingest"]);
    check(response(404, &[], ""), "not_found", false, &["logs.axiom.dataset"]);
    check(response(429, &[("retry-after", "7")], ""), "throttled", true, &["in 7 s"]);
    check(response(502, &[], "<html>"), "server_error", true, &["502"]);
    check(response(200, &[], "<html>"), "unexpected_answer", false, &["a web page"]);
    check(table(&["_time"], json!([["yesterday"]]), false), "unexpected_answer", false, &["_time"]);
    check(table(&["b"], json!([[1]]), false), "unexpected_answer", false, &["_time"]);
    let large = Problem::not_applied("too_large", "the answer is larger than 5 bytes");
    check(Err(large), "too_large", false, &["larger", "fewer `fields`"]);
    let away = Problem::not_applied("unreachable", "nothing listens").retryable();
    check(Err(away), "unreachable", true, &["nothing listens"]);
}

#[test]
fn inputs_that_make_no_sense_are_refused_before_anything_is_asked() {
    let check = |more: Value, path: &str| {
        let host = FakeHost::one_by_one(vec![nothing()]);
        let problem = run("events", &host, with(more)).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some(path), "{problem}");
        assert!(host.lines().is_empty());
    };
    check(json!({ "since": "yesterday" }), "/since");
    check(json!({ "until": "soon" }), "/until");
    check(json!({ "since": "5m", "until": "6m" }), "/until");
    check(json!({ "late": "1 minute" }), "/late");
    check(json!({ "fields": ["a", ""] }), "/fields/1");
    check(json!({ "after": { "time": "then", "seen": [] } }), "/after/time");
    let mut other = node();
    other["name"] = json!("nats-prod-node-1");
    check(json!({ "node": other }), "/node");
    let mut silent = cluster();
    silent["logs"] = Value::Null;
    check(json!({ "cluster": silent }), "/cluster");
    let plugin = plugin();
    let checked = |more: Value| plugin.check("events", &with(more)).len();
    assert_eq!(checked(json!({})), 0);
    assert_eq!(checked(json!({ "since": "{{ inputs.since }}" })), 0);
    assert_eq!(checked(json!({ "since": "yesterday", "until": "soon", "late": "x" })), 3);
}

#[test]
fn by_hand_it_is_curl_and_axioms_own_clock() {
    let line = |more: Value| {
        let commands = plugin().by_hand("events", &call(with(more)));
        let [command] = commands.as_slice() else { panic!("{commands:?}") };
        command.line()
    };
    let back = line(json!({ "until": "1m", "limit": 5 }));
    assert!(back.contains("ago(15m)") && back.contains("< ago(1m)") && back.contains("now-15m"), "{back}");
    assert!(back.contains("take 5") && !back.contains("datetime"), "{back}");
    let at = line(json!({ "since": "2026-11-22T17:49:00Z" }));
    assert!(at.contains("2026-11-22T17:49:00.000Z") && !at.contains("ago("), "{at}");
}
