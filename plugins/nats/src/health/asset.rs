//! Streams and consumers gathered over nodes and rounds, and the one view that counts: the leader's own.

use std::collections::{BTreeMap, BTreeSet};

use super::sample::Sample;
use super::view::Source;
use crate::monitor::model::{Account, Consumer, Group, Stream, StreamConfig, StreamState};
use crate::monitor::read::Round;

/// What an asset is called, over all accounts. A stream sorts before its consumers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) account_id: String,
    pub(crate) account: String,
    pub(crate) stream: String,
    pub(crate) consumer: Option<String>,
}

/// One asset as one node saw it in one round.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The name the node's server gives itself.
    pub(crate) server: String,
    pub(crate) group: Group,
    /// Configured count of peers.
    pub(crate) want: u64,
    pub(crate) created: String,
    /// Of a consumer: its stream's.
    pub(crate) config: StreamConfig,
    pub(crate) state: StreamState,
    /// Grows while anything happens: a stream's last sequence, a consumer's deliveries and acknowledgements.
    pub(crate) position: u64,
    pub(crate) pending: u64,
    pub(crate) ack_pending: u64,
    /// What only a consumer has.
    pub(crate) consumer: Option<ConsumerOwn>,
    pub(crate) source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerOwn {
    /// It stays when its clients go.
    pub(crate) durable: bool,
    /// How far it came, in sequences of its stream.
    pub(crate) delivered: u64,
    pub(crate) ack_floor: u64,
}

/// One asset in every round: what each node that holds it said.
#[derive(Clone)]
pub(crate) struct Asset {
    pub(crate) key: Key,
    pub(crate) rounds: Vec<Vec<View>>,
}

/// Who leads a group, as far as it can be told.
pub(crate) enum Leadership<'a> {
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
pub(crate) fn gather(sample: &Sample) -> Vec<Asset> {
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
    pub(crate) fn last(&self) -> &[View] {
        self.rounds.last().map_or(&[], Vec::as_slice)
    }

    /// What the leader itself said in a round, when exactly one claimed to be it.
    pub(crate) fn leader_in(&self, round: usize) -> Option<&View> {
        let mut claims = self.rounds.get(round)?.iter().filter(|view| view.leads());
        claims.next().filter(|_| claims.next().is_none())
    }

    /// A consumer of one replica that nobody keeps: it goes with its client, which makes it anew.
    pub(crate) fn is_passing(&self) -> bool {
        let passing = |view: &View| view.want == 1 && view.consumer.is_some_and(|own| !own.durable);
        !self.last().is_empty() && self.last().iter().all(passing)
    }

    /// Who leads now.
    pub(crate) fn leadership(&self, sample: &Sample) -> Leadership<'_> {
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
    pub(crate) fn moved(&self) -> u64 {
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
    pub(crate) fn leads(&self) -> bool {
        self.group.leader == self.server
    }
}

impl Key {
    /// Whether it is the stream, or one of the consumers of it.
    pub(crate) fn is_of(&self, stream: &Self) -> bool {
        self.account_id == stream.account_id && self.stream == stream.stream
    }

    /// `account/stream` or `account/stream/consumer`.
    pub(crate) fn path(&self) -> String {
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
        config,
        state: stream.state.clone(),
        position: stream.state.last_seq,
        pending: 0,
        ack_pending: 0,
        consumer: None,
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
        consumer: Some(ConsumerOwn {
            durable: own.durable_name.as_deref().is_some_and(|name| !name.is_empty()),
            delivered: consumer.delivered.stream_seq,
            ack_floor: consumer.ack_floor.stream_seq,
        }),
        source: consumer.source,
        ..stream.clone()
    }
}

fn group_or_alone(group: Option<&Group>, server: &str) -> Group {
    group.cloned().unwrap_or_else(|| Group { leader: server.to_owned(), ..Group::default() })
}
