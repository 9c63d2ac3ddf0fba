//! Streams as they are stored: what each replica's own store holds, whatever anybody says about it.

use std::collections::BTreeMap;

use super::raft::Raft;

/// Sequences are counted in thousandths of messages, so that any rate over any time stays whole.
pub(crate) const PARTS: u64 = 1_000;

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Milliseconds since the world began, before it when negative.
    pub(crate) created: i64,
    pub(crate) subjects: Vec<String>,
    /// As configured.
    pub(crate) replicas: usize,
    pub(crate) raft: Raft,
    pub(crate) consumers: Vec<Consumer>,
    /// By server name: how far its store goes, in thousandths of messages.
    pub(crate) stores: BTreeMap<String, u64>,
    /// The furthest that was ever acknowledged to a publisher.
    pub(crate) acknowledged: u64,
    /// The most of it that a leader lacked at a time, beyond what may be under way.
    pub(crate) lost: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) filter: String,
    pub(crate) raft: Raft,
}

/// What the flow of time needs to know of one server.
pub(crate) struct Pace {
    pub(crate) server: String,
    /// Thousandths of messages it can fetch in the time that passes.
    pub(crate) fetches: u64,
}

impl Stream {
    pub(crate) fn has(&self, server: &str) -> u64 {
        self.stores.get(server).copied().unwrap_or(0)
    }

    /// What the leader has, or the furthest of all while there is none.
    pub(crate) fn reaches(&self) -> u64 {
        let furthest = || self.stores.values().copied().max().unwrap_or(0);
        self.raft.leader.as_ref().and_then(|leader| self.stores.get(leader).copied()).unwrap_or_else(furthest)
    }

    /// Lets `published` arrive at the leader, and whoever is heard fetch what it can. `trail` is what is under way.
    pub(crate) fn flow(&mut self, published: u64, trail: u64, paces: &[Pace]) {
        if !self.raft.works() {
            return;
        }
        let Some(leader) = self.raft.leader.clone() else { return };
        // What a leader lacks of the promised is lost for good: other messages will stand under these numbers.
        self.lost = self.lost.max(self.acknowledged.saturating_sub(self.has(&leader) + trail));
        let reaches = self.has(&leader) + published;
        self.stores.insert(leader.clone(), reaches);
        self.acknowledged = self.acknowledged.max(reaches);
        for pace in paces.iter().filter(|pace| pace.server != leader && self.raft.peers.contains(&pace.server)) {
            let has = self.has(&pace.server);
            let fetched = (has + pace.fetches).min(reaches.saturating_sub(trail)).max(has.min(reaches));
            self.stores.insert(pace.server.clone(), fetched);
        }
    }

    pub(crate) fn rafts(&mut self) -> impl Iterator<Item = &mut Raft> {
        std::iter::once(&mut self.raft).chain(self.consumers.iter_mut().map(|consumer| &mut consumer.raft))
    }
}
