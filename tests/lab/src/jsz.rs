//! What a nats-server says of its own JetStream on its monitoring port, as far as the lab judges by it.
//! It reads; verdicts are the referee's.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Context, Result};
use crate::http;

/// One server's `/jsz`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Jsz {
    /// The meta group as this server sees it; only its leader's view is news.
    pub(crate) meta_cluster: Option<Meta>,
    /// Accounts with JetStream.
    pub(crate) account_details: Vec<Account>,
}

/// The meta group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    /// Server name of the leader, empty when there is none.
    pub(crate) leader: String,
    /// Number of configured peers, ghosts included.
    pub(crate) cluster_size: usize,
    /// The other peers.
    pub(crate) replicas: Vec<Replica>,
}

/// An account's part of this server's store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    /// The account's name.
    pub(crate) name: String,
    /// The streams this server has a replica of.
    pub(crate) stream_detail: Vec<Stream>,
}

/// A stream in this server's own store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    /// Stream name.
    pub(crate) name: String,
    /// Its Raft group; `None` for one replica.
    pub(crate) cluster: Option<Group>,
    /// What this very server has stored.
    pub(crate) state: State,
    /// Its consumers.
    pub(crate) consumer_detail: Vec<Consumer>,
}

/// A consumer on this server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Consumer {
    /// Durable name.
    pub(crate) name: String,
    /// Its Raft group.
    pub(crate) cluster: Option<Group>,
    /// Messages not delivered yet (true of the leader only).
    pub(crate) num_pending: u64,
    /// Delivered and not acknowledged (true of the leader only).
    pub(crate) num_ack_pending: u64,
}

/// A Raft group of a stream or consumer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    /// Server name of the leader, empty when there is none.
    pub(crate) leader: String,
    /// The peers other than the answering server.
    pub(crate) replicas: Vec<Replica>,
}

impl Group {
    /// Whether the answering server leads: `replicas` are the others, so a leader not among them is itself.
    pub(crate) fn led_here(&self) -> bool {
        !self.leader.is_empty() && self.replicas.iter().all(|replica| replica.name != self.leader)
    }
}

/// A peer in a group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Replica {
    /// Server name.
    pub(crate) name: String,
}

/// Counts of a store.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Messages held.
    pub(crate) messages: u64,
    /// First sequence held.
    pub(crate) first_seq: u64,
    /// Last sequence stored.
    pub(crate) last_seq: u64,
}

impl Jsz {
    /// A stream of this server's store.
    pub(crate) fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams().find(|stream| stream.name == name)
    }

    /// All streams of all accounts in this server's store.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.account_details.iter().flat_map(|account| &account.stream_detail)
    }

    /// The meta leader's name, if this server knows one.
    pub(crate) fn meta_leader(&self) -> Option<&str> {
        self.meta_cluster.as_ref().map(|meta| meta.leader.as_str()).filter(|name| !name.is_empty())
    }
}

/// Where the monitoring port of each node is; `None` where another answers in its place.
pub(crate) type Monitors = [Option<SocketAddr>; 3];

/// What a node answers within a second.
pub(crate) async fn of_node(monitor: Option<SocketAddr>) -> Result<Jsz> {
    let path = "/jsz?accounts=1&streams=1&consumers=1";
    let answer = http::get(there(monitor)?, path, Duration::from_secs(1)).await?;
    serde_json::from_str(&answer.body).context("/jsz")
}

/// All nodes, asked at once; an error stands for the node that did not answer.
pub(crate) async fn of_all(monitors: &Monitors) -> [Result<Jsz>; 3] {
    let [a, b, c] = *monitors;
    let (a, b, c) = tokio::join!(of_node(a), of_node(b), of_node(c));
    [a, b, c]
}

/// HTTP status and error text of `/healthz`.
pub(crate) async fn healthz(monitor: Option<SocketAddr>) -> Result<(u16, String)> {
    let answer = http::get(there(monitor)?, "/healthz", Duration::from_secs(1)).await?;
    let said = serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_default();
    Ok((answer.status, said.get("error").and_then(|e| e.as_str()).unwrap_or_default().to_owned()))
}

fn there(monitor: Option<SocketAddr>) -> Result<SocketAddr> {
    monitor.context("its server is dead, and another answers on its port")
}
