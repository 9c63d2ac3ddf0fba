//! `nats.streams`: every stream of every account, as its leader tells it and as each replica's own store shows.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::jetstream_input::{self, Input};
use crate::health::view::StreamView;
use crate::link::wire::Wire;
use crate::overview::NotAsked;

pub(super) struct Streams(pub(super) Arc<dyn Wire>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// By account and name.
    streams: Vec<StreamView>,
    /// Nodes that could not be asked.
    unreached: Vec<NotAsked>,
    /// What the credentials could not be used for, and what was read instead.
    notes: Vec<String>,
}

#[async_trait]
impl Action for Streams {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("without credentials", with, include_str!("../../examples/streams.json"));
        let spec = common::reads::<Input, Output>(
            "nats.streams",
            "Read every stream: its leader, its replicas, and what each replica's own store holds",
            vec![example],
        );
        jetstream_input::with_permissions(spec)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let all = jetstream_input::overview(&*self.0, host, call).await?;
        common::plain(&Output { streams: all.report.streams, unreached: all.unreached, notes: all.notes })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        jetstream_input::by_hand(
            call,
            "account_details, stream_detail: of each stream its leader, replicas and last_seq",
        )
    }
}
