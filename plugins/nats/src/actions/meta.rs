//! `nats.meta`: the meta group: its leader as each node sees it, its peers, its ghosts.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::jetstream_input::{self, Input};
use crate::health::view::MetaView;
use crate::link::wire::Wire;
use crate::overview::NotAsked;

pub(super) struct Meta(pub(super) Arc<dyn Wire>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// As its leader tells it.
    meta: MetaView,
    /// Nodes that could not be asked.
    unreached: Vec<NotAsked>,
    /// What the credentials could not be used for, and what was read instead.
    notes: Vec<String>,
}

#[async_trait]
impl Action for Meta {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("without credentials", with, include_str!("../../examples/meta.json"));
        let spec = common::reads::<Input, Output>(
            "nats.meta",
            "Read the meta group: its leader, its peers, and peers that are no configured node",
            vec![example],
        );
        jetstream_input::with_permissions(spec)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let all = jetstream_input::overview(&*self.0, host, call).await?;
        common::plain(&Output { meta: all.report.meta, unreached: all.unreached, notes: all.notes })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        jetstream_input::by_hand(
            call,
            "meta_cluster: the same leader on every node, and no peer that is no configured node",
        )
    }
}
