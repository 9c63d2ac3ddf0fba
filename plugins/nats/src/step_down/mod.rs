//! Moves what one node leads to others, as far as the credentials allow. What stays where it is is told, and is no
//! error: the groups elect another leader when the node goes, only later.
//!
//! Asking twice is as good as asking once: what is led no more is left alone.

mod account;
mod meta;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Host;
use sluice_plugin::inventory::{Cluster, Node};

use crate::link::address::Address;
use crate::link::connect::{self, Link};
use crate::link::creds::UserCreds;
use crate::link::wire::Wire;
use crate::overview;
use crate::quorum::Target;
use crate::reasons::many;

/// What `nats.step_down` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepDown {
    pub(crate) node: String,
    pub(crate) moved: Vec<Moved>,
    /// What it still leads.
    pub(crate) left: Vec<Left>,
    pub(crate) summary: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// `stream PIVOT/pivot_main`, `consumer PIVOT/pivot_main/worker`, `the meta group`.
    pub(crate) what: String,
    /// The new leader.
    pub(crate) to: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Left {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// With whose rights.
#[derive(Clone, Copy)]
pub(crate) struct Rights<'a> {
    pub(crate) account: Option<&'a UserCreds>,
    pub(crate) system: Option<&'a UserCreds>,
}

/// What becomes of the groups that nobody may move.
pub(crate) const STAYS: &str = "stays until the node goes; then an election takes a few seconds";

const NO_CREDS: &str = "no credentials of its account were given";

const NO_SYSTEM: &str = "moving it needs system rights";

/// Where to, and what is asked for.
pub(crate) struct Place<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) wire: &'a dyn Wire,
    pub(crate) cluster: &'a Cluster,
    pub(crate) node: &'a Node,
}

/// `led` is what the nodes' endpoints say that it leads.
pub(crate) async fn run(place: &Place<'_>, rights: Rights<'_>, led: &Target) -> StepDown {
    let mut done = StepDown { node: place.node.name.clone(), moved: vec![], left: vec![], summary: String::new() };
    match rights.account {
        None => done.left.extend(led.leads.iter().map(|path| left(&named(path), NO_CREDS))),
        Some(creds) => match link(place, creds).await {
            Ok(link) => account::run(place, &link, led, &mut done).await,
            Err(why) => done.left.extend(led.leads.iter().map(|path| left(&named(path), &why))),
        },
    }
    if led.leads_meta {
        match rights.system {
            None => done.left.push(left(meta::NAME, NO_SYSTEM)),
            Some(creds) => match link(place, creds).await {
                Ok(link) => meta::run(place, &link, &mut done).await,
                Err(why) => done.left.push(left(meta::NAME, &why)),
            },
        }
    }
    done.summary = summary(&done);
    done
}

/// What a run would leave, for a plan.
pub(crate) fn expected(rights: Rights<'_>, led: &Target) -> Vec<String> {
    let mut expect = Vec::new();
    if led.leads_meta && rights.system.is_none() {
        expect.push(format!("the meta leader {STAYS}: {NO_SYSTEM}"));
    }
    if !led.leads.is_empty() && rights.account.is_none() {
        expect.push(format!("streams and consumers: their leader {STAYS}: {NO_CREDS}"));
    }
    expect
}

/// Nothing is led, so nothing was done.
pub(crate) fn nothing(node: &str) -> StepDown {
    let mut done = StepDown { node: node.to_owned(), moved: vec![], left: vec![], summary: String::new() };
    done.summary = summary(&done);
    done
}

fn left(what: &str, why: &str) -> Left {
    Left { what: what.to_owned(), why: why.to_owned() }
}

/// `account/stream/consumer` with what it is.
fn named(path: &str) -> String {
    let thing = if path.matches('/').count() > 1 { "consumer" } else { "stream" };
    format!("{thing} {path}")
}

/// Over one of the other nodes: a connection to this one would not outlive it.
async fn link(place: &Place<'_>, creds: &UserCreds) -> Result<Link, String> {
    let all = overview::addresses(place.cluster);
    let others = all.into_iter().zip(&place.cluster.nodes).filter(|(_, node)| node.name != place.node.name);
    let others: Vec<Address> = others.map(|(address, _)| address).collect();
    connect::first(place.wire, &others, creds).await.map_err(|none| none.why())
}

fn summary(done: &StepDown) -> String {
    let node = &done.node;
    match (done.moved.len() as u64, done.left.as_slice()) {
        (0, []) => format!("{node} leads nothing"),
        (moved, []) => format!("{} moved off {node}", many(moved, "leader")),
        (moved, [first, ..]) => {
            let (what, why) = (&first.what, &first.why);
            format!("{} moved off {node}, {} left: {what}: {why}", many(moved, "leader"), done.left.len())
        }
    }
}
