//! `aws.terminate_instance`: ends the one instance it is given, once, so that its group replaces it.
//!
//! The id comes from a step that looked, and is never resolved here: whoever resolves it again after a crash ends the
//! replacement. What may be ended is judged in [`crate::ending`], what became of an open act in `reconcile`.

mod reconcile;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::Activity as SdkActivity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Preview, Problem, Purpose, Reconciled};

use crate::act::{GROUP_ARN, Place, in_time};
use crate::action::{About, destroy_spec, example_node, input, output, required, value};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::DESCRIBE_INSTANCES;
use crate::ending;
use crate::group::DESCRIBE_GROUPS;
use crate::moving::{Activity, DESCRIBE_ACTIVITIES, DESCRIBE_REFRESHES};

const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
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
        destroy_spec::<Input, Output>(about, (TERMINATE, &[GROUP_ARN]))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node, instance } = input(call)?;
        let place = Place::of(&node)?;
        let begun = host.now();
        let aws = self.0.open(place.aws, call.purpose).await?;
        let client = place.client(&aws, (host, call), TERMINATE).await?;
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
        let place = Place::of(&node)?;
        let aws = self.0.open(place.aws, call.purpose).await?;
        // The act has a login of its own: whoever makes it only then acts on an older look. Where it cannot be had, the act says so.
        let _ = self.0.open(place.aws, Purpose::Act).await;
        let seen = ending::look(&aws, &node, &instance).await?;
        if let Err(why) = seen.may_end(&node, &instance) {
            return Ok(Preview::Refused { why });
        }
        // What comes instead is bound too: a yes to a machine of one kind is none to another.
        let binding = place
            .binding(json!({ "instance": instance, "decrement": false, "next_launch_template": seen.next_template() }));
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
        with: json!({ "node": example_node(), "instance": "i-0123456789abcdef0" }),
        output: json!({
            "instance": "i-0123456789abcdef0", "group": "nats-staging-node-1-asg",
            "activity": "c1b1d7a4-0b0c-4d0e-9a52-2f1d3a9f5e11", "requested_at": 1_795_370_400_000_i64,
            "status": "InProgress",
        }),
    }
}

#[cfg(test)]
mod tests;
