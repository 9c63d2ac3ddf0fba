//! What is really so, for whoever judges the judges: no plugin ever sees this.

use std::collections::BTreeMap;

use crate::state::State;
use crate::state::stream::{PARTS, Stream};

/// A cluster at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Names of servers that run and take part in their groups.
    pub servers: Vec<String>,
    pub meta_leader: Option<String>,
    /// Whom the meta group counts its majority over.
    pub meta_peers: Vec<String>,
    pub streams: Vec<StreamTruth>,
    /// Nodes whose group is doing something, or has not exactly one instance in service.
    pub moving: Vec<String>,
}

/// A stream as its stores are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTruth {
    pub name: String,
    pub leader: Option<String>,
    pub peers: Vec<String>,
    /// By server: the last sequence in its own store, whether it runs or not.
    pub stores: BTreeMap<String, u64>,
    /// The last sequence a publisher was ever told to be safe. What the leader lacks of it is lost.
    pub acknowledged: u64,
    /// The most of it that a leader has lacked so far, also where traffic has filled its place since.
    pub lost: u64,
}

/// An instance that AWS was asked to end, and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    pub instance: String,
    pub node: String,
    /// Why it was not safe at that moment, in truth.
    pub harm: Option<String>,
}

/// What one server would say now: the word that runs ahead of the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub server: String,
    /// `/healthz` says 200.
    pub healthy: bool,
    /// Of the streams it leads: whether it calls every replica current. `None` when it leads none.
    pub calls_all_current: Option<bool>,
}

impl Truth {
    pub(crate) fn of(state: &State) -> Self {
        let names = state.slots.iter().filter_map(|slot| slot.running()).map(|server| server.name.clone());
        Self {
            servers: names.filter(|name| state.takes_part(name)).collect(),
            meta_leader: state.meta.leader.clone().filter(|_| state.meta.works()),
            meta_peers: state.meta.peers.clone(),
            streams: state.streams.iter().map(StreamTruth::of).collect(),
            moving: state.groups.iter().filter(|group| group.moves()).map(|group| group.node.clone()).collect(),
        }
    }

    /// Why this server must not go now; nothing when it may. What is on its way to the others, up to `slack` messages of
    /// each stream, is no reason.
    pub fn needs(&self, server: &str, slack: u64) -> Option<String> {
        let short = |what: &str, peers: &[String]| {
            let left = peers.iter().filter(|peer| *peer != server && self.servers.contains(peer)).count();
            (left <= peers.len() / 2).then(|| format!("{what} has {left} of {} voters without {server}", peers.len()))
        };
        if let Some(moving) = self.moving.first() {
            return Some(format!("the group of {moving} is moving"));
        }
        if let Some(why) = short("the meta group", &self.meta_peers) {
            return Some(why);
        }
        self.streams.iter().find_map(|stream| {
            let lacks = |peer: &&String| *peer != server && stream.has(peer) + slack < stream.acknowledged;
            let lacking = || {
                let peer = stream.peers.iter().find(lacks)?;
                Some(format!("{peer} has {} of {} of {}", stream.has(peer), stream.acknowledged, stream.name))
            };
            short(&stream.name, &stream.peers).or_else(lacking)
        })
    }

    pub fn stream(&self, name: &str) -> Option<&StreamTruth> {
        self.streams.iter().find(|stream| stream.name == name)
    }
}

impl StreamTruth {
    fn of(stream: &Stream) -> Self {
        Self {
            name: stream.name.clone(),
            leader: stream.raft.leader.clone().filter(|_| stream.raft.works()),
            peers: stream.raft.peers.clone(),
            stores: stream.stores.iter().map(|(server, has)| (server.clone(), has / PARTS)).collect(),
            acknowledged: stream.acknowledged / PARTS,
            lost: stream.lost / PARTS,
        }
    }

    /// Acknowledged messages that are not there, or were not when somebody began to lead without them.
    pub fn missing(&self) -> u64 {
        let best = self.stores.values().copied().max().unwrap_or(0);
        self.lost.max(self.acknowledged.saturating_sub(best))
    }

    pub fn has(&self, server: &str) -> u64 {
        self.stores.get(server).copied().unwrap_or(0)
    }
}
