//! `aws.activities` over the groups of the world, newest first.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Call, Outcome, Problem};

use super::groups;
use crate::state::State;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    node: Node,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { node } = super::input(call)?;
    let aws = super::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
    let newest = |state: &mut State| -> Vec<Value> {
        let group = state.groups.iter().find(|group| group.name == node.group);
        group.into_iter().flat_map(|group| group.activities.iter().rev()).map(groups::activity).take(20).collect()
    };
    let activities = super::ask(world, aws, "autoscaling:DescribeScalingActivities", newest).await?;
    super::output(json!({
        "node": node.name, "group": node.group, "region": aws.region, "activities": activities,
    }))
}
