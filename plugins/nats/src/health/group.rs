//! Judging the members of one Raft group by what its leader says of them.
//!
//! `current`, `offline` and `lag` each lie for some seconds in some situation, so none is taken alone. Under traffic a
//! healthy follower is a few operations behind at any moment and its leader then says `current: false`.

use super::finding::{Finding, Severity, Subject};
use super::sample::Sample;
use super::view::{ReplicaState, ReplicaView};
use crate::monitor::model::{Group, Peer};

/// Raft operations a follower may be behind at any rate: at 2,000 messages a second this is half a second. A group that
/// does more between two looks may have followers half of that behind.
pub(crate) const MAX_LAG: u64 = 1_000;

/// The server's own limit for a peer it has not heard of.
const SILENT_AFTER_MS: u64 = 10_000;

/// What else is known of a follower beside the leader's word.
#[derive(Clone, Copy, Default)]
pub(crate) struct Evidence {
    /// What it has not got yet may be what was done while we looked: its own store has reached what the leader had
    /// before, or it is no further behind than that.
    pub(crate) keeps_up: bool,
    /// What the group did between the rounds; zero without traffic.
    pub(crate) moved: u64,
    /// The leader called it current in another round, and the group is one that is idle for hours.
    pub(crate) current_before: bool,
}

pub(crate) fn active_ms(peer: &Peer) -> u64 {
    peer.active / 1_000_000
}

/// What the leader's word and the evidence make of one follower.
pub(crate) fn state_of(sample: &Sample, peer: &Peer, evidence: Evidence) -> ReplicaState {
    let active = active_ms(peer);
    if sample.node_named(&peer.name).is_none() {
        ReplicaState::Ghost
    } else if peer.offline {
        ReplicaState::Offline
    } else if active >= SILENT_AFTER_MS || (peer.active == 0 && !peer.current) {
        ReplicaState::Silent
    } else if peer.lag > max_lag(evidence.moved) {
        ReplicaState::Lagging
    } else if peer.current || (evidence.moved > 0 && evidence.keeps_up) || evidence.current_before {
        ReplicaState::Ok
    } else {
        ReplicaState::NotCurrent
    }
}

fn max_lag(moved: u64) -> u64 {
    MAX_LAG.max(moved / 2)
}

/// A follower that can vote: heard of lately, and its node answers us. Behind is not down; unknown is.
pub(crate) fn votes(sample: &Sample, peer: &Peer) -> bool {
    let answers = sample.node_named(&peer.name).is_some_and(|node| sample.silent(node).is_none());
    answers && heard(peer)
}

/// Whoever says this of the peer has heard of it lately.
pub(crate) fn heard(peer: &Peer) -> bool {
    !peer.offline && active_ms(peer) < SILENT_AFTER_MS && (peer.active > 0 || peer.current)
}

pub(crate) fn follower_view(peer: &Peer, state: ReplicaState) -> ReplicaView {
    ReplicaView {
        node: peer.name.clone(),
        leader: false,
        current: peer.current,
        offline: peer.offline,
        lag: peer.lag,
        active_ms: active_ms(peer),
        own_last_seq: None,
        own_source: None,
        state,
    }
}

pub(crate) fn leader_view(name: &str) -> ReplicaView {
    ReplicaView {
        node: name.to_owned(),
        leader: true,
        current: true,
        offline: false,
        lag: 0,
        active_ms: 0,
        own_last_seq: None,
        own_source: None,
        state: ReplicaState::Ok,
    }
}

/// The finding about one follower, if its state asks for one.
pub(crate) fn follower_finding(sample: &Sample, subject: &Subject, replica: &ReplicaView) -> Option<Finding> {
    let name = &replica.node;
    let critical = |code: &str| Finding::new(Severity::Critical, code, subject.clone());
    let heard = if replica.active_ms == 0 { "never".to_owned() } else { format!("{} ms ago", replica.active_ms) };
    let finding = match replica.state {
        ReplicaState::Ok | ReplicaState::Unknown => return None,
        ReplicaState::Ghost => return Some(ghost(subject, name)),
        ReplicaState::Offline => critical("replica_offline").seen(format!("{name} offline"), "online").told(
            format!("the leader of {subject} counts {name} as offline"),
            format!("look whether {name} is running; when it is being replaced, wait until it is back"),
        ),
        ReplicaState::Silent => {
            critical("replica_silent").seen(format!("{name} heard of {heard}"), "within the last 10 s").told(
                format!("the leader of {subject} does not hear from {name}"),
                format!("look whether {name} is running and reaches the others on the cluster port"),
            )
        }
        ReplicaState::Lagging => critical("replica_lags")
            .seen(
                format!("{name} lags {} operations", replica.lag),
                format!("at most {MAX_LAG}, or half of what was done meanwhile"),
            )
            .told(
                format!("{name} cannot keep up with the leader of {subject}"),
                "wait until it has caught up; look at its disk and CPU when it does not",
            ),
        ReplicaState::NotCurrent => critical("replica_not_current")
            .seen(format!("{name} not current, lag {}, heard of {heard}", replica.lag), "current")
            .told(
                format!("the leader of {subject} says that {name} is not current, and no traffic explains it"),
                "wait until it has caught up; replace no other node before",
            ),
        ReplicaState::Behind | ReplicaState::Absent => return None,
    };
    let answers = sample.node_named(name).is_some_and(|node| sample.silent(node).is_none());
    Some(if answers { finding.settling() } else { finding })
}

/// Too few or too many peers.
pub(crate) fn size_finding(subject: &Subject, group: &Group, want: u64) -> Option<Finding> {
    let has = group.replicas.len() as u64 + 1;
    if has == want {
        return None;
    }
    let finding = Finding::new(Severity::Critical, "peer_count", subject.clone());
    Some(finding.seen(format!("{has} peers"), format!("{want} configured")).settling().told(
        format!("{subject} has {has} peers and is configured to have {want}"),
        "look at the peers its leader names; a missing one comes back with its node, one too many needs a peer-remove",
    ))
}

pub(crate) fn ghost(subject: &Subject, name: &str) -> Finding {
    let finding = Finding::new(Severity::Critical, "ghost_peer", subject.clone());
    finding.seen(format!("peer `{name}`"), "only configured nodes").told(
        format!("{subject} counts `{name}` as a peer, and no configured node runs a server of that name"),
        format!(
            "if that server will never come back under this name, take it out with system credentials: \
             `nats server raft peer-remove '{name}'`; never do that for a node being replaced under the same name"
        ),
    )
}

/// The leader's view of the others as rows for the output.
pub(crate) fn rows(
    sample: &Sample,
    leader: &str,
    group: &Group,
    evidence: impl Fn(&Peer) -> Evidence,
) -> Vec<ReplicaView> {
    let others = group.replicas.iter().filter(|peer| peer.name != leader);
    let mut rows = vec![leader_view(leader)];
    rows.extend(others.map(|peer| follower_view(peer, state_of(sample, peer, evidence(peer)))));
    rows
}
