//! `aws.groups` over the groups of the world. What may not be asked is open with a reason, as with the real one.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_plugin::inventory::{Aws, Cluster, Node};
use sluice_plugin::{Call, Outcome, Problem};

use super::instance::{at, member, no_such_group, template};
use crate::state::State;
use crate::state::scaling::{Activity, Group, Refresh};
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    cluster: Cluster,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { cluster } = super::input(call)?;
    let aws = super::required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
    let all = |state: &mut State| state.groups.clone();
    let found = super::ask(world, aws, "autoscaling:DescribeAutoScalingGroups", all).await?;
    let of = |node: &Node| found.iter().find(|group| group.name == node.group);
    let missing: Vec<&str> =
        cluster.nodes.iter().filter(|node| of(node).is_none()).map(|node| node.group.as_str()).collect();
    if missing.len() == cluster.nodes.len() && !missing.is_empty() {
        return Err(no_such_group(&missing.join(", "), &aws.region));
    }
    let mut groups = Vec::new();
    for (node, group) in cluster.nodes.iter().filter_map(|node| Some((node, of(node)?))) {
        groups.push(look(world, aws, node, group).await?);
    }
    super::output(json!({ "region": aws.region, "groups": groups, "missing": missing }))
}

async fn look(world: &World, aws: &Aws, node: &Node, group: &Group) -> Result<Value, Problem> {
    let mut unknown = Map::new();
    let name = group.name.clone();
    let refreshes = super::ask(world, aws, "autoscaling:DescribeInstanceRefreshes", |state| {
        let group = state.groups.iter().find(|group| group.name == name);
        group.into_iter().flat_map(|group| &group.refreshes).filter(|one| one.goes_on()).map(refresh).collect()
    });
    let refreshes = known_or_why("refreshes", refreshes.await.map(Value::Array), &mut unknown)?;
    let activity = super::ask(world, aws, "autoscaling:DescribeScalingActivities", |state| {
        let group = state.groups.iter().find(|group| group.name == name);
        group.and_then(|group| group.activities.last()).map_or(Value::Null, self::activity)
    });
    let newest_activity = known_or_why("newest_activity", activity.await, &mut unknown)?;
    let instances: Vec<Value> = group.instances.iter().map(member).collect();
    Ok(json!({
        "name": group.name, "node": node.name, "min": 1, "max": 1, "desired": group.desired,
        "instances": instances, "launch_template": template(&group.template), "suspended": group.suspended,
        "status": null, "refreshes": refreshes, "newest_activity": newest_activity, "unknown": unknown,
    }))
}

fn known_or_why(
    field: &str,
    answer: Result<Value, Problem>,
    unknown: &mut Map<String, Value>,
) -> Result<Value, Problem> {
    match answer {
        Err(problem) if matches!(problem.code.as_str(), "denied" | "unsupported" | "server_error") => {
            unknown.insert(field.to_owned(), json!(problem.message));
            Ok(Value::Null)
        }
        other => other,
    }
}

pub(super) fn refresh(refresh: &Refresh) -> Value {
    json!({
        "id": refresh.id, "status": refresh.status, "reason": null, "percentage": 0,
        "started_at": at(refresh.started),
    })
}

pub(super) fn activity(activity: &Activity) -> Value {
    json!({
        "id": activity.id, "status": activity.status, "message": activity.message, "description": activity.description,
        "cause": activity.cause, "progress": if activity.ended.is_some() { 100 } else { 30 },
        "started_at": at(activity.started), "ended_at": activity.ended.map(at),
    })
}
