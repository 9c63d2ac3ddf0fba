//! Clusters and nodes as actions get them: the inventory's entry with every default filled in.
//!
//! A runbook passes `{{ inputs.cluster }}` or `{{ inputs.node }}` on whole; no action rebuilds a name by hand. In a
//! schema these types are marked `x-inventory`: there the checker refuses an object written out in the runbook.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One cluster. Everything here is inventory or a marked default; nothing was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-inventory" = "cluster"))]
pub struct Cluster {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// In the order of their numbers. Their count is the size the cluster is configured to have.
    pub nodes: Vec<Node>,
    pub aws: Option<Aws>,
    /// Path in the parameter store under which this cluster's parameters stand, without a slash at the end.
    pub ssm_prefix: String,
    /// Streams that must exist.
    pub streams: Vec<String>,
    pub services: BTreeMap<String, Service>,
    pub creds: Creds,
    /// Null only where an older Sluice wrote the inputs.
    #[serde(default)]
    pub logs: Option<Logs>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-inventory" = "node"))]
pub struct Node {
    /// Counts from 1.
    pub number: u32,
    /// The node's name and its server_name: `nats-staging-node-1`.
    pub name: String,
    /// The name of its cluster.
    pub cluster: String,
    /// DNS name or address.
    pub host: String,
    /// Its Auto Scaling group.
    pub group: String,
    pub ports: Ports,
    /// Where its group lives: the cluster's own.
    pub aws: Option<Aws>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    pub client: u16,
    pub cluster: u16,
    pub monitor: u16,
}

/// Where a cluster's AWS things live. Never taken from the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-inventory" = "aws"))]
pub struct Aws {
    /// Twelve digits. When it is there, every client checks that it talks to this account before anything else.
    pub account: Option<String>,
    pub region: String,
    pub profile: Option<String>,
    pub act_role: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Parameters of this service: `nats_host`, `nats_admin_jwt`, `nats_admin_nkey_seed` under this path.
    pub ssm_path: String,
    pub publishes: Vec<String>,
    pub consumes: Vec<String>,
}

/// Names of the parameters that hold credentials; never the credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Creds {
    pub admin: CredsAt,
    /// A user of the system account, where there is one.
    pub system: Option<CredsAt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredsAt {
    /// Parameter that holds the user JWT.
    pub jwt: String,
    /// Parameter that holds the NKey seed.
    pub seed: String,
}

/// Where the nodes' log lines are, and how those of one node are told from the others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    pub cloudwatch: CloudWatchLogs,
    pub axiom: AxiomLogs,
}

/// The lines of a node's start, for the time before its other logs flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudWatchLogs {
    /// The log group.
    pub group: String,
    /// By the node's name: how the names of its log streams begin.
    pub stream_prefixes: BTreeMap<String, String>,
    pub bootstrap: Bootstrap,
}

/// The line of a node's start that says how it went. Having the line is not enough: what it says must be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Text of the line, in this writing.
    #[serde(rename = "match")]
    pub phrase: String,
    /// Whole words, in any writing; each says that it went well.
    pub ok: Vec<String>,
    /// Whole words, in any writing; each says that it did not, whatever else the line says.
    pub failed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AxiomLogs {
    /// Where queries go, without a path.
    pub url: String,
    pub dataset: String,
    /// The field that says which node an event is of.
    pub node_field: String,
    /// By the node's name: what stands in `node_field`.
    #[serde(rename = "match")]
    pub node_values: BTreeMap<String, String>,
    /// The field that says which instance an event is of.
    pub instance_field: String,
    /// The field with the time of the event.
    pub time_field: String,
}

impl Node {
    /// `http://host:8222`, without a slash at the end.
    pub fn monitor_url(&self) -> String {
        format!("http://{}:{}", self.host_in_url(), self.ports.monitor)
    }

    /// `nats://host:4222`.
    pub fn client_url(&self) -> String {
        format!("nats://{}:{}", self.host_in_url(), self.ports.client)
    }

    /// An IPv6 address stands in brackets there.
    fn host_in_url(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}
