//! Whether the data is where it should be, before a node goes and after it came back: pure, over a look.
//!
//! `current` and healthz 200 come before the data is there, so the proof is always each replica's own store, read after
//! the leader's word.

pub(crate) mod baseline;
pub(crate) mod caught_up;
pub(crate) mod current;
mod digest;

#[cfg(test)]
mod tests;

use crate::health::view::{ReplicaState, ReplicaView};
use crate::look::Look;
use crate::reasons::grouped;

/// Why this replica does not do, in a few words; none when it does, or when its node is known to be down.
fn lacks(look: &Look, row: &ReplicaView, last_seq: Option<u64>) -> Option<String> {
    let what = match row.state {
        ReplicaState::Ok => return None,
        ReplicaState::Unknown | ReplicaState::Silent
            if look.nodes.iter().any(|node| node.name == row.node && !node.up) =>
        {
            return None;
        }
        ReplicaState::Behind => {
            let own = row.own_last_seq.unwrap_or(0);
            let of = last_seq.map_or_else(String::new, |seq| format!(" of {}", grouped(seq)));
            format!("is at {}{of} in its own store", grouped(own))
        }
        ReplicaState::Absent => "holds nothing of it".to_owned(),
        ReplicaState::NotCurrent => "is not current, as its leader says".to_owned(),
        ReplicaState::Lagging => format!("lags {} operations", grouped(row.lag)),
        ReplicaState::Offline => "is offline, as its leader says".to_owned(),
        ReplicaState::Silent => "is not heard by its leader".to_owned(),
        ReplicaState::Ghost => "is no configured node".to_owned(),
        ReplicaState::Unknown => "could not be asked".to_owned(),
    };
    Some(format!("{} {what}", row.node))
}
