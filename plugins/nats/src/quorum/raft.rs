//! One Raft group as those that are believed tell of it, and who of them votes without the node that is to go.
//!
//! The leader's word of the others counts. When the node that is to go leads and says nothing, the others' own hearing of
//! it does: they would not hear a leader that has lost them.

use crate::health::asset::Asset;
use crate::health::finding::{Subject, SubjectKind};
use crate::health::group;
use crate::health::quorum::Votes;
use crate::look::Look;
use crate::monitor::model::{Group, Peer};

pub(super) struct Raft {
    pub(super) subject: Subject,
    /// Configured peers, or more when the group counts over more.
    want: u64,
    /// What each server that takes part says.
    views: Vec<(String, Group)>,
    /// A consumer of one replica that goes with its client and is made anew by it.
    passing: bool,
}

/// Who leads, as far as it can be told.
enum Lead<'a> {
    Word {
        leader: &'a str,
        group: &'a Group,
    },
    /// The node that is to go, which does not say so itself.
    Heard(&'a str),
    Unclear(String),
}

/// One group, counted.
pub(super) struct Counted {
    pub(super) votes: Votes,
    /// With the node that is to go.
    pub(super) now: u64,
    pub(super) on_target: bool,
    pub(super) led_by_target: bool,
    /// Nobody else has it.
    pub(super) only_there: bool,
    pub(super) passing: bool,
    /// Why it cannot be told now.
    pub(super) unclear: Option<String>,
    pub(super) ghosts: Vec<String>,
}

impl Raft {
    pub(super) fn of_asset(asset: &Asset) -> Self {
        let kind = if asset.key.consumer.is_some() { SubjectKind::Consumer } else { SubjectKind::Stream };
        let want = asset.last().iter().map(|view| view.want).max().unwrap_or(1);
        Self {
            subject: Subject::new(kind, asset.key.path()),
            want,
            views: asset.last().iter().map(|view| (view.server.clone(), view.group.clone())).collect(),
            passing: asset.is_passing(),
        }
    }

    pub(super) fn meta(look: &Look) -> Self {
        let sample = &look.sample;
        let reads = sample.last().map(|round| (round, round.reads.iter().enumerate()));
        let views: Vec<(String, Group)> = reads
            .into_iter()
            .flat_map(|(round, reads)| {
                reads.filter_map(|(node, read)| {
                    let group = read.jsz.as_ref().ok()?.meta_cluster.clone()?;
                    Some((sample.server_name(round, node), group))
                })
            })
            .collect();
        let sizes = views.iter().filter_map(|(_, group)| group.cluster_size);
        let want = sizes.max().unwrap_or(0).max(sample.nodes.len() as u64);
        Self { subject: Subject::new(SubjectKind::Meta, sample.cluster.clone()), want, views, passing: false }
    }

    /// How many peers it counts its majority over, as its leader says, or whoever answers.
    pub(super) fn cluster_size(&self, look: &Look) -> Option<u64> {
        let told = match self.lead(look) {
            Lead::Word { group, .. } => Some(group),
            Lead::Heard(_) | Lead::Unclear(_) => self.views.first().map(|(_, group)| group),
        };
        told?.cluster_size
    }

    pub(super) fn counted(self, look: &Look) -> Counted {
        let target = look.target_name();
        let lead = self.lead(look);
        let left = look.others().filter(|node| node.up && self.votes(look, &lead, &node.name)).count() as u64;
        let target_votes = look.up(target) && self.votes(look, &lead, target);
        let led_by_target = matches!(lead, Lead::Word { leader, .. } | Lead::Heard(leader) if leader == target);
        let peers = self.peers(&lead);
        let more = if let Lead::Word { group, .. } = &lead { group.replicas.len() as u64 + 1 } else { 0 };
        let ghosts = peers.iter().filter(|name| look.sample.node_named(name).is_none());
        Counted {
            now: left + u64::from(target_votes),
            on_target: peers.contains(&target),
            led_by_target,
            only_there: peers == [target],
            passing: self.passing,
            ghosts: ghosts.map(|name| (*name).to_owned()).collect(),
            unclear: match &lead {
                Lead::Unclear(why) => Some(why.clone()),
                Lead::Word { .. } | Lead::Heard(_) => None,
            },
            votes: Votes { total: self.want.max(more), left, subject: self.subject },
        }
    }

    fn lead(&self, look: &Look) -> Lead<'_> {
        let claims: Vec<&(String, Group)> =
            self.views.iter().filter(|(server, group)| group.leader == *server).collect();
        match claims.as_slice() {
            [(leader, group)] => match self.dissent(look, leader).filter(|_| self.subject.kind == SubjectKind::Meta) {
                Some(why) => Lead::Unclear(why),
                None => Lead::Word { leader, group },
            },
            [] => self.unclaimed(look),
            more => {
                let names: Vec<&str> = more.iter().map(|(server, _)| server.as_str()).collect();
                Lead::Unclear(format!("{} both say that they lead it", names.join(" and ")))
            }
        }
    }

    /// The meta group is at rest for hours: who names another leader than the leader does not hear the others. The node
    /// that is to go may be cut off like that: it is often why it goes.
    fn dissent(&self, look: &Look, leader: &str) -> Option<String> {
        let mut others = self.views.iter().filter(|(server, _)| server != look.target_name());
        let (server, group) = others.find(|(_, group)| group.leader != leader)?;
        let named = if group.leader.is_empty() { "no leader" } else { &group.leader };
        Some(format!("{leader} leads it and {server} names {named}"))
    }

    fn unclaimed(&self, look: &Look) -> Lead<'_> {
        let named = self.views.iter().map(|(_, group)| group.leader.as_str()).find(|leader| !leader.is_empty());
        match named {
            None => Lead::Unclear("it has no leader now; an election takes some seconds".to_owned()),
            Some(leader) if leader == look.target_name() && !look.up(leader) => Lead::Heard(leader),
            Some(leader) => Lead::Unclear(format!("{leader} is named as its leader and does not say so itself")),
        }
    }

    fn votes(&self, look: &Look, lead: &Lead<'_>, node: &str) -> bool {
        let Some((_, own)) = self.views.iter().find(|(server, _)| server == node) else { return false };
        match lead {
            Lead::Word { leader, group } => {
                let peer = |peer: &Peer| peer.name == node && group::votes(&look.sample, peer);
                *leader == node || group.replicas.iter().any(peer)
            }
            Lead::Heard(leader) => own.replicas.iter().any(|peer| peer.name == *leader && group::heard(peer)),
            Lead::Unclear(_) => true,
        }
    }

    /// The leader's word of who takes part, or everybody's while there is none.
    fn peers<'a>(&'a self, lead: &Lead<'a>) -> Vec<&'a str> {
        let named = |group: &'a Group| group.replicas.iter().map(|peer| peer.name.as_str());
        let mut peers: Vec<&str> = match lead {
            Lead::Word { leader, group } => named(group).chain([*leader]).collect(),
            Lead::Heard(_) | Lead::Unclear(_) => {
                let views = self.views.iter();
                views.flat_map(|(server, group)| named(group).chain([server.as_str(), group.leader.as_str()])).collect()
            }
        };
        peers.retain(|name| !name.is_empty());
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}
