//! Judging one stream or consumer: leader, peers, and each replica's own store.
//!
//! `current: true`, lag 0 and healthz 200 all come before the data is there. The proof is each replica's own
//! `last_seq`, read after the leader's and at least as high.

use super::asset::{Asset, Leadership, View};
use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::group::{self, Evidence};
use super::quorum::Votes;
use super::sample::Sample;
use super::view::{ConsumerView, GroupView, ReplicaState, ReplicaView, Source, StreamView};
use crate::monitor::model::Peer;

/// What one asset comes to.
pub(crate) struct Judged {
    pub(crate) row: Row,
    pub(crate) findings: Vec<Finding>,
    pub(crate) votes: Votes,
}

pub(crate) enum Row {
    Stream(StreamView),
    Consumer(ConsumerView),
}

pub(crate) fn judge(sample: &Sample, asset: &Asset) -> Judged {
    let kind = if asset.key.consumer.is_some() { SubjectKind::Consumer } else { SubjectKind::Stream };
    let subject = Subject::new(kind, asset.key.path());
    let leadership = asset.leadership(sample);
    if let Leadership::Known(view) = leadership {
        return led(sample, asset, subject, view);
    }
    let finding = leaderless(&subject, &leadership);
    let total = asset.last().iter().map(|view| view.want).max().unwrap_or(1);
    let left = asset.last().len() as u64;
    let group = GroupView {
        leader: None,
        configured: total,
        replicas: asset.last().iter().map(unled_row).collect(),
        ok: false,
        source: Source::default(),
    };
    let furthest = asset.last().iter().max_by_key(|view| view.state.last_seq);
    Judged {
        row: row(asset, furthest, furthest.map(|view| (view.state.last_seq, view.source)), group),
        findings: vec![finding],
        votes: Votes { subject, total, left },
    }
}

fn led(sample: &Sample, asset: &Asset, subject: Subject, leader: &View) -> Judged {
    let target = Target::of(asset, leader);
    let is_stream = asset.key.consumer.is_none();
    let moved = asset.moved();
    // Of a consumer there is no own store to ask: traffic must explain what it lacks, and more than that it does not.
    let keeps_up = |peer: &Peer| match is_stream {
        true => target.own(sample, asset, &peer.name).is_some_and(|own| own.state.last_seq >= target.seq),
        false => answers(sample, &peer.name) && peer.lag <= moved,
    };
    let evidence = |peer: &Peer| Evidence { keeps_up: keeps_up(peer), moved, current_before: false };
    let mut rows = group::rows(sample, &leader.server, &leader.group, evidence);
    let mut findings: Vec<Finding> = group::size_finding(&subject, &leader.group, leader.want).into_iter().collect();
    if is_stream {
        rows.iter_mut().for_each(|row| look_into_store(sample, asset, &target, row));
    }
    findings.extend(rows.iter().filter_map(|row| store_finding(&subject, &target, row)));
    findings.extend(rows.iter().filter_map(|row| group::follower_finding(sample, &subject, row)));
    let votes = Votes {
        total: leader.want.max(leader.group.replicas.len() as u64 + 1),
        left: 1 + leader.group.replicas.iter().filter(|peer| group::votes(sample, peer)).count() as u64,
        subject,
    };
    let group = GroupView {
        leader: Some(leader.server.clone()),
        configured: leader.want,
        replicas: rows,
        ok: findings.is_empty(),
        source: leader.source,
    };
    Judged { row: row(asset, Some(leader), Some((target.seq, target.source)), group), findings, votes }
}

/// What each replica must have reached: the leader's last sequence at its first word.
struct Target {
    round: usize,
    seq: u64,
    created: String,
    source: Source,
}

impl Target {
    /// A stream that was made anew between the rounds starts again.
    fn of(asset: &Asset, leader: &View) -> Self {
        let said = |round| asset.leader_in(round).filter(|view| view.created == leader.created);
        let first = (0..asset.rounds.len()).find_map(|round| said(round).map(|view| (round, view)));
        let (round, view) = first.unwrap_or((asset.rounds.len().saturating_sub(1), leader));
        Self { round, seq: view.state.last_seq, created: view.created.clone(), source: view.source }
    }

    /// The server's own store as it told of it last, after the leader's word, or with it when there is no later reading.
    /// A server that told of its stores and not of this one holds none; an older stream of the same name is none either.
    fn own<'a>(&self, sample: &Sample, asset: &'a Asset, server: &str) -> Option<&'a View> {
        let node = sample.node_named(server)?;
        let first = if self.round + 1 < asset.rounds.len() { self.round + 1 } else { self.round };
        let held = |round: usize| asset.rounds.get(round)?.iter().find(|view| view.server == server);
        let told = |round: &usize| held(*round).is_some() || sample.told_all(*round, node);
        let last = (first..asset.rounds.len()).rev().find(told)?;
        held(last).filter(|view| view.created == self.created)
    }
}

/// Looks into the replica's own store. What is already known to be worse than behind stays.
fn look_into_store(sample: &Sample, asset: &Asset, target: &Target, row: &mut ReplicaView) {
    let own = target.own(sample, asset, &row.node);
    row.own_last_seq = own.map(|view| view.state.last_seq);
    row.own_source = own.map(|view| view.source);
    let state = match row.own_last_seq {
        Some(own) if own >= target.seq => return,
        Some(_) => ReplicaState::Behind,
        None if answers(sample, &row.node) => ReplicaState::Absent,
        None => ReplicaState::Unknown,
    };
    match row.state {
        ReplicaState::Ok => row.state = state,
        ReplicaState::NotCurrent if state != ReplicaState::Unknown => row.state = state,
        _ => {}
    }
}

fn store_finding(subject: &Subject, target: &Target, row: &ReplicaView) -> Option<Finding> {
    let (name, wanted) = (&row.node, format!("{} or more", target.seq));
    let critical = |code: &str| Finding::new(Severity::Critical, code, subject.clone()).settling();
    match (row.state, row.own_last_seq) {
        (ReplicaState::Behind, Some(own)) => {
            let missing = target.seq.saturating_sub(own);
            Some(critical("replica_behind").seen(format!("{name} at {own}"), wanted).told(
                format!("{name} has not got the last {missing} messages of {subject} in its own store, whatever its leader says"),
                "wait until its own last_seq has reached the leader's; replace no other node before",
            ))
        }
        (ReplicaState::Absent, _) => {
            Some(critical("replica_absent").seen(format!("{name} holds nothing"), wanted).told(
                format!("{name} is a peer of {subject} and has no such stream in its store"),
                "wait for it to be assigned and filled; look at the server's log when it is not",
            ))
        }
        _ => None,
    }
}

fn answers(sample: &Sample, server: &str) -> bool {
    let last = sample.rounds.len().saturating_sub(1);
    sample.node_named(server).is_some_and(|node| sample.told_all(last, node))
}

fn leaderless(subject: &Subject, leadership: &Leadership<'_>) -> Finding {
    let critical = |code: &str| Finding::new(Severity::Critical, code, subject.clone()).settling();
    match leadership {
        Leadership::Several(names) => critical("two_leaders").seen(names.join(", "), "one leader").told(
            format!("more than one node says that it leads {subject}"),
            "wait for the election to end; when it stays, the nodes do not hear each other on the cluster port",
        ),
        Leadership::Silent(name) => Finding::new(Severity::Unknown, "leader_silent", subject.clone())
            .seen(format!("{name} does not answer"), "the leader's own view")
            .told(
                format!(
                    "the others name {name} as leader of {subject}; only it knows whether the replicas are current"
                ),
                format!("look at {name} first; wait for a new leader when it is gone (about ten seconds)"),
            ),
        Leadership::Moving(name) => {
            critical("no_leader").seen(format!("{name} is named and does not lead"), "one leader").told(
                format!("the leader of {subject} is changing"),
                "wait for the election to end (about ten seconds) and look again",
            )
        }
        Leadership::None | Leadership::Known(_) => critical("no_leader").seen("no leader", "one leader").told(
            format!("no node that answers knows a leader of {subject}: nothing can be written to it"),
            "wait ten seconds for an election; when it stays, a majority of its peers is missing: bring a node back",
        ),
    }
}

fn unled_row(view: &View) -> ReplicaView {
    ReplicaView {
        leader: false,
        current: false,
        own_last_seq: Some(view.state.last_seq),
        own_source: Some(view.source),
        state: ReplicaState::Unknown,
        ..group::leader_view(&view.server)
    }
}

fn row(asset: &Asset, view: Option<&View>, last_seq: Option<(u64, Source)>, group: GroupView) -> Row {
    let (account, stream) = (asset.key.account.clone(), asset.key.stream.clone());
    let state = view.map(|view| view.state.clone()).unwrap_or_default();
    match &asset.key.consumer {
        None => Row::Stream(StreamView {
            account,
            name: stream,
            retention: view.map(|view| view.config.retention.clone()).unwrap_or_default(),
            messages: state.messages,
            bytes: state.bytes,
            first_seq: state.first_seq,
            last_seq: last_seq.map_or(state.last_seq, |(seq, _)| seq),
            last_seq_source: last_seq.map(|(_, source)| source).unwrap_or_default(),
            group,
        }),
        Some(name) => Row::Consumer(ConsumerView {
            account,
            stream,
            name: name.clone(),
            pending: view.map_or(0, |view| view.pending),
            ack_pending: view.map_or(0, |view| view.ack_pending),
            group,
        }),
    }
}
