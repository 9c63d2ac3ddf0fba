//! `nats.consumers`: every consumer of every account, as its leader tells it.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::jetstream_input::{self, Input};
use crate::health::view::ConsumerView;
use crate::link::wire::Wire;
use crate::overview::NotAsked;

pub(super) struct Consumers(pub(super) Arc<dyn Wire>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// By account, stream and name.
    consumers: Vec<ConsumerView>,
    /// Nodes that could not be asked.
    unreached: Vec<NotAsked>,
    /// What the credentials could not be used for, and what was read instead.
    notes: Vec<String>,
}

#[async_trait]
impl Action for Consumers {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("without credentials", with, include_str!("../../examples/consumers.json"));
        let spec = common::reads::<Input, Output>(
            "nats.consumers",
            "Read every consumer: its leader, its replicas, what it has not been given yet",
            vec![example],
        );
        jetstream_input::with_permissions(spec)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let all = jetstream_input::overview(&*self.0, host, call).await?;
        common::plain(&Output { consumers: all.report.consumers, unreached: all.unreached, notes: all.notes })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        jetstream_input::by_hand(
            call,
            "account_details, stream_detail, consumer_detail: of each consumer its leader and num_pending",
        )
    }
}
