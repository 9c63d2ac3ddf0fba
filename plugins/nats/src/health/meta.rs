//! Judging the meta group: one leader seen by all, as many peers as there are configured nodes, none of them a ghost.

use std::collections::BTreeSet;

use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::group::{self, Evidence};
use super::quorum::Votes;
use super::sample::Sample;
use super::view::{GroupView, MetaView, Source};
use crate::monitor::model::{Group, Peer};
use crate::monitor::read::Round;

pub(crate) struct Judged {
    pub(crate) view: MetaView,
    pub(crate) findings: Vec<Finding>,
    pub(crate) votes: Votes,
}

/// The meta group as one node saw it.
struct Said<'a> {
    server: String,
    group: &'a Group,
}

pub(crate) fn judge(sample: &Sample) -> Judged {
    let subject = Subject::new(SubjectKind::Meta, sample.cluster.clone());
    let said: Vec<Said<'_>> = sample.last().map(|round| said(sample, round)).unwrap_or_default();
    let named: BTreeSet<&str> = said.iter().map(|said| said.group.leader.as_str()).collect();
    let mut findings = agreement(&subject, &said, &named);
    let leader = only_claimant(&said);
    let told = leader.or_else(|| said.first());
    let size = told.and_then(|told| told.group.cluster_size);
    let mut replicas = Vec::new();
    if let Some(leader) = leader {
        replicas = group::rows(sample, &leader.server, leader.group, |peer| evidence(sample, peer));
        findings.extend(replicas.iter().filter_map(|row| group::follower_finding(sample, &subject, row)));
    }
    let ghosts = ghosts(sample, told);
    if leader.is_none() {
        findings.extend(ghosts.iter().map(|name| group::ghost(&subject, name)));
    }
    findings.extend(size_finding(sample, &subject, told, &ghosts));
    let votes = votes(sample, subject, size, leader, &said);
    let view = MetaView {
        cluster_size: size,
        leaders_named: named.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect(),
        ghosts,
        group: GroupView {
            leader: leader.map(|leader| leader.server.clone()),
            configured: sample.nodes.len() as u64,
            replicas,
            ok: findings.is_empty() && (leader.is_some() || sample.nodes.len() == 1),
            source: Source::Monitoring,
        },
    };
    Judged { view, findings, votes }
}

fn said<'a>(sample: &Sample, round: &'a Round) -> Vec<Said<'a>> {
    let reads = round.reads.iter().enumerate();
    reads
        .filter_map(|(node, read)| {
            let group = read.jsz.as_ref().ok()?.meta_cluster.as_ref()?;
            Some(Said { server: sample.server_name(round, node), group })
        })
        .collect()
}

/// The node that says of itself that it leads, when exactly one does.
fn only_claimant<'a, 'b>(said: &'b [Said<'a>]) -> Option<&'b Said<'a>> {
    let mut claims = said.iter().filter(|said| said.group.leader == said.server);
    claims.next().filter(|_| claims.next().is_none())
}

fn agreement(subject: &Subject, said: &[Said<'_>], named: &BTreeSet<&str>) -> Vec<Finding> {
    let critical = |code: &str| Finding::new(Severity::Critical, code, subject.clone()).settling();
    let who = || said.iter().map(|said| format!("{} says {}", said.server, or_none(&said.group.leader)));
    let leader: Vec<&&str> = named.iter().filter(|name| !name.is_empty()).collect();
    match (said, leader.as_slice()) {
        ([], _) => vec![],
        (_, []) => vec![critical("meta_no_leader").seen("no leader", "one leader").told(
            "the cluster has no meta leader: no stream or consumer can be made, and nothing can fail over",
            "wait ten seconds for an election; when it stays, a majority of the nodes is missing: bring one back",
        )],
        (_, [one]) if named.len() == 1 => match said.iter().find(|said| said.server == ***one) {
            Some(_) => vec![],
            None => vec![silent_leader(subject, one)],
        },
        _ => vec![critical("meta_split").seen(who().collect::<Vec<_>>().join("; "), "one leader seen by all").told(
            "the nodes do not agree on the meta leader",
            "wait for the election to end; when it stays, the nodes do not hear each other on the cluster port",
        )],
    }
}

fn silent_leader(subject: &Subject, name: &str) -> Finding {
    Finding::new(Severity::Unknown, "leader_silent", subject.clone())
        .settling()
        .seen(format!("{name} was not heard"), "the leader's own view")
        .told(
            format!("all name {name} as meta leader, and none of the configured nodes that answer is {name}"),
            format!("look at {name} first; wait for a new leader when it is gone (about ten seconds)"),
        )
}

fn size_finding(sample: &Sample, subject: &Subject, told: Option<&Said<'_>>, ghosts: &[String]) -> Option<Finding> {
    let (size, want) = (told?.group.cluster_size?, sample.nodes.len() as u64);
    if size == want {
        return None;
    }
    let why = if size > want {
        format!(
            "the meta group counts its majority over {size} peers, {} of them no configured node ({})",
            size - want,
            or_none(&ghosts.join(", "))
        )
    } else {
        format!("the meta group knows {size} peers and {want} nodes are configured")
    };
    let todo = if size > want {
        "take the ghost out with system credentials (`nats server raft peer-remove`), once sure that it never comes back"
    } else {
        "start the missing node; it joins by itself when its routes and its server_name are right"
    };
    let finding = Finding::new(Severity::Critical, "meta_size", subject.clone()).settling();
    Some(finding.seen(format!("cluster_size {size}"), format!("{want} configured nodes")).told(why, todo))
}

fn ghosts(sample: &Sample, told: Option<&Said<'_>>) -> Vec<String> {
    let Some(told) = told else { return Vec::new() };
    let peers = told.group.replicas.iter().map(|peer| peer.name.clone());
    peers
        .chain([told.group.leader.clone()])
        .filter(|name| !name.is_empty() && sample.node_named(name).is_none())
        .collect()
}

/// The meta group is idle for hours, so a follower that is not current must have been so in an earlier round.
fn evidence(sample: &Sample, peer: &Peer) -> Evidence {
    let before =
        sample.rounds.iter().flat_map(|round| said(sample, round)).filter(|said| said.group.leader == said.server);
    let current_before =
        before.flat_map(|said| &said.group.replicas).any(|seen| seen.name == peer.name && seen.current);
    Evidence { current_before, ..Evidence::default() }
}

fn votes(sample: &Sample, subject: Subject, size: Option<u64>, leader: Option<&Said<'_>>, said: &[Said<'_>]) -> Votes {
    let total = size.unwrap_or(0).max(sample.nodes.len() as u64);
    let left = match leader {
        Some(leader) => 1 + leader.group.replicas.iter().filter(|peer| group::votes(sample, peer)).count(),
        None if total == 1 => {
            sample.last().map_or(0, |round| round.reads.iter().filter(|read| read.jsz.is_ok()).count())
        }
        None => said.len(),
    };
    Votes { subject, total, left: left as u64 }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
