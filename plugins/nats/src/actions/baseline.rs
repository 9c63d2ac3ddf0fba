//! `nats.baseline`: what the data is before a node goes, for `nats.caught_up` to compare with.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::jetstream_input::Input;
use super::{common, gate_input};
use crate::data::baseline;
use crate::link::wire::Wire;
use crate::look::Looking;

pub(super) struct Baseline(pub(super) Arc<dyn Wire>);

#[async_trait]
impl Action for Baseline {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("without credentials", with, include_str!("../../examples/baseline.json"));
        let summary = "Note what every stream and durable consumer holds, to compare with after a replacement";
        let spec = common::reads::<Input, baseline::Baseline>("nats.baseline", summary, vec![example]);
        gate_input::with_permissions(spec)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster, creds } = common::input(call)?;
        common::some_nodes(&cluster)?;
        let creds = gate_input::reveal(host, creds.as_ref(), "/creds")?;
        common::progress(host, format!("asking {} nodes twice", cluster.nodes.len()), 0, None);
        let looking = Looking::begin(host, &*self.0, &cluster, creds.as_ref(), None).await;
        let at = host.now();
        let noted = looking.judged(|look| baseline::of(look, at), |_| true).await;
        if noted.nodes.iter().all(|node| node.server_id.is_none()) {
            let why = noted.notes.first().cloned().unwrap_or_default();
            let message = format!("no node of {} can be asked what it holds: {why}", cluster.name);
            return Err(Problem::not_applied("unreachable", message).retryable());
        }
        common::plain(&noted)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, creds }) = common::input(call) else { return Vec::new() };
        let look_for =
            "keep it: created, last_seq and messages of each stream, delivered and ack_floor of each consumer";
        gate_input::by_hand(&cluster, creds.as_ref(), look_for)
    }
}
