//! The actions that read, through the contract, as the engine calls them; and what all actions have in common.

use serde_json::{Value, json};
use sluice_plugin::{Effect, Header, Plugin as _, Problem, SecretRef, Verdict};

use crate::plugin;
use crate::testing::{FakeHost, SHA, answers, call, of_run, output_of, response, run, run_document, valid};

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
        let reaches = action.name.operation() != "set_attribute";
        assert_eq!(action.input["properties"]["token"]["x-secret"] == true, reaches);
        let (change, abilities) = (action.effect == Effect::Change, action.abilities);
        assert!(abilities.check && abilities.preview == change && abilities.reconcile == change, "{}", action.name);
        // What may not be done twice says so.
        assert!(action.effect != Effect::Destroy && action.idempotent != change, "{}", action.name);
    }
}

#[test]
fn the_example_of_an_edit_is_what_comes_out() {
    let plugin = plugin();
    let spec = plugin.action("set_attribute").unwrap();
    for example in &spec.examples {
        let output = output_of("set_attribute", &FakeHost::answers(200, &[], ""), example.with.clone());
        assert_eq!(output, example.output);
    }
}

#[test]
fn a_run_is_read_with_the_token_where_the_host_puts_it() {
    let host = answers(&run_document("planned", json!({})));
    let output = output_of("run", &host, of_run());
    assert_eq!(
        (&output["stage"], &output["final"], &output["confirmable"]),
        (&json!("waiting"), &json!(false), &json!(true))
    );
    assert_eq!(output["plan"], json!({ "status": "finished", "additions": 2, "changes": 1, "destructions": 1 }));
    assert_eq!(output["commit"], json!({ "sha": SHA, "branch": "main", "pull_request": false }));
    assert_eq!(output["workspace"], "ws-1");
    let asked = host.asked.lock().unwrap();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(
        request.url,
        "https://app.terraform.io/api/v2/runs/run-1?include=plan,configuration_version,configuration_version.ingress_attributes"
    );
    let token = Header::secret("authorization", "Bearer ", SecretRef("secrets.terraform_token".into()));
    assert!(request.headers.contains(&token), "{:?}", request.headers);
}

#[test]
fn a_run_without_a_push_or_a_plan_says_so() {
    let mut document = run_document("pending", json!({ "has-changes": false, "permissions": null }));
    document["included"] = json!([]);
    let output = output_of("run", &answers(&document), of_run());
    assert_eq!((&output["commit"], &output["plan"], &output["can_apply"]), (&Value::Null, &Value::Null, &Value::Null));
    let mut unfinished = run_document("planning", json!({ "has-changes": false }));
    unfinished["included"][0]["attributes"] = json!({ "status": "running" });
    assert_eq!(output_of("run", &answers(&unfinished), of_run())["has_changes"], Value::Null);
}

#[test]
fn a_run_is_finished_when_it_is_applied() {
    let check = |status: &str, more: Value, expect: Verdict, said: &str| {
        let outcome = run("run_finished", &answers(&run_document(status, more)), of_run()).unwrap();
        let judgement = outcome.judgement.unwrap();
        assert_eq!(judgement.verdict, expect, "{status}: {}", judgement.why);
        assert!(judgement.why.contains(said), "{said}: {}", judgement.why);
    };
    let none = json!({});
    let confirmed = json!({ "status-timestamps": { "confirmed-at": "2026-11-22T17:54:46Z" } });
    check("applied", none.clone(), Verdict::Pass, "run-1 is applied");
    check("planned_and_finished", none.clone(), Verdict::Fail, "no effect");
    check("discarded", none.clone(), Verdict::Fail, "discarded");
    check("canceled", none.clone(), Verdict::Fail, "before anything was applied");
    check("force_canceled", confirmed.clone(), Verdict::Fail, "a part of it may be applied");
    check("errored", none.clone(), Verdict::Fail, "before anything was applied");
    check("errored", confirmed, Verdict::Fail, "a part of it may be applied");
    check(
        "planned",
        none.clone(),
        Verdict::Inconclusive,
        "waits for a yes (planned): 2 to add, 1 to change, 1 to destroy",
    );
    check("planning", none.clone(), Verdict::Inconclusive, "on its way to a plan");
    check("applying", none.clone(), Verdict::Inconclusive, "on its way to be applied");
    check("dreaming", none, Verdict::Inconclusive, "`dreaming`");
    check("planned_and_finished", json!({ "plan-only": true }), Verdict::Fail, "only plans");
}

fn of_workspace() -> Value {
    json!({ "token": { "$secret": "secrets.terraform_token" }, "organization": "acme", "workspace": "backend" })
}

#[test]
fn a_workspace_says_what_a_push_does() {
    let document = json!({ "data": {
        "id": "ws-1", "type": "workspaces",
        "attributes": {
            "name": "backend", "locked": true, "auto-apply": true, "working-directory": "apps/backend",
            "vcs-repo": { "identifier": "acme/infra", "branch": "" }, "file-triggers-enabled": true,
            "trigger-prefixes": ["modules"], "trigger-patterns": null, "execution-mode": "remote", "terraform-version": "1.11.4",
        },
        "relationships": { "current-run": { "data": { "id": "run-9", "type": "runs" } } },
    } });
    let host = answers(&document);
    let output = output_of("workspace", &host, of_workspace());
    assert_eq!(
        output,
        json!({
            "id": "ws-1", "name": "backend", "locked": true, "auto_apply": true, "repository": "acme/infra", "branch": "",
            "working_directory": "apps/backend", "file_triggers": true, "trigger_prefixes": ["modules"],
            "trigger_patterns": [], "execution_mode": "remote", "terraform_version": "1.11.4", "current_run": "run-9",
        })
    );
    assert_eq!(host.lines(), ["GET https://app.terraform.io/api/v2/organizations/acme/workspaces/backend"]);
    let mut bare = document;
    bare["data"]["attributes"]["vcs-repo"] = Value::Null;
    bare["data"]["relationships"]["current-run"]["data"] = Value::Null;
    let output = output_of("workspace", &answers(&bare), of_workspace());
    assert_eq!(
        (&output["repository"], &output["branch"], &output["current_run"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

fn of_push() -> Value {
    json!({ "token": { "$secret": "secrets.terraform_token" }, "workspace": "ws-1", "commit": SHA })
}

/// A list of runs, each with an ingress of its own.
fn list(runs: &[(&str, &str, Value)]) -> Value {
    let (mut data, mut included) = (Vec::new(), Vec::new());
    for (id, sha, more) in runs {
        let mut one = run_document("planned", json!({})).to_string();
        for shared in ["run-1", "plan-1", "cv-1", "ia-1"] {
            one = one.replace(shared, &format!("{shared}-{id}"));
        }
        let mut one: Value = serde_json::from_str(&one.replace(SHA, sha)).unwrap();
        let ingress = one["included"][2]["attributes"].as_object_mut().unwrap();
        ingress.extend(more.as_object().unwrap().clone());
        data.push(one["data"].take());
        included.extend(one["included"].as_array().unwrap().clone());
    }
    json!({ "data": data, "included": included, "meta": { "pagination": {} } })
}

#[test]
fn the_run_of_a_push_is_the_one_of_that_very_commit() {
    let other = "0000000000000000000000000000000000000000";
    let check = |runs: &[(&str, &str, Value)], expect: Verdict, id: Value, said: &str| {
        let host = answers(&list(runs));
        let outcome = run("find_run", &host, of_push()).unwrap();
        let judgement = outcome.judgement.unwrap();
        assert_eq!((judgement.verdict, &outcome.output["id"]), (expect, &id), "{}", judgement.why);
        assert!(judgement.why.contains(said), "{said}: {}", judgement.why);
        assert!(valid(&plugin().action("find_run").unwrap().output, &outcome.output), "{}", outcome.output);
        host.lines()
    };
    let none = || json!({});
    let pull = || json!({ "is-pull-request": true });
    let lines = check(&[], Verdict::Inconclusive, json!(""), "no run of 4f0d2a8c1b in ws-1 yet");
    assert_eq!(
        lines,
        [format!(
            "GET https://app.terraform.io/api/v2/workspaces/ws-1/runs?search%5Bcommit%5D={SHA}\
             &include=plan,configuration_version,configuration_version.ingress_attributes&page%5Bsize%5D=20"
        )]
    );
    check(&[("a", SHA, none())], Verdict::Pass, json!("run-1-a"), "run-1-a");
    check(&[("a", other, none()), ("b", SHA, none())], Verdict::Pass, json!("run-1-b"), "run-1-b");
    check(&[("a", SHA, pull())], Verdict::Inconclusive, json!(""), "no run");
    check(&[("a", SHA, json!({ "is-pull-request": null }))], Verdict::Inconclusive, json!(""), "no run");
    check(&[("a", SHA, none()), ("b", SHA, none())], Verdict::Fail, json!(""), "run-1-a, run-1-b");
    let mut bare = list(&[("a", SHA, none())]);
    bare["included"] = json!([]);
    let outcome = run("find_run", &answers(&bare), of_push()).unwrap();
    assert_eq!(outcome.judgement.unwrap().verdict, Verdict::Inconclusive);
    let mut planning = list(&[("a", SHA, none())]);
    planning["data"][0]["attributes"]["plan-only"] = json!(true);
    assert_eq!(run("find_run", &answers(&planning), of_push()).unwrap().output["id"], "");
}

#[test]
fn every_other_answer_is_a_problem_that_says_what_to_do() {
    let check = |status: u16, headers: &[(&str, &str)], body: &str, code: &str, retryable: bool, said: &[&str]| {
        let problem = run("run", &FakeHost::answers(status, headers, body), of_run()).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{status}: {problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
        assert!(!problem.message.contains("<html") && !problem.message.contains("s3cr3t"), "{problem}");
    };
    let html = "<html><body>log in</body></html>";
    let not_found = r#"{"errors":[{"status":"404","title":"not found"}]}"#;
    check(401, &[], r#"{"errors":["unauthorized"]}"#, "denied", false, &["401", "token", "unauthorized"]);
    check(403, &[], "", "denied", false, &["403"]);
    check(404, &[], not_found, "not_found", false, &["read the run run-1", "may not see it", "not found"]);
    check(429, &[("x-ratelimit-reset", "33.2")], "", "throttled", true, &["before 2026-11-22T17:55:34.000Z, in 34 s"]);
    check(429, &[("retry-after", "5")], "", "throttled", true, &["in 5 s"]);
    check(429, &[("x-ratelimit-reset", "soon")], "", "throttled", true, &["429"]);
    check(429, &[("x-ratelimit-reset", "-1")], "", "throttled", true, &["429"]);
    check(500, &[], "", "server_error", true, &["500"]);
    check(503, &[("content-type", "text/html")], html, "server_error", true, &["503"]);
    check(422, &[], r#"{"errors":[{"detail":"no"}]}"#, "refused", false, &["422", "it says: no"]);
    check(302, &[], "", "unexpected_answer", false, &["302"]);
    check(200, &[], html, "unexpected_answer", false, &["a web page"]);
    check(200, &[], "", "unexpected_answer", false, &["not understood"]);
    check(200, &[], r#"{"data":"s3cr3t"}"#, "unexpected_answer", false, &["not understood"]);
    check(200, &[], r#"{"data":[]}"#, "unexpected_answer", false, &["not understood"]);
}

#[test]
fn what_the_host_says_is_passed_on() {
    let refused = Problem::not_applied("denied", "put this into sluice.yaml").with_details(json!({ "grant": "line" }));
    let host = FakeHost::one_by_one(vec![Err(refused.clone())]);
    assert_eq!(run("run", &host, of_run()).unwrap_err(), refused);
}

#[test]
fn inputs_that_make_no_sense_are_refused_before_anything_is_asked() {
    let check = |action: &str, mut with: Value, key: &str, value: &str| {
        with[key] = json!(value);
        let host = FakeHost::one_by_one(vec![response(200, &[], "{}")]);
        let problem = run(action, &host, with).unwrap_err();
        assert_eq!(problem.path, Some(format!("/{key}")), "{problem}");
        assert!(host.asked.lock().unwrap().is_empty());
    };
    for id in ["", "..", "run/../x", "run-1?x=1", "run%2e", "a b", "run-1\n", "größe"] {
        check("run", of_run(), "run", id);
        check("workspace", of_workspace(), "organization", id);
        check("find_run", of_push(), "workspace", id);
        let mut plan = of_run();
        plan["allow"] = json!([]);
        check("plan", plan, "run", id);
        check("apply", of_run(), "run", id);
    }
    for address in ["app.terraform.io", "ftp://x", "https://", "https://x/y", "https://u@x", "https://x?y"] {
        check("run", of_run(), "address", address);
        check("workspace", of_workspace(), "address", address);
    }
    for commit in ["4f0d2a8", "", "HEAD", &SHA.to_uppercase()] {
        check("find_run", of_push(), "commit", commit);
    }
    let plugin = plugin();
    let checked = |key: &str, value: &str| {
        let mut with = of_push();
        with[key] = json!(value);
        plugin.check("find_run", &with).len()
    };
    assert_eq!(checked("commit", SHA), 0);
    assert_eq!(checked("commit", "{{ steps.push.commit }}"), 0);
    assert_eq!(checked("commit", "main"), 1);
    assert_eq!(checked("address", "https://app.terraform.io/"), 0);
    assert_eq!(checked("address", "app.terraform.io"), 1);
}

#[test]
fn by_hand_it_is_curl_with_the_token_in_a_variable() {
    let mut plan = of_run();
    plan["allow"] = json!([]);
    let all = [
        ("run", of_run()),
        ("run_finished", of_run()),
        ("plan", plan),
        ("apply", of_run()),
        ("discard", of_run()),
        ("workspace", of_workspace()),
        ("find_run", of_push()),
    ];
    for (action, with) in all {
        let commands = plugin().by_hand(action, &call(with));
        assert!(!commands.is_empty(), "{action}");
        for command in commands {
            let line = command.line();
            assert!(
                line.starts_with("printf %s 'authorization: Bearer ' \"${SLUICE_SECRETS_TERRAFORM_TOKEN}\""),
                "{line}"
            );
            assert!(line.contains("| curl -sSg") && line.contains("https://app.terraform.io/api/v2/"), "{line}");
        }
    }
}
