//! `nats.quorum`: every Raft group of every account keeps a majority of its configured peers without one node.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::gate_input::{self, Without};
use crate::link::wire::Wire;
use crate::quorum;

pub(super) struct Quorum(pub(super) Arc<dyn Wire>);

#[async_trait]
impl Action for Quorum {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({
            "cluster": common::example_cluster(), "without": gate_input::example_node(1),
            "creds": gate_input::example_creds()
        });
        let example = common::example("a healthy cluster", with, include_str!("../../examples/quorum.json"));
        let summary = "Check that every Raft group keeps a majority of its configured peers without one node";
        let spec = common::reads::<Without, quorum::Quorum>("nats.quorum", summary, vec![example]);
        gate_input::with_permissions(common::gate(spec))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Without = common::input(call)?;
        let looking = gate_input::looking(host, &*self.0, &input).await?;
        let judged = looking.judged(quorum::judge, |judged| judged.reasons.settled()).await;
        let why = judged.quorum.summary.clone();
        Ok(Outcome::judged(common::output(&judged.quorum)?, judged.reasons.verdict(), why))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Without { cluster, without, creds }) = common::input(call) else { return Vec::new() };
        let look_for = format!(
            "meta_cluster: a leader, and as many peers as nodes; each stream and consumer: more than half of its peers \
             are current, without {} too; no stream of one replica on it",
            without.name
        );
        gate_input::by_hand(&cluster, creds.as_ref(), &look_for)
    }
}
