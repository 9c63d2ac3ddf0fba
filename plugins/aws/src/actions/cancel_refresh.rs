//! `aws.cancel_refresh`: ends an instance refresh before its time. What it has done already stays done, and an instance
//! that is going goes; what it does end is the wait of whoever started it.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Preview, Problem, Purpose, Reconciled};

use crate::act::{GROUP_ARN, Place, in_time};
use crate::action::{About, destroy_spec, example_node, input, output, value};
use crate::by_hand;
use crate::clients::Clients;
use crate::group::{self, DESCRIBE_GROUPS, Member};
use crate::moving::{self, DESCRIBE_REFRESHES, Refresh};

const CANCEL: &str = "autoscaling:CancelInstanceRefresh";

pub(crate) struct CancelRefresh(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The node whose group is being refreshed.
    node: Node,
    /// The refresh to cancel, as an earlier step found it.
    refresh: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    refresh: String,
    group: String,
}

#[async_trait]
impl Action for CancelRefresh {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.cancel_refresh",
            summary: "Cancel an instance refresh; what it has begun goes on",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_REFRESHES, "*")],
            examples: vec![example()],
        };
        destroy_spec::<Input, Output>(about, (CANCEL, &[GROUP_ARN]))
    }

    /// AWS takes the group alone, and cancels whichever refresh goes on in it. The last look was at this one.
    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node, refresh } = input(call)?;
        let place = Place::of(&node)?;
        let begun = host.now();
        let aws = self.0.open(place.aws, call.purpose).await?;
        let client = place.client(&aws, (host, call), CANCEL).await?;
        let request = client.client.cancel_instance_refresh().auto_scaling_group_name(&node.group);
        in_time(begun, host.now())?;
        let answer = request.send().await;
        let answer = answer.map_err(|error| aws.act_problem(&client, CANCEL, &node.group, &error))?;
        match answer.instance_refresh_id() {
            Some(other) if other != refresh => {
                let message =
                    format!("AWS cancelled {other} in group {}, and not {refresh}: look at who started it", node.group);
                Err(Problem::maybe_applied("another_refresh", message))
            }
            Some(_) | None => output(Output { refresh, group: node.group }),
        }
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let Input { node, refresh } = input(call)?;
        let place = Place::of(&node)?;
        let aws = self.0.open(place.aws, call.purpose).await?;
        // As for a termination: the login is made with the preview.
        let _ = self.0.open(place.aws, Purpose::Act).await;
        let names = std::slice::from_ref(&node.group);
        let (groups, refreshes) =
            tokio::try_join!(group::describe(&aws, names), moving::all_refreshes(&aws, &node.group))?;
        let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(&aws, &node.group))?;
        let Some(found) = refreshes.into_iter().find(|one| one.id == refresh) else {
            return Ok(Preview::Refused { why: format!("group {} has no instance refresh {refresh}", node.group) });
        };
        if !found.goes_on() || found.status == "Cancelling" {
            return Ok(Preview::Refused { why: format!("{}: there is nothing to cancel", found.said()) });
        }
        let members = Member::all(group);
        let facts = json!({
            "region": aws.region(), "status": found.status, "percentage": found.percentage,
            "started_at": found.started_at, "cannot_undo": cannot_undo(&found, &members),
            "then": "whoever waits for it, as Terraform does, is told that it was cancelled; whoever does not wait goes on",
        });
        Ok(Preview::Ready { binding: place.binding(json!({ "refresh": refresh })), facts })
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let Input { node, refresh } = input(call)?;
        let place = Place::of(&node)?;
        let aws = self.0.open(place.aws, call.purpose).await?;
        let refreshes = moving::all_refreshes(&aws, &node.group).await?;
        let found = refreshes.into_iter().find(|one| one.id == refresh);
        let evidence = json!({ "refresh": found });
        Ok(match found.as_ref().map(|found| found.status.as_str()) {
            Some("Cancelling" | "Cancelled") => {
                Reconciled::Done { output: value(Output { refresh, group: node.group })?, evidence }
            }
            // It ended as it would have without us, or it goes on.
            Some("Successful" | "Failed" | "Pending" | "InProgress" | "Baking") => Reconciled::NotDone { evidence },
            Some(_) | None => Reconciled::CannotTell { evidence },
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node, refresh }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        let cancel = ["autoscaling", "cancel-instance-refresh", "--auto-scaling-group-name", &node.group];
        vec![
            by_hand::account(aws),
            by_hand::refreshes(aws, &node.group, &format!("{refresh}, not over; with any other id, stop here")),
            by_hand::aws(aws, cancel, &format!("{refresh}; what it has begun goes on")),
        ]
    }
}

/// What a person has to know before: a cancel calls nothing back.
fn cannot_undo(refresh: &Refresh, members: &[Member]) -> String {
    let going = members.iter().find(|member| member.lifecycle.starts_with("Terminat"));
    match (going, members) {
        (Some(going), _) => {
            format!("{} is {}: it goes all the same, and the group launches another", going.id, going.lifecycle)
        }
        (None, []) => "its instance is gone already, and the group launches another".to_owned(),
        (None, [one]) if one.lifecycle == "InService" && refresh.percentage.unwrap_or(0) == 0 => {
            format!("nothing yet: {} is InService; if AWS ends it in this moment, it goes", one.id)
        }
        (None, several) => {
            let listed: Vec<String> = several.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect();
            format!("what was replaced stays replaced: {}", listed.join(", "))
        }
    }
}

fn example() -> Example {
    let refresh = "5d0a8a3e-9f35-4d1f-8b5a-0b1b5f5d6c77";
    Example {
        summary: "Cancel the refresh of node 1's group".to_owned(),
        with: json!({ "node": example_node(), "refresh": refresh }),
        output: json!({ "refresh": refresh, "group": "nats-staging-node-1-asg" }),
    }
}

#[cfg(test)]
mod tests;
