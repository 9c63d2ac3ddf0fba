//! `aws.activities`: what a node's group did lately, newest first, in AWS's own words: why nothing comes, or who ended
//! what.
//!
//! It tells and does not judge.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::action::{About, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::Clients;
use crate::moving::{self, Activity, DESCRIBE_ACTIVITIES};

/// More than anybody reads at once.
const MOST: i32 = 20;

pub(crate) struct Activities(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    group: String,
    region: String,
    /// Newest first, twenty at most.
    activities: Vec<Activity>,
}

#[async_trait]
impl Action for Activities {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.activities",
            summary: "Read what the Auto Scaling group of a node did lately",
            rights: &[(DESCRIBE_ACTIVITIES, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node } = input(call)?;
        let aws = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let activities = moving::activities(&aws, &node.group, MOST).await?;
        output(Output { node: node.name, group: node.group, region: aws.region().to_owned(), activities })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        vec![by_hand::account(aws), by_hand::activities(aws, &node.group, "StatusCode and StatusMessage of the newest")]
    }
}

fn example() -> Example {
    Example {
        summary: "Why nothing comes to the group of node 1".to_owned(),
        with: json!({ "node": {
            "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging",
            "host": "nats-staging-node-1.nats-staging.internal", "group": "nats-staging-node-1-asg",
            "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 },
            "aws": { "account": "123456789012", "region": "us-east-2", "profile": "staging", "act_role": null },
        } }),
        output: json!({
            "node": "nats-staging-node-1", "group": "nats-staging-node-1-asg", "region": "us-east-2",
            "activities": [{
                "id": "c1b1d7a4", "status": "Failed",
                "message": "We currently do not have sufficient m8gd.medium capacity in us-east-2a",
                "description": "Launching a new EC2 instance", "cause": "an instance was started in response to a \
                 difference between desired and actual capacity", "progress": 100,
                "started_at": 1_795_370_400_000_i64, "ended_at": 1_795_370_401_000_i64,
            }],
        }),
    }
}
