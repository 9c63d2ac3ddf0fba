//! A Raft group as one of its members tells it. Only the leader's word of the others is news, and even that comes before
//! the data is there.

use serde_json::{Map, Value, json};

use crate::setup::millis;
use crate::state::State;
use crate::state::raft::Raft;
use crate::state::stream::{PARTS, Stream};

/// So long after it went silent a peer is still called current.
const STILL_CURRENT: u64 = 1_000;

/// Raft operations, not messages: one carries about so many.
const MESSAGES_PER_OPERATION: u64 = 30;

/// `cluster` of a stream or consumer, or `meta_cluster`, as `viewer` says it.
pub(super) fn told(state: &State, raft: &Raft, viewer: &str, stream: Option<&Stream>) -> Map<String, Value> {
    let leader = named_leader(state, raft);
    let others = raft.peers.iter().filter(|peer| *peer != viewer);
    let replicas: Vec<Value> = match leader {
        Some(leader) if leader == viewer => others.map(|peer| leaders_word(state, peer, stream)).collect(),
        Some(leader) => others.map(|peer| followers_word(peer, leader)).collect(),
        // Without a leader a member lists itself among the others, and calls itself current.
        None => {
            let own = json!({ "name": viewer, "current": true, "active": 0, "peer": peer_id(viewer) });
            others.map(|peer| unheard(peer, false)).chain([own]).collect()
        }
    };
    let mut told = Map::new();
    told.insert("name".to_owned(), json!(state.setup.cluster.name));
    if let Some(leader) = leader {
        told.insert("leader".to_owned(), json!(leader));
    }
    told.insert("replicas".to_owned(), Value::Array(replicas));
    told
}

/// The others go on naming a leader for a while after it is gone.
pub(super) fn named_leader<'a>(state: &State, raft: &'a Raft) -> Option<&'a str> {
    let over = raft.lost_at.is_some_and(|lost| state.now >= lost + millis(state.setup.times.named));
    raft.leader.as_deref().filter(|_| !over)
}

/// Whether the leader of a stream calls every other peer current.
pub(super) fn all_current(state: &State, stream: &Stream) -> bool {
    let others = stream.raft.peers.iter().filter(|peer| stream.raft.leader.as_ref() != Some(*peer));
    let words = others.map(|peer| leaders_word(state, peer, Some(stream)));
    words.into_iter().all(|word| word.get("current") == Some(&Value::Bool(true)))
}

fn leaders_word(state: &State, peer: &str, stream: Option<&Stream>) -> Value {
    if let Some(since) = state.silent.get(peer) {
        let silent = state.now.saturating_sub(*since);
        let frozen = state.slots.iter().any(|slot| slot.server.as_ref().is_some_and(|server| server.name == peer));
        return if silent < STILL_CURRENT {
            heard(peer, true, silent.max(1), 0)
        } else if frozen {
            heard(peer, false, silent, 1)
        } else {
            unheard(peer, false)
        };
    }
    if state.running(peer).is_none() {
        // Somebody who was never seen: a ghost.
        return unheard(peer, true);
    }
    if !state.takes_part(peer) {
        return unheard(peer, false);
    }
    let active = last_heard(peer);
    let Some(stream) = stream else { return heard(peer, true, active, 0) };
    let (has, reaches) = (stream.has(peer), stream.reaches());
    let behind = reaches.saturating_sub(has) / PARTS;
    let said_current = has.saturating_mul(100) >= reaches.saturating_mul(state.setup.lies.current_at);
    let operations = behind / MESSAGES_PER_OPERATION + 1;
    // Under traffic what is under way shows now and then as a small lag, and that is no illness.
    match said_current && (behind == 0 || !state.now.is_multiple_of(3)) {
        true => heard(peer, true, active, 0),
        false => heard(peer, false, active, operations),
    }
}

/// A follower hears the leader and nobody else, and says so of the others as if they were gone.
fn followers_word(peer: &str, leader: &str) -> Value {
    if peer == leader { heard(peer, true, last_heard(peer), 0) } else { unheard(peer, false) }
}

/// Milliseconds ago, of a peer that is well: less than a second, and always the same, so that two reports of a world at
/// rest are alike.
fn last_heard(peer: &str) -> u64 {
    40 + peer.bytes().map(u64::from).sum::<u64>() % 900
}

/// `lag` is left out when it is nothing, as `offline` is when it is not so.
fn heard(peer: &str, current: bool, active_ms: u64, lag: u64) -> Value {
    let mut told = json!({ "name": peer, "current": current, "active": active_ms * 1_000_000, "peer": peer_id(peer) });
    if let Some(object) = told.as_object_mut().filter(|_| lag > 0) {
        object.insert("lag".to_owned(), json!(lag));
    }
    told
}

fn unheard(peer: &str, offline: bool) -> Value {
    let mut told = json!({ "name": peer, "current": false, "active": 0, "peer": peer_id(peer) });
    if let Some(object) = told.as_object_mut().filter(|_| offline) {
        object.insert("offline".to_owned(), json!(true));
    }
    told
}

/// The same name is always the same peer.
fn peer_id(name: &str) -> String {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}").chars().take(8).collect()
}
