//! `nats.servers`: what every configured server says of itself, or why it says nothing.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use crate::by_hand;
use crate::health::view::{ServerView, server_view};
use crate::monitor::read;

pub(super) struct Servers;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// In the configured order.
    servers: Vec<ServerView>,
    answering: u64,
    /// "3 of 3 answer, 3 healthy".
    summary: String,
}

#[async_trait]
impl Action for Servers {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example =
            common::example("the servers of a healthy cluster", with, include_str!("../../examples/servers.json"));
        common::reads::<Input, Output>(
            "nats.servers",
            "Read what every server of the cluster says of itself",
            vec![example],
        )
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster } = common::input(call)?;
        common::some_nodes(&cluster)?;
        common::progress(host, format!("asking {} servers", cluster.nodes.len()), 0, None);
        let said = read::servers(host, &cluster.nodes).await;
        let rows = cluster.nodes.iter().zip(&said);
        let servers: Vec<ServerView> =
            rows.map(|(node, (health, varz, jsz))| server_view(&node.name, &node.host, health, varz, jsz)).collect();
        let answering = servers.iter().filter(|server| server.reachable).count();
        let healthy = servers.iter().filter(|server| server.health_code == Some(200)).count();
        let summary = format!("{answering} of {} answer, {healthy} healthy", servers.len());
        common::plain(&Output { servers, answering: answering as u64, summary })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster }) = common::input(call) else { return Vec::new() };
        let mut commands = by_hand::endpoints(&cluster, "/healthz", "{\"status\":\"ok\"}");
        commands.extend(by_hand::endpoints(&cluster, "/varz", "server_name, version, uptime"));
        commands
    }
}
