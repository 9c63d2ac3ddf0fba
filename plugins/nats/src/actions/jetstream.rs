//! `nats.jetstream`: one row per server, as `nats server report jetstream` shows it, and the meta group.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::jetstream_input::{self, Input};
use crate::health::view::MetaView;
use crate::link::wire::Wire;
use crate::overview::{NotAsked, Overview};
use crate::report::{self, ServerReport};

pub(super) struct JetStream(pub(super) Arc<dyn Wire>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    servers: Vec<ServerReport>,
    meta: MetaView,
    /// Nodes that could not be asked.
    unreached: Vec<NotAsked>,
    /// What the credentials could not be used for, and what was read instead.
    notes: Vec<String>,
}

#[async_trait]
impl Action for JetStream {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("without credentials", with, include_str!("../../examples/jetstream.json"));
        let summary = "Read the JetStream report of every server and the meta group";
        jetstream_input::with_permissions(common::reads::<Input, Output>("nats.jetstream", summary, vec![example]))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let all = jetstream_input::overview(&*self.0, host, call).await?;
        let servers = servers(&all);
        common::plain(&Output { servers, meta: all.report.meta, unreached: all.unreached, notes: all.notes })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        jetstream_input::by_hand(call, "streams, consumers, messages and bytes of each server")
    }
}

fn servers(all: &Overview) -> Vec<ServerReport> {
    let names = all.sample.nodes.iter().enumerate();
    names.filter_map(|(at, node)| report::of(&node.name, all.sample.read(at)?.jsz.as_ref().ok()?)).collect()
}
