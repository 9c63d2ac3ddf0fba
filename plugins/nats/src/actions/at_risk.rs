//! `nats.at_risk`: an alarm. It passes when losing one node now would cost a majority or data, or when nobody can tell that
//! it would not: what `nats.quorum` and `nats.replicas_current` stop at is what this goes off at.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem, Verdict};

use super::common;
use super::gate_input::{self, Without};
use crate::data::current;
use crate::link::wire::Wire;
use crate::look::{Look, Seen};
use crate::quorum;

pub(super) struct AtRisk(pub(super) Arc<dyn Wire>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    /// What would be lost with the node, or cannot be told, the certain first. Nothing: it may go.
    risks: Vec<String>,
    voters_left: u64,
    majority: u64,
    /// Every configured node.
    nodes: Vec<Seen>,
    source: String,
    /// One sentence for a person.
    summary: String,
}

#[async_trait]
impl Action for AtRisk {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({
            "cluster": common::example_cluster(), "without": gate_input::example_node(1),
            "creds": gate_input::example_creds()
        });
        let example = common::example("a node that may go", with, include_str!("../../examples/at_risk.json"));
        let summary = "Alarm when losing one node now would cost a majority or data, or nobody can tell";
        let spec = common::reads::<Without, Output>("nats.at_risk", summary, vec![example]);
        gate_input::with_permissions(common::gate(spec))
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Without = common::input(call)?;
        let looking = gate_input::looking(host, &*self.0, &input).await?;
        let (quorum, current) = looking
            .judged(
                |look: &Look| (quorum::judge(look), current::judge(look)),
                |(quorum, current)| quorum.reasons.settled() && current.reasons.settled(),
            )
            .await;
        let mut risks = quorum.reasons.texts();
        for text in current.reasons.texts() {
            if !risks.contains(&text) {
                risks.push(text);
            }
        }
        let node = input.without.name;
        let (verdict, summary) = match risks.as_slice() {
            [] => (Verdict::Fail, format!("no alarm: {}", quorum.quorum.summary)),
            [first, rest @ ..] => {
                let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
                (Verdict::Pass, format!("{node} must not go now: {first}{more}"))
            }
        };
        let quorum = quorum.quorum;
        let (voters_left, majority, nodes, source) = (quorum.voters_left, quorum.majority, quorum.nodes, quorum.source);
        let output = Output { node, risks, voters_left, majority, nodes, source, summary: summary.clone() };
        Ok(Outcome::judged(common::output(&output)?, verdict, summary))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Without { cluster, without, creds }) = common::input(call) else { return Vec::new() };
        let look_for = format!(
            "whether every other node is there and has reached each last_seq: if not, {} must stay",
            without.name
        );
        gate_input::by_hand(&cluster, creds.as_ref(), &look_for)
    }
}
