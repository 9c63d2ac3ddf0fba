//! What the data was before a node went, so that it can be known afterwards whether all of it is there again.
//!
//! A consumer's floors are what its group has agreed on, as the followers' stores show it; its leader alone may be a
//! moment ahead, and that moment may be lost with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Timestamp;

use super::digest;
use crate::health::asset::{Asset, ConsumerOwn, View};
use crate::health::view::Source;
use crate::look::Look;
use crate::reasons::many;

/// What `nats.baseline` returns and `nats.caught_up` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    pub(crate) cluster: String,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) nodes: Vec<NodeBefore>,
    pub(crate) streams: Vec<StreamBefore>,
    pub(crate) sources: Vec<Source>,
    pub(crate) source: String,
    /// What may be missing from it.
    pub(crate) notes: Vec<String>,
    pub(crate) summary: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeBefore {
    pub(crate) server_name: String,
    /// None when it was silent or not to be believed. A server that is started has a new one.
    pub(crate) server_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamBefore {
    pub(crate) account: String,
    pub(crate) account_id: String,
    pub(crate) name: String,
    pub(crate) created: String,
    /// Digest of its configuration, but for what servers write into it by themselves.
    pub(crate) config: String,
    /// As configured.
    pub(crate) replicas: u64,
    pub(crate) messages: u64,
    /// The lowest that any of them holds: what consumers acknowledged is deleted everywhere at its own time.
    pub(crate) first_seq: u64,
    /// The highest.
    pub(crate) last_seq: u64,
    /// Durable ones.
    pub(crate) consumers: Vec<ConsumerBefore>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumerBefore {
    pub(crate) name: String,
    pub(crate) created: String,
    /// In sequences of the stream.
    pub(crate) delivered: u64,
    pub(crate) ack_floor: u64,
}

pub(crate) fn of(look: &Look, at: Timestamp) -> Baseline {
    let assets = look.assets();
    let of_stream = |stream: &Asset| {
        let ours = |asset: &&Asset| asset.key.consumer.is_some() && asset.key.is_of(&stream.key);
        stream_before(stream, assets.iter().filter(ours).filter_map(consumer_before).collect())
    };
    let streams: Vec<StreamBefore> =
        assets.iter().filter(|asset| asset.key.consumer.is_none()).filter_map(of_stream).collect();
    let nodes = look.nodes.iter();
    let nodes = nodes.map(|node| NodeBefore { server_name: node.name.clone(), server_id: node.server_id.clone() });
    Baseline {
        cluster: look.sample.cluster.clone(),
        at: at.0,
        nodes: nodes.collect(),
        summary: summary(look, &streams),
        notes: notes(look, &streams),
        streams,
        sources: look.sources(),
        source: look.source(),
    }
}

/// The furthest that any of them has come.
fn stream_before(stream: &Asset, consumers: Vec<ConsumerBefore>) -> Option<StreamBefore> {
    let view = known(stream)?;
    let same = || stream.last().iter().filter(|other| other.created == view.created);
    // A store that has not begun yet holds no first one.
    let first = same().filter(|view| view.state.last_seq > 0).map(|view| view.state.first_seq).min();
    Some(StreamBefore {
        account: stream.key.account.clone(),
        account_id: stream.key.account_id.clone(),
        name: stream.key.stream.clone(),
        created: view.created.clone(),
        config: digest::of(&view.config),
        replicas: view.want,
        messages: view.state.messages,
        first_seq: first.unwrap_or(view.state.first_seq),
        last_seq: same().map(|view| view.state.last_seq).max().unwrap_or(0),
        consumers,
    })
}

fn consumer_before(consumer: &Asset) -> Option<ConsumerBefore> {
    let view = known(consumer)?;
    if !view.consumer?.durable {
        return None;
    }
    let same = || consumer.last().iter().filter(|other| other.created == view.created);
    let agreed = |of: fn(&ConsumerOwn) -> u64| {
        let followers = same().filter(|view| !view.leads()).filter_map(|view| Some(of(view.consumer.as_ref()?)));
        followers.max().or_else(|| view.consumer.as_ref().map(of)).unwrap_or(0)
    };
    Some(ConsumerBefore {
        name: consumer.key.consumer.clone()?,
        created: view.created.clone(),
        delivered: agreed(|own| own.delivered),
        ack_floor: agreed(|own| own.ack_floor),
    })
}

/// The leader's word, or that of whoever has the most.
pub(super) fn known(asset: &Asset) -> Option<&View> {
    let last = asset.rounds.len().saturating_sub(1);
    asset.leader_in(last).or_else(|| asset.last().iter().max_by_key(|view| (view.state.last_seq, view.position)))
}

/// What the configuration of this stream is now.
pub(super) fn config_of(view: &View) -> String {
    digest::of(&view.config)
}

fn notes(look: &Look, streams: &[StreamBefore]) -> Vec<String> {
    let down = look.nodes.iter().filter(|node| node.server_id.is_none());
    let down = down.map(|node| format!("what {} alone holds is not in it: {}", node.name, node.state));
    let missing = look.sample.streams.iter().filter(|name| !streams.iter().any(|stream| stream.name == **name));
    let missing = missing.map(|name| format!("stream {name}, which the inventory has, was not seen"));
    down.chain(missing).collect()
}

fn summary(look: &Look, streams: &[StreamBefore]) -> String {
    let messages = streams.iter().map(|stream| stream.messages).fold(0, u64::saturating_add);
    let consumers = streams.iter().map(|stream| stream.consumers.len() as u64).fold(0, u64::saturating_add);
    format!(
        "{}: {} with {}, {}",
        look.sample.cluster,
        many(streams.len() as u64, "stream"),
        many(messages, "message"),
        many(consumers, "durable consumer")
    )
}
