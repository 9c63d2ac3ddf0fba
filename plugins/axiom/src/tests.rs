//! `axiom.fresh_events` through the contract, as the engine calls it: what is asked, and what each answer comes to; and
//! what all actions have in common.

use serde_json::{Value, json};
use sluice_plugin::{Effect, Header, Method, Outcome, Plugin, Problem, SecretRef, Verdict};

use crate::fresh_events::{cluster, node};
use crate::plugin;
use crate::testing::{FakeHost, call, valid};

fn with(more: Value) -> Value {
    let mut with = json!({
        "cluster": cluster(), "node": node(), "instance": "i-0new", "since": "2026-11-22T17:49:00Z",
        "token": { "$secret": "secrets.axiom_token" },
    });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with
}

fn run(host: &FakeHost, with: Value) -> Result<Outcome, Problem> {
    crate::testing::run("fresh_events", host, with)
}

fn table(events: &Value, newest: &Value) -> String {
    json!({
        "format": "tabular",
        "status": { "elapsedTime": 1, "isPartial": false },
        "tables": [{
            "name": "0", "sources": [{ "name": "nats-logs" }],
            "fields": [{ "name": "events", "type": "integer" }, { "name": "newest", "type": "datetime" }],
            "columns": [[events], [newest]],
        }, { "name": "_totals", "fields": [], "columns": null }],
        "datasetNames": ["nats-logs"],
    })
    .to_string()
}

#[test]
fn every_description_holds() {
    let plugin = plugin();
    for action in &plugin.describe().actions {
        for example in &action.examples {
            let mut with = example.with.clone();
            // A schema says what a secret is once it is revealed: text.
            if with.get("token").is_some() {
                with["token"] = json!("revealed");
            }
            assert!(valid(&action.input, &with), "{}: with", action.name);
            assert!(valid(&action.output, &example.output), "{}: output", action.name);
        }
        assert!(!action.examples.is_empty(), "{}", action.name);
        // What reaches nothing needs none.
        let reaches = action.name.operation() != "alert_monitors";
        assert_eq!(action.input["properties"]["token"]["x-secret"] == true, reaches);
        let (change, abilities) = (action.effect == Effect::Change, action.abilities);
        assert!(abilities.check && abilities.preview == change && abilities.reconcile == change, "{}", action.name);
        // What may not be done twice says so.
        assert!(action.effect != Effect::Destroy && action.idempotent != change, "{}", action.name);
    }
}

#[test]
fn one_query_is_sent_with_the_token_where_the_host_puts_it() {
    let host = FakeHost::answers(200, &[], &table(&json!(1), &json!("2026-11-22T17:54:46Z")));
    run(&host, with(json!({}))).unwrap();
    let asked = host.asked.lock().unwrap();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(
        (request.method, request.url.as_str()),
        (Method::Post, "https://api.axiom.co/v1/datasets/_apl?format=tabular")
    );
    let token = Header::secret("authorization", "Bearer ", SecretRef("secrets.axiom_token".into()));
    assert!(request.headers.contains(&token), "{:?}", request.headers);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["startTime"], "2026-11-22T17:49:00.000Z");
    assert_eq!(
        body["apl"],
        "['nats-logs']\n| where ['_time'] >= datetime(\"2026-11-22T17:49:00.000Z\")\n| where ['node'] == \
         \"nats-staging-node-1\"\n| where ['instance_id'] == \"i-0new\"\n| summarize events = count(), newest = max(['_time'])"
    );
}

#[test]
fn what_is_older_than_a_day_is_not_looked_at() {
    let since = |more: Value| {
        let host = FakeHost::answers(200, &[], &table(&json!(0), &json!(null)));
        run(&host, with(more)).unwrap().output["since"].as_str().unwrap().to_owned()
    };
    assert_eq!(since(json!({ "since": "2025-01-01T00:00:00Z" })), "2026-11-21T17:55:00.000Z");
    assert_eq!(since(json!({ "since": null })), "2026-11-22T16:55:00.000Z");
    assert_eq!(since(json!({ "since": null, "within": "2h" })), "2026-11-22T15:55:00.000Z");
}

#[test]
fn the_newest_event_decides() {
    let check = |events: Value, newest: Value, expect: Verdict, said: &str| {
        let host = FakeHost::answers(200, &[("content-type", "application/json")], &table(&events, &newest));
        let outcome = run(&host, with(json!({}))).unwrap();
        let judgement = outcome.judgement.unwrap();
        assert_eq!(judgement.verdict, expect, "{events} {newest}: {}", judgement.why);
        assert!(judgement.why.contains(said), "{said}: {}", judgement.why);
        let plugin = plugin();
        assert!(valid(&plugin.action("fresh_events").unwrap().output, &outcome.output), "{}", outcome.output);
    };
    let pass = "12 events of nats-staging-node-1 (i-0new) since 2026-11-22T17:49:00.000Z, the newest 14 s old";
    check(json!(12), json!("2026-11-22T17:54:46Z"), Verdict::Pass, pass);
    check(json!(12.0), json!("2026-11-22T17:54:46.5Z"), Verdict::Pass, "12 events");
    check(json!(1), json!("2026-11-22T17:53:00Z"), Verdict::Pass, "120 s old");
    check(json!(1), json!("2026-11-22T17:52:59Z"), Verdict::Inconclusive, "121 s old, more than 2m");
    check(json!(1), json!("2026-11-22T17:55:30Z"), Verdict::Pass, "0 s old");
    check(json!(1), json!("2026-11-22T18:55:00Z"), Verdict::Inconclusive, "3600 s in the future");
    check(
        json!(0),
        json!(null),
        Verdict::Inconclusive,
        "no event of nats-staging-node-1 (i-0new) in dataset `nats-logs`",
    );
    check(json!(null), json!(null), Verdict::Inconclusive, "no event");
}

#[test]
fn no_rows_are_no_events() {
    let whole: Value = serde_json::from_str(&table(&json!(1), &json!(1))).unwrap();
    for columns in [json!(null), json!([]), json!([[], []]), json!([null, null])] {
        let mut body = whole.clone();
        body["tables"][0]["columns"] = columns.clone();
        let outcome = run(&FakeHost::answers(200, &[], &body.to_string()), with(json!({}))).unwrap();
        assert_eq!(outcome.judgement.unwrap().verdict, Verdict::Inconclusive, "{columns}");
        assert_eq!(outcome.output["events"], 0);
    }
    let none = json!({ "status": {}, "tables": null }).to_string();
    assert_eq!(run(&FakeHost::answers(200, &[], &none), with(json!({}))).unwrap().output["events"], 0);
}

#[test]
fn a_field_that_no_event_has_is_no_answer() {
    let said = r#"{"message":"invalid field: instance_id"}"#;
    let outcome = run(&FakeHost::answers(400, &[], said), with(json!({}))).unwrap();
    let judgement = outcome.judgement.unwrap();
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert!(
        judgement.why.contains("invalid field: instance_id") && judgement.why.contains("logs.axiom"),
        "{}",
        judgement.why
    );
}

#[test]
fn every_other_answer_is_a_problem_that_says_what_to_do() {
    let check = |status: u16, headers: &[(&str, &str)], body: &str, code: &str, retryable: bool, said: &[&str]| {
        let problem = run(&FakeHost::answers(status, headers, body), with(json!({}))).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{status}: {problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
        assert!(!problem.message.contains("<html"), "{problem}");
    };
    let html = "<html><body>log in</body></html>";
    let partial = table(&json!(1), &json!("2026-11-22T17:54:46Z")).replace("\"isPartial\":false", "\"isPartial\":true");
    check(400, &[], r#"{"message":"parse error"}"#, "bad_query", false, &["400", "parse error"]);
    check(401, &[], r#"{"message":"unauthorized"}"#, "denied", false, &["401", "token", "unauthorized"]);
    check(403, &[], r#"{"message":"forbidden"}"#, "denied", false, &["403", "nats-logs", "ingest", "forbidden"]);
    check(404, &[], r#"{"message":"dataset not found"}"#, "not_found", false, &["nats-logs", "logs.axiom.dataset"]);
    check(429, &[], r#"{"message":"rate limit exceeded"}"#, "throttled", true, &["429", "rate limit exceeded"]);
    let reset = ("x-ratelimit-reset", "1795370134");
    check(429, &[reset], "", "throttled", true, &["before 2026-11-22T17:55:34.000Z, in 34 s"]);
    check(430, &[reset], "", "throttled", true, &["430", "in 34 s"]);
    check(429, &[("x-querylimit-reset", "17"), ("x-ratelimit-reset", "soon")], "", "throttled", true, &["429"]);
    check(500, &[], "", "server_error", true, &["500"]);
    check(503, &[("content-type", "text/html")], html, "server_error", true, &["503"]);
    check(200, &[("content-type", "text/html; charset=utf-8")], html, "unexpected_answer", false, &["a web page"]);
    check(200, &[], html, "unexpected_answer", false, &["a web page"]);
    check(200, &[], "{}", "unexpected_answer", false, &["no table"]);
    check(200, &[], "", "unexpected_answer", false, &["no table"]);
    check(200, &[], &table(&json!(1), &json!("yesterday")), "unexpected_answer", false, &["newest"]);
    check(200, &[], &table(&json!(1), &json!(null)), "unexpected_answer", false, &["newest"]);
    check(200, &[], &table(&json!("many"), &json!(null)), "unexpected_answer", false, &["events"]);
    check(200, &[], &table(&json!(-1), &json!(null)), "unexpected_answer", false, &["events"]);
    check(200, &[], &partial, "partial", true, &["part of the answer"]);
    check(302, &[], "", "unexpected_answer", false, &["302"]);
}

#[test]
fn what_the_host_says_is_passed_on() {
    let refused = Problem::not_applied("denied", "put this into sluice.yaml").with_details(json!({ "grant": "line" }));
    let host = FakeHost::one_by_one(vec![Err(refused.clone())]);
    assert_eq!(run(&host, with(json!({}))).unwrap_err(), refused);
}

#[test]
fn inputs_that_make_no_sense_are_refused_before_anything_is_asked() {
    let check = |more: Value, path: &str| {
        let host = FakeHost::answers(200, &[], "{}");
        let problem = run(&host, with(more)).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some(path), "{problem}");
        assert!(host.asked.lock().unwrap().is_empty());
    };
    check(json!({ "since": "yesterday" }), "/since");
    let mut other = node();
    other["name"] = json!("nats-prod-node-1");
    check(json!({ "node": other }), "/node");
    let mut silent = cluster();
    silent["logs"] = Value::Null;
    check(json!({ "cluster": silent }), "/cluster");
    let plugin = plugin();
    let checked = |more: Value| plugin.check("fresh_events", &with(more)).len();
    assert_eq!(checked(json!({})), 0);
    assert_eq!(checked(json!({ "since": "{{ steps.instance.launched_at }}" })), 0);
    assert_eq!(checked(json!({ "since": "yesterday", "within": "soon" })), 2);
}

#[test]
fn names_from_outside_stay_names() {
    let mut odd = cluster();
    let axiom = &mut odd["logs"]["axiom"];
    axiom["dataset"] = json!("x'] | limit 1 //");
    axiom["match"]["nats-staging-node-1"] = json!("a\" or true //");
    let host = FakeHost::answers(200, &[], &table(&json!(0), &json!(null)));
    let query = run(&host, with(json!({ "cluster": odd, "instance": "i\n| take 1" }))).unwrap().output["query"].clone();
    let query = query.as_str().unwrap();
    assert_eq!(query.lines().count(), 5, "{query}");
    assert!(query.starts_with(r"['x\'] | limit 1 //']"), "{query}");
    assert!(query.contains(r#"== "a\" or true //""#) && query.contains(r#"== "i\n| take 1""#), "{query}");
}

#[test]
fn by_hand_it_is_curl_with_the_token_in_a_variable() {
    let commands = plugin().by_hand("fresh_events", &call(with(json!({}))));
    let [command] = commands.as_slice() else { panic!("{commands:?}") };
    let line = command.line();
    assert!(line.starts_with("printf %s 'authorization: Bearer ' \"${SLUICE_SECRETS_AXIOM_TOKEN}\""), "{line}");
    assert!(line.contains("| curl -sSg") && line.contains("--header @-"), "{line}");
    assert!(line.ends_with("'https://api.axiom.co/v1/datasets/_apl?format=tabular'"), "{line}");
    assert!(line.contains("i-0new") && command.look_for.contains("not older than 2m"), "{line}");
}
