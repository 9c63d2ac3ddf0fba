//! `aws.cluster_idle` over the groups of the world: the same reasons as the real one has.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::{Aws, Cluster, Node};
use sluice_plugin::{Call, Outcome, Problem, Verdict};

use super::{groups, instance};
use crate::state::State;
use crate::state::scaling::Group;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    cluster: Cluster,
    #[serde(default)]
    except: Option<Node>,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { cluster, except } = super::input(call)?;
    let aws = super::required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
    let all = |state: &mut State| state.groups.clone();
    super::ask(world, aws, "autoscaling:DescribeAutoScalingGroups", all).await?;
    let (mut rows, mut busy) = (Vec::new(), Vec::new());
    for node in &cluster.nodes {
        let group = moving(world, aws, node).await?;
        let excepted = except.as_ref().is_some_and(|except| except.name == node.name);
        let reasons = reasons(node, &group, excepted);
        rows.push(row(node, &group, excepted, &reasons));
        busy.extend(reasons);
    }
    let verdict = if busy.is_empty() { Verdict::Pass } else { Verdict::Fail };
    let why = if busy.is_empty() { "nothing moves in any group".to_owned() } else { busy.join("; ") };
    super::judged(json!({ "region": aws.region, "groups": rows, "busy": busy, "warnings": [] }), verdict, why)
}

/// The group after both questions about it.
async fn moving(world: &World, aws: &Aws, node: &Node) -> Result<Group, Problem> {
    super::ask(world, aws, "autoscaling:DescribeInstanceRefreshes", |_| ()).await?;
    let find = |state: &mut State| state.groups.iter().find(|group| group.name == node.group).cloned();
    let group = super::ask(world, aws, "autoscaling:DescribeScalingActivities", find).await?;
    group.ok_or_else(|| instance::no_such_group(&node.group, &aws.region))
}

fn reasons(node: &Node, group: &Group, excepted: bool) -> Vec<String> {
    let refreshes = group.refreshes.iter().filter(|one| one.goes_on());
    let mut reasons: Vec<String> =
        refreshes.map(|one| format!("instance refresh {} is {}", one.id, one.status)).collect();
    let open = group.activities.iter().filter(|one| one.ended.is_none());
    reasons.extend(open.map(|one| format!("{}: {}", one.status, one.description)));
    if !group.may("Launch") {
        reasons.push("Launch is suspended: a lost instance is not replaced".to_owned());
    }
    match group.instances.as_slice() {
        [one] if excepted || one.lifecycle == "InService" => {}
        [one] => reasons.push(format!("{} is {}", one.id, one.lifecycle)),
        [] if excepted => {}
        [] => reasons.push("its group has no instance".to_owned()),
        several => reasons.push(format!("its group has {} instances", several.len())),
    }
    reasons.into_iter().map(|reason| format!("{}: {reason}", node.name)).collect()
}

fn row(node: &Node, group: &Group, excepted: bool, busy: &[String]) -> Value {
    let refreshes: Vec<Value> = group.refreshes.iter().filter(|one| one.goes_on()).map(groups::refresh).collect();
    let open = group.activities.iter().rev().filter(|one| one.ended.is_none());
    let activities: Vec<Value> = open.map(groups::activity).collect();
    let instances: Vec<Value> = group.instances.iter().map(instance::member).collect();
    json!({
        "name": group.name, "node": node.name, "exists": true, "excepted": excepted, "desired": group.desired,
        "instances": instances, "suspended": group.suspended, "status": null, "refreshes": refreshes,
        "activities": activities, "busy": busy,
    })
}
