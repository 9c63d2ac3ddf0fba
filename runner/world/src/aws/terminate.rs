//! `aws.terminate_instance` over the groups of the world: refused for the same reasons as the real one, done at most once
//! for every request, and looked back at as the cloud would show it.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Call, Outcome, Preview, Problem, Reconciled};

use super::groups;
use super::instance::{self, at, member, template};
use crate::state::State;
use crate::state::scaling::{Activity, Group};
use crate::truth::{Termination, Truth};
use crate::world::World;

const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";

#[derive(Deserialize)]
struct Input {
    node: Node,
    instance: String,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { node, instance } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    if aws.act_role.is_some() {
        super::ask(world, aws, "sts:AssumeRole", |_| ()).await?;
    }
    let ended = |state: &mut State| {
        let lives =
            |group: &&Group| group.instances.iter().any(|one| one.id == instance && one.lifecycle != "Terminating");
        let Some((group, node)) = state.groups.iter().find(lives).map(|group| (group.name.clone(), group.node.clone()))
        else {
            let message = format!("AWS refused {TERMINATE} on {instance}: it is in no group (ValidationError)");
            return Err(Problem::not_applied("refused", message));
        };
        let harm = Truth::of(state).needs(&node, state.on_the_way());
        state.terminations.push(Termination { instance: instance.clone(), node, harm });
        state.terminate(&group, &instance);
        Ok(ending(state, &group, &instance))
    };
    let activity = super::act(world, aws, TERMINATE, ended).await?;
    super::output(output(&node, &instance, activity.as_ref()))
}

pub(super) async fn preview(world: &World, call: &Call) -> Result<Preview, Problem> {
    let Input { node, instance } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    let account = super::account(aws)?;
    let group = super::group(world, aws, &node.group).await?;
    super::ask(world, aws, "autoscaling:DescribeInstanceRefreshes", |_| ()).await?;
    super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    if let Some(why) = refused(&node, &group, &instance) {
        return Ok(Preview::Refused { why });
    }
    let what = json!({
        "instance": instance, "decrement": false, "next_launch_template": template(&group.template),
    });
    let binding = super::binding(aws, account, &node, what);
    Ok(Preview::Ready { binding, facts: facts(&aws.region, &group) })
}

pub(super) fn facts(region: &str, group: &Group) -> Value {
    let one = group.instances.first();
    json!({
        "region": region, "instance_type": instance::TYPE, "zone": instance::ZONE,
        "private_ip": one.map(|one| &one.ip), "launched_at": one.map(|one| at(one.launched)),
        "lifecycle": one.map(|one| one.lifecycle), "health": "Healthy", "state": one.map(|one| one.state),
        "launch_template": one.map(|one| template(&one.template)),
        "desired": group.desired, "min": 1, "suspended": group.suspended,
    })
}

pub(super) fn refused(node: &Node, group: &Group, instance: &str) -> Option<String> {
    if let Some(process) = ["Launch", "Terminate"].into_iter().find(|process| !group.may(process)) {
        return Some(format!("{process} is suspended in group {}: the instance would not be replaced", group.name));
    }
    if let Some(refresh) = group.refreshes.iter().find(|refresh| refresh.goes_on()) {
        return Some(format!("instance refresh {} is {} in group {}", refresh.id, refresh.status, group.name));
    }
    match group.instances.as_slice() {
        [one] if one.id == instance && one.lifecycle == "InService" => None,
        [one] if one.id == instance => Some(format!("{instance} is {} in group {}", one.lifecycle, group.name)),
        [other] => Some(format!(
            "{} is already replaced: {instance} is gone and group {} has {} ({}) in its place; nothing was done",
            node.name, group.name, other.id, other.lifecycle
        )),
        [] => Some(format!("{instance} is already gone: group {} has no instance", group.name)),
        several => Some(format!("group {} has {} instances where one is expected", group.name, several.len())),
    }
}

/// An instance that the world still lists as in service, without an activity that ends it, was not ended.
pub(super) async fn reconcile(world: &World, call: &Call) -> Result<Reconciled, Problem> {
    let Input { node, instance } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    super::ask(world, aws, "autoscaling:DescribeScalingActivities", |_| ()).await?;
    let group = super::group(world, aws, &node.group).await?;
    let ending = newest_ending(&group, &instance);
    let instances: Vec<Value> = group.instances.iter().map(member).collect();
    let evidence = json!({ "instances": instances, "ending": ending.map(groups::activity) });
    let listed = group.instances.iter().find(|one| one.id == instance).map(|one| one.lifecycle);
    Ok(match (listed, ending) {
        (Some("InService"), None) => Reconciled::NotDone { evidence },
        (Some("Terminating") | None, _) | (_, Some(_)) => {
            Reconciled::Done { output: output(&node, &instance, ending), evidence }
        }
        (Some(_), None) => Reconciled::CannotTell { evidence },
    })
}

fn ending(state: &State, group: &str, instance: &str) -> Option<Activity> {
    let group = state.groups.iter().find(|known| known.name == group)?;
    newest_ending(group, instance).cloned()
}

fn newest_ending<'a>(group: &'a Group, instance: &str) -> Option<&'a Activity> {
    let ends = |one: &&Activity| one.instance == instance && one.description.starts_with("Terminating");
    group.activities.iter().rev().find(ends)
}

fn output(node: &Node, instance: &str, activity: Option<&Activity>) -> Value {
    json!({
        "instance": instance, "group": node.group, "activity": activity.map(|one| &one.id),
        "requested_at": activity.map(|one| at(one.started)), "status": activity.map_or("unknown", |one| one.status),
    })
}
