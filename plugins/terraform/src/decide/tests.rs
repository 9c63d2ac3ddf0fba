//! `terraform.apply` and `terraform.discard` through the contract.

use serde_json::{Value, json};
use sluice_plugin::{Applied, Method, Preview, Problem, Reconciled};

use crate::testing::{Answer, FakeHost, SHA, answers, of_run, preview, reconcile, response, run, run_document, valid};

fn with() -> Value {
    let mut with = of_run();
    with["comment"] = json!("ana: go");
    with
}

/// A run that waits; what comes of the one request that does something; and the run afterwards.
fn taken(answer: Answer, after: &str) -> FakeHost {
    let after = run_document(after, json!({})).to_string();
    FakeHost::does(move |request, _| match (request.method, &answer) {
        (Method::Post, answer) => answer.clone(),
        (_, Ok(_)) if request.url.contains("actions") => panic!("{}", request.url),
        _ => response(200, &[], &after),
    })
}

fn waits_then(answer: Answer, after: &str) -> FakeHost {
    let (before, after) = (run_document("planned", json!({})).to_string(), run_document(after, json!({})).to_string());
    FakeHost::does(move |request, already| match request.method {
        Method::Post => answer.clone(),
        _ if already == 0 => response(200, &[], &before),
        _ => response(200, &[], &after),
    })
}

#[test]
fn one_request_is_sent_and_the_run_read_again() {
    for (action, after) in [("apply", "confirmed"), ("discard", "discarded")] {
        let host = waits_then(response(202, &[], ""), after);
        let output = run(action, &host, with()).unwrap().output;
        assert_eq!(output, json!({ "run": "run-1", "status": after, "sent": true }));
        assert!(valid(&sluice_plugin::Plugin::action(&crate::plugin(), action).unwrap().output, &output));
        let asked = host.asked.lock().unwrap();
        let [_, sent, _] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(sent.url, format!("https://app.terraform.io/api/v2/runs/run-1/actions/{action}"));
        assert_eq!((sent.method, sent.body.as_slice()), (Method::Post, br#"{"comment":"ana: go"}"#.as_slice()));
    }
}

#[test]
fn what_was_taken_is_done_even_when_nobody_can_look() {
    let before = run_document("planned", json!({})).to_string();
    let host = FakeHost::one_by_one(vec![response(200, &[], &before), response(202, &[], ""), response(503, &[], "")]);
    assert_eq!(run("apply", &host, with()).unwrap().output["sent"], true);
}

#[test]
fn what_is_done_already_is_not_sent_again() {
    for (action, status) in
        [("apply", "confirmed"), ("apply", "applying"), ("apply", "applied"), ("discard", "discarded")]
    {
        let host = taken(response(500, &[], ""), status);
        let output = run(action, &host, with()).unwrap().output;
        assert_eq!(output, json!({ "run": "run-1", "status": status, "sent": false }));
        assert!(matches!(preview(action, &host, with()).unwrap(), Preview::Already { output: same } if same == output));
        assert!(host.lines().iter().all(|line| line.starts_with("GET")));
    }
}

#[test]
fn a_preview_binds_to_the_plan_that_was_looked_at() {
    let Preview::Ready { binding, facts } =
        preview("apply", &answers(&run_document("planned", json!({}))), with()).unwrap()
    else {
        panic!("not ready")
    };
    assert_eq!(
        binding,
        json!({
            "address": "https://app.terraform.io", "run": "run-1", "workspace": "ws-1", "commit": SHA,
            "plan": { "status": "finished", "additions": 2, "changes": 1, "destructions": 1 }, "status": "planned",
        })
    );
    assert_eq!((&facts["branch"], &facts["message"]), (&json!("main"), &json!("messenger")));
}

#[test]
fn where_no_answer_is_waited_for_none_is_given() {
    let check = |action: &str, status: &str, more: Value, said: &str| {
        let host = answers(&run_document(status, more));
        let Preview::Refused { why } = preview(action, &host, with()).unwrap() else { panic!("{action} {status}") };
        assert!(why.contains(said), "{said}: {why}");
        let problem = run(action, &host, with()).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.applied, problem.message), ("not_open", Applied::No, why));
        assert!(host.lines().iter().all(|line| line.starts_with("GET")));
    };
    let none = || json!({});
    check("apply", "planning", none(), "wait for its plan (planning)");
    check("apply", "dreaming", none(), "wait for its plan");
    check("apply", "planning", json!({ "auto-apply": true }), "says yes by itself");
    check("apply", "planned_and_finished", none(), "nothing to change");
    check("apply", "discarded", none(), "is discarded");
    check("apply", "canceled", none(), "is canceled");
    check("apply", "errored", none(), "failed");
    check("apply", "planned_and_finished", json!({ "plan-only": true }), "never applied");
    let denied = || json!({ "permissions": { "can-apply": false, "can-discard": false } });
    check("apply", "planned", denied(), "one of an organization never may");
    check("discard", "planned", denied(), "one of an organization never may");
    check("discard", "applying", none(), "cancel it in its web page");
    check("discard", "applied", none(), "has ended");
    check("discard", "planning", none(), "cannot be discarded at this place");
}

#[test]
fn a_refusal_says_whether_it_was_done() {
    let check = |answer: Answer, code: &str, applied: Applied, retryable: bool, said: &str| {
        let host = waits_then(answer, "planned");
        let problem = run("apply", &host, with()).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.applied, problem.retryable),
            (code, applied, retryable),
            "{problem}"
        );
        assert!(problem.message.contains(said), "{said}: {problem}");
        assert_eq!(host.lines().len(), 2);
    };
    check(response(409, &[], ""), "conflict", Applied::No, false, "look at its status");
    check(response(404, &[], ""), "not_found", Applied::No, false, "a token of an organization never may");
    check(response(403, &[], ""), "denied", Applied::No, false, "a token of an organization never may");
    check(response(429, &[], ""), "throttled", Applied::No, true, "for now");
    check(response(500, &[], ""), "server_error", Applied::Maybe, true, "in trouble");
    check(response(302, &[], ""), "unexpected_answer", Applied::Maybe, false, "302");
    let lost = Problem::maybe_applied("unreachable", "the connection broke");
    check(Err(lost), "unreachable", Applied::Maybe, false, "broke");
}

#[test]
fn a_lost_answer_is_found_in_the_run() {
    let check = |action: &str, status: &str, more: Value, expect: &str| {
        let found = reconcile(action, &answers(&run_document(status, more)), with()).unwrap();
        let found = match found {
            Reconciled::Done { .. } => "done",
            Reconciled::NotDone { .. } => "not done",
            Reconciled::CannotTell { .. } => "cannot tell",
        };
        assert_eq!(found, expect, "{action} {status}");
    };
    let none = || json!({});
    let confirmed = || json!({ "status-timestamps": { "confirmed-at": "2026-11-22T17:54:46Z" } });
    check("apply", "planned", none(), "not done");
    check("apply", "confirmed", none(), "done");
    check("apply", "applied", none(), "done");
    check("apply", "errored", confirmed(), "done");
    check("apply", "errored", none(), "not done");
    check("apply", "discarded", none(), "not done");
    check("apply", "dreaming", none(), "cannot tell");
    check("apply", "dreaming", confirmed(), "done");
    check("discard", "discarded", none(), "done");
    check("discard", "planned", none(), "not done");
    check("discard", "applied", confirmed(), "not done");
    check("discard", "dreaming", none(), "cannot tell");
}
