//! `aws.choose_nodes` over the groups of the world.

use serde::Deserialize;
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Call, Outcome, Problem, parse_duration};

use super::instance::no_such_group;
use crate::setup::millis;
use crate::state::State;
use crate::state::scaling::Group;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    cluster: Cluster,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    outdated: bool,
    #[serde(default)]
    older_than: Option<String>,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { cluster, nodes, outdated, older_than } = super::input(call)?;
    let age = parse_duration(older_than.as_deref().unwrap_or("0s"));
    let age = millis(age.map_err(|why| Problem::bad_input("/older_than", format!("`older_than`: {why}")))?);
    let mut seen: Option<(Vec<Group>, i64)> = None;
    if outdated || age > 0 {
        let aws = super::required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
        let all = |state: &mut State| (state.groups.clone(), state.signed());
        seen = Some(super::ask(world, aws, "autoscaling:DescribeAutoScalingGroups", all).await?);
        super::ask(world, aws, "ec2:DescribeInstances", |_| ()).await?;
    }
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    for node in &cluster.nodes {
        let named = nodes.is_empty() || nodes.iter().any(|one| one.name == node.name);
        let why = match &seen {
            _ if !named => Some("not asked for".to_owned()),
            None => None,
            Some((groups, now)) => {
                let group = groups.iter().find(|group| group.name == node.group);
                let group = group.ok_or_else(|| no_such_group(&node.group, "this world"))?;
                leaves_out(group, outdated, age, *now)
            }
        };
        match why {
            Some(why) => left_out.push(json!({ "node": node.name, "why": why })),
            None => chosen.push(node),
        }
    }
    let names: Vec<&str> = chosen.iter().map(|node| node.name.as_str()).collect();
    let summary = format!("{} of {} nodes: {}", chosen.len(), cluster.nodes.len(), names.join(", "));
    super::output(json!({ "nodes": chosen, "left_out": left_out, "summary": summary }))
}

fn leaves_out(group: &Group, outdated: bool, age: u64, now: i64) -> Option<String> {
    let [instance] = group.instances.as_slice() else { return None };
    if now.saturating_sub(instance.launched).unsigned_abs() < age {
        return Some(format!("{} is younger", instance.id));
    }
    let version = &instance.template.version;
    let same = outdated && *version == group.template.version;
    same.then(|| format!("{} runs version {version} of its launch template already", instance.id))
}
