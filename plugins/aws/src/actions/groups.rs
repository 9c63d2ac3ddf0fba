//! `aws.groups`: all Auto Scaling groups of a cluster, their instances, and whatever moves or is switched off in them.
//!
//! It tells and does not judge; `aws.cluster_idle` is the gate. What could not be asked is `null` with a reason under
//! `unknown`, so that nobody takes "could not look" for "nothing there".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::action::{About, input, output, read_spec, required, text};
use crate::by_hand;
use crate::clients::{ClientSet, Clients};
use crate::group::{self, DESCRIBE_GROUPS, Member, Template};
use crate::moving::{self, Activity, DESCRIBE_ACTIVITIES, DESCRIBE_REFRESHES, Refresh};

pub(crate) struct Groups(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    region: String,
    /// One for each node of the inventory whose group exists, in the order of the nodes.
    groups: Vec<Group>,
    /// Groups that the inventory names and AWS does not know.
    missing: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    /// The node it belongs to.
    node: String,
    min: Option<i32>,
    max: Option<i32>,
    desired: Option<i32>,
    instances: Vec<Member>,
    /// What the next instance is launched from.
    launch_template: Option<Template>,
    /// Processes that are switched off, such as `Launch`.
    suspended: Vec<String>,
    /// `Delete in progress` while the group is being deleted, otherwise null.
    status: Option<String>,
    /// Instance refreshes that have not ended; null when that is not known.
    refreshes: Option<Vec<Refresh>>,
    /// The newest scaling activity; null when there is none or when that is not known.
    newest_activity: Option<Activity>,
    /// Why a field is not known, by the field's name.
    unknown: BTreeMap<String, String>,
}

#[async_trait]
impl Action for Groups {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.groups",
            summary: "Read the Auto Scaling groups of a cluster, their instances and what moves in them",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_REFRESHES, "*"), (DESCRIBE_ACTIVITIES, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster } = input(call)?;
        let aws = required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let names: Vec<_> = cluster.nodes.iter().map(|node| node.group.clone()).collect();
        let found = group::describe(&aws, &names).await?;
        if found.is_empty() && !names.is_empty() {
            return Err(group::no_such_group(&aws, &names.join(", ")));
        }
        let there = cluster.nodes.iter().filter_map(|node| found.get(&node.group).map(|group| (node, group)));
        let groups = there.map(|(node, group)| look(&aws, node, group));
        let groups = futures::future::try_join_all(groups).await?;
        let missing = names.into_iter().filter(|name| !found.contains_key(name)).collect();
        output(Output { region: aws.region().to_owned(), groups, missing })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        input::<Input>(call).map_or_else(|_| Vec::new(), |input| by_hand(&input.cluster))
    }
}

/// Each group, what refreshes it, and the newest it did.
pub(super) fn by_hand(cluster: &Cluster) -> Vec<ByHand> {
    let Some(aws) = &cluster.aws else { return Vec::new() };
    let names = cluster.nodes.iter().map(|node| node.group.as_str());
    let look_for = "every group: as many instances as desired, InService and Healthy, nothing suspended";
    let mut commands = vec![by_hand::account(aws), by_hand::groups(aws, names, look_for)];
    for node in &cluster.nodes {
        commands.push(by_hand::no_refresh(aws, &node.group));
        commands.push(by_hand::activities(aws, &node.group, "StatusCode Successful"));
    }
    commands
}

async fn look(aws: &ClientSet, node: &Node, group: &AutoScalingGroup) -> Result<Group, Problem> {
    let (refreshes, activity) =
        tokio::join!(moving::refreshes(aws, &node.group), moving::newest_activity(aws, &node.group));
    let mut unknown = BTreeMap::new();
    let refreshes = known_or_why("refreshes", refreshes, &mut unknown)?;
    let newest_activity = known_or_why("newest_activity", activity, &mut unknown)?.flatten();
    Ok(Group {
        name: node.group.clone(),
        node: node.name.clone(),
        min: group.min_size(),
        max: group.max_size(),
        desired: group.desired_capacity(),
        instances: Member::all(group),
        launch_template: Template::of_group(group),
        suspended: group::suspended(group),
        status: text(group.status()),
        refreshes,
        newest_activity,
        unknown,
    })
}

/// A right that is missing, or a service that cannot answer this, leaves one field open. Anything else is a problem.
fn known_or_why<T>(
    field: &str,
    answer: Result<T, Problem>,
    unknown: &mut BTreeMap<String, String>,
) -> Result<Option<T>, Problem> {
    match answer {
        Ok(known) => Ok(Some(known)),
        Err(problem) if matches!(problem.code.as_str(), "denied" | "unsupported" | "server_error") => {
            unknown.insert(field.to_owned(), problem.message);
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// For examples: a cluster of one node as the input of an action, and the node.
pub(super) fn cluster_of_one() -> (Value, Value) {
    let aws = json!({ "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null });
    let node = json!({
        "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
        "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
        "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": aws,
    });
    let cluster = json!({
        "name": "nats-staging", "labels": { "tier": "staging" }, "aws": aws, "nodes": [node],
        "ssm_prefix": "/nats-cluster/nats-staging", "streams": ["pivot_main"], "services": {},
        "creds": { "admin": {
            "jwt": "/nats-cluster/nats-staging/admin/nats_admin_jwt",
            "seed": "/nats-cluster/nats-staging/admin/nats_admin_nkey_seed",
        }, "system": null },
    });
    (cluster, node)
}

pub(super) fn example() -> Example {
    let (cluster, _) = cluster_of_one();
    let template = json!({ "id": "lt-0a1", "name": "nats-staging-node-1", "version": "7" });
    Example {
        summary: "A cluster of one node whose group is being refreshed".to_owned(),
        with: json!({ "cluster": cluster }),
        output: json!({ "region": "us-east-2", "missing": [], "groups": [{
            "name": "nats-staging-node-1-asg", "node": "nats-staging-node-1", "min": 1, "max": 1, "desired": 1,
            "instances": [{
                "id": "i-0123456789abcdef0", "lifecycle": "InService", "health": "Healthy", "zone": "us-east-2a",
                "instance_type": "m8gd.medium", "protected_from_scale_in": false, "launch_template": template,
            }],
            "launch_template": template, "suspended": [], "status": null,
            "refreshes": [{
                "id": "5d0a", "status": "InProgress", "reason": null, "percentage": 0,
                "started_at": 1_795_370_400_000_i64,
            }],
            "newest_activity": null,
            "unknown": { "newest_activity": "profile staging may not do autoscaling:DescribeScalingActivities" },
        }] }),
    }
}

#[cfg(test)]
mod tests;
