//! Whether every Raft group keeps a majority of its configured peers without one node: pure, over a look.
//!
//! Only the other nodes are asked to be well. What cannot be seen counts as down; what cannot be told now is no pass.

mod raft;
mod words;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::health::asset;
use crate::health::quorum::{Votes, voters};
use crate::health::view::Source;
use crate::look::{Look, Second, Seen};
use crate::reasons::Reasons;

use raft::{Counted, Raft};

/// What `nats.quorum` returns. The three figures are of the group that is nearest to losing its majority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quorum {
    /// Configured peers.
    pub(crate) voters: u64,
    /// Without the node that is to go.
    pub(crate) voters_left: u64,
    pub(crate) majority: u64,
    /// With it, as things are now.
    pub(crate) voters_now: u64,
    /// Which group the figures are of.
    pub(crate) group: String,
    /// Raft groups looked at: the meta group, streams, consumers.
    pub(crate) groups: u64,
    /// Groups that would have no majority.
    pub(crate) without_majority: Vec<String>,
    pub(crate) target: Target,
    pub(crate) target_up: bool,
    /// Every configured node.
    pub(crate) nodes: Vec<Seen>,
    /// Consumers that only live as long as their clients, and stand on that node alone.
    pub(crate) passing: Vec<String>,
    pub(crate) sources: Vec<Source>,
    /// Where all this comes from, for a person.
    pub(crate) source: String,
    /// Why it does not pass.
    pub(crate) reasons: Vec<String>,
    /// One sentence for the person who confirms.
    pub(crate) summary: String,
}

/// The node that is to go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) leads_meta: bool,
    /// `account/stream` and `account/stream/consumer`.
    pub(crate) leads: Vec<String>,
    /// Clients; none while it does not say.
    pub(crate) connections: Option<u64>,
    /// What has to be copied back: what it stores, or while it does not say, what the streams on it hold.
    pub(crate) bytes: u64,
}

pub(crate) struct Judged {
    pub(crate) quorum: Quorum,
    pub(crate) reasons: Reasons,
}

pub(crate) fn judge(look: &Look) -> Judged {
    let mut reasons = Reasons::default();
    let meta = Raft::meta(look);
    size(look, &meta, &mut reasons);
    let meta = meta.counted(look);
    let assets: Vec<Counted> = look.assets().iter().map(|asset| Raft::of_asset(asset).counted(look)).collect();
    let leads = assets.iter().filter(|group| group.led_by_target);
    let leads = leads.map(|group| group.votes.subject.name.clone()).collect();
    let target = target(look, &meta, leads);
    let (passing, assets): (Vec<Counted>, Vec<Counted>) =
        assets.into_iter().partition(|group| group.passing && group.only_there);
    let groups: Vec<Counted> = std::iter::once(meta).chain(assets).collect();
    if groups.iter().any(|group| group.votes.lost() && !group.only_there) {
        let down = look.others().filter(|node| !node.up);
        down.for_each(|node| reasons.fail_now(format!("{}: {}", node.name, node.state)));
    }
    groups.iter().for_each(|group| of_group(look, group, &mut reasons));
    reasons.of_sources(look);
    unseen(look, &mut reasons);
    let quorum = put_together(look, &groups, passing, target, &reasons);
    Judged { quorum, reasons }
}

fn size(look: &Look, meta: &Raft, reasons: &mut Reasons) {
    let want = look.sample.nodes.len() as u64;
    if let Some(size) = meta.cluster_size(look).filter(|size| *size != want) {
        reasons.fail_now(format!("the meta group counts {size} peers and {want} nodes are configured"));
    }
}

fn of_group(look: &Look, group: &Counted, reasons: &mut Reasons) {
    let (subject, target) = (&group.votes.subject, look.target_name());
    for ghost in &group.ghosts {
        reasons.fail_now(format!("{subject} counts `{ghost}` as a peer, which is no configured node"));
    }
    if group.only_there && group.votes.total == 1 {
        reasons.fail(format!("{subject} has one replica, on {target}: replacing it loses the data"));
    } else if group.only_there {
        reasons.fail(format!("{subject} has replicas on {target} alone: replacing it loses the data"));
    } else if group.votes.lost() {
        let (left, total, majority) = (group.votes.left, group.votes.total, group.votes.majority());
        let without = if group.on_target { format!("without {target}") } else { "now".to_owned() };
        reasons.fail_now(format!("{subject} has {left} of {total} voters left {without} and needs {majority}"));
    } else if let Some(why) = &group.unclear {
        reasons.unknown(format!("{subject}: {why}"));
    }
}

/// What stands only on nodes that say nothing is not seen. The streams of an account are listed, whoever holds them; what
/// other accounts have there, and consumers whose leaders say nothing, are not.
fn unseen(look: &Look, reasons: &mut Reasons) {
    if look.others().all(|node| !node.up) {
        reasons.fail_now("no other node is up");
        return;
    }
    if look.target_tells_all() {
        return;
    }
    let target = look.target_name();
    if let Some(down) = look.others().find(|node| !node.up) {
        reasons.unknown(format!("what stands on {target} and {} alone cannot be seen", down.name));
    }
    let streams = asset::gather(&look.sample);
    let held = |name: &str| streams.iter().any(|asset| asset.key.stream == name);
    // One that is listed and that nobody holds was told before.
    let listed = |name: &String| look.listed().is_some_and(|listed| listed.streams.contains(name));
    for name in look.sample.streams.iter().filter(|name| !held(name) && !listed(name)) {
        reasons.unknown(format!(
            "stream {name}, which the inventory has, is held by no other node that answers: it may be on {target} alone"
        ));
    }
    let Some(listed) = look.listed() else { return };
    for name in listed.partly_told.iter().filter(|name| held(name)) {
        let path = format!("{}/{name}", listed.name());
        reasons.unknown(format!(
            "not all consumers of stream {path} are told: one may be on {target} alone; `nats consumer report {name}` \
             tells which says nothing"
        ));
    }
}

fn target(look: &Look, meta: &Counted, leads: Vec<String>) -> Target {
    let name = look.target_name().to_owned();
    let read = look.target.filter(|_| look.up(&name)).and_then(|target| look.sample.read(target));
    let stored = read.and_then(|read| Some(read.jsz.as_ref().ok()?.storage));
    Target {
        up: look.up(&name),
        leads_meta: meta.led_by_target,
        leads,
        connections: read.and_then(|read| Some(read.connz.as_ref().ok()?.total)),
        bytes: stored.unwrap_or_else(|| on_target(look, &name)),
        name,
    }
}

/// The bytes of the streams that have this peer.
fn on_target(look: &Look, name: &str) -> u64 {
    let assets = asset::gather(&look.sample);
    let streams = assets.iter().filter(|asset| asset.key.consumer.is_none());
    let held = streams.filter(|asset| {
        let has = |peers: &asset::View| peers.group.replicas.iter().any(|peer| peer.name == name);
        asset.last().iter().any(has)
    });
    let bytes = held.filter_map(|asset| asset.last().iter().map(|view| view.state.bytes).max());
    bytes.fold(0, u64::saturating_add)
}

fn put_together(look: &Look, groups: &[Counted], passing: Vec<Counted>, target: Target, reasons: &Reasons) -> Quorum {
    let votes: Vec<Votes> = groups.iter().map(|group| group.votes.clone()).collect();
    let nearest = voters(&votes);
    let now = groups.iter().find(|group| group.votes.subject.to_string() == nearest.group).map_or(0, |group| group.now);
    let mut quorum = Quorum {
        voters: nearest.total,
        voters_left: nearest.left,
        majority: nearest.majority,
        voters_now: now,
        group: nearest.group,
        groups: nearest.groups,
        without_majority: nearest.without_majority,
        target_up: target.up,
        target,
        nodes: look.nodes.clone(),
        passing: passing.into_iter().map(|group| group.votes.subject.name).collect(),
        sources: look.sources(),
        source: look.source(),
        reasons: reasons.texts(),
        summary: String::new(),
    };
    quorum.summary = match reasons.verdict() {
        sluice_plugin::Verdict::Pass => words::pass(&quorum, look),
        sluice_plugin::Verdict::Fail | sluice_plugin::Verdict::Inconclusive => reasons.why(),
    };
    quorum
}

/// True while nothing but the nodes' own endpoints was heard.
fn alone(look: &Look) -> bool {
    !matches!(look.second, Second::Told(_))
}
