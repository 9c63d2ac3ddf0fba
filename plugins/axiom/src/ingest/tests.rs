//! The action through the contract, as the engine calls it: what is sent, and what each answer comes to.

use std::io::Read as _;

use flate2::read::GzDecoder;
use futures::FutureExt as _;
use serde_json::{Value, json};
use sluice_plugin::{Header, Plugin as _, Preview, Problem, Reconciled, SecretRef};

use crate::plugin;
use crate::testing::{Answer, FakeHost, NOW, call, output_of, response, run};

fn events(count: usize, size: usize) -> Vec<Value> {
    let one = |n: usize| {
        let time = format!("2026-11-22T17:{:02}:{:02}.5Z", n / 60, n % 60);
        json!({ "_time": time, "n": n, "text": "x".repeat(size) })
    };
    (0..count).map(one).collect()
}

fn with(events: Vec<Value>) -> Value {
    json!({
        "url": "https://api.axiom.co", "dataset": "nats-logs", "token": { "$secret": "secrets.ingest" }, "events": events,
    })
}

fn stored(count: u64) -> Answer {
    let body = json!({ "ingested": count, "failed": 0, "failures": [], "processedBytes": 1, "walLength": 2 });
    response(200, &[("content-type", "application/json")], &body.to_string())
}

fn lost() -> Answer {
    Err(Problem::maybe_applied("unreachable", "the connection broke before the answer was complete").retryable())
}

fn away() -> Answer {
    Err(Problem::not_applied("unreachable", "nothing listens there").retryable())
}

#[test]
fn events_go_compressed_line_by_line_with_the_token_where_the_host_puts_it() {
    let host = FakeHost::one_by_one(vec![stored(2)]);
    let output = output_of("ingest", &host, with(events(2, 100)));
    let bodies = host.bodies();
    let mut text = String::new();
    GzDecoder::new(bodies[0].as_slice()).read_to_string(&mut text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, events(2, 100));
    assert_eq!(host.lines(), ["POST https://api.axiom.co/v1/datasets/nats-logs/ingest"]);
    let headers = &host.asked.lock().unwrap()[0].headers;
    let token = Header::secret("authorization", "Bearer ", SecretRef("secrets.ingest".into()));
    for header in
        [token, Header::plain("content-type", "application/x-ndjson"), Header::plain("content-encoding", "gzip")]
    {
        assert!(headers.contains(&header), "{headers:?}");
    }
    let expect = json!({
        "accepted": true, "ingested": 2, "failed": 0, "rejected": [], "unanswered": false, "sent": 2,
        "retry_after_s": null, "why": null, "bytes": text.len(), "compressed_bytes": bodies[0].len(),
    });
    assert_eq!(output, expect);
    assert!(bodies[0].len() < text.len());
}

#[test]
fn a_name_stays_one_segment_of_the_path() {
    let check = |url: &str, dataset: &str, expect: &str| {
        let host = FakeHost::one_by_one(vec![stored(1)]);
        let mut with = with(events(1, 1));
        with["url"] = json!(url);
        with["dataset"] = json!(dataset);
        output_of("ingest", &host, with);
        assert_eq!(host.lines(), [format!("POST {expect}")]);
    };
    check("https://api.axiom.co/", "a/../b?c", "https://api.axiom.co/v1/datasets/a%2F..%2Fb%3Fc/ingest");
    check("https://us-east-1.aws.edge.axiom.co", "d", "https://us-east-1.aws.edge.axiom.co/v1/ingest/d");
    check("https://edge.axiom.co.example.com:443", "d", "https://edge.axiom.co.example.com:443/v1/datasets/d/ingest");
}

/// What three batches of two events come to, under these answers.
fn three(answers: Vec<Answer>) -> (Result<Value, Problem>, usize) {
    let host = FakeHost::one_by_one(answers);
    let outcome = run("ingest", &host, with(events(6, (1 << 20) - 100)));
    (outcome.map(|outcome| outcome.output), host.lines().len())
}

#[test]
fn what_keeps_events_away_is_said_and_is_no_failure() {
    let check = |answers: Vec<Answer>, requests: usize, sent: u64, unanswered: bool, wait: Value, why: &[&str]| {
        let (output, asked) = three(answers);
        let output = output.unwrap();
        let got = (&output["sent"], &output["unanswered"], &output["retry_after_s"], &output["accepted"], asked);
        assert_eq!(got, (&json!(sent), &json!(unanswered), &wait, &json!(false), requests), "{output}");
        assert_eq!((&output["ingested"], &output["rejected"]), (&json!(sent), &json!([])));
        for part in why {
            assert!(output["why"].as_str().unwrap().contains(part), "{part}: {output}");
        }
    };
    let null = || json!(null);
    check(vec![away()], 1, 0, false, null(), &["away", "nothing listens"]);
    check(vec![stored(2), away()], 2, 2, false, null(), &["away"]);
    check(vec![lost()], 1, 0, true, null(), &["lost", "may be stored"]);
    check(vec![stored(2), stored(2), lost()], 3, 4, true, null(), &["lost"]);
    check(vec![stored(2), response(503, &[], "<html>")], 2, 2, true, null(), &["HTTP 503"]);
    check(vec![response(504, &[("retry-after", "30")], "")], 1, 0, true, json!(30), &["HTTP 504"]);
    let ends = ("x-ratelimit-reset", "1795370134");
    let said = r#"{"message":"rate limit exceeded"}"#;
    check(vec![response(429, &[ends], said)], 1, 0, false, json!(34), &["429", "in 34 s", "rate limit exceeded"]);
    let month = ("x-ingestlimit-reset", "1796083200");
    let some_left = ("x-ingestlimit-remaining", "5");
    check(vec![response(429, &[ends, month, some_left], "")], 1, 0, false, json!(34), &["429"]);
    let none_left = ("x-ingestlimit-remaining", "0");
    check(vec![response(430, &[month, none_left], "")], 1, 0, false, json!(713_100), &["430"]);
    check(vec![response(429, &[("retry-after", "soon")], "")], 1, 0, false, null(), &["429"]);
    // Whatever answered, it was not Axiom.
    check(vec![response(200, &[], "<html>log in</html>")], 1, 0, true, null(), &["a web page"]);
    check(vec![response(200, &[], "{}")], 1, 0, true, null(), &["no count"]);
    check(vec![response(204, &[], "")], 1, 0, true, null(), &["no count"]);
    // What would be a problem is said when something went through already: nobody is to send that again.
    check(vec![stored(2), response(401, &[], "")], 2, 2, false, null(), &["token"]);
    let denied = || Err(Problem::not_applied("denied", "put this into sluice.yaml"));
    check(vec![stored(2), denied()], 2, 2, false, null(), &["sluice.yaml"]);
}

#[test]
fn what_sending_again_cannot_mend_is_a_problem() {
    let check = |answer: Answer, code: &str, path: Option<&str>, said: &[&str]| {
        let problem = three(vec![answer]).0.unwrap_err();
        let got = (problem.code.as_str(), problem.path.as_deref(), problem.retryable, problem.applied);
        assert_eq!(got, (code, path, false, sluice_plugin::Applied::No), "{problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
    };
    check(response(400, &[], r#"{"message":"invalid json"}"#), "bad_events", Some("/events"), &["invalid json"]);
    check(response(401, &[], ""), "denied", Some("/token"), &["does not know the token"]);
    check(response(403, &[], ""), "denied", Some("/token"), &["nats-logs", "only query", "personal"]);
    check(response(404, &[], ""), "not_found", Some("/dataset"), &["no dataset `nats-logs`"]);
    check(response(413, &[], ""), "too_large", Some("/events"), &["too large"]);
    check(response(302, &[], ""), "unexpected_answer", None, &["302"]);
    check(Err(Problem::not_applied("denied", "put this into sluice.yaml")), "denied", None, &["sluice.yaml"]);
}

/// Events of which Axiom does not read those with these numbers: which ones are stored, which rejected, or what is said.
#[test]
fn what_axiom_does_not_read_stands_alone() {
    fn answer(request: &sluice_plugin::HttpRequest, bad: &[u64]) -> Answer {
        let mut text = String::new();
        GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).unwrap();
        let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap();
        match text.lines().any(|line| bad.contains(&number(line))) {
            true => response(400, &[], r#"{"message":"bad value"}"#),
            false => stored(text.lines().count() as u64),
        }
    }
    let check = |count: usize, bad: &'static [u64], sent: usize, rejected: &[u64], requests: usize| {
        let host = FakeHost::does(move |request, _| answer(request, bad));
        let output = output_of("ingest", &host, with(events(count, 1)));
        let named: Vec<u64> =
            output["rejected"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
        assert_eq!((output["sent"].as_u64(), named.as_slice()), (Some(sent as u64), rejected), "{output}");
        assert_eq!(output["accepted"], json!(sent == count));
        assert_eq!(output["ingested"], json!(sent - rejected.len()), "{output}");
        assert_eq!(host.lines().len(), requests, "{output}");
        assert!(output["why"].as_str().unwrap().contains("bad value"), "{output}");
    };
    check(2, &[0], 2, &[0], 3);
    check(2, &[1], 2, &[1], 3);
    check(50, &[31], 50, &[31], 11);
    check(1000, &[0], 1000, &[0], 19);
    check(1000, &[999], 1000, &[999], 21);
    check(8, &[2, 5], 8, &[2, 5], 11);
    check(1000, &[100, 300, 500, 700, 900], 1000, &[100, 300, 500, 700, 900], 83);
    // Too many for one call: what was read is told as read.
    let host = FakeHost::does(|request, _| answer(request, &std::array::from_fn::<u64, 500, _>(|n| 2 * n as u64)));
    let output = output_of("ingest", &host, with(events(1000, 1)));
    assert_eq!((host.lines().len(), &output["accepted"]), (128, &json!(false)));
    assert_eq!(
        output["sent"].as_u64().unwrap(),
        output["ingested"].as_u64().unwrap() + output["failed"].as_u64().unwrap()
    );
    // None is read, so it is not the events.
    for count in [1, 2, 20] {
        let host = FakeHost::does(|_, _| response(400, &[], "{}"));
        let problem = run("ingest", &host, with(events(count, 1))).unwrap_err();
        assert_eq!(problem.code, "bad_events");
        assert!(host.lines().len() <= 40);
    }
}

#[test]
fn a_status_of_200_is_not_believed() {
    let failed = |ingested: u64, failures: Value| {
        let count = failures.as_array().unwrap().len();
        let body = json!({ "ingested": ingested, "failed": count, "failures": failures });
        response(200, &[], &body.to_string())
    };
    let bad = json!([{ "timestamp": "2026-11-22T17:00:03.5Z", "error": "too many fields" }]);
    let host = FakeHost::one_by_one(vec![stored(2), failed(1, bad), stored(2)]);
    let output = output_of("ingest", &host, with(events(6, (1 << 20) - 100)));
    // The place is that among all events, not that in the batch.
    let mut rejected = output["rejected"].clone();
    let item = rejected[0].as_object_mut().unwrap().remove("item").unwrap();
    assert_eq!(rejected, json!([{ "index": 3, "error": "too many fields", "certain": true }]));
    assert_eq!(item, events(6, (1 << 20) - 100)[3]);
    assert_eq!((&output["accepted"], &output["sent"]), (&json!(true), &json!(6)));
    assert_eq!((&output["ingested"], &output["failed"]), (&json!(5), &json!(1)));
    assert!(output["why"].as_str().unwrap().contains("too many fields"));

    let host = FakeHost::one_by_one(vec![stored(1)]);
    let output = output_of("ingest", &host, with(events(2, 1)));
    assert_eq!(output["rejected"].as_array().unwrap().len(), 2, "one of two is nowhere: {output}");
    assert_eq!(output["rejected"][0]["certain"], false);
}

#[test]
fn nothing_is_begun_that_would_be_cut_off() {
    let run = |left: i64| {
        let host = FakeHost::one_by_one(vec![stored(1)]);
        let mut call = call(with(events(1, 1)));
        call.deadline = Some(sluice_plugin::Timestamp(NOW.0 + left));
        let output = plugin().run("ingest", &host, &call).now_or_never().unwrap().unwrap().output;
        let timeout = host.asked.lock().unwrap().first().map(|request| request.timeout.as_millis());
        (output["sent"].clone(), timeout)
    };
    assert_eq!(run(60_000), (json!(1), Some(20_000)));
    assert_eq!(run(5000), (json!(1), Some(4000)));
    assert_eq!(run(1999), (json!(0), None));
    assert_eq!(run(-5), (json!(0), None));
}

#[test]
fn a_preview_binds_to_the_batch_and_a_look_back_cannot_tell() {
    let plugin = plugin();
    let host = FakeHost::one_by_one(vec![stored(1)]);
    let of = |with: Value| match plugin.preview("ingest", &host, &call(with)).now_or_never().unwrap().unwrap() {
        Preview::Ready { binding, facts } => (binding, facts),
        other => panic!("{other:?}"),
    };
    let (binding, facts) = of(with(events(2, 5)));
    assert_eq!((&binding["url"], &binding["dataset"]), (&json!("https://api.axiom.co"), &json!("nats-logs")));
    assert_eq!((&binding["events"], binding["sha256"].as_str().unwrap().len()), (&json!(2), 64));
    assert!(facts["bytes"].as_u64().unwrap() > 50);
    assert_eq!(of(with(events(2, 5))).0, binding);
    assert_ne!(of(with(events(2, 6))).0, binding);
    let looked = plugin.reconcile("ingest", &host, &call(with(events(2, 5)))).now_or_never().unwrap().unwrap();
    let Reconciled::CannotTell { evidence } = looked else { panic!("{looked:?}") };
    assert_eq!((&evidence["sha256"], &evidence["last_time"]), (&binding["sha256"], &json!("2026-11-22T17:00:01.5Z")));
    assert!(host.lines().is_empty(), "neither asks anybody");
}

#[test]
fn inputs_that_make_no_sense_are_refused_before_anything_is_sent() {
    let check = |key: &str, value: Value| {
        let host = FakeHost::one_by_one(vec![stored(1)]);
        let mut with = with(events(1, 1));
        with[key] = value.clone();
        let problem = run("ingest", &host, with.clone()).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some(format!("/{key}").as_str()), "{problem}");
        assert!(host.lines().is_empty());
        assert_eq!(plugin().check("ingest", &with).len(), 1);
        with[key] = json!("{{ inputs.x }}");
        assert_eq!(plugin().check("ingest", &with).len(), 0);
    };
    check("url", json!("api.axiom.co"));
    check("dataset", json!(".."));
    check("dataset", json!(""));
}

#[test]
fn by_hand_it_is_curl_as_long_as_anybody_would_paste_it() {
    let commands = plugin().by_hand("ingest", &call(with(events(2, 5))));
    let [command] = commands.as_slice() else { panic!("{commands:?}") };
    let line = command.line();
    assert!(line.starts_with("printf %s 'authorization: Bearer ' \"${SLUICE_SECRETS_INGEST}\""), "{line}");
    assert!(line.ends_with("https://api.axiom.co/v1/datasets/nats-logs/ingest"), "{line}");
    assert!(command.look_for.contains("`ingested` 2"));
    assert!(plugin().by_hand("ingest", &call(with(events(2, 50_000)))).is_empty());
}
