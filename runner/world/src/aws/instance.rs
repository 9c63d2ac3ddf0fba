//! `aws.node_instance` over the groups of the world: the one instance in service, none, or the same problems as the
//! real one has for several and for one on its way.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Call, Outcome, Problem};

use crate::clock::EPOCH;
use crate::state::scaling::{Group, Instance, Template};
use crate::world::World;

pub(super) const ZONE: &str = "us-east-2a";
pub(super) const TYPE: &str = "m8gd.medium";

#[derive(Deserialize)]
struct Input {
    node: Node,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { node } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    let group = super::group(world, aws, &node.group).await?;
    let instance = the_one(&node, &group)?;
    if instance.is_some() {
        super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    }
    super::output(shown(&node, &aws.region, &group, instance))
}

/// An instance, or none, as this action and those like it give it.
pub(super) fn shown(node: &Node, region: &str, group: &Group, instance: Option<&Instance>) -> Value {
    let of = |part: fn(&Instance) -> Value| instance.map_or(Value::Null, part);
    json!({
        "id": of(|one| json!(one.id)), "node": node.name, "group": node.group, "region": region,
        "desired": group.desired, "suspended": group.suspended,
        "group_launch_template": template(&group.template),
        "lifecycle": of(|one| json!(one.lifecycle)), "health": of(|_| json!("Healthy")),
        "zone": of(|_| json!(ZONE)), "instance_type": of(|_| json!(TYPE)),
        "launch_template": of(|one| template(&one.template)),
        "state": of(|one| json!(one.state)), "private_ip": of(|one| json!(one.ip)),
        "launched_at": of(|one| json!(at(one.launched))),
    })
}

fn the_one<'a>(node: &Node, group: &'a Group) -> Result<Option<&'a Instance>, Problem> {
    let members: Vec<Value> = group.instances.iter().map(member).collect();
    let problem = |code: &str, message: String| {
        let moving = group.instances.iter().any(|one| one.lifecycle != "InService");
        let details = json!({ "group": group.name, "instances": members });
        Problem { retryable: moving, ..Problem::not_applied(code, message).with_details(details) }
    };
    match group.instances.as_slice() {
        [] => Ok(None),
        [one] if one.lifecycle == "InService" => Ok(Some(one)),
        [one] => Err(problem("odd_state", format!("instance {} of {} is {}", one.id, node.name, one.lifecycle))),
        several => Err(problem("several_instances", format!("group {} has {} instances", group.name, several.len()))),
    }
}

pub(super) fn no_such_group(names: &str, region: &str) -> Problem {
    Problem::not_applied("not_found", format!("no Auto Scaling group {names} in {region}"))
}

/// An instance as its group lists it.
pub(super) fn member(instance: &Instance) -> Value {
    json!({
        "id": instance.id, "lifecycle": instance.lifecycle, "health": "Healthy", "zone": ZONE, "instance_type": TYPE,
        "protected_from_scale_in": false, "launch_template": template(&instance.template),
    })
}

pub(super) fn template(template: &Template) -> Value {
    json!({ "id": template.id, "name": template.name, "version": template.version })
}

/// Milliseconds since 1970.
pub(super) fn at(moment: i64) -> i64 {
    EPOCH.0 + moment
}
