//! `aws.terminate_instance`: ends the one instance it is given, once, so that its group replaces it.
//!
//! The id comes from a step that looked, and is never resolved here: whoever resolves it again after a crash ends the
//! replacement. What may be ended is judged in `preview`, what became of an open act in `reconcile`.

mod preview;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::Activity as SdkActivity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::{Aws, Node};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Preview, Problem, Purpose, Reconciled, Timestamp,
};

use crate::action::{About, destroy_spec, input, output, required, value};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::DESCRIBE_INSTANCES;
use crate::group::{DESCRIBE_GROUPS, Template};
use crate::moving::{Activity, DESCRIBE_ACTIVITIES, DESCRIBE_REFRESHES};
use crate::role::{self, Session, group_arn};

const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
const GROUP_ARN: &str =
    "arn:aws:autoscaling:{node.aws.region}:{node.aws.account}:autoScalingGroup:*:autoScalingGroupName/{node.group}";

/// From the beginning of the call to its one request. What was looked at last is older by as much, and a machine that slept
/// meanwhile knows nothing of the world any more.
const SEND_WITHIN: Duration = Duration::from_secs(3);

pub(crate) struct TerminateInstance(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The node whose instance it is.
    node: Node,
    /// The instance to end, as an earlier step found it.
    #[schemars(regex(pattern = r"^i-[0-9a-z]{1,32}$"))]
    instance: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    instance: String,
    group: String,
    /// The scaling activity; null where nobody saw it.
    activity: Option<String>,
    /// Milliseconds since 1970 in UTC; null where nobody saw it.
    requested_at: Option<i64>,
    /// `InProgress`, or what was seen of it later.
    status: String,
}

#[async_trait]
impl Action for TerminateInstance {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.terminate_instance",
            summary: "End one instance, for its Auto Scaling group to replace it",
            rights: &[
                (DESCRIBE_GROUPS, "*"),
                (DESCRIBE_REFRESHES, "*"),
                (DESCRIBE_ACTIVITIES, "*"),
                (DESCRIBE_INSTANCES, "*"),
            ],
            examples: vec![example()],
        };
        destroy_spec::<Input, Output>(about, (TERMINATE, GROUP_ARN))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node, instance } = input(call)?;
        let place = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let account = account(place, &node)?;
        let begun = host.now();
        let aws = self.0.open(place, call.purpose).await?;
        let client = match &place.act_role {
            None => aws.autoscaling.clone(),
            Some(role) => {
                let resource = group_arn(&place.region, account, &node.group);
                let session = Session::new(host.actor(), &call.run, TERMINATE, &resource);
                role::autoscaling(&aws, role, &session).await?
            }
        };
        let request = client.client.terminate_instance_in_auto_scaling_group();
        let request = request.instance_id(&instance).should_decrement_desired_capacity(false);
        in_time(begun, host.now())?;
        let answer = request.send().await;
        let answer = answer.map_err(|error| aws.act_problem(&client, TERMINATE, &instance, &error))?;
        let activity = answer.activity().or_else(|| answer.activities().first());
        output(Output::accepted(&node, instance, activity))
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let Input { node, instance } = input(call)?;
        let place = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let account = account(place, &node)?;
        let aws = self.0.open(place, call.purpose).await?;
        // The act has a login of its own: whoever makes it only then acts on an older look. Where it cannot be had, the act says so.
        let _ = self.0.open(place, Purpose::Act).await;
        let seen = preview::look(&aws, &node, &instance).await?;
        if let Err(why) = seen.may_end(&node, &instance) {
            return Ok(Preview::Refused { why });
        }
        let binding = binding((place, account), &node, &instance, seen.next_template());
        Ok(Preview::Ready { binding, facts: value(seen.facts(&instance))? })
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let Input { node, instance } = input(call)?;
        let place = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let aws = self.0.open(place, call.purpose).await?;
        let look = reconcile::look(&aws, &node, &instance).await?;
        let evidence = value(&look)?;
        Ok(match look.says(&instance) {
            reconcile::Says::Done => {
                let output = value(Output::seen(&node, instance, look.ending.as_ref()))?;
                Reconciled::Done { output, evidence }
            }
            reconcile::Says::NotDone => Reconciled::NotDone { evidence },
            reconcile::Says::Nothing => Reconciled::CannotTell { evidence },
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node, instance }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        let look_for = format!("{instance} alone, InService; with any other id, stop here");
        let end = ["autoscaling", "terminate-instance-in-auto-scaling-group", "--instance-id", &instance];
        let end = end.into_iter().chain(["--no-should-decrement-desired-capacity"]);
        vec![
            by_hand::account(aws),
            by_hand::groups(aws, [node.group.as_str()], &look_for),
            by_hand::aws(aws, end, "an activity that is InProgress; never send it twice without looking at the group"),
        ]
    }
}

fn in_time(begun: Timestamp, now: Timestamp) -> Result<(), Problem> {
    // A clock that was set back says nothing of how long it took.
    if now >= begun && now.since(begun) <= SEND_WITHIN {
        return Ok(());
    }
    let message =
        "the machine slept, or the login took too long, between the last look and the request; nothing was done";
    Err(Problem::not_applied("too_late", message).retryable())
}

/// What ends something is bound to an account.
fn account<'a>(aws: &'a Aws, node: &Node) -> Result<&'a str, Problem> {
    aws.account.as_deref().ok_or_else(|| {
        let message = format!(
            "the inventory names no AWS account for cluster {}, and nothing is ended in an account that nobody named; \
             add `account: \"<12 digits>\"` to its `aws`",
            node.cluster
        );
        Problem::bad_input("/node/aws/account", message)
    })
}

/// What a person confirms. The role is in it: it is as whom the act is done. So is what comes instead: a yes to a machine
/// of one kind is none to another.
fn binding((aws, account): (&Aws, &str), node: &Node, instance: &str, next: Option<&Template>) -> Value {
    let mut binding = json!({
        "account": account, "region": aws.region, "group": node.group, "node": node.name, "instance": instance,
        "decrement": false, "next_launch_template": next,
    });
    if let (Some(role), Some(fields)) = (&aws.act_role, binding.as_object_mut()) {
        fields.insert("act_role".to_owned(), json!(role));
    }
    binding
}

impl Output {
    fn accepted(node: &Node, instance: String, activity: Option<&SdkActivity>) -> Self {
        Self::seen(node, instance, activity.map(Activity::of).as_ref())
    }

    fn seen(node: &Node, instance: String, activity: Option<&Activity>) -> Self {
        Self {
            instance,
            group: node.group.clone(),
            activity: activity.map(|activity| activity.id.clone()),
            requested_at: activity.and_then(|activity| activity.started_at),
            status: activity.map_or("unknown", |activity| &activity.status).to_owned(),
        }
    }
}

fn example() -> Example {
    Example {
        summary: "End the instance of node 1".to_owned(),
        with: json!({
            "node": {
                "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
                "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
                "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 },
                "aws": {
                    "account": "123456789012", "region": "us-east-2", "profile": "staging",
                    "act_role": "arn:aws:iam::123456789012:role/sluice-act",
                },
            },
            "instance": "i-0123456789abcdef0",
        }),
        output: json!({
            "instance": "i-0123456789abcdef0", "group": "nats-staging-node-1-asg",
            "activity": "c1b1d7a4-0b0c-4d0e-9a52-2f1d3a9f5e11", "requested_at": 1_795_370_400_000_i64,
            "status": "InProgress",
        }),
    }
}

#[cfg(test)]
mod tests;
