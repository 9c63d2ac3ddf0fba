//! Who of those that answer is believed. Whoever answers a node's monitoring port with healthy words may be a stranger:
//! an old address, a proxy, a recording. So names and ids are held against each other, against the routes that the other
//! servers have, and against who answers on the client port.

use super::collect::unheard;
use super::{Door, Raw, Seen};
use crate::health::view::Source;
use crate::monitor::model::{Route, Varz};
use crate::monitor::read::NodeRead;

/// One row per configured node. Only a node that is believed has an id.
pub(super) fn judge(raw: &Raw) -> Vec<Seen> {
    let nodes = 0..raw.sample.nodes.len();
    let first: Vec<Result<String, String>> = nodes.clone().map(|node| by_itself(raw, node)).collect();
    let believed = |node: usize| -> Result<String, String> {
        let id = first.get(node).cloned().unwrap_or_else(|| Err("no answer".to_owned()))?;
        by_routes(raw, &first, node, &id)?;
        by_door(raw, node, &id)?;
        by_system(raw, node, &id)?;
        Ok(id)
    };
    nodes
        .map(|node| {
            let name = raw.sample.nodes.get(node).map(|node| node.name.clone()).unwrap_or_default();
            match believed(node) {
                Err(state) => Seen { name, up: false, state, server_id: None },
                Ok(id) => {
                    let sick = sick(raw, node).filter(|_| raw.target != Some(node));
                    let state = sick.clone().unwrap_or_else(|| "up".to_owned());
                    Seen { name, up: sick.is_none(), state, server_id: Some(id) }
                }
            }
        })
        .collect()
}

pub(super) fn silence(why: &str) -> NodeRead {
    NodeRead::never(&unheard(why))
}

/// The id of the server, if what it says of itself fits together.
fn by_itself(raw: &Raw, node: usize) -> Result<String, String> {
    let configured = raw.sample.nodes.get(node).ok_or("not configured")?;
    let read = raw.sample.read(node).ok_or("was not asked")?;
    if let Some(why) = read.silent() {
        return Err(format!("silent: {}", short(&why.why)));
    }
    let missing = |path: &str, why: &str| format!("its {path} gives no answer: {why}");
    let varz = read.varz.as_ref().map_err(|why| missing("/varz", &why.why))?;
    let jsz = read.jsz.as_ref().map_err(|why| missing("/jsz", &why.why))?;
    if varz.server_name != configured.name {
        return Err(format!("another server answers there: it calls itself `{}`", varz.server_name));
    }
    if varz.server_id.is_empty() || (!jsz.server_id.is_empty() && jsz.server_id != varz.server_id) {
        return Err("what answers there is not one server: its endpoints do not have the same server_id".to_owned());
    }
    if jsz.disabled {
        return Err("JetStream is switched off on it".to_owned());
    }
    same_all_along(raw, node, varz)?;
    only_there(raw, node, varz)?;
    Ok(varz.server_id.clone())
}

/// A server that began anew while we looked is not known long enough; one whose clock stands still is a recording.
fn same_all_along(raw: &Raw, node: usize, last: &Varz) -> Result<(), String> {
    let earlier = raw.sample.rounds.iter().rev().skip(1);
    for before in earlier.filter_map(|round| round.reads.get(node)?.varz.as_ref().ok()) {
        if before.server_id != last.server_id {
            return Err("its server_id changed while we looked: it began anew, or two servers answer there".to_owned());
        }
        if !last.now.is_empty() && before.now == last.now {
            return Err("its answer is not fresh: its clock stands still".to_owned());
        }
    }
    Ok(())
}

fn only_there(raw: &Raw, node: usize, varz: &Varz) -> Result<(), String> {
    let twin = raw.sample.nodes.iter().enumerate().find(|(at, _)| {
        let said = raw.sample.read(*at).and_then(|read| read.varz.as_ref().ok());
        *at != node && said.is_some_and(|said| said.server_id == varz.server_id)
    });
    match twin {
        Some((_, twin)) => Err(format!("the same server answers for it and for {}", twin.name)),
        None => Ok(()),
    }
}

/// The other nodes have routes to the server that answers here. When one of them is to go, all that stay must; else more
/// than deny it, since one of them may be cut off itself. Where nobody tells of routes, nothing follows.
fn by_routes(raw: &Raw, first: &[Result<String, String>], node: usize, id: &str) -> Result<(), String> {
    let name = raw.sample.nodes.get(node).map_or("", |node| node.name.as_str());
    let (mut confirmed, mut denied) = (0, Vec::new());
    for (at, ((routes, witness), other)) in raw.routes.iter().zip(first).zip(&raw.sample.nodes).enumerate() {
        let asked = at != node && raw.target != Some(at) && witness.is_ok();
        let Some(routes) = routes.as_ref().ok().filter(|_| asked) else { continue };
        let to_it: Vec<&Route> = routes.routes.iter().filter(|route| route.remote_id == id).collect();
        let strange = to_it.iter().find(|route| !route.remote_name.is_empty() && route.remote_name != name);
        match strange {
            _ if to_it.is_empty() => {
                denied.push(format!("{} has no route to the server that answers there", other.name));
            }
            Some(route) => {
                denied.push(format!("{} knows the server that answers there as `{}`", other.name, route.remote_name));
            }
            None => confirmed += 1,
        }
    }
    let enough = if raw.target.is_some() { denied.is_empty() } else { denied.len() <= confirmed };
    if enough { Ok(()) } else { Err(denied.join("; ")) }
}

/// Its client port leads to the same server. When no client port at all can be reached, that says nothing of one node.
fn by_door(raw: &Raw, node: usize, id: &str) -> Result<(), String> {
    let any = raw.doors.iter().any(|door| matches!(door, Door::Open { .. }));
    match raw.doors.get(node) {
        Some(Door::Open { server_id, server_name }) if server_id != id => {
            Err(format!("its client port leads to another server than its monitoring port (`{server_name}`)"))
        }
        Some(Door::Shut(why)) if any => {
            Err(format!("it answers on its monitoring port and takes no clients: {}", short(why)))
        }
        Some(Door::Open { .. } | Door::Shut(_) | Door::NotTried | Door::Rejected(_)) | None => Ok(()),
    }
}

/// The system service heard the same server under this name.
fn by_system(raw: &Raw, node: usize, id: &str) -> Result<(), String> {
    let Some(Ok(answer)) = raw.answers.last() else { return Ok(()) };
    if answer.source != Source::System {
        return Ok(());
    }
    match answer.reads.get(node).and_then(|read| read.varz.as_ref().ok()) {
        None => Err("it does not answer the system service".to_owned()),
        Some(varz) if !varz.server_id.is_empty() && varz.server_id != id => {
            Err("the system service knows another server under its name".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// Why a node that is believed is not well.
fn sick(raw: &Raw, node: usize) -> Option<String> {
    match raw.sample.read(node)?.health.as_ref() {
        Ok(health) if health.code == 200 => None,
        Ok(health) => {
            Some(format!("not well: HTTP {}: {}", health.code, health.error.as_deref().unwrap_or("no reason given")))
        }
        Err(why) => Some(format!("its /healthz gives no answer: {}", why.why)),
    }
}

/// What happened, without what it usually means.
fn short(why: &str) -> &str {
    why.split_once(": ").map_or(why, |(what, _)| what)
}
