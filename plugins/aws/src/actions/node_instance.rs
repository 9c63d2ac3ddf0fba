//! `aws.node_instance`: the one instance behind a node, by its Auto Scaling group and never by a tag.
//!
//! A tag also finds the node's dead predecessors, which stay listed for an hour. None is an answer (`id: null`);
//! several, or one that is not in service, are problems, because nobody may act on a guess.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::action::{About, input, millis, output, read_spec, required, text};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::{self, DESCRIBE_INSTANCES};
use crate::group::{self, DESCRIBE_GROUPS, Member, Template};

pub(crate) struct NodeInstance(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
}

/// Everything of the instance is null when the group has none.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    /// The instance; null when the group has none.
    pub(super) id: Option<String>,
    pub(super) node: String,
    pub(super) group: String,
    pub(super) region: String,
    /// How many instances the group wants.
    pub(super) desired: Option<i32>,
    /// Processes of the group that are switched off; with `Launch` among them a lost instance is not replaced.
    pub(super) suspended: Vec<String>,
    /// What the group launches the next instance from.
    pub(super) group_launch_template: Option<Template>,
    /// `InService`.
    pub(super) lifecycle: Option<String>,
    /// `Healthy` or `Unhealthy`, as the group sees it.
    pub(super) health: Option<String>,
    /// Availability zone.
    pub(super) zone: Option<String>,
    pub(super) instance_type: Option<String>,
    /// What the instance was launched from.
    pub(super) launch_template: Option<Template>,
    /// EC2's own state, `running`; null when EC2 does not list the instance yet.
    pub(super) state: Option<String>,
    pub(super) private_ip: Option<String>,
    /// Milliseconds since 1970 in UTC.
    pub(super) launched_at: Option<i64>,
}

#[async_trait]
impl Action for NodeInstance {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.node_instance",
            summary: "Find the one instance behind a node, or none",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_INSTANCES, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node } = input(call)?;
        let aws = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let groups = group::describe(&aws, std::slice::from_ref(&node.group)).await?;
        let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(&aws, &node.group))?;
        let none = Output::of_group(&node, aws.region(), group);
        match the_one(&node, Member::all(group))? {
            None => output(none),
            Some(member) => {
                let seen = ec2::describe(&aws, &member.id).await?;
                output(none.with(&node, member, seen)?)
            }
        }
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        let look_for = "one instance, InService and Healthy; its id is the node's";
        vec![by_hand::account(aws), by_hand::groups(aws, [node.group.as_str()], look_for)]
    }
}

/// The group's instance when there is exactly one and it is in service.
fn the_one(node: &Node, members: Vec<Member>) -> Result<Option<Member>, Problem> {
    let listed: Vec<_> = members.iter().map(|member| format!("{} {}", member.id, member.lifecycle)).collect();
    let details = json!({ "group": node.group, "instances": members });
    let moving = members.iter().any(|member| is_moving(&member.lifecycle));
    let mut rest = members.into_iter();
    let problem = match (rest.next(), rest.next()) {
        (None, _) => return Ok(None),
        (Some(member), None) if member.lifecycle == "InService" => return Ok(Some(member)),
        (Some(member), None) => odd_state(node, &member.id, &member.lifecycle),
        (Some(_), Some(_)) => Problem::not_applied(
            "several_instances",
            format!(
                "group {} of {} has {} instances where one is expected: {}; let it settle or find out who started the \
                 other before anything is done to the node",
                node.group,
                node.name,
                listed.len(),
                listed.join(", ")
            ),
        ),
    };
    Err(Problem { retryable: moving, ..problem.with_details(details) })
}

fn odd_state(node: &Node, id: &str, state: &str) -> Problem {
    let message = format!(
        "instance {id} of {} (group {}) is {state}, not InService; wait until its group has settled, or look why it does \
         not",
        node.name, node.group
    );
    Problem::not_applied("odd_state", message)
}

/// States that a group leaves by itself. Standby and what is not known here need a person.
fn is_moving(lifecycle: &str) -> bool {
    const PASSING: [&str; 6] =
        ["Pending", "Terminating", "Terminated", "Detaching", "EnteringStandby", "ReplacingRootVolume"];
    lifecycle != "Terminating:Retained" && PASSING.iter().any(|passing| lifecycle.starts_with(passing))
}

impl Output {
    pub(super) fn of_group(node: &Node, region: &str, group: &AutoScalingGroup) -> Self {
        Self {
            node: node.name.clone(),
            group: node.group.clone(),
            region: region.to_owned(),
            desired: group.desired_capacity(),
            suspended: group::suspended(group),
            group_launch_template: Template::of_group(group),
            ..Self::default()
        }
    }

    fn with(self, node: &Node, member: Member, seen: Option<aws_sdk_ec2::types::Instance>) -> Result<Self, Problem> {
        if let Some(gone @ ("shutting-down" | "terminated")) = ec2::state(seen.as_ref()).as_deref() {
            // The group has not noticed yet; it will, and then it replaces the instance by itself.
            let details = json!({ "group": node.group, "instances": [member], "state": gone });
            return Err(odd_state(node, &member.id, gone).retryable().with_details(details));
        }
        Ok(self.of_member(member, seen.as_ref()))
    }

    pub(super) fn of_member(self, member: Member, seen: Option<&aws_sdk_ec2::types::Instance>) -> Self {
        Self {
            id: Some(member.id),
            lifecycle: Some(member.lifecycle),
            health: Some(member.health),
            zone: member.zone,
            instance_type: member.instance_type,
            launch_template: member.launch_template,
            state: ec2::state(seen),
            private_ip: text(seen.and_then(|seen| seen.private_ip_address())),
            launched_at: millis(seen.and_then(|seen| seen.launch_time())),
            ..self
        }
    }
}

pub(super) fn example() -> Example {
    let template = |version: &str| json!({ "id": "lt-0a1", "name": "nats-staging-node-1", "version": version });
    Example {
        summary: "The instance of node 1".to_owned(),
        with: json!({ "node": {
            "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
            "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
            "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 },
            "aws": { "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null },
        } }),
        output: json!({
            "id": "i-0123456789abcdef0", "node": "nats-staging-node-1", "group": "nats-staging-node-1-asg",
            "region": "us-east-2", "desired": 1, "suspended": [], "group_launch_template": template("$Latest"),
            "lifecycle": "InService", "health": "Healthy", "zone": "us-east-2a", "instance_type": "m8gd.medium",
            "launch_template": template("7"), "state": "running", "private_ip": "10.0.1.10",
            "launched_at": 1_795_370_400_000_i64,
        }),
    }
}

#[cfg(test)]
mod tests;
