//! `/jsz`: one server's JetStream, its view of the groups, and what its own stores hold.

use serde_json::{Map, Value, json};

use crate::state::State;
use crate::state::node::Server;
use crate::state::stream::{Consumer, PARTS, Stream};

use super::{group, rfc3339};

/// Bytes of one message.
const SIZE: u64 = 280;

const MAX_STORAGE: u64 = 1 << 30;

pub(super) fn answer(state: &State, server: &Server, accounts: bool) -> Value {
    if !server.disk {
        let (id, now) = (&server.id, rfc3339(state.signed()));
        return json!({ "server_id": id, "now": now, "disabled": true, "config": {}, "memory": 0, "storage": 0 });
    }
    let held: Vec<&Stream> = held(state, server).collect();
    let messages: u64 = held.iter().map(|stream| stream.has(&server.name) / PARTS).sum();
    let consumers: usize = held.iter().map(|stream| stream.consumers.len()).sum();
    let mut meta = group::told(state, &state.meta, &server.name, None);
    meta.insert("cluster_size".to_owned(), json!(state.meta.peers.len()));
    let mut answer = json!({
        "server_id": server.id, "now": rfc3339(state.signed()),
        "memory": 0, "storage": messages * SIZE, "accounts": 1, "ha_assets": held.len() + consumers + 1,
        "api": { "level": 5, "total": server.api_total, "errors": server.api_errors },
        "config": { "max_memory": 64 << 20, "max_storage": MAX_STORAGE, "store_dir": "/var/lib/nats" },
        "streams": held.len(), "consumers": consumers, "messages": messages, "bytes": messages * SIZE,
        "meta_cluster": meta,
    });
    if let Some(object) = answer.as_object_mut().filter(|_| accounts) {
        let streams: Vec<Value> = held.iter().map(|stream| detail(state, stream, &server.name)).collect();
        // The account has no limit, which the server writes as -1 without a sign.
        let unlimited = u64::MAX;
        let account = json!({
            "name": "PIVOT", "id": state.account, "memory": 0, "storage": messages * SIZE * 3,
            "reserved_memory": unlimited, "reserved_storage": unlimited, "stream_detail": streams,
        });
        let listed = if streams.is_empty() { json!([]) } else { json!([account]) };
        object.insert("account_details".to_owned(), listed);
    }
    answer
}

/// Streams that the server has a store of.
fn held<'a>(state: &'a State, server: &'a Server) -> impl Iterator<Item = &'a Stream> {
    let takes_part = state.takes_part(&server.name);
    state.streams.iter().filter(move |stream| takes_part && stream.raft.peers.contains(&server.name))
}

/// A stream as `viewer` tells it, with its consumers.
fn detail(state: &State, stream: &Stream, viewer: &str) -> Value {
    let consumers: Vec<Value> =
        stream.consumers.iter().map(|consumer| self::consumer(state, stream, consumer, viewer)).collect();
    let mut detail = self::stream(state, stream, viewer);
    detail.insert("name".to_owned(), json!(stream.name));
    detail.insert("consumer_detail".to_owned(), Value::Array(consumers));
    Value::Object(detail)
}

/// What `/jsz` and `STREAM.INFO` say alike.
pub(super) fn stream(state: &State, stream: &Stream, viewer: &str) -> Map<String, Value> {
    let mut cluster = group::told(state, &stream.raft, viewer, Some(stream));
    cluster.insert("raft_group".to_owned(), json!(stream.raft.name));
    let messages = stream.has(viewer) / PARTS;
    let told = json!({
        "created": rfc3339(stream.created),
        "cluster": cluster,
        "config": {
            "name": stream.name, "subjects": stream.subjects, "retention": "interest", "storage": "file",
            "num_replicas": stream.replicas,
        },
        "state": {
            "messages": messages, "bytes": messages * SIZE, "first_seq": u64::from(messages > 0),
            "last_seq": messages, "consumer_count": stream.consumers.len(),
        },
    });
    match told {
        Value::Object(told) => told,
        _ => Map::new(),
    }
}

pub(super) fn consumer(state: &State, stream: &Stream, consumer: &Consumer, viewer: &str) -> Value {
    let mut cluster = group::told(state, &consumer.raft, viewer, None);
    cluster.insert("raft_group".to_owned(), json!(consumer.raft.name));
    let position = stream.has(viewer) / PARTS;
    let position = json!({ "consumer_seq": position, "stream_seq": position });
    json!({
        "stream_name": stream.name, "name": consumer.name, "created": rfc3339(stream.created),
        "config": { "durable_name": consumer.name, "filter_subject": consumer.filter, "num_replicas": 0 },
        "delivered": position, "ack_floor": position, "num_pending": 0, "num_ack_pending": 0,
        "cluster": cluster,
    })
}
