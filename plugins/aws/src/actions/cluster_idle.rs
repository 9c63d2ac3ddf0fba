//! `aws.cluster_idle`: the gate that nobody else is at work on a cluster: nothing moves in any of its groups, and every
//! other node has its one instance.
//!
//! The node that is to be acted on may be sick, gone or without an instance: that is why it is acted on. What could not
//! be read is a problem and no verdict. Reading is here, judging in `busy`.

mod busy;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, GateClass, Host, Outcome, Problem};

use super::groups;
use crate::action::{About, gate_spec, input, judged, required, text};
use crate::clients::{ClientSet, Clients};
use crate::group::{self, DESCRIBE_GROUPS, Member};
use crate::moving::{self, Activity, DESCRIBE_ACTIVITIES, DESCRIBE_REFRESHES, MOST_ACTIVITIES, Refresh};

pub(crate) struct ClusterIdle(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The node whose own instance may be in any state.
    #[serde(default)]
    except: Option<Node>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    region: String,
    /// One for each node, in the order of the nodes.
    groups: Vec<Group>,
    /// Why the cluster is not idle; empty when it is.
    busy: Vec<String>,
    /// What does not stand in the way and is worth knowing.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    node: String,
    /// False when AWS knows no such group.
    exists: bool,
    /// Whether it is the node that may be in any state.
    excepted: bool,
    desired: Option<i32>,
    instances: Vec<Member>,
    suspended: Vec<String>,
    /// `Delete in progress` while the group is being deleted.
    status: Option<String>,
    /// Instance refreshes that have not ended.
    refreshes: Vec<Refresh>,
    /// Scaling activities that have not ended.
    activities: Vec<Activity>,
    busy: Vec<String>,
}

#[async_trait]
impl Action for ClusterIdle {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.cluster_idle",
            summary: "Check that nothing moves in the Auto Scaling groups of a cluster",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_REFRESHES, "*"), (DESCRIBE_ACTIVITIES, "*")],
            examples: vec![example()],
        };
        gate_spec::<Input, Output>(GateClass::Data, about)
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster, except } = input(call)?;
        let aws = required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
        let excepted = except.map(|node| node.name);
        if let Some(stranger) = excepted.as_ref().filter(|name| cluster.nodes.iter().all(|node| node.name != **name)) {
            let message = format!("{stranger} is no node of cluster {}", cluster.name);
            return Err(Problem::bad_input("/except", message));
        }
        let aws = self.0.open(aws, call.purpose).await?;
        let names: Vec<_> = cluster.nodes.iter().map(|node| node.group.clone()).collect();
        let found = group::describe(&aws, &names).await?;
        let looks = cluster.nodes.iter().map(|node| {
            let excepted = excepted.as_ref() == Some(&node.name);
            look(&aws, node, found.get(&node.group), excepted)
        });
        let groups = futures::future::try_join_all(looks).await?;
        let busy: Vec<String> = groups.iter().flat_map(|group| group.busy.iter().cloned()).collect();
        let warnings = groups.iter().filter_map(busy::warning).collect();
        let verdict = busy::verdict(&busy);
        judged(Output { region: aws.region().to_owned(), groups, busy, warnings }, verdict)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, .. }) = input::<Input>(call) else { return Vec::new() };
        groups::by_hand(&cluster)
    }
}

async fn look(
    aws: &ClientSet,
    node: &Node,
    group: Option<&AutoScalingGroup>,
    excepted: bool,
) -> Result<Group, Problem> {
    let mut seen = Group {
        name: node.group.clone(),
        node: node.name.clone(),
        exists: group.is_some(),
        excepted,
        desired: group.and_then(AutoScalingGroup::desired_capacity),
        instances: group.map(Member::all).unwrap_or_default(),
        suspended: group.map(group::suspended).unwrap_or_default(),
        status: group.and_then(|group| text(group.status())),
        refreshes: Vec::new(),
        activities: Vec::new(),
        busy: Vec::new(),
    };
    if seen.exists {
        let (refreshes, activities) = tokio::try_join!(
            moving::refreshes(aws, &node.group),
            moving::activities(aws, &node.group, MOST_ACTIVITIES)
        )?;
        seen.refreshes = refreshes;
        seen.activities = activities.into_iter().filter(Activity::goes_on).collect();
    }
    seen.busy = busy::reasons(&seen);
    Ok(seen)
}

fn example() -> Example {
    let groups = groups::example();
    let cluster = groups.with.get("cluster").cloned().unwrap_or_default();
    let refresh = json!({
        "id": "5d0a", "status": "InProgress", "reason": null, "percentage": 0, "started_at": 1_795_370_400_000_i64,
    });
    let why = "nats-staging-node-1: instance refresh 5d0a is InProgress";
    Example {
        summary: "Somebody has started an instance refresh".to_owned(),
        with: json!({ "cluster": cluster }),
        output: json!({
            "region": "us-east-2", "busy": [why], "warnings": [],
            "groups": [{
                "name": "nats-staging-node-1-asg", "node": "nats-staging-node-1", "exists": true, "excepted": false,
                "desired": 1, "instances": [{
                    "id": "i-0123456789abcdef0", "lifecycle": "InService", "health": "Healthy", "zone": "us-east-2a",
                    "instance_type": "m8gd.medium", "protected_from_scale_in": false, "launch_template": null,
                }],
                "suspended": [], "status": null, "refreshes": [refresh], "activities": [], "busy": [why],
            }],
        }),
    }
}

#[cfg(test)]
mod tests;
