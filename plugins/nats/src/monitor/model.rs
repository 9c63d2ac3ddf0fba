//! What `/healthz`, `/varz`, `/jsz` and `/connz` answer, as far as Sluice reads it; the JetStream API uses the same parts.
//!
//! Tolerant on purpose: the server omits `lag`, `offline` and `pending` when they are 0 or false, older servers lack
//! fields, and `jwt` is never read so that it can never be shown.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::number;
use crate::health::view::Source;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct HealthBody {
    pub(crate) error: Option<String>,
}

/// `/healthz` with the HTTP code, which the body does not repeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Health {
    pub(crate) code: u16,
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Varz {
    pub(crate) server_id: String,
    pub(crate) server_name: String,
    pub(crate) version: String,
    pub(crate) start: String,
    /// The server's own clock when it answered.
    pub(crate) now: String,
    pub(crate) uptime: String,
    #[serde(deserialize_with = "number::count")]
    pub(crate) mem: u64,
    pub(crate) cpu: f64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) connections: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) slow_consumers: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Jsz {
    /// JetStream is switched off on this server.
    pub(crate) disabled: bool,
    pub(crate) server_id: String,
    #[serde(deserialize_with = "number::count")]
    pub(crate) memory: u64,
    /// Bytes this node stores; every replica counts.
    #[serde(deserialize_with = "number::count")]
    pub(crate) storage: u64,
    pub(crate) api: Api,
    pub(crate) config: JszConfig,
    pub(crate) meta_cluster: Option<Group>,
    #[serde(deserialize_with = "number::list")]
    pub(crate) account_details: Vec<Account>,
    /// It holds some of the server's streams only, so nothing follows from one that is not in it.
    #[serde(skip)]
    pub(crate) partial: bool,
    #[serde(skip)]
    pub(crate) source: Source,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Api {
    #[serde(deserialize_with = "number::count")]
    pub(crate) total: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) errors: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct JszConfig {
    #[serde(deserialize_with = "number::count")]
    pub(crate) max_memory: u64,
    /// The seed calls it `max_file_store`, which is the name in the server's configuration file.
    #[serde(deserialize_with = "number::count")]
    pub(crate) max_storage: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) id: String,
    #[serde(deserialize_with = "number::list")]
    pub(crate) stream_detail: Vec<Stream>,
}

/// A stream as one server sees it. `/jsz` and `STREAM.INFO` share this shape but for the place of the name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) cluster: Option<Group>,
    pub(crate) config: Option<StreamConfig>,
    pub(crate) state: StreamState,
    #[serde(deserialize_with = "number::list")]
    pub(crate) consumer_detail: Vec<Consumer>,
    /// Nothing is known of the stream itself here, only of consumers.
    #[serde(skip)]
    pub(crate) only_consumers: bool,
    #[serde(skip)]
    pub(crate) source: Source,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) retention: String,
    #[serde(deserialize_with = "number::list")]
    pub(crate) subjects: Vec<String>,
    #[serde(deserialize_with = "number::count")]
    pub(crate) num_replicas: u64,
    /// Everything else, as it is told.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct StreamState {
    #[serde(deserialize_with = "number::count")]
    pub(crate) messages: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) bytes: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) first_seq: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) last_seq: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) config: Option<ConsumerConfig>,
    pub(crate) cluster: Option<Group>,
    pub(crate) delivered: Position,
    pub(crate) ack_floor: Position,
    #[serde(deserialize_with = "number::count")]
    pub(crate) num_pending: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) num_ack_pending: u64,
    #[serde(skip)]
    pub(crate) source: Source,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ConsumerConfig {
    pub(crate) durable_name: Option<String>,
    #[serde(deserialize_with = "number::count")]
    pub(crate) num_replicas: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Position {
    #[serde(deserialize_with = "number::count")]
    pub(crate) consumer_seq: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) stream_seq: u64,
}

/// A Raft group as one of its members sees it. Only the leader's view of the others is news.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    /// Empty while there is none.
    pub(crate) leader: String,
    /// The others; and the member itself too while there is no leader.
    #[serde(deserialize_with = "number::list")]
    pub(crate) replicas: Vec<Peer>,
    /// The meta group only: how many peers the group counts its majority over.
    #[serde(deserialize_with = "number::maybe")]
    pub(crate) cluster_size: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Made from its name, and known also while its name is not.
    pub(crate) peer: String,
    pub(crate) current: bool,
    pub(crate) offline: bool,
    /// Nanoseconds since it was last heard of; 0 means never.
    #[serde(deserialize_with = "number::count")]
    pub(crate) active: u64,
    /// Raft operations, not messages.
    #[serde(deserialize_with = "number::count")]
    pub(crate) lag: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Connz {
    /// Over all pages. `num_connections` counts one page only and is not read.
    #[serde(deserialize_with = "number::count")]
    pub(crate) total: u64,
    #[serde(deserialize_with = "number::list")]
    pub(crate) connections: Vec<Connection>,
}

/// The servers that one server has routes to; several entries may be of one server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Routez {
    #[serde(deserialize_with = "number::list")]
    pub(crate) routes: Vec<Route>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Route {
    pub(crate) remote_id: String,
    /// Older servers do not say it.
    pub(crate) remote_name: String,
}

/// One client. The endpoint also shows its `jwt`, which has no field here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Connection {
    #[serde(deserialize_with = "number::count")]
    pub(crate) cid: u64,
    pub(crate) ip: String,
    pub(crate) name: String,
    pub(crate) lang: String,
    pub(crate) version: String,
    pub(crate) uptime: String,
    pub(crate) idle: String,
    pub(crate) account: String,
    pub(crate) name_tag: String,
    pub(crate) authorized_user: String,
    #[serde(deserialize_with = "number::count")]
    pub(crate) subscriptions: u64,
    #[serde(deserialize_with = "number::count")]
    pub(crate) pending_bytes: u64,
}

impl StreamConfig {
    /// The configured count of peers of a stream; a server that does not say means 1.
    pub(crate) fn replicas(&self) -> u64 {
        self.num_replicas.max(1)
    }
}

impl ConsumerConfig {
    /// The server's own rule: 0 is the stream's count, but 1 for an ephemeral consumer of a limits stream.
    pub(crate) fn replicas(&self, stream: &StreamConfig) -> u64 {
        let own = self.num_replicas;
        if own != 0 && own <= stream.replicas() {
            return own;
        }
        let ephemeral = self.durable_name.as_deref().unwrap_or_default().is_empty();
        if own == 0 && ephemeral && stream.retention == "limits" { 1 } else { stream.replicas() }
    }
}
