//! `terraform.plan` through the contract: what may change, and that nothing of a plan's values comes out.

use serde_json::{Value, json};
use sluice_plugin::{Outcome, Problem, Verdict};

use crate::testing::{FakeHost, of_run, output_of, run};

fn with(allow: Value) -> Value {
    let mut with = of_run();
    with["allow"] = allow;
    with
}

fn switch() -> Value {
    json!([
        { "type": "aws_ecs_task_definition", "module": "module.messenger", "actions": ["replace"] },
        { "type": "aws_ecs_service", "module": "module.messenger", "actions": ["update"] },
    ])
}

fn change(address: &str, actions: &[&str]) -> Value {
    let (module, rest) =
        address.rsplit_once(".aws_").map_or(("", address), |(module, _)| (module, &address[module.len() + 1..]));
    let kind = rest.split('.').next().unwrap();
    json!({
        "address": address, "module_address": module, "type": kind, "name": "this", "mode": "managed",
        "change": {
            "actions": actions, "before": { "password": "s3cr3t" }, "after": { "password": "s3cr3t" },
            "after_unknown": {}, "before_sensitive": { "password": true },
        },
    })
}

fn plan(changes: &[Value], more: Value) -> Value {
    let mut plan = json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes,
        "variables": { "token": { "value": "s3cr3t" } }, "planned_values": { "outputs": { "x": { "value": "s3cr3t" } } },
        "output_changes": {
            "arn": { "actions": ["update"], "before": "s3cr3t", "after": "s3cr3t" }, "same": { "actions": ["no-op"] },
        },
        "errored": false,
    });
    // Go leaves an empty list out.
    if changes.is_empty() {
        plan.as_object_mut().unwrap().remove("resource_changes");
    }
    plan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plan
}

fn judge(plan: &Value, allow: Value) -> Result<Outcome, Problem> {
    run("plan", &FakeHost::answers(200, &[], &plan.to_string()), with(allow))
}

#[test]
fn only_what_may_change_changes() {
    let check = |changes: &[Value], allow: Value, expect: Verdict, said: &str| {
        let outcome = judge(&plan(changes, json!({})), allow).unwrap();
        let judgement = outcome.judgement.clone().unwrap();
        assert_eq!(judgement.verdict, expect, "{}", judgement.why);
        assert!(judgement.why.contains(said), "{said}: {}", judgement.why);
        assert!(!format!("{outcome:?}").contains("s3cr3t"));
    };
    let task = |actions: &[&str]| change("module.messenger.aws_ecs_task_definition.this", actions);
    let service = |actions: &[&str]| change("module.messenger.aws_ecs_service.this[\"a\"]", actions);
    let replace = ["delete", "create"];
    let both = [task(&replace), service(&["update"])];
    check(&both, switch(), Verdict::Pass, "all 2 changes");
    check(&[task(&["create", "delete"])], switch(), Verdict::Pass, "all 1 changes");
    check(
        &[task(&replace), change("aws_x.y", &["no-op"]), change("aws_x.z", &["read"])],
        switch(),
        Verdict::Pass,
        "all 1",
    );
    check(&[task(&["delete"])], switch(), Verdict::Fail, "delete module.messenger.aws_ecs_task_definition.this");
    check(&[service(&replace)], switch(), Verdict::Fail, "replace module.messenger.aws_ecs_service.this[\"a\"]");
    check(&[change("module.other.aws_ecs_service.this", &["update"])], switch(), Verdict::Fail, "module.other");
    check(&[change("aws_ecs_service.this", &["update"])], switch(), Verdict::Fail, "update aws_ecs_service.this");
    check(&[change("module.messenger.aws_iam_role.r", &["update"])], switch(), Verdict::Fail, "aws_iam_role");
    check(&[service(&["dance"])], json!([{ "actions": ["other", "update"] }]), Verdict::Fail, "something unknown");
    check(&[service(&["forget"])], switch(), Verdict::Fail, "forget");
    let cluster = |number: usize| change(&format!("module.nats_cluster.aws_instance.n{number}"), &["update"]);
    let many: Vec<Value> = (0..7).map(cluster).chain(both.clone()).collect();
    check(&many, switch(), Verdict::Fail, "7 of 9 changes");
    check(&many, switch(), Verdict::Fail, "aws_instance.n4 and 2 more; discard it");
    check(&many, json!([{ "actions": ["update", "replace"] }]), Verdict::Pass, "all 9");
    check(&both, json!([]), Verdict::Fail, "2 of 2");
    // A switch that changes nothing is none; where nothing may change it is what was wanted.
    check(&[], switch(), Verdict::Fail, "changes nothing");
    check(&[], json!([]), Verdict::Pass, "all 0");
}

#[test]
fn what_is_taken_over_or_left_behind_is_a_change() {
    let mut imported = change("aws_x.y", &["no-op"]);
    imported["change"]["importing"] = json!({ "id": "s3cr3t" });
    let mut deposed = change("aws_x.z", &["delete"]);
    deposed["deposed"] = json!("00000001");
    let host = FakeHost::answers(200, &[], &plan(&[imported, deposed], json!({})).to_string());
    let output = output_of("plan", &host, with(json!([{ "actions": ["import"] }])));
    let found: Vec<(&str, &str, bool)> = output["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            (change["address"].as_str().unwrap(), change["action"].as_str().unwrap(), change["allowed"] == true)
        })
        .collect();
    assert_eq!(found, [("aws_x.y", "import", true), ("aws_x.z (deposed 00000001)", "delete", false)]);
    assert_eq!((&output["not_allowed"], &output["outputs"]), (&json!(1), &json!(["arn"])));
    assert_eq!(host.lines(), ["GET https://app.terraform.io/api/v2/runs/run-1/plan/json-output"]);
}

#[test]
fn a_plan_that_does_not_say_all_is_a_no() {
    let check = |more: Value, said: &str| {
        let outcome = judge(&plan(&[], more), json!([])).unwrap();
        let judgement = outcome.judgement.unwrap();
        assert_eq!(judgement.verdict, Verdict::Fail);
        assert!(judgement.why.contains(said), "{}", judgement.why);
    };
    check(json!({ "errored": true }), "ended in an error");
    check(json!({ "deferred_changes": [{ "reason": "unknown" }] }), "a later run");
    check(json!({ "action_invocations": [{ "address": "action.x" }] }), "calls actions");
}

#[test]
fn no_plan_yet_is_no_verdict() {
    let outcome = run("plan", &FakeHost::answers(204, &[], ""), with(switch())).unwrap();
    assert_eq!(outcome.judgement.unwrap().verdict, Verdict::Inconclusive);
}

#[test]
fn a_link_to_a_plan_is_in_no_message() {
    let said =
        format!("GET https://archivist.terraform.io/v1/object/{}: no complete answer within 20s", "x".repeat(900));
    let host = FakeHost::one_by_one(vec![Err(Problem::not_applied("timeout", said).retryable())]);
    let problem = run("plan", &host, with(switch())).unwrap_err();
    assert!(problem.retryable && problem.message.len() < 140, "{problem}");
    assert!(problem.message.contains("archivist.terraform.io") && problem.message.ends_with("within 20s"), "{problem}");
}

#[test]
fn what_is_no_plan_is_a_problem_without_its_content() {
    let check = |status: u16, body: &str, code: &str, said: &str| {
        let problem = run("plan", &FakeHost::answers(status, &[], body), with(switch())).unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.message.contains(said) && !problem.message.contains("s3cr3t"), "{problem}");
    };
    check(404, "", "not_found", "the workspace's state");
    check(200, &plan(&[], json!({ "format_version": "2.0" })).to_string(), "unexpected_answer", "2.0");
    check(200, "{}", "unexpected_answer", "only 1.x");
    check(200, r#"{"format_version":"1.2","resource_changes":["s3cr3t"]}"#, "unexpected_answer", "not understood");
    check(
        200,
        r#"{"format_version":"1.2","resource_changes":[{"address":"x","type":"y","change":{"actions":"s3cr3t"}}]}"#,
        "unexpected_answer",
        "not understood",
    );
    check(307, "", "unexpected_answer", "307");
}
