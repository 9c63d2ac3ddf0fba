//! What the actions around a replacement take and how they begin: a cluster, a node of it, and perhaps credentials.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{ActionSpec, ByHand, Host, Permission, Problem};

use super::common;
use crate::by_hand::{self, Nats};
use crate::link::creds::{CredsInput, UserCreds};
use crate::link::wire::Wire;
use crate::look::Looking;

/// For the gates that look at the cluster without one node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Without {
    pub(super) cluster: Cluster,
    /// The node that is to go. It may be in any state.
    pub(super) without: Node,
    /// With these the cluster is asked over NATS too, and must agree with its nodes' endpoints.
    #[serde(default)]
    pub(super) creds: Option<CredsInput>,
}

/// The place of a node in its cluster.
pub(super) fn place(cluster: &Cluster, node: &Node, pointer: &str) -> Result<usize, Problem> {
    common::some_nodes(cluster)?;
    cluster.nodes.iter().position(|known| known.name == node.name).ok_or_else(|| {
        let message =
            format!("{} is no node of cluster {}: both come whole from the inventory", node.name, cluster.name);
        Problem::bad_input(pointer, message)
    })
}

pub(super) fn reveal(host: &dyn Host, creds: Option<&CredsInput>, pointer: &str) -> Result<Option<UserCreds>, Problem> {
    creds.map(|creds| creds.reveal(host, pointer)).transpose()
}

/// The first look of a gate.
pub(super) async fn looking<'a>(
    host: &'a dyn Host,
    wire: &dyn Wire,
    input: &'a Without,
) -> Result<Looking<'a>, Problem> {
    let target = place(&input.cluster, &input.without, "/without")?;
    let creds = reveal(host, input.creds.as_ref(), "/creds")?;
    common::progress(host, format!("asking {} nodes twice", input.cluster.nodes.len()), 0, None);
    Ok(Looking::begin(host, wire, &input.cluster, creds.as_ref(), Some(target)).await)
}

/// The nodes' health and Raft view, and with credentials what the `nats` command asks.
pub(super) fn by_hand(cluster: &Cluster, creds: Option<&CredsInput>, look_for: &str) -> Vec<ByHand> {
    let mut commands = by_hand::endpoints(cluster, "/healthz", "{\"status\":\"ok\"} of every node that stays");
    commands.extend(by_hand::endpoints(cluster, "/varz", "server_name is the node's own; no server_id comes twice"));
    commands.extend(by_hand::raft(cluster, look_for));
    let nats = creds.and_then(|creds| Nats::new(&by_hand::urls_of(cluster), creds));
    commands.extend(nats.into_iter().flat_map(|nats| {
        nats.commands(&[
            (&["stream", "report"], "each stream and its replicas, none of them outdated or offline"),
            (&["server", "report", "jetstream"], look_for),
        ])
    }));
    commands
}

/// The gates only read, with or without credentials.
pub(super) fn with_permissions(spec: ActionSpec) -> ActionSpec {
    let permissions: Vec<Permission> = [
        "$SYS.REQ.SERVER.PING.JSZ",
        "$SYS.REQ.USER.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.CONSUMER.LIST.*",
    ]
    .map(|subject| common::needs(subject, "{cluster.name}"))
    .into();
    ActionSpec { permissions, ..spec }
}

/// As the examples take them.
pub(super) fn example_creds() -> serde_json::Value {
    let leaf = |key: &str| serde_json::json!({ "$secret": format!("steps.params#/secrets/{key}") });
    serde_json::json!({ "jwt": leaf("jwt"), "seed": leaf("seed") })
}

/// A node of the example's cluster, counted from 0.
pub(super) fn example_node(at: usize) -> serde_json::Value {
    common::example_cluster().pointer(&format!("/nodes/{at}")).cloned().unwrap_or_default()
}
