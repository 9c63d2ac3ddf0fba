//! Whether the other nodes hold the data of every stream and consumer, so that one node may go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lacks;
use crate::health::asset::{Asset, Leadership};
use crate::health::stream::{self, Row};
use crate::health::view::{ConsumerView, GroupView, Source, StreamView};
use crate::look::{Look, Seen};
use crate::reasons::{Reasons, many};

/// What `nats.replicas_current` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Current {
    /// By account and name. `own_last_seq` of a replica was read after the leader's `last_seq`.
    pub(crate) streams: Vec<StreamView>,
    pub(crate) consumers: Vec<ConsumerView>,
    /// Every configured node.
    pub(crate) nodes: Vec<Seen>,
    pub(crate) sources: Vec<Source>,
    pub(crate) source: String,
    /// Why it does not pass.
    pub(crate) reasons: Vec<String>,
    pub(crate) summary: String,
}

pub(crate) struct Judged {
    pub(crate) current: Current,
    pub(crate) reasons: Reasons,
}

pub(crate) fn judge(look: &Look) -> Judged {
    let mut reasons = Reasons::default();
    for node in look.others().filter(|node| !node.up) {
        reasons.fail_now(format!("{}: {}", node.name, node.state));
    }
    let (mut streams, mut consumers) = (Vec::new(), Vec::new());
    for asset in look.assets() {
        match stream::judge(&look.sample, &asset).row {
            Row::Stream(row) => {
                of_group(look, &asset, &row.group, Some(row.last_seq), &mut reasons);
                streams.push(row);
            }
            Row::Consumer(row) => {
                of_group(look, &asset, &row.group, None, &mut reasons);
                consumers.push(row);
            }
        }
    }
    reasons.of_sources(look);
    let mut current = Current {
        streams,
        consumers,
        nodes: look.nodes.clone(),
        sources: look.sources(),
        source: look.source(),
        reasons: reasons.texts(),
        summary: reasons.why(),
    };
    if current.reasons.is_empty() {
        current.summary = pass(look, &current);
    }
    Judged { current, reasons }
}

fn of_group(look: &Look, asset: &Asset, group: &GroupView, last_seq: Option<u64>, reasons: &mut Reasons) {
    let (path, target) = (asset.key.path(), look.target_name());
    let thing = if asset.key.consumer.is_some() { "consumer" } else { "stream" };
    if group.leader.is_none() {
        let why = leaderless(&asset.leadership(&look.sample));
        return reasons.unknown(format!("{thing} {path}: {why}, so nobody can say whether its replicas are current"));
    }
    let peers = group.replicas.len() as u64;
    if group.replicas.iter().all(|row| row.node == target) {
        if !asset.is_passing() {
            reasons.fail(format!("{thing} {path}: no other node than {target} holds it"));
        }
    } else if peers != group.configured {
        reasons.fail_now(format!("{thing} {path}: {peers} peers, and {} are configured", group.configured));
    }
    let others = group.replicas.iter().filter(|row| row.node != target);
    for what in others.filter_map(|row| lacks(look, row, last_seq)) {
        reasons.fail_now(format!("{thing} {path}: {what}"));
    }
}

fn leaderless(leadership: &Leadership<'_>) -> String {
    match leadership {
        Leadership::Several(names) => format!("{} both say that they lead it", names.join(" and ")),
        Leadership::Silent(name) => format!("{name} leads it and does not answer"),
        Leadership::Moving(name) => format!("{name} is named as its leader and does not say so itself"),
        Leadership::None | Leadership::Known(_) => "it has no leader".to_owned(),
    }
}

fn pass(look: &Look, current: &Current) -> String {
    let (streams, consumers) = (current.streams.len() as u64, current.consumers.len() as u64);
    if streams == 0 {
        return "there is no stream, so there is nothing to hold".to_owned();
    }
    let messages = current.streams.iter().map(|stream| stream.messages).fold(0, u64::saturating_add);
    format!(
        "the other nodes hold {} in {} and {}, also without {}",
        many(messages, "message"),
        many(streams, "stream"),
        many(consumers, "consumer"),
        look.target_name()
    )
}
