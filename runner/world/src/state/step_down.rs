//! A leader that hands over when it is asked to. Nothing is lost on the way: the next one takes over with all it had.

use super::State;
use super::raft::Raft;

/// Why nobody took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// The wish names no server of the group.
    NotKnown,
    /// There is no leader to hand over.
    NoLeader,
}

impl State {
    /// Lets the leader of a group hand over, to `wish` if there is one. Where nobody else is fit, it leads on.
    pub(crate) fn step_down(&mut self, group: &str, wish: Option<&str>) -> Result<(), Stays> {
        let found = self.rafts().find(|raft| raft.name == group).map(|raft| raft.clone());
        let (raft, leader) = found.and_then(|raft| Some((raft.clone(), raft.leader?))).ok_or(Stays::NoLeader)?;
        if wish.is_some_and(|wish| !raft.peers.iter().any(|peer| peer == wish)) {
            return Err(Stays::NotKnown);
        }
        if !self.takes_part(&leader) {
            return Err(Stays::NoLeader);
        }
        let next = self.next_leader(&raft, &leader, wish);
        let next = next.filter(|_| !self.sticky.contains(&leader));
        let Some(next) = next else { return Ok(()) };
        for stream in self.streams.iter_mut().filter(|stream| stream.raft.name == group) {
            let has = stream.has(&leader).max(stream.has(&next));
            stream.stores.insert(next.clone(), has);
        }
        if let Some(raft) = self.rafts().find(|raft| raft.name == group) {
            raft.leader = Some(next);
        }
        Ok(())
    }

    fn next_leader(&self, raft: &Raft, leader: &str, wish: Option<&str>) -> Option<String> {
        let fit = |peer: &&String| *peer != leader && self.takes_part(peer);
        let mut others = raft.peers.iter().filter(fit);
        let wished = raft.peers.iter().filter(fit).find(|peer| Some(peer.as_str()) == wish);
        wished.or_else(|| others.next()).cloned()
    }
}
