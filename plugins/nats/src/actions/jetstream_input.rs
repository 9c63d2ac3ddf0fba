//! What the actions that read streams, consumers and the meta group take, and how they all begin.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{ActionSpec, ByHand, Call, Host, Permission, Problem};

use super::common;
use crate::by_hand::{self, Nats};
use crate::link::creds::CredsInput;
use crate::link::wire::Wire;
use crate::overview::{self, Overview};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) cluster: Cluster,
    /// With these the cluster is asked over NATS first; without, or without rights, its nodes' endpoints are read.
    #[serde(default)]
    pub(super) creds: Option<CredsInput>,
}

pub(super) async fn overview(wire: &dyn Wire, host: &dyn Host, call: &Call) -> Result<Overview, Problem> {
    let Input { cluster, creds } = common::input(call)?;
    common::some_nodes(&cluster)?;
    let creds = creds.map(|creds| creds.reveal(host, "/creds")).transpose()?;
    common::progress(host, format!("asking {} nodes twice", cluster.nodes.len()), 0, None);
    Ok(overview::read(host, wire, &cluster, creds.as_ref()).await)
}

/// The nodes' endpoints, and with credentials what the `nats` command asks with them.
pub(super) fn by_hand(call: &Call, look_for: &str) -> Vec<ByHand> {
    let Ok(Input { cluster, creds }) = common::input(call) else { return Vec::new() };
    let mut commands = by_hand::raft(&cluster, look_for);
    let nats = creds.and_then(|creds| Nats::new(&by_hand::urls_of(&cluster), &creds));
    commands.extend(nats.into_iter().flat_map(|nats| nats.commands(&[(&["server", "report", "jetstream"], look_for)])));
    commands
}

/// What the credentials, if any, should be allowed.
pub(super) fn with_permissions(spec: ActionSpec) -> ActionSpec {
    ActionSpec { permissions: permissions(), ..spec }
}

fn permissions() -> Vec<Permission> {
    [
        "$SYS.REQ.SERVER.PING.JSZ",
        "$SYS.REQ.USER.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.CONSUMER.LIST.*",
    ]
    .map(|subject| common::needs(subject, "{cluster.name}"))
    .into()
}
