//! `aws.start_refresh`: one instance refresh of a group of one, which ends the instance and launches another, as Terraform
//! does it.
//!
//! What may be ended is judged as for a termination. The instance is ended first, since two servers of one name must not
//! run at once: no healthy instance is asked for meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::{RefreshPreferences, RefreshStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Preview, Problem, Purpose, Reconciled};

use crate::act::{GROUP_ARN, Place, in_time};
use crate::action::{About, destroy_spec, example_node, input, output, value};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::DESCRIBE_INSTANCES;
use crate::ending;
use crate::group::{self, DESCRIBE_GROUPS, Member};
use crate::moving::{self, DESCRIBE_ACTIVITIES, DESCRIBE_REFRESHES, Refresh};

const START: &str = "autoscaling:StartInstanceRefresh";

/// End first, then launch; and replace the instance also when its launch template is the group's.
const MIN_HEALTHY: i32 = 0;
const MAX_HEALTHY: i32 = 100;

pub(crate) struct StartRefresh(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The node whose group is refreshed.
    node: Node,
    /// The one instance of the group, which is ended, as an earlier step found it.
    #[schemars(regex(pattern = r"^i-[0-9a-z]{1,32}$"))]
    instance: String,
    /// The newest refresh of the group before this one, as an earlier step found it: a newer one is this. Null for none.
    before: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// The refresh.
    refresh: String,
    group: String,
    /// The instance that it ends.
    instance: String,
}

#[async_trait]
impl Action for StartRefresh {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.start_refresh",
            summary: "Start an instance refresh, which ends a group's one instance and launches another",
            rights: &[
                (DESCRIBE_GROUPS, "*"),
                (DESCRIBE_REFRESHES, "*"),
                (DESCRIBE_ACTIVITIES, "*"),
                (DESCRIBE_INSTANCES, "*"),
            ],
            examples: vec![example()],
        };
        destroy_spec::<Input, Output>(about, (START, &[GROUP_ARN]))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node, instance, .. } = input(call)?;
        let place = Place::of(&node)?;
        let begun = host.now();
        let aws = self.0.open(place.aws, call.purpose).await?;
        let client = place.client(&aws, (host, call), START).await?;
        let preferences = RefreshPreferences::builder().min_healthy_percentage(MIN_HEALTHY);
        let preferences = preferences.max_healthy_percentage(MAX_HEALTHY).skip_matching(false).build();
        let request = client.client.start_instance_refresh().auto_scaling_group_name(&node.group);
        let request = request.strategy(RefreshStrategy::Rolling).preferences(preferences);
        in_time(begun, host.now())?;
        let answer = request.send().await;
        let answer = answer.map_err(|error| aws.act_problem(&client, START, &node.group, &error))?;
        let refresh = answer.instance_refresh_id().unwrap_or_default().to_owned();
        output(Output { refresh, group: node.group, instance })
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let Input { node, instance, before } = input(call)?;
        let place = Place::of(&node)?;
        let aws = self.0.open(place.aws, call.purpose).await?;
        // As for a termination: the login is made with the preview.
        let _ = self.0.open(place.aws, Purpose::Act).await;
        let seen = ending::look(&aws, &node, &instance).await?;
        if let Err(why) = seen.may_end(&node, &instance) {
            return Ok(Preview::Refused { why });
        }
        if let Some(other) = newer(&seen.refreshes, before.as_deref()) {
            let why = format!("{} in group {}: somebody started it since this run began", other.said(), node.group);
            return Ok(Preview::Refused { why });
        }
        let binding = place.binding(json!({
            "instance": instance, "next_launch_template": seen.next_template(),
            "refresh": { "min_healthy_percentage": MIN_HEALTHY, "max_healthy_percentage": MAX_HEALTHY, "skip_matching": false },
        }));
        Ok(Preview::Ready { binding, facts: value(seen.facts(&instance))? })
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let Input { node, instance, before } = input(call)?;
        let place = Place::of(&node)?;
        let aws = self.0.open(place.aws, call.purpose).await?;
        let names = std::slice::from_ref(&node.group);
        let (groups, refreshes) =
            tokio::try_join!(group::describe(&aws, names), moving::all_refreshes(&aws, &node.group))?;
        let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(&aws, &node.group))?;
        let members = Member::all(group);
        let evidence = json!({ "instances": members, "refreshes": refreshes });
        // It asks whether the group was refreshed, and not by whom.
        if let Some(Refresh { id, .. }) = newer(&refreshes, before.as_deref()) {
            let output = value(Output { refresh: id.clone(), group: node.group, instance })?;
            return Ok(Reconciled::Done { output, evidence });
        }
        let untouched = matches!(members.as_slice(), [one] if one.id == instance && one.lifecycle == "InService");
        Ok(if untouched { Reconciled::NotDone { evidence } } else { Reconciled::CannotTell { evidence } })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node, instance, .. }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        let look_for = format!("{instance} alone, InService; with any other id, stop here");
        let preferences =
            format!("MinHealthyPercentage={MIN_HEALTHY},MaxHealthyPercentage={MAX_HEALTHY},SkipMatching=false");
        let start = ["autoscaling", "start-instance-refresh", "--auto-scaling-group-name", &node.group];
        let start = start.into_iter().chain(["--preferences", &preferences]);
        vec![
            by_hand::account(aws),
            by_hand::groups(aws, [node.group.as_str()], &look_for),
            by_hand::no_refresh(aws, &node.group),
            by_hand::aws(aws, start, "an InstanceRefreshId; never send it twice without looking at the group"),
        ]
    }
}

/// The newest refresh, if it is another one than `before`.
fn newer<'a>(refreshes: &'a [Refresh], before: Option<&str>) -> Option<&'a Refresh> {
    moving::newest(refreshes).filter(|newest| Some(newest.id.as_str()) != before)
}

fn example() -> Example {
    let with: Value = json!({ "node": example_node(), "instance": "i-0123456789abcdef0", "before": null });
    Example {
        summary: "Refresh the group of node 1".to_owned(),
        with,
        output: json!({
            "refresh": "5d0a8a3e-9f35-4d1f-8b5a-0b1b5f5d6c77", "group": "nats-staging-node-1-asg",
            "instance": "i-0123456789abcdef0",
        }),
    }
}

#[cfg(test)]
mod tests;
