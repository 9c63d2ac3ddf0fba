//! `/varz`: a server's name, id, version and counters.

use serde_json::{Value, json};

use crate::state::State;
use crate::state::node::Server;

use super::{connz, rfc3339};

pub(crate) const VERSION: &str = "2.15.1";

/// Bytes of memory a server with little to do takes.
const MEMORY: u64 = 24 << 20;

pub(super) fn answer(state: &State, server: &Server) -> Value {
    json!({
        "server_id": server.id, "server_name": server.name, "version": VERSION,
        "start": rfc3339(server.started), "now": rfc3339(state.signed()),
        "uptime": uptime((state.signed() - server.started) / 1_000),
        "mem": MEMORY, "cpu": 1, "cores": 1, "connections": connz::connected(state, server).len(),
        "slow_consumers": server.slow_consumers,
        "cluster": { "name": state.setup.cluster.name },
    })
}

/// `2d3h4m5s`, without leading parts that are nothing.
fn uptime(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let last = seconds % 60;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{last}s"),
        (0, 0, _) => format!("{minutes}m{last}s"),
        (0, _, _) => format!("{hours}h{minutes}m{last}s"),
        (_, _, _) => format!("{days}d{hours}h{minutes}m{last}s"),
    }
}
