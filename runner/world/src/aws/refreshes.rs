//! `aws.newest_refresh`, `aws.start_refresh` and `aws.cancel_refresh` over the groups of the world.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::{Aws, Node};
use sluice_plugin::{Call, Outcome, Preview, Problem, Reconciled};

use super::groups;
use super::instance::{at, member, template};
use super::terminate::{facts, refused};
use crate::state::State;
use crate::state::scaling::{Group, Refresh};
use crate::world::World;

const START: &str = "autoscaling:StartInstanceRefresh";
const CANCEL: &str = "autoscaling:CancelInstanceRefresh";

#[derive(Deserialize)]
struct OfNode {
    node: Node,
}

#[derive(Deserialize)]
struct ToStart {
    node: Node,
    instance: String,
    before: Option<String>,
}

#[derive(Deserialize)]
struct ToCancel {
    node: Node,
    refresh: String,
}

pub(super) async fn newest(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let OfNode { node } = super::input(call)?;
    let group = refreshing(world, of(&node)?, &node.group).await?;
    let newest = group.newest_refresh();
    let summary = match newest {
        Some(one) => format!("instance refresh {} is {} in group {}", one.id, one.status, node.group),
        None => format!("group {} was never refreshed", node.group),
    };
    super::output(json!({
        "id": newest.map(|one| &one.id), "node": node.name, "group": node.group, "status": newest.map(|one| one.status),
        "goes_on": newest.is_some_and(Refresh::goes_on), "reason": null, "percentage": newest.map(|_| 0),
        "started_at": newest.map(|one| at(one.started)), "summary": summary,
    }))
}

pub(super) async fn start(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let ToStart { node, instance, .. } = super::input(call)?;
    let aws = of(&node)?;
    if aws.act_role.is_some() {
        super::ask(world, aws, "sts:AssumeRole", |_| ()).await?;
    }
    let refresh = super::act(world, aws, START, |state: &mut State| {
        state.start_refresh(&node.group).ok_or_else(|| no(START, &node, "InstanceRefreshInProgress"))
    });
    let refresh = refresh.await?;
    super::output(json!({ "refresh": refresh, "group": node.group, "instance": instance }))
}

pub(super) async fn cancel(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let ToCancel { node, refresh } = super::input(call)?;
    let aws = of(&node)?;
    if aws.act_role.is_some() {
        super::ask(world, aws, "sts:AssumeRole", |_| ()).await?;
    }
    let cancelled = super::act(world, aws, CANCEL, |state: &mut State| {
        state.cancel_refresh(&node.group).ok_or_else(|| no(CANCEL, &node, "ActiveInstanceRefreshNotFound"))
    });
    let cancelled = cancelled.await?;
    if cancelled != refresh {
        let message = format!("AWS cancelled {cancelled} in group {}, and not {refresh}", node.group);
        return Err(Problem::maybe_applied("another_refresh", message));
    }
    super::output(json!({ "refresh": refresh, "group": node.group }))
}

pub(super) async fn preview_start(world: &World, call: &Call) -> Result<Preview, Problem> {
    let ToStart { node, instance, before } = super::input(call)?;
    let aws = of(&node)?;
    let account = super::account(aws)?;
    let group = refreshing(world, aws, &node.group).await?;
    super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    if let Some(why) = refused(&node, &group, &instance) {
        return Ok(Preview::Refused { why });
    }
    if let Some(other) = newer(&group, before.as_deref()) {
        let (id, status) = (&other.id, other.status);
        let why = format!("instance refresh {id} is {status} in group {}: somebody started it", node.group);
        return Ok(Preview::Refused { why });
    }
    let what = json!({
        "instance": instance, "next_launch_template": template(&group.template),
        "refresh": { "min_healthy_percentage": 0, "max_healthy_percentage": 100, "skip_matching": false },
    });
    Ok(Preview::Ready { binding: super::binding(aws, account, &node, what), facts: facts(&aws.region, &group) })
}

pub(super) async fn preview_cancel(world: &World, call: &Call) -> Result<Preview, Problem> {
    let ToCancel { node, refresh } = super::input(call)?;
    let aws = of(&node)?;
    let account = super::account(aws)?;
    let group = refreshing(world, aws, &node.group).await?;
    let Some(found) = group.refreshes.iter().find(|one| one.id == refresh) else {
        return Ok(Preview::Refused { why: format!("group {} has no instance refresh {refresh}", node.group) });
    };
    if !found.goes_on() || found.status == "Cancelling" {
        let why = format!("instance refresh {refresh} is {}: there is nothing to cancel", found.status);
        return Ok(Preview::Refused { why });
    }
    let facts = json!({
        "region": aws.region, "status": found.status, "percentage": 0, "started_at": at(found.started),
        "cannot_undo": cannot_undo(&group),
        "then": "whoever waits for it, as Terraform does, is told that it was cancelled; whoever does not wait goes on",
    });
    Ok(Preview::Ready { binding: super::binding(aws, account, &node, json!({ "refresh": refresh })), facts })
}

fn cannot_undo(group: &Group) -> String {
    if let Some(going) = group.instances.iter().find(|one| one.lifecycle == "Terminating") {
        return format!("{} is Terminating: it goes all the same, and the group launches another", going.id);
    }
    match group.instances.as_slice() {
        [] => "its instance is gone already, and the group launches another".to_owned(),
        [one, ..] => format!("nothing yet: {} is {}; if AWS ends it in this moment, it goes", one.id, one.lifecycle),
    }
}

pub(super) async fn reconcile_start(world: &World, call: &Call) -> Result<Reconciled, Problem> {
    let ToStart { node, instance, before } = super::input(call)?;
    let group = refreshing(world, of(&node)?, &node.group).await?;
    let refreshes: Vec<Value> = group.refreshes.iter().map(groups::refresh).collect();
    let instances: Vec<Value> = group.instances.iter().map(member).collect();
    let evidence = json!({ "instances": instances, "refreshes": refreshes });
    if let Some(one) = newer(&group, before.as_deref()) {
        let output = json!({ "refresh": one.id, "group": node.group, "instance": instance });
        return Ok(Reconciled::Done { output, evidence });
    }
    let untouched = matches!(group.instances.as_slice(), [one] if one.id == instance && one.lifecycle == "InService");
    Ok(if untouched { Reconciled::NotDone { evidence } } else { Reconciled::CannotTell { evidence } })
}

pub(super) async fn reconcile_cancel(world: &World, call: &Call) -> Result<Reconciled, Problem> {
    let ToCancel { node, refresh } = super::input(call)?;
    let group = refreshing(world, of(&node)?, &node.group).await?;
    let found = group.refreshes.iter().find(|one| one.id == refresh);
    let evidence = json!({ "refresh": found.map(groups::refresh) });
    Ok(match found.map(|one| one.status) {
        Some("Cancelling" | "Cancelled") => {
            Reconciled::Done { output: json!({ "refresh": refresh, "group": node.group }), evidence }
        }
        Some(_) => Reconciled::NotDone { evidence },
        None => Reconciled::CannotTell { evidence },
    })
}

/// The newest, if it is another one than `before`.
fn newer<'a>(group: &'a Group, before: Option<&str>) -> Option<&'a Refresh> {
    group.newest_refresh().filter(|newest| Some(newest.id.as_str()) != before)
}

/// The group, once its refreshes were asked for.
async fn refreshing(world: &World, aws: &Aws, name: &str) -> Result<Group, Problem> {
    super::ask(world, aws, "autoscaling:DescribeInstanceRefreshes", |_| ()).await?;
    super::group(world, aws, name).await
}

fn of(node: &Node) -> Result<&Aws, Problem> {
    super::required(node.aws.as_ref(), "/node/aws", &node.cluster)
}

fn no(operation: &str, node: &Node, code: &str) -> Problem {
    Problem::not_applied("refused", format!("AWS refused {operation} on {} ({code})", node.group))
}
