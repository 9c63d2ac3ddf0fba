//! `/connz`: the clients of one server. Clients of a server that is gone are with the others at once.

use serde_json::{Value, json};

use crate::state::State;
use crate::state::node::{Server, Slot};

use super::rfc3339;

pub(super) fn answer(state: &State, server: &Server, limit: usize, offset: usize) -> Value {
    let all = connected(state, server);
    let page: Vec<Value> =
        all.iter().enumerate().skip(offset).take(limit).map(|(at, name)| connection(state, at + 1, name)).collect();
    json!({
        "server_id": server.id, "now": rfc3339(state.signed()), "num_connections": page.len(), "total": all.len(),
        "offset": offset, "limit": limit, "connections": page,
    })
}

/// The services that are connected to this server.
pub(super) fn connected<'a>(state: &'a State, server: &Server) -> Vec<&'a str> {
    let running: Vec<&str> = state.slots.iter().filter_map(Slot::running).map(|one| one.name.as_str()).collect();
    let Some(me) = running.iter().position(|name| *name == server.name) else { return Vec::new() };
    let mine = |at: &usize| at.checked_rem(running.len()) == Some(me);
    state.setup.clients.iter().enumerate().filter(|(at, _)| mine(at)).map(|(_, name)| name.as_str()).collect()
}

fn connection(state: &State, cid: usize, name: &str) -> Value {
    json!({
        "cid": cid, "kind": "Client", "ip": "10.0.9.9", "port": 40_000 + cid, "name": name, "lang": "rust",
        "version": "0.51.0", "uptime": "1d0h0m0s", "idle": "0s", "pending_bytes": 0, "subscriptions": 2,
        "account": state.account, "name_tag": "PIVOT",
    })
}
