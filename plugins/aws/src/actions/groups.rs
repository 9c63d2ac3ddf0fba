//! `aws.groups`: all Auto Scaling groups of a cluster, their instances, and whatever moves or is switched off in them.
//!
//! It tells and does not judge; `aws.cluster_idle` is the gate. What could not be asked is `null` with a reason under
//! `unknown`, so that nobody takes "could not look" for "nothing there".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup, InstanceRefresh};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, Call, Example, Host, Outcome, Problem};

use crate::action::{About, input, millis, output, read_spec, required, text};
use crate::clients::{ClientSet, Clients};
use crate::group::{self, DESCRIBE_GROUPS, Member, Template};

const DESCRIBE_REFRESHES: &str = "autoscaling:DescribeInstanceRefreshes";
const DESCRIBE_ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";

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
    newest_activity: Option<NewestActivity>,
    /// Why a field is not known, by the field's name.
    unknown: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    id: String,
    /// `InProgress`, `Cancelling`, `Baking`, ...
    status: String,
    reason: Option<String>,
    percentage: Option<i32>,
    /// Milliseconds since 1970 in UTC.
    started_at: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewestActivity {
    id: String,
    /// `Successful`, `Failed`, `InProgress`, ...
    status: String,
    /// Why it failed, as AWS tells it.
    message: Option<String>,
    description: Option<String>,
    cause: Option<String>,
    /// Per cent.
    progress: Option<i32>,
    /// Milliseconds since 1970 in UTC.
    started_at: Option<i64>,
    /// Milliseconds since 1970 in UTC; null while it goes on.
    ended_at: Option<i64>,
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
}

async fn look(aws: &ClientSet, node: &Node, group: &AutoScalingGroup) -> Result<Group, Problem> {
    let (refreshes, activity) = tokio::join!(active_refreshes(aws, &node.group), newest_activity(aws, &node.group));
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

/// AWS lists the newest first and runs one at a time, so the first page holds every one that has not ended.
async fn active_refreshes(aws: &ClientSet, group: &str) -> Result<Vec<Refresh>, Problem> {
    let answer = aws.autoscaling.client.describe_instance_refreshes().auto_scaling_group_name(group).send().await;
    let answer = answer.map_err(|error| aws.problem(&aws.autoscaling, DESCRIBE_REFRESHES, group, &error))?;
    Ok(answer.instance_refreshes().iter().map(Refresh::of).filter(|refresh| !has_ended(&refresh.status)).collect())
}

/// A status this program never heard of has not ended.
fn has_ended(status: &str) -> bool {
    matches!(status, "Successful" | "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful")
}

async fn newest_activity(aws: &ClientSet, group: &str) -> Result<Option<NewestActivity>, Problem> {
    let request = aws.autoscaling.client.describe_scaling_activities().auto_scaling_group_name(group);
    let answer = request.max_records(10).send().await;
    let answer = answer.map_err(|error| aws.problem(&aws.autoscaling, DESCRIBE_ACTIVITIES, group, &error))?;
    let newest = answer.activities().iter().max_by_key(|activity| millis(activity.start_time()));
    Ok(newest.map(NewestActivity::of))
}

impl Refresh {
    fn of(refresh: &InstanceRefresh) -> Self {
        Self {
            id: refresh.instance_refresh_id().unwrap_or_default().to_owned(),
            status: refresh.status().map_or("unknown", |status| status.as_str()).to_owned(),
            reason: text(refresh.status_reason()),
            percentage: refresh.percentage_complete(),
            started_at: millis(refresh.start_time()),
        }
    }
}

impl NewestActivity {
    fn of(activity: &Activity) -> Self {
        Self {
            id: activity.activity_id().unwrap_or_default().to_owned(),
            status: activity.status_code().map_or("unknown", |status| status.as_str()).to_owned(),
            message: text(activity.status_message()),
            description: text(activity.description()),
            cause: text(activity.cause()),
            progress: activity.progress(),
            started_at: millis(activity.start_time()),
            ended_at: millis(activity.end_time()),
        }
    }
}

fn example() -> Example {
    let aws = json!({ "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null });
    let template = json!({ "id": "lt-0a1", "name": "nats-staging-node-1", "version": "7" });
    Example {
        summary: "A cluster of one node whose group is being refreshed".to_owned(),
        with: json!({ "cluster": {
            "name": "nats-staging", "labels": { "tier": "staging" }, "aws": aws,
            "nodes": [{
                "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
                "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
                "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": aws,
            }],
            "ssm_prefix": "/nats-cluster/nats-staging", "streams": ["pivot_main"], "services": {},
            "creds": { "admin": {
                "jwt": "/nats-cluster/nats-staging/admin/nats_admin_jwt",
                "seed": "/nats-cluster/nats-staging/admin/nats_admin_nkey_seed",
            }, "system": null },
        } }),
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
