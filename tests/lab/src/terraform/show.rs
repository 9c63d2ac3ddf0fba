//! Workspace, runs and plans as JSON, in the form that is documented.

use serde_json::{Map, Value, json};

use super::runs::{Run, Runs};
use super::{ORGANIZATION, WORKSPACE, WORKSPACE_ID, Who};

/// A value in every plan that must not be seen anywhere.
const SECRET: &str = "hunter2-in-clear";

pub(super) fn workspace(runs: &Runs) -> Value {
    let current = runs.current().map(|run| json!({ "id": run.id, "type": "runs" }));
    json!({ "data": {
        "id": WORKSPACE_ID, "type": "workspaces",
        "attributes": {
            "name": WORKSPACE, "locked": false, "auto-apply": runs.auto_apply, "execution-mode": "remote",
            "terraform-version": "1.11.4", "working-directory": "apps/terraform-aws-backend-staging",
            "file-triggers-enabled": true, "trigger-prefixes": [], "trigger-patterns": [],
            "vcs-repo": { "branch": "", "identifier": format!("{ORGANIZATION}/infrastructure"), "ingress-submodules": false },
        },
        "relationships": {
            "organization": { "data": { "id": ORGANIZATION, "type": "organizations" } },
            "current-run": { "data": current },
        },
    } })
}

pub(super) fn run(run: &Run, who: Who, include: &[&str]) -> Value {
    json!({ "data": resource(run, who), "included": included(run, include) })
}

pub(super) fn list(runs: &[&Run], who: Who, include: &[&str]) -> Value {
    let data: Vec<Value> = runs.iter().map(|run| resource(run, who)).collect();
    let included: Vec<Value> = runs.iter().flat_map(|run| included(run, include)).collect();
    let pages = json!({ "current-page": 1, "page-size": 20, "next-page": null, "prev-page": null });
    json!({ "data": data, "included": included, "meta": { "pagination": pages } })
}

fn resource(run: &Run, who: Who) -> Value {
    let times: Map<String, Value> =
        run.times.iter().map(|(status, at)| (format!("{}-at", status.replace('_', "-")), json!(at))).collect();
    let (may, confirmable, discardable) = (who == Who::User, run.is_confirmable(), run.is_discardable());
    let point = |kind: &str, id: String| json!({ "data": { "id": id, "type": kind } });
    json!({
        "id": run.id, "type": "runs",
        "attributes": {
            "status": run.status, "auto-apply": run.auto_apply, "has-changes": run.is_planned() && run.has_changes(),
            "is-destroy": false, "message": format!("commit {}", run.commit), "plan-only": run.pull_request,
            "source": "tfe-configuration-version", "trigger-reason": "manual", "created-at": run.created_at,
            "status-timestamps": times,
            "actions": {
                "is-cancelable": !run.has_ended() && !confirmable, "is-confirmable": confirmable,
                "is-discardable": discardable, "is-force-cancelable": false,
            },
            "permissions": {
                "can-apply": may, "can-cancel": may, "can-discard": may, "can-override-policy-check": false,
            },
        },
        "relationships": {
            "workspace": point("workspaces", WORKSPACE_ID.to_owned()),
            "plan": point("plans", plan_id(run)),
            "configuration-version": point("configuration-versions", format!("cv-{}", run.id)),
        },
    })
}

fn included(run: &Run, include: &[&str]) -> Vec<Value> {
    let ingress_id = format!("ia-{}", run.id);
    let plan = || json!({ "id": plan_id(run), "type": "plans", "attributes": plan(run) });
    let configuration = || {
        let ingress = json!({ "data": { "id": ingress_id, "type": "ingress-attributes" } });
        json!({
            "id": format!("cv-{}", run.id), "type": "configuration-versions", "attributes": { "source": "github" },
            "relationships": { "ingress-attributes": ingress },
        })
    };
    let ingress = || {
        json!({ "id": ingress_id, "type": "ingress-attributes", "attributes": {
            "branch": if run.pull_request { "switch" } else { "main" }, "commit-sha": run.commit,
            "commit-message": format!("commit {}", run.commit), "is-pull-request": run.pull_request,
            "on-default-branch": !run.pull_request, "identifier": format!("{ORGANIZATION}/infrastructure"),
        } })
    };
    let inner = include.contains(&"configuration_version.ingress_attributes");
    let mut all = Vec::new();
    all.extend(include.contains(&"plan").then(plan));
    all.extend((inner || include.contains(&"configuration_version")).then(configuration));
    all.extend(inner.then(ingress));
    all
}

fn plan_id(run: &Run) -> String {
    format!("plan-{}", run.id)
}

fn plan(run: &Run) -> Value {
    let status = match run.status.as_str() {
        "pending" => "pending",
        "planning" => "running",
        "errored" if !run.is_planned() => "errored",
        "canceled" if !run.is_planned() => "canceled",
        _ => "finished",
    };
    let count = |action: &str| {
        let has = |actions: &Vec<String>| actions.iter().any(|one| one == action);
        if run.is_planned() { run.changes.iter().filter(|change| has(&change.actions)).count() } else { 0 }
    };
    json!({
        "status": status, "has-changes": run.is_planned() && run.has_changes(), "resource-additions": count("create"),
        "resource-changes": count("update"), "resource-destructions": count("delete"),
    })
}

/// What `terraform show -json` prints, values and all.
pub(super) fn plan_json(run: &Run) -> Value {
    let change = |address: &str, actions: &[String]| {
        // The type and the name are the last two parts.
        let mut parts = address.rsplitn(3, '.');
        let (name, kind, module) = (parts.next(), parts.next(), parts.next());
        let value = json!({ "password": SECRET });
        let mut one = json!({
            "address": address, "mode": "managed", "type": kind, "name": name,
            "change": {
                "actions": actions, "before": value, "after": value, "after_unknown": {},
                "before_sensitive": { "password": true }, "after_sensitive": { "password": true },
            },
        });
        if let (Some(module), Some(one)) = (module, one.as_object_mut()) {
            one.insert("module_address".to_owned(), json!(module));
        }
        one
    };
    let changes: Vec<Value> = run.changes.iter().map(|planned| change(&planned.address, &planned.actions)).collect();
    json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes,
        "variables": { "password": { "value": SECRET } }, "output_changes": {}, "errored": false,
    })
}
