//! `nats.replicas_current`: the other nodes hold the data of every stream and consumer.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::gate_input::{self, Without};
use crate::data::current::{self, Current};
use crate::link::wire::Wire;

pub(super) struct ReplicasCurrent(pub(super) Arc<dyn Wire>);

#[async_trait]
impl Action for ReplicasCurrent {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({
            "cluster": common::example_cluster(), "without": gate_input::example_node(1),
            "creds": gate_input::example_creds()
        });
        let output = include_str!("../../examples/replicas_current.json");
        let example = common::example("a healthy cluster", with, output);
        let summary = "Check that the other nodes hold the data of every stream and consumer";
        let spec = common::reads::<Without, Current>("nats.replicas_current", summary, vec![example]);
        gate_input::with_permissions(common::gate(spec))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Without = common::input(call)?;
        let looking = gate_input::looking(host, &*self.0, &input).await?;
        let judged = looking.judged(current::judge, |judged| judged.reasons.settled()).await;
        let why = judged.current.summary.clone();
        Ok(Outcome::judged(common::output(&judged.current)?, judged.reasons.verdict(), why))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Without { cluster, without, creds }) = common::input(call) else { return Vec::new() };
        let look_for = format!(
            "last_seq of each stream as its leader says it; ask again: every node but {} has reached that in its own store",
            without.name
        );
        gate_input::by_hand(&cluster, creds.as_ref(), &look_for)
    }
}
