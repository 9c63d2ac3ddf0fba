//! One Raft group: its configured peers, who leads, and since when nobody does.

/// The meta group, or the group of a stream or consumer. Peers are names of servers.
#[derive(Clone, Debug)]
pub(crate) struct Raft {
    pub(crate) name: String,
    pub(crate) peers: Vec<String>,
    /// Still named for a while after it died.
    pub(crate) leader: Option<String>,
    /// Since when the leader, or the majority, is gone.
    pub(crate) lost_at: Option<u64>,
}

impl Raft {
    pub(crate) fn new(name: String, peers: Vec<String>, leader: String) -> Self {
        Self { name, peers, leader: Some(leader), lost_at: None }
    }

    pub(crate) fn majority(&self) -> usize {
        self.peers.len() / 2 + 1
    }

    pub(crate) fn works(&self) -> bool {
        self.leader.is_some() && self.lost_at.is_none()
    }
}
