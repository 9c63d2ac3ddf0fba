//! `/routez`: the servers that one server has routes to. A frozen one keeps its own; whoever is dead has none.

use serde_json::{Value, json};

use crate::state::State;
use crate::state::node::Server;

use super::rfc3339;

pub(super) fn answer(state: &State, server: &Server) -> Value {
    let others = state.slots.iter().filter_map(|slot| slot.server.as_ref()).filter(|other| other.id != server.id);
    let routes: Vec<Value> = others
        .enumerate()
        .map(|(at, other)| json!({ "rid": at + 1, "remote_id": other.id, "remote_name": other.name, "is_configured": true }))
        .collect();
    json!({
        "server_id": server.id, "server_name": server.name, "now": rfc3339(state.signed()),
        "num_routes": routes.len(), "routes": routes,
    })
}
