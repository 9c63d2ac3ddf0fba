//! What actions show of servers, streams, consumers and the meta group; the same shapes in every action's output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::monitor::reach::Unreached;

pub(crate) use super::node::server_view;

/// One server, as its own endpoints tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerView {
    /// The configured name.
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) reachable: bool,
    /// Why not, when it did not answer.
    pub(crate) unreached: Option<Unreached>,
    /// HTTP code of plain `/healthz`.
    pub(crate) health_code: Option<u16>,
    pub(crate) health_error: Option<String>,
    /// The name the server gives itself.
    pub(crate) server_name: Option<String>,
    pub(crate) server_id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) uptime_seconds: Option<u64>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) mem_bytes: Option<u64>,
    pub(crate) connections: Option<u64>,
    /// Since the server started.
    pub(crate) slow_consumers: Option<u64>,
    pub(crate) jetstream: Option<bool>,
    /// Since the server started.
    pub(crate) api_errors: Option<u64>,
    pub(crate) storage_bytes: Option<u64>,
    /// The seed's `max_file_store`.
    pub(crate) max_storage_bytes: Option<u64>,
}

/// A Raft group and what its leader says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupView {
    /// Empty while there is none.
    pub(crate) leader: Option<String>,
    /// How many peers it is configured to have.
    pub(crate) configured: u64,
    pub(crate) replicas: Vec<ReplicaView>,
    /// Nothing was found about it.
    pub(crate) ok: bool,
    /// Where the leader's view came from.
    pub(crate) source: Source,
}

/// One member. The leader stands among them with what it says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplicaView {
    pub(crate) node: String,
    pub(crate) leader: bool,
    /// The leader's word.
    pub(crate) current: bool,
    pub(crate) offline: bool,
    /// Raft operations, not messages.
    pub(crate) lag: u64,
    /// Milliseconds since the leader last heard of it.
    pub(crate) active_ms: u64,
    /// Of a stream: the last sequence in this node's own store, as it says itself, read after the leader's.
    pub(crate) own_last_seq: Option<u64>,
    pub(crate) own_source: Option<Source>,
    pub(crate) state: ReplicaState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplicaState {
    Ok,
    /// Its own store has not reached what the leader had.
    Behind,
    /// It answers and holds nothing of it.
    Absent,
    /// The leader counts it as not current.
    NotCurrent,
    Lagging,
    Offline,
    /// The leader has not heard of it for ten seconds or ever.
    Silent,
    /// No configured node runs a server of that name.
    Ghost,
    /// Its own node could not be asked.
    Unknown,
}

/// Where a figure came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// A node's own endpoint on port 8222.
    #[default]
    Monitoring,
    /// `$JS.API`, with the credentials given.
    JetstreamApi,
    /// `$SYS`, with the credentials given.
    System,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamView {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) retention: String,
    /// May be 0 on an interest stream: what all consumers acknowledged is gone.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    /// The leader's, read before the replicas' own.
    pub(crate) last_seq: u64,
    pub(crate) last_seq_source: Source,
    pub(crate) group: GroupView,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumerView {
    pub(crate) account: String,
    pub(crate) stream: String,
    pub(crate) name: String,
    /// Messages it has not been given yet.
    pub(crate) pending: u64,
    pub(crate) ack_pending: u64,
    pub(crate) group: GroupView,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetaView {
    /// How many peers the group counts its majority over.
    pub(crate) cluster_size: Option<u64>,
    /// Which leader each answering node names.
    pub(crate) leaders_named: Vec<String>,
    /// Peers whose name no server of the configured nodes has.
    pub(crate) ghosts: Vec<String>,
    pub(crate) group: GroupView,
}
