//! `nats.connections`: the clients of all nodes, by name and account. Never a JWT.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use crate::by_hand;
use crate::monitor::model;
use crate::monitor::reach::Unreached;
use crate::monitor::read;

pub(super) struct Connections;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// Over all nodes that answered. Zero over all of them means that no service is connected.
    total: u64,
    /// True when every node answered, so that the total is the truth.
    complete: bool,
    nodes: Vec<Node>,
    /// How many by account: its name where it has one, else its key.
    accounts: BTreeMap<String, u64>,
    connections: Vec<Connection>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    /// None when the node did not answer.
    connections: Option<u64>,
    unreached: Option<Unreached>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Connection {
    node: String,
    cid: u64,
    /// The name the client gives itself; often empty.
    name: String,
    account: String,
    /// The user's public key, where that is how it logged in.
    user: Option<String>,
    ip: String,
    lang: String,
    version: String,
    uptime: String,
    idle: String,
    subscriptions: u64,
    /// Bytes the client has not taken yet: a slow consumer in the making.
    pending_bytes: u64,
}

#[async_trait]
impl Action for Connections {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "cluster": common::example_cluster() });
        let example = common::example("two services", with, include_str!("../../examples/connections.json"));
        common::reads::<Input, Output>(
            "nats.connections",
            "List the clients of all nodes, by name and account",
            vec![example],
        )
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster } = common::input(call)?;
        common::some_nodes(&cluster)?;
        common::progress(host, format!("asking {} nodes for their clients", cluster.nodes.len()), 0, None);
        let said = join_all(cluster.nodes.iter().map(|node| read::connections(host, node))).await;
        let mut output =
            Output { total: 0, complete: true, nodes: Vec::new(), accounts: BTreeMap::new(), connections: Vec::new() };
        for (node, said) in cluster.nodes.iter().zip(said) {
            match said {
                Ok(connz) => output.add(&node.name, connz),
                Err(unreached) => output.miss(&node.name, unreached),
            }
        }
        common::plain(&output)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster }) = common::input(call) else { return Vec::new() };
        by_hand::endpoints(&cluster, "/connz?auth=1&limit=1024", "connections: name and account of each client")
    }
}

impl Output {
    fn add(&mut self, node: &str, connz: model::Connz) {
        self.total = self.total.saturating_add(connz.total);
        self.nodes.push(Node { name: node.to_owned(), connections: Some(connz.total), unreached: None });
        for connection in connz.connections {
            let connection = shown(node, connection);
            *self.accounts.entry(connection.account.clone()).or_default() += 1;
            self.connections.push(connection);
        }
    }

    fn miss(&mut self, node: &str, unreached: Unreached) {
        self.complete = false;
        self.nodes.push(Node { name: node.to_owned(), connections: None, unreached: Some(unreached) });
    }
}

fn shown(node: &str, connection: model::Connection) -> Connection {
    let account = if connection.name_tag.is_empty() { connection.account } else { connection.name_tag };
    Connection {
        node: node.to_owned(),
        cid: connection.cid,
        name: connection.name,
        account,
        user: Some(connection.authorized_user).filter(|user| is_user_key(user)),
        ip: connection.ip,
        lang: connection.lang,
        version: connection.version,
        uptime: connection.uptime,
        idle: connection.idle,
        subscriptions: connection.subscriptions,
        pending_bytes: connection.pending_bytes,
    }
}

/// Older servers put a token or a password's user there; only a public key is safe to show.
fn is_user_key(text: &str) -> bool {
    text.len() == 56
        && text.starts_with('U')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
}
