//! What is judged: the configured cluster and what its nodes said in two or more rounds.

use crate::monitor::reach::Unreached;
use crate::monitor::read::{NodeRead, Round};

/// Rounds are in the order of time; there is at least one. In every round the nodes are in the configured order.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) cluster: String,
    pub(crate) nodes: Vec<Configured>,
    /// Streams that must exist.
    pub(crate) streams: Vec<String>,
    pub(crate) rounds: Vec<Round>,
    /// What the JetStream API said last, or why it said nothing; `None` when it was not to be asked.
    pub(crate) api: Option<Result<Vec<ApiStream>, String>>,
    pub(crate) own: Own,
}

/// A node as the inventory says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) name: String,
    pub(crate) host: String,
}

/// One configured stream as the JetStream API tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiStream {
    pub(crate) name: String,
    pub(crate) said: ApiSaid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiSaid {
    /// `account` is empty when the server did not say which it is.
    Stream {
        account: String,
        leader: String,
        last_seq: u64,
    },
    Missing,
    Unanswered(String),
}

/// What our own looking did to the counters between the first round and the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) api_errors: u64,
    pub(crate) connections: u64,
}

impl Sample {
    pub(crate) fn last(&self) -> Option<&Round> {
        self.rounds.last()
    }

    /// What the node said last.
    pub(crate) fn read(&self, node: usize) -> Option<&NodeRead> {
        self.last()?.reads.get(node)
    }

    pub(crate) fn silent(&self, node: usize) -> Option<&Unreached> {
        self.read(node)?.silent()
    }

    /// Whether the node told of all its streams in this round.
    pub(crate) fn told_all(&self, round: usize, node: usize) -> bool {
        let read = self.rounds.get(round).and_then(|round| round.reads.get(node));
        read.is_some_and(|read| read.jsz.as_ref().is_ok_and(|jsz| !jsz.partial))
    }

    /// The name the server itself uses, or the configured one while it does not say.
    pub(crate) fn server_name(&self, round: &Round, node: usize) -> String {
        let configured = || self.nodes.get(node).map_or("", |node| node.name.as_str());
        said_name(round, node).unwrap_or_else(configured).to_owned()
    }

    /// The node whose server runs under this name. A configured name whose server calls itself something else now
    /// leads to no node: in the Raft groups it is a ghost.
    pub(crate) fn node_named(&self, name: &str) -> Option<usize> {
        let latest = |node| self.rounds.iter().rev().find_map(|round| said_name(round, node));
        let named = |(at, node): (usize, &Configured)| latest(at).unwrap_or(&node.name) == name;
        self.nodes.iter().enumerate().position(named)
    }

    /// The time between the first and the last round, in milliseconds.
    pub(crate) fn window(&self) -> u64 {
        match (self.rounds.first(), self.rounds.last()) {
            (Some(first), Some(last)) => last.at.saturating_sub(first.at),
            _ => 0,
        }
    }
}

fn said_name(round: &Round, node: usize) -> Option<&str> {
    let varz = round.reads.get(node)?.varz.as_ref().ok()?;
    Some(varz.server_name.as_str()).filter(|name| !name.is_empty())
}
