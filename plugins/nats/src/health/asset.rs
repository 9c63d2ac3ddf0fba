//! Streams and consumers gathered over nodes and rounds, and the one view that counts: the leader's own.

use std::collections::{BTreeMap, BTreeSet};

use super::sample::Sample;
use super::view::Source;
use crate::monitor::model::{Account, Consumer, Group, Stream, StreamConfig, StreamState};
use crate::monitor::read::Round;

/// What an asset is called, over all accounts. A stream sorts before its consumers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) account_id: String,
    pub(super) account: String,
    pub(super) stream: String,
    pub(super) consumer: Option<String>,
}

/// One asset as one node saw it in one round.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The name the node's server gives itself.
    pub(super) server: String,
    pub(super) group: Group,
    /// Configured count of peers.
    pub(super) want: u64,
    pub(super) created: String,
    pub(super) retention: String,
    pub(super) state: StreamState,
    /// Grows while anything happens: a stream's last sequence, a consumer's deliveries and acknowledgements.
    pub(super) position: u64,
    pub(super) pending: u64,
    pub(super) ack_pending: u64,
    pub(super) source: Source,
}

/// One asset in every round: what each node that holds it said.
pub(super) struct Asset {
    pub(super) key: Key,
    pub(super) rounds: Vec<Vec<View>>,
}

/// Who leads a group, as far as it can be told.
pub(super) enum Leadership<'a> {
    /// A node says so of itself.
    Known(&'a View),
    /// More than one node says so of itself.
    Several(Vec<String>),
    /// The others name it; it does not answer.
    Silent(String),
    /// The others name one that does not say so of itself: it is changing.
    Moving(String),
    None,
}

/// Everything that exists in the last round, with what was said of it in the rounds before.
pub(super) fn gather(sample: &Sample) -> Vec<Asset> {
    let rounds: Vec<_> = sample.rounds.iter().map(|round| views(sample, round)).collect();
    let keys: BTreeSet<&Key> = rounds.last().into_iter().flat_map(BTreeMap::keys).collect();
    keys.into_iter()
        .map(|key| Asset {
            key: key.clone(),
            rounds: rounds.iter().map(|round| round.get(key).cloned().unwrap_or_default()).collect(),
        })
        .collect()
}

impl Asset {
    pub(super) fn last(&self) -> &[View] {
        self.rounds.last().map_or(&[], Vec::as_slice)
    }

    /// What the leader itself said in a round, when exactly one claimed to be it.
    pub(super) fn leader_in(&self, round: usize) -> Option<&View> {
        let mut claims = self.rounds.get(round)?.iter().filter(|view| view.leads());
        claims.next().filter(|_| claims.next().is_none())
    }

    /// Who leads now.
    pub(super) fn leadership(&self, sample: &Sample) -> Leadership<'_> {
        let claims: Vec<&View> = self.last().iter().filter(|view| view.leads()).collect();
        match claims.as_slice() {
            [] => self.named_leader(sample),
            [one] => Leadership::Known(one),
            more => Leadership::Several(more.iter().map(|view| view.server.clone()).collect()),
        }
    }

    fn named_leader(&self, sample: &Sample) -> Leadership<'_> {
        let Some(named) = self.last().iter().map(|view| &view.group.leader).find(|leader| !leader.is_empty()) else {
            return Leadership::None;
        };
        let node = sample.node_named(named).and_then(|node| sample.read(node));
        if node.is_some_and(|read| read.jsz.is_ok()) {
            Leadership::Moving(named.clone())
        } else {
            Leadership::Silent(named.clone())
        }
    }

    /// How far the leader's position moved from the round before the last to the last: what the traffic is. Zero for an
    /// asset that was made anew in between.
    pub(super) fn moved(&self) -> u64 {
        let mut words = (0..self.rounds.len()).rev().filter_map(|round| self.leader_in(round));
        match (words.next(), words.next()) {
            (Some(last), Some(before)) if last.created == before.created => {
                last.position.saturating_sub(before.position)
            }
            _ => 0,
        }
    }
}

impl View {
    /// A server outside any cluster has no group and leads what it holds.
    fn leads(&self) -> bool {
        self.group.leader == self.server
    }
}

impl Key {
    /// `account/stream` or `account/stream/consumer`.
    pub(super) fn path(&self) -> String {
        match &self.consumer {
            None => format!("{}/{}", self.account, self.stream),
            Some(consumer) => format!("{}/{}/{consumer}", self.account, self.stream),
        }
    }
}

fn views(sample: &Sample, round: &Round) -> BTreeMap<Key, Vec<View>> {
    let mut all: BTreeMap<Key, Vec<View>> = BTreeMap::new();
    for (node, read) in round.reads.iter().enumerate() {
        let Ok(jsz) = &read.jsz else { continue };
        let server = sample.server_name(round, node);
        for account in &jsz.account_details {
            for stream in &account.stream_detail {
                let base = stream_view(&server, stream);
                for consumer in &stream.consumer_detail {
                    let view = consumer_view(&base, consumer, stream.config.as_ref());
                    all.entry(key(account, stream, Some(consumer))).or_default().push(view);
                }
                if !stream.only_consumers {
                    all.entry(key(account, stream, None)).or_default().push(base);
                }
            }
        }
    }
    all
}

fn key(account: &Account, stream: &Stream, consumer: Option<&Consumer>) -> Key {
    Key {
        account_id: account.id.clone(),
        account: if account.name.is_empty() { account.id.clone() } else { account.name.clone() },
        stream: stream.name.clone(),
        consumer: consumer.map(|consumer| consumer.name.clone()),
    }
}

fn stream_view(server: &str, stream: &Stream) -> View {
    let config = stream.config.clone().unwrap_or_default();
    View {
        server: server.to_owned(),
        group: group_or_alone(stream.cluster.as_ref(), server),
        want: config.replicas(),
        created: stream.created.clone(),
        retention: config.retention,
        state: stream.state.clone(),
        position: stream.state.last_seq,
        pending: 0,
        ack_pending: 0,
        source: stream.source,
    }
}

fn consumer_view(stream: &View, consumer: &Consumer, config: Option<&StreamConfig>) -> View {
    let stream_config = config.cloned().unwrap_or_default();
    let own = consumer.config.clone().unwrap_or_default();
    View {
        group: group_or_alone(consumer.cluster.as_ref(), &stream.server),
        want: own.replicas(&stream_config),
        created: consumer.created.clone(),
        position: consumer.delivered.consumer_seq.saturating_add(consumer.ack_floor.consumer_seq),
        pending: consumer.num_pending,
        ack_pending: consumer.num_ack_pending,
        source: consumer.source,
        ..stream.clone()
    }
}

fn group_or_alone(group: Option<&Group>, server: &str) -> Group {
    group.cloned().unwrap_or_else(|| Group { leader: server.to_owned(), ..Group::default() })
}
