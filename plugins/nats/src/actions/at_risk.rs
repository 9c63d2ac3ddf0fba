//! `nats.at_risk`: what losing one node now would cost, a majority or data, and what cannot be told: all that `nats.quorum`
//! and `nats.replicas_current` stop at. It gives no verdict, since whoever asks may hope for either.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use super::gate_input::{self, Without};
use crate::data::baseline::NodeBefore;
use crate::data::current;
use crate::link::creds::CredsInput;
use crate::link::wire::Wire;
use crate::look::{Look, Seen};
use crate::quorum;

pub(super) struct AtRisk(pub(super) Arc<dyn Wire>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The node that is to go. It may be in any state.
    without: Node,
    /// With these the cluster is asked over NATS too, and must agree with its nodes' endpoints.
    #[serde(default)]
    creds: Option<CredsInput>,
    /// The servers as a baseline found them: a node with another one than then is gone.
    #[serde(default)]
    servers: Option<Vec<NodeBefore>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    /// The server there; null while none answers.
    server: Option<String>,
    /// No server answers there, or another one than was asked about.
    gone: bool,
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
        let summary = "Tell what losing one node now would cost, a majority or data, and what nobody can tell";
        let spec = common::reads::<Input, Output>("nats.at_risk", summary, vec![example]);
        gate_input::with_permissions(spec)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster, without, creds, servers } = common::input(call)?;
        let input = Without { cluster, without, creds };
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
        let quorum = quorum.quorum;
        let node = input.without.name;
        // A sick one answers, and is there.
        let server = quorum.nodes.iter().find(|seen| seen.name == node).and_then(|seen| seen.server_id.clone());
        let before = servers.iter().flatten().find(|before| before.server_name == node);
        let before = before.and_then(|before| before.server_id.as_ref());
        let gone = server.is_none() || (before.is_some() && before != server.as_ref());
        let summary = match (gone, risks.as_slice()) {
            (false, []) => format!("no alarm: {}", quorum.summary),
            (true, []) => format!("no alarm: {node} is gone, and the others hold everything"),
            (false, _) => format!("ALARM: {node} must not go now: {}", shortly(&risks)),
            (true, _) => format!("{node} is gone; {}", shortly(&risks)),
        };
        common::plain(&Output {
            node,
            server,
            gone,
            risks,
            voters_left: quorum.voters_left,
            majority: quorum.majority,
            nodes: quorum.nodes,
            source: quorum.source,
            summary,
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, without, creds, .. }) = common::input(call) else { return Vec::new() };
        let look_for = format!(
            "whether every other node is there and has reached each last_seq: if not, {} must stay",
            without.name
        );
        gate_input::by_hand(&cluster, creds.as_ref(), &look_for)
    }
}

/// The first, and how many more there are.
fn shortly(risks: &[String]) -> String {
    let more = match risks.len() {
        0 | 1 => String::new(),
        all => format!("; and {} more", all - 1),
    };
    risks.first().map_or_else(String::new, |first| format!("{first}{more}"))
}
