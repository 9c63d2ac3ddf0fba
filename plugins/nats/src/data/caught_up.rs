//! Whether the data is back after a node was replaced: everything that was before is there, and in the new node's own
//! store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, ConsumerBefore, StreamBefore, config_of, known};
use super::lacks;
use crate::health::asset::{self, Asset, ConsumerOwn, Leadership, View};
use crate::health::meta;
use crate::health::stream::{self, Row};
use crate::health::view::{GroupView, ReplicaState, Source, StreamView};
use crate::look::{Listed, Look, Seen};
use crate::monitor::model::Account;
use crate::reasons::{Reasons, grouped, many};

/// What `nats.caught_up` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaughtUp {
    /// Messages the new node has not got yet, over all its streams.
    pub(crate) behind: u64,
    /// Of so many.
    pub(crate) total: u64,
    /// Some group counts a peer that is no configured node: waiting does not help.
    pub(crate) ghost_peer: bool,
    pub(crate) ghosts: Vec<String>,
    /// Messages or acknowledgements of before are gone: a stream is gone, was made anew, has lost messages, or a durable
    /// consumer went back, as a leader whom most of its group follow says each time it is asked. Waiting does not help,
    /// and hides it: what is written from now on counts on from there.
    pub(crate) lost: bool,
    /// Those of before, and those that were made since.
    pub(crate) streams: Vec<StreamNow>,
    pub(crate) nodes: Vec<Seen>,
    pub(crate) sources: Vec<Source>,
    pub(crate) source: String,
    /// Why it does not pass.
    pub(crate) reasons: Vec<String>,
    /// How far the new node is: "nats-staging-node-2: pivot_main 4,468 of 12,000".
    pub(crate) progress: String,
    pub(crate) summary: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamNow {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) state: StreamState,
    /// None while it has no leader, or is gone.
    pub(crate) leader: Option<String>,
    /// In the baseline; none for one that was made since.
    pub(crate) last_seq_before: Option<u64>,
    /// The leader's, read before the replicas' own.
    pub(crate) last_seq: u64,
    /// In the new node's own store; none while it holds nothing of it or is no peer.
    pub(crate) own_last_seq: Option<u64>,
    pub(crate) behind: u64,
    pub(crate) total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamState {
    Ok,
    /// A replica does not hold all of it yet.
    Behind,
    /// It has no leader.
    Unknown,
    /// It is there no more.
    Gone,
    /// One of the same name was made since.
    MadeAnew,
    ConfigChanged,
    /// Its last sequence is below what it was, or its first one.
    Lost,
}

pub(crate) struct Judged {
    pub(crate) caught_up: CaughtUp,
    pub(crate) reasons: Reasons,
}

impl Judged {
    /// Nothing is gained by looking once more. A loss ends the waiting, so it is looked at as long as one look lasts.
    pub(crate) fn settled(&self) -> bool {
        self.reasons.settled() && !self.caught_up.lost
    }
}

/// `node` is the place of the node that was replaced.
pub(crate) fn judge(look: &Look, node: usize, baseline: &Baseline) -> Judged {
    let mut reasons = Reasons::default();
    let still_old = is_of_before(look, node, baseline);
    nodes(look, still_old.then_some(node), &mut reasons);
    let meta = meta::judge(&look.sample);
    for finding in &meta.findings {
        reasons.fail_now(finding.why.clone());
    }
    let name = look.nodes.get(node).map_or("", |node| node.name.as_str());
    let mut all =
        Now { look, node: name, still_old, assets: asset::gather(&look.sample), ghosts: meta.view.ghosts, lost: false };
    let mut streams: Vec<StreamNow> =
        baseline.streams.iter().map(|before| all.of_before(before, &mut reasons)).collect();
    streams.extend(all.made_since(baseline, &mut reasons));
    all.consumers(&mut reasons);
    reasons.of_sources(look);
    let sum = |of: fn(&StreamNow) -> u64| streams.iter().map(of).fold(0, u64::saturating_add);
    let (behind, total) = (sum(|stream| stream.behind), sum(|stream| stream.total));
    let progress = progress(name, &streams);
    let summary = match (reasons.texts().len(), progress.is_empty()) {
        (0, _) => {
            format!("{name} has all {} of {} again", many(total, "message"), many(streams.len() as u64, "stream"))
        }
        // The one reason is what it lacks, which the progress tells better.
        (1, false) if look.nodes.iter().all(|node| node.up) => progress.clone(),
        (_, false) => format!("{progress}; {}", reasons.why()),
        (_, true) => reasons.why(),
    };
    let caught_up = CaughtUp {
        behind,
        total,
        ghost_peer: !all.ghosts.is_empty(),
        ghosts: all.ghosts,
        lost: all.lost,
        streams,
        nodes: look.nodes.clone(),
        sources: look.sources(),
        source: look.source(),
        reasons: reasons.texts(),
        progress,
        summary,
    };
    Judged { caught_up, reasons }
}

/// Every node answers as who it should be, and the replaced one is not the server of before.
fn nodes(look: &Look, still_old: Option<usize>, reasons: &mut Reasons) {
    for (at, node) in look.nodes.iter().enumerate() {
        if !node.up {
            reasons.fail_now(format!("{}: {}", node.name, node.state));
        }
        if still_old == Some(at) {
            reasons.fail(format!("{} is still the server of before", node.name));
        }
    }
}

fn is_of_before(look: &Look, replaced: usize, baseline: &Baseline) -> bool {
    let Some(node) = look.nodes.get(replaced) else { return false };
    let before = baseline.nodes.iter().find(|before| before.server_name == node.name);
    let before = before.and_then(|before| before.server_id.as_ref());
    before.is_some() && node.server_id.as_ref() == before
}

/// What there is now.
struct Now<'a> {
    look: &'a Look,
    node: &'a str,
    /// The node is still the server of before.
    still_old: bool,
    assets: Vec<Asset>,
    ghosts: Vec<String>,
    lost: bool,
}

impl Now<'_> {
    fn of_before(&mut self, before: &StreamBefore, reasons: &mut Reasons) -> StreamNow {
        let path = format!("{}/{}", before.account, before.name);
        let is_it = |asset: &&Asset| {
            let key = &asset.key;
            key.account_id == before.account_id && key.stream == before.name && key.consumer.is_none()
        };
        let Some(asset) = self.assets.iter().find(is_it).cloned() else {
            reasons.fail_now(format!("stream {path} is gone: it was deleted, or lost"));
            self.lost |= self.nobody_has(before);
            return before.gone();
        };
        let mut row = self.row(&asset, reasons);
        row.last_seq_before = Some(before.last_seq);
        let mut bad = |state: StreamState, what: String| {
            reasons.fail(format!("stream {path} {what}"));
            row.state = state;
        };
        if let Some(view) = known(&asset) {
            if view.created != before.created {
                bad(StreamState::MadeAnew, format!("was made anew at {}: what was in it before is gone", view.created));
            } else if config_of(view) != before.config {
                bad(StreamState::ConfigChanged, "has another configuration than before".to_owned());
            }
        }
        if let (StreamState::Ok | StreamState::Behind, Some(view)) = (row.state, known(&asset)) {
            let sequences =
                [("last", row.last_seq, before.last_seq), ("first", view.state.first_seq, before.first_seq)];
            for (which, now, was) in sequences.into_iter().filter(|(_, now, was)| now < was) {
                let (now, was) = (grouped(now), grouped(was));
                let what = format!("has lost messages: its {which} sequence is {now}, and was {was}");
                reasons.fail_now(format!("stream {path} {what}"));
                row.state = StreamState::Lost;
            }
        }
        self.lost |= self.all_along(&asset, |view| before.is_lost(view));
        before.consumers.iter().for_each(|consumer| self.consumer(&asset, consumer, reasons));
        row
    }

    fn made_since(&mut self, baseline: &Baseline, reasons: &mut Reasons) -> Vec<StreamNow> {
        let known = |asset: &Asset| {
            let same =
                |before: &StreamBefore| before.account_id == asset.key.account_id && before.name == asset.key.stream;
            baseline.streams.iter().any(same)
        };
        let new = self.assets.iter().filter(|asset| asset.key.consumer.is_none() && !known(asset));
        let new: Vec<Asset> = new.cloned().collect();
        new.iter().map(|asset| self.row(asset, reasons)).collect()
    }

    fn row(&mut self, asset: &Asset, reasons: &mut Reasons) -> StreamNow {
        let Row::Stream(view) = stream::judge(&self.look.sample, asset).row else { return StreamNow::none(asset) };
        let good = self.group(asset, &view.group, Some(view.last_seq), reasons);
        let state = match (&view.group.leader, good) {
            (None, _) => StreamState::Unknown,
            (Some(_), true) => StreamState::Ok,
            (Some(_), false) => StreamState::Behind,
        };
        let member = view.group.replicas.iter().find(|row| row.node == self.node);
        let own = member.and_then(|row| row.own_last_seq);
        let total = if member.is_some() { span(&view) } else { 0 };
        StreamNow {
            account: view.account,
            name: view.name,
            state,
            leader: view.group.leader,
            last_seq_before: None,
            last_seq: view.last_seq,
            own_last_seq: own,
            behind: view.last_seq.saturating_sub(own.unwrap_or(0)).min(total),
            total,
        }
    }

    /// Whether the leader says so in every round: one that was just elected may not have applied all of its log yet.
    fn all_along(&self, asset: &Asset, so: impl Fn(&View) -> bool) -> bool {
        (0..asset.rounds.len()).all(|round| self.followed(asset, round).is_some_and(&so))
    }

    /// The leader's own view, when most of its group name it. One that is cut off, or was left behind, leads nobody; the
    /// server of before is about to end.
    fn followed<'b>(&self, asset: &'b Asset, round: usize) -> Option<&'b View> {
        let leader = asset.leader_in(round)?;
        let views = asset.rounds.get(round)?.iter();
        let names_it = views.filter(|view| view.group.leader == leader.server).count() as u64;
        let old = self.still_old && leader.server == self.node;
        (!old && names_it.saturating_mul(2) > leader.want).then_some(leader)
    }

    /// No round shows the stream, though every node is well and tells of all it holds, and the account, where it is
    /// listed, has it no more.
    fn nobody_has(&self, before: &StreamBefore) -> bool {
        let sample = &self.look.sample;
        let tells_all = |round: usize| (0..sample.nodes.len()).all(|node| sample.told_all(round, node));
        let holds = |account: &Account| {
            account.id == before.account_id && account.stream_detail.iter().any(|stream| stream.name == before.name)
        };
        let mut jsz = sample.rounds.iter().flat_map(|round| &round.reads).filter_map(|read| read.jsz.as_ref().ok());
        let listed = |listed: &Listed| listed.is_of(&before.account_id) && listed.streams.contains(&before.name);
        self.look.nodes.iter().all(|node| node.up)
            && (0..sample.rounds.len()).all(tells_all)
            && !jsz.any(|jsz| jsz.account_details.iter().any(holds))
            && !self.look.listed().is_some_and(listed)
    }

    /// Whether every replica of the group holds it all.
    fn group(&mut self, asset: &Asset, group: &GroupView, last_seq: Option<u64>, reasons: &mut Reasons) -> bool {
        let thing = if asset.key.consumer.is_some() { "consumer" } else { "stream" };
        let path = asset.key.path();
        if group.leader.is_none() {
            let silent = matches!(asset.leadership(&self.look.sample), Leadership::Silent(_));
            let what = if silent { "its leader does not answer" } else { "it has no leader now" };
            reasons.unknown(format!("{thing} {path}: {what}"));
            return false;
        }
        let peers = group.replicas.len() as u64;
        if peers != group.configured {
            reasons.fail_now(format!("{thing} {path}: {peers} peers, and {} are configured", group.configured));
        }
        for row in group.replicas.iter().filter(|row| row.state == ReplicaState::Ghost) {
            if !self.ghosts.contains(&row.node) {
                self.ghosts.push(row.node.clone());
            }
        }
        let lacking: Vec<String> = group.replicas.iter().filter_map(|row| lacks(self.look, row, last_seq)).collect();
        lacking.iter().for_each(|what| reasons.fail_now(format!("{thing} {path}: {what}")));
        peers == group.configured && group.replicas.iter().all(|row| row.state == ReplicaState::Ok)
    }

    /// A durable consumer of before.
    fn consumer(&mut self, stream: &Asset, before: &ConsumerBefore, reasons: &mut Reasons) {
        let path = format!("{}/{}", stream.key.path(), before.name);
        let is_it = |asset: &&Asset| asset.key.is_of(&stream.key) && asset.key.consumer.as_ref() == Some(&before.name);
        let Some((asset, view)) = self.assets.iter().find(is_it).and_then(|asset| Some((asset, known(asset)?))) else {
            return reasons.fail_now(format!("consumer {path} is gone: it was deleted, or lost"));
        };
        if view.created != before.created {
            return reasons.fail(format!("consumer {path} was made anew at {}", view.created));
        }
        let went_back = self.all_along(asset, |view| before.went_back(view));
        let Some(own) = view.consumer else { return };
        let floors =
            [("delivered", own.delivered, before.delivered), ("acknowledged", own.ack_floor, before.ack_floor)];
        for (what, now, was) in floors.into_iter().filter(|(_, now, was)| now < was) {
            let (now, was) = (grouped(now), grouped(was));
            reasons.fail_now(format!("consumer {path} went back: {what} up to {now}, and was at {was}"));
        }
        self.lost |= went_back;
    }

    /// All that are there now.
    fn consumers(&mut self, reasons: &mut Reasons) {
        let all: Vec<Asset> = self.assets.iter().filter(|asset| asset.key.consumer.is_some()).cloned().collect();
        for asset in &all {
            if let Row::Consumer(view) = stream::judge(&self.look.sample, asset).row {
                self.group(asset, &view.group, None, reasons);
            }
        }
    }
}

impl ConsumerBefore {
    fn went_back(&self, now: &View) -> bool {
        let back = |own: &ConsumerOwn| own.delivered < self.delivered || own.ack_floor < self.ack_floor;
        now.created == self.created && now.consumer.as_ref().is_some_and(back)
    }
}

impl StreamBefore {
    /// Whether this leader of it has not what was there before.
    fn is_lost(&self, now: &View) -> bool {
        let less = now.state.last_seq < self.last_seq || now.state.first_seq < self.first_seq;
        now.created != self.created || less
    }

    fn gone(&self) -> StreamNow {
        StreamNow {
            account: self.account.clone(),
            name: self.name.clone(),
            state: StreamState::Gone,
            leader: None,
            last_seq_before: Some(self.last_seq),
            last_seq: 0,
            own_last_seq: None,
            behind: 0,
            total: 0,
        }
    }
}

impl StreamNow {
    fn none(asset: &Asset) -> Self {
        Self {
            account: asset.key.account.clone(),
            name: asset.key.stream.clone(),
            state: StreamState::Unknown,
            leader: None,
            last_seq_before: None,
            last_seq: 0,
            own_last_seq: None,
            behind: 0,
            total: 0,
        }
    }
}

/// Sequences from the leader's first to its last.
fn span(stream: &StreamView) -> u64 {
    if stream.messages == 0 { 0 } else { stream.last_seq.saturating_add(1).saturating_sub(stream.first_seq) }
}

fn progress(node: &str, streams: &[StreamNow]) -> String {
    const SHOWN: usize = 3;
    let behind: Vec<&StreamNow> = streams.iter().filter(|stream| stream.behind > 0).collect();
    if behind.is_empty() {
        return String::new();
    }
    let one = |stream: &&StreamNow| {
        let has = stream.total.saturating_sub(stream.behind);
        format!("{} {} of {}", stream.name, grouped(has), grouped(stream.total))
    };
    let shown: Vec<String> = behind.iter().take(SHOWN).map(one).collect();
    let more = behind.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(", and {}", many(more as u64, "stream")) } else { String::new() };
    format!("{node}: {}{more}", shown.join(", "))
}
