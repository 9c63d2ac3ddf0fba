//! `nats.caught_up`: after a replacement, everything that was before is there, and in the new node's own store.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::{common, gate_input};
use crate::data::baseline::Baseline;
use crate::data::caught_up::{self, CaughtUp as Output};
use crate::link::creds::CredsInput;
use crate::link::wire::Wire;
use crate::look::Looking;

pub(super) struct CaughtUp(pub(super) Arc<dyn Wire>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The node that was replaced.
    node: Node,
    /// What `nats.baseline` returned before.
    baseline: Baseline,
    /// With these the cluster is asked over NATS too, and must agree with its nodes' endpoints.
    #[serde(default)]
    creds: Option<CredsInput>,
}

#[async_trait]
impl Action for CaughtUp {
    fn spec(&self) -> ActionSpec {
        let baseline: serde_json::Value =
            serde_json::from_str(include_str!("../../examples/baseline.json")).unwrap_or_default();
        let with = serde_json::json!({
            "cluster": common::example_cluster(), "node": gate_input::example_node(1), "baseline": baseline,
            "creds": gate_input::example_creds()
        });
        let output = include_str!("../../examples/caught_up.json");
        let example = common::example("a new node that has a third of the data", with, output);
        let summary = "Check that after a replacement all data of before is there, and in the new node's own store";
        let spec = common::reads::<Input, Output>("nats.caught_up", summary, vec![example]);
        gate_input::with_permissions(common::gate(spec))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = common::input(call)?;
        let node = gate_input::place(&input.cluster, &input.node, "/node")?;
        if input.baseline.cluster != input.cluster.name {
            let message = format!("the baseline is of {}, not of {}", input.baseline.cluster, input.cluster.name);
            return Err(Problem::bad_input("/baseline/cluster", message));
        }
        let creds = gate_input::reveal(host, input.creds.as_ref(), "/creds")?;
        let looking = Looking::begin(host, &*self.0, &input.cluster, creds.as_ref(), None).await;
        let judge = |look: &_| caught_up::judge(look, node, &input.baseline);
        let judged = looking.judged(judge, caught_up::Judged::settled).await;
        let Output { behind, total, summary, .. } = &judged.caught_up;
        common::progress(host, summary.clone(), total.saturating_sub(*behind), Some(*total));
        let why = summary.clone();
        Ok(Outcome::judged(common::output(&judged.caught_up)?, judged.reasons.verdict(), why))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, node, creds, .. }) = common::input(call) else { return Vec::new() };
        let look_for = format!(
            "each stream of before with the same created, and in the store of {} the last_seq that its leader has; \
             cluster_size {}",
            node.name,
            cluster.nodes.len()
        );
        gate_input::by_hand(&cluster, creds.as_ref(), &look_for)
    }
}
