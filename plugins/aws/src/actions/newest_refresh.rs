//! `aws.newest_refresh`: the instance refresh of a node's group that goes on, or else the last one there was.
//!
//! AWS keeps refreshes for six weeks. None is an answer.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem};

use crate::action::{About, example_node, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::Clients;
use crate::moving::{self, DESCRIBE_REFRESHES};

pub(crate) struct NewestRefresh(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
}

/// Everything of the refresh is null where the group never had one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    id: Option<String>,
    node: String,
    group: String,
    /// `Pending`, `InProgress`, `Successful`, `Failed`, `Cancelling`, `Cancelled`, ...
    status: Option<String>,
    /// Whether it has not ended. A status that this program never heard of has not.
    goes_on: bool,
    reason: Option<String>,
    percentage: Option<i32>,
    /// Milliseconds since 1970 in UTC; null also while it has not begun.
    started_at: Option<i64>,
    /// One sentence for a person.
    summary: String,
}

#[async_trait]
impl Action for NewestRefresh {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.newest_refresh",
            summary: "Tell the instance refresh of a node's group that goes on, or the last one",
            rights: &[(DESCRIBE_REFRESHES, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node } = input(call)?;
        let aws = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let refreshes = moving::all_refreshes(&aws, &node.group).await?;
        let newest = moving::newest(&refreshes).cloned();
        let goes_on = newest.as_ref().is_some_and(moving::Refresh::goes_on);
        let summary = match &newest {
            Some(one) => format!("{} in group {}", one.said(), node.group),
            None => format!("group {} was never refreshed", node.group),
        };
        let (id, status, reason, percentage, started_at) = match newest {
            None => (None, None, None, None, None),
            Some(one) => (Some(one.id), Some(one.status), one.reason, one.percentage, one.started_at),
        };
        let (node, group) = (node.name, node.group);
        output(Output { id, node, group, status, goes_on, reason, percentage, started_at, summary })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        vec![by_hand::account(aws), by_hand::refreshes(aws, &node.group, "the newest, and its status")]
    }
}

fn example() -> Example {
    Example {
        summary: "Node 1 is being refreshed".to_owned(),
        with: json!({ "node": example_node() }),
        output: json!({
            "id": "5d0a8a3e-9f35-4d1f-8b5a-0b1b5f5d6c77", "node": "nats-staging-node-1",
            "group": "nats-staging-node-1-asg", "status": "InProgress", "goes_on": true, "reason": null,
            "percentage": 0, "started_at": 1_795_370_400_000_i64,
            "summary": "instance refresh 5d0a8a3e-9f35-4d1f-8b5a-0b1b5f5d6c77 is InProgress in group nats-staging-node-1-asg",
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sluice_plugin::{Plugin, Purpose};

    use super::*;
    use crate::standin::{FakeHost, StandIn, call};
    use crate::standin_cloud::{self as cloud, Group};

    #[tokio::test]
    async fn the_newest_is_told_or_that_there_is_none() {
        let check = async |refreshes: &[(&'static str, &'static str)], expect: (Value, Value, bool)| {
            let group = Group::well(1).but(|group| group.refreshes.extend(refreshes));
            let stand_in = StandIn::start(move |request, _| cloud::answer(std::slice::from_ref(&group), request)).await;
            let call = call(Purpose::Read, json!({ "node": cloud::node(1) }));
            let seen = stand_in.plugin().run("newest_refresh", &FakeHost::default(), &call).await.unwrap().output;
            assert_eq!((seen["id"].clone(), seen["status"].clone(), seen["goes_on"] == true), expect, "{seen}");
        };
        check(&[], (Value::Null, Value::Null, false)).await;
        check(&[("r-1", "Successful")], (json!("r-1"), json!("Successful"), false)).await;
        check(&[("r-2", "InProgress"), ("r-1", "Successful")], (json!("r-2"), json!("InProgress"), true)).await;
        check(&[("r-1", "Pondering")], (json!("r-1"), json!("Pondering"), true)).await;
    }
}
