//! Plain `/healthz`: what a server thinks of itself, in the order in which it stops complaining. 200 is not the end of
//! the matter: it comes when the greater part of the data is there, and a server without any stream says it at once.

use serde_json::{Value, json};

use crate::state::node::Server;
use crate::state::{State, signed};

/// Not ready for connections yet.
const READY: i64 = 300;

/// Still reading what the meta group wrote.
const RECOVERED: i64 = 900;

/// So long after a leader is gone its healthy followers begin to say that they are not well.
const NOTICED: u64 = 500;

pub(super) fn answer(state: &State, server: &Server) -> (u16, Value) {
    let age = state.signed() - server.started;
    if age < READY {
        return (500, json!({ "status": "error", "error": "failed to be ready for connections after 1ms: server" }));
    }
    if !server.disk {
        return (503, json!({ "status": "unavailable", "error": "JetStream not enabled" }));
    }
    match complaint(state, server, age) {
        Some(error) => (503, json!({ "status": "unavailable", "error": error })),
        None => (200, json!({ "status": "ok" })),
    }
}

fn complaint(state: &State, server: &Server, age: i64) -> Option<String> {
    if age < RECOVERED {
        return Some("JetStream is still recovering meta layer".to_owned());
    }
    if age < signed(crate::setup::millis(state.setup.times.join)) || lost(state, state.meta.lost_at) {
        return Some("JetStream has not established contact with a meta leader".to_owned());
    }
    let mine = state.streams.iter().filter(|stream| stream.raft.peers.contains(&server.name));
    for stream in mine {
        let named = format!("'{} > {}", state.account, stream.name);
        if lost(state, stream.raft.lost_at) {
            return Some(format!("JetStream stream {named}' is not current: group leaderless"));
        }
        let (has, reaches) = (stream.has(&server.name), stream.reaches());
        if has.saturating_mul(100) < reaches.saturating_mul(state.setup.lies.healthy_at) {
            return Some(format!("JetStream stream {named}' is not current: group node unhealthy"));
        }
        if let Some(consumer) = stream.consumers.iter().find(|consumer| lost(state, consumer.raft.lost_at)) {
            return Some(format!("JetStream consumer {named} > {}' is not current: group leaderless", consumer.name));
        }
    }
    None
}

fn lost(state: &State, since: Option<u64>) -> bool {
    since.is_some_and(|since| state.now >= since + NOTICED)
}
