//! The JetStream API and the system services, as a user with some rights and not others gets them. A stream is told by
//! its leader, which is why it is not answered while there is none.

use serde_json::{Value, json};

use crate::setup::User;
use crate::state::State;
use crate::state::node::Slot;
use crate::state::step_down::Stays;

use super::{group, jsz};

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody serves this subject for this account.
    NobodyServes,
    /// Nothing comes back.
    Silence,
}

/// A question with one answer, asked over the server of this name.
pub(crate) fn ask(
    state: &mut State,
    over: &str,
    user: &User,
    subject: &str,
    payload: &Value,
) -> Result<Value, Refused> {
    if subject == "$SYS.REQ.USER.INFO" {
        return Ok(json!({ "server": { "name": over }, "data": {
            "user": user.key, "account": state.account, "account_name": user.account, "user_name": user.name,
        } }));
    }
    let Some(api) = subject.strip_prefix("$JS.API.") else { return Err(Refused::NobodyServes) };
    if api == "META.LEADER.STEPDOWN" {
        let meta = state.meta.name.clone();
        return if user.system { step_down(state, &meta, payload) } else { Err(Refused::NobodyServes) };
    }
    if !user.jetstream {
        return Ok(error(503, 10_039, "JetStream not enabled for account"));
    }
    if group::named_leader(state, &state.meta).is_none() {
        return Ok(error(503, 10_008, "JetStream system temporarily unavailable"));
    }
    if let Some(("STREAM" | "CONSUMER", path)) = api.split_once(".LEADER.STEPDOWN.") {
        let group = group_of(state, path);
        let none = error(404, 10_059, "stream not found");
        return group.map_or(Ok(none), |group| step_down(state, &group, payload));
    }
    match api.split_once(".INFO.").or_else(|| api.split_once(".LIST.")) {
        None if api == "STREAM.NAMES" => Ok(names(state, payload)),
        Some(("STREAM", name)) => told(state, name, |state, stream, leader| {
            let mut told = jsz::stream(state, stream, leader);
            told.insert("type".to_owned(), json!("io.nats.jetstream.api.v1.stream_info_response"));
            Value::Object(told)
        }),
        Some(("CONSUMER", name)) => told(state, name, |state, stream, _| {
            let told = stream.consumers.iter().filter_map(|consumer| {
                Some(jsz::consumer(state, stream, consumer, group::named_leader(state, &consumer.raft)?))
            });
            let consumers: Vec<Value> = told.collect();
            json!({ "total": consumers.len(), "offset": 0, "limit": 256, "consumers": consumers })
        }),
        _ => Err(Refused::NobodyServes),
    }
}

/// A question that every server answers, for users with system rights.
pub(crate) fn ping(state: &State, user: &User, subject: &str) -> Result<Vec<Value>, Refused> {
    if !user.system || subject != "$SYS.REQ.SERVER.PING.JSZ" {
        return Err(Refused::NobodyServes);
    }
    let running = state.slots.iter().filter_map(Slot::running);
    Ok(running
        .map(|server| {
            json!({
                "server": { "name": server.name, "id": server.id },
                "data": jsz::answer(state, server, true),
            })
        })
        .collect())
}

/// The Raft group of `stream` or `stream.consumer`.
fn group_of(state: &State, path: &str) -> Option<String> {
    let (stream, consumer) = path.split_once('.').map_or((path, None), |(stream, consumer)| (stream, Some(consumer)));
    let stream = state.streams.iter().find(|known| known.name == stream)?;
    let Some(consumer) = consumer else { return Some(stream.raft.name.clone()) };
    Some(stream.consumers.iter().find(|known| known.name == consumer)?.raft.name.clone())
}

fn step_down(state: &mut State, group: &str, payload: &Value) -> Result<Value, Refused> {
    let wish = payload.pointer("/placement/preferred").and_then(Value::as_str);
    match state.step_down(group, wish) {
        Ok(()) => Ok(json!({ "success": true })),
        Err(Stays::NotKnown) => {
            let wish = wish.unwrap_or_default();
            Ok(error(400, 10_005, &format!("preferred server \"{wish}\" not known")))
        }
        Err(Stays::NoLeader) => Err(Refused::Silence),
    }
}

fn names(state: &State, payload: &Value) -> Value {
    let offset = payload.get("offset").and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok());
    let names: Vec<&str> = state.streams.iter().skip(offset.unwrap_or(0)).map(|stream| stream.name.as_str()).collect();
    json!({ "total": state.streams.len(), "offset": offset.unwrap_or(0), "limit": 1024, "streams": names })
}

fn told(
    state: &State,
    name: &str,
    tell: impl FnOnce(&State, &crate::state::stream::Stream, &str) -> Value,
) -> Result<Value, Refused> {
    let Some(stream) = state.streams.iter().find(|stream| stream.name == name) else {
        return Ok(error(404, 10_059, "stream not found"));
    };
    let leader = stream.raft.leader.as_deref().filter(|leader| state.takes_part(leader));
    leader.map(|leader| tell(state, stream, leader)).ok_or(Refused::Silence)
}

fn error(code: u16, err_code: u64, description: &str) -> Value {
    json!({ "error": { "code": code, "err_code": err_code, "description": description } })
}
