//! `aws.new_instance` over the groups of the world.

use serde::Deserialize;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Call, Outcome, Problem, Verdict};

use super::instance;
use crate::state::State;
use crate::state::scaling::Group;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    node: Node,
    #[serde(default)]
    old: Option<String>,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { node, old } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    let group = super::group(world, aws, &node.group).await?;
    let newest = |state: &mut State| {
        let group = state.groups.iter().find(|group| group.name == node.group)?;
        let newest = group.activities.last()?;
        Some(format!("{}: {} ({})", newest.status, newest.description, newest.message.unwrap_or_default()))
    };
    let newest = super::ask(world, aws, "autoscaling:DescribeScalingActivities", newest).await?;
    let new = group.instances.iter().find(|one| Some(&one.id) != old.as_ref());
    if new.is_some() {
        super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    }
    let (verdict, why) = verdict(&node, &group, old.as_deref(), newest.as_deref().unwrap_or("it has no activity"));
    super::judged(instance::shown(&node, &aws.region, &group, new), verdict, why)
}

fn verdict(node: &Node, group: &Group, old: Option<&str>, newest: &str) -> (Verdict, String) {
    let name = &node.name;
    match group.instances.as_slice() {
        [one] if Some(one.id.as_str()) == old => {
            (Verdict::Inconclusive, format!("{name} still has its old instance {} ({})", one.id, one.lifecycle))
        }
        [one] => {
            let there = one.lifecycle == "InService" && one.state == "running";
            let verdict = if there { Verdict::Pass } else { Verdict::Inconclusive };
            (verdict, format!("{name} has {}: {}, {}", one.id, one.lifecycle, one.state))
        }
        [] if !group.may("Launch") => {
            let why = format!("Launch is suspended in group {}; {newest}", group.name);
            (Verdict::Fail, format!("group {} of {name} has no instance, and none will come: {why}", group.name))
        }
        [] => (Verdict::Inconclusive, format!("group {} of {name} has no instance yet; {newest}", group.name)),
        several => (Verdict::Inconclusive, format!("{name} has {} instances", several.len())),
    }
}
