//! Reads streams, consumers and the meta group from the best source there is, and says which it was.
//!
//! With credentials: the system services, else the JetStream API of the account for the leaders' word and the nodes'
//! endpoints for each replica's own store. Without, or without rights: the endpoints alone. Whatever is asked first,
//! a leader's `last_seq` is read before the replicas' own.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Host;
use sluice_plugin::inventory::{Cluster, Node};

use crate::health::sample::{Configured, Own, Sample};
use crate::health::{Report, judge};
use crate::link::address::Address;
use crate::link::connect::{self, Link};
use crate::link::creds::UserCreds;
use crate::link::subject::Subject;
use crate::link::wire::Wire;
use crate::link::{jetstream, system};
use crate::monitor::model::{Account, Group, Jsz, Stream, Varz};
use crate::monitor::reach::{Kind, Unreached};
use crate::monitor::read::{self, NodeRead, PATIENCE, Round};

/// Long enough for what the leader had to be in every healthy replica's store.
const BETWEEN: Duration = Duration::from_millis(500);

/// A node that could not be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotAsked {
    pub(crate) node: String,
    pub(crate) unreached: Unreached,
}

/// What was read, put together.
pub(crate) struct Overview {
    pub(crate) report: Report,
    pub(crate) sample: Sample,
    pub(crate) unreached: Vec<NotAsked>,
    /// What the credentials could not be used for, and what was read instead.
    pub(crate) notes: Vec<String>,
}

/// Reads it all. Never fails: what cannot be read is said.
pub(crate) async fn read(host: &dyn Host, wire: &dyn Wire, cluster: &Cluster, creds: Option<&UserCreds>) -> Overview {
    let mut notes = Vec::new();
    let rounds = match creds {
        Some(creds) => with_creds(host, wire, cluster, creds, &mut notes).await,
        None => None,
    };
    let rounds = match rounds {
        Some(rounds) => rounds,
        None => endpoints(host, cluster).await,
    };
    put_together(cluster, rounds, notes)
}

pub(crate) fn addresses(cluster: &Cluster) -> Vec<Address> {
    let address = |node: &Node| Address { host: node.host.clone(), port: node.ports.client, tls: false };
    cluster.nodes.iter().map(address).collect()
}

fn put_together(cluster: &Cluster, rounds: Vec<Vec<NodeRead>>, notes: Vec<String>) -> Overview {
    let nodes = cluster.nodes.iter().map(|node| Configured { name: node.name.clone(), host: node.host.clone() });
    let rounds = rounds.into_iter().zip(0..);
    let sample = Sample {
        cluster: cluster.name.clone(),
        nodes: nodes.collect(),
        streams: Vec::new(),
        rounds: rounds.map(|(reads, at)| Round { at, reads }).collect(),
        api: None,
        own: Own::default(),
    };
    let unreached = |at: usize| {
        let unreached = sample.read(at)?.jsz.as_ref().err()?.clone();
        Some(NotAsked { node: sample.nodes.get(at)?.name.clone(), unreached })
    };
    let unreached = (0..sample.nodes.len()).filter_map(unreached).collect();
    Overview { report: judge(&sample, &[]), sample, unreached, notes }
}

async fn endpoints(host: &dyn Host, cluster: &Cluster) -> Vec<Vec<NodeRead>> {
    let first = read::round(host, &cluster.nodes, |_| PATIENCE).await;
    host.sleep(BETWEEN).await;
    vec![first, read::round(host, &cluster.nodes, |_| PATIENCE).await]
}

async fn with_creds(
    host: &dyn Host,
    wire: &dyn Wire,
    cluster: &Cluster,
    creds: &UserCreds,
    notes: &mut Vec<String>,
) -> Option<Vec<Vec<NodeRead>>> {
    let link = match connect::first(wire, &addresses(cluster), creds).await {
        Ok(link) => link,
        Err(none) => {
            notes.push(format!("no NATS connection, so the nodes' endpoints were read: {}", none.why()));
            return None;
        }
    };
    match from_system(host, cluster, &link).await {
        Ok(rounds) => return Some(rounds),
        Err(why) => notes.push(format!("no system rights: {why}")),
    }
    match from_api(host, cluster, &link).await {
        Ok(rounds) => Some(rounds),
        Err(why) => {
            notes.push(format!("no JetStream API, so the nodes' endpoints were read: {why}"));
            None
        }
    }
}

async fn from_system(host: &dyn Host, cluster: &Cluster, link: &Link) -> Result<Vec<Vec<NodeRead>>, String> {
    let ask = || async { system::jsz(link, cluster.nodes.len()).await.map_err(|none| none.why(&Subject::ping_jsz())) };
    let first = ask().await?;
    host.sleep(BETWEEN).await;
    let second = ask().await?;
    Ok(vec![answers(cluster, first), answers(cluster, second)])
}

/// One answer per node, by the name the server gives itself.
pub(crate) fn answers(cluster: &Cluster, mut by_name: BTreeMap<String, Jsz>) -> Vec<NodeRead> {
    let silent = Unreached::new(Kind::Timeout, "it did not answer the system service");
    let read = |name: &str| {
        let Some(jsz) = by_name.remove(name) else { return NodeRead::never(&silent) };
        let varz = Varz { server_name: name.to_owned(), server_id: jsz.server_id.clone(), ..Varz::default() };
        NodeRead { varz: Ok(varz), jsz: Ok(jsz), ..NodeRead::never(&silent) }
    };
    cluster.nodes.iter().map(|node| node.name.as_str()).map(read).collect()
}

async fn from_api(host: &dyn Host, cluster: &Cluster, link: &Link) -> Result<Vec<Vec<NodeRead>>, String> {
    let me = jetstream::me(link).await.unwrap_or_default();
    let ask = || async { jetstream::account(link, &me).await.map_err(|none| none.why(&Subject::stream_names())) };
    let first = ask().await?;
    host.sleep(BETWEEN).await;
    let mut endpoints = read::round(host, &cluster.nodes, |_| PATIENCE).await;
    let second = ask().await?;
    let nothing = Unreached::new(Kind::Other, "only the JetStream API was asked");
    let mut leaders: Vec<NodeRead> = cluster.nodes.iter().map(|_| NodeRead::never(&nothing)).collect();
    overlay(cluster, &mut leaders, &first);
    overlay(cluster, &mut endpoints, &second);
    Ok(vec![leaders, endpoints])
}

/// Puts what leaders said through the API in the place of what their endpoints say.
pub(crate) fn overlay(cluster: &Cluster, reads: &mut [NodeRead], account: &Account) {
    for (node, read) in cluster.nodes.iter().zip(reads) {
        let leads = |group: Option<&Group>| group.is_some_and(|group| group.leader == node.name);
        for stream in &account.stream_detail {
            if leads(stream.cluster.as_ref()) {
                in_stream(read, account, &stream.name, |place| {
                    let consumers = std::mem::take(&mut place.consumer_detail);
                    *place = Stream { consumer_detail: consumers, ..stream.clone() };
                });
            }
            for consumer in stream.consumer_detail.iter().filter(|consumer| leads(consumer.cluster.as_ref())) {
                in_stream(read, account, &stream.name, |place| {
                    place.config = place.config.take().or_else(|| stream.config.clone());
                    place.consumer_detail.retain(|known| known.name != consumer.name);
                    place.consumer_detail.push(consumer.clone());
                });
            }
        }
    }
}

/// Changes the stream's place in what the node said; makes one where there is none.
fn in_stream(read: &mut NodeRead, account: &Account, name: &str, change: impl FnOnce(&mut Stream)) {
    if read.jsz.is_err() {
        read.jsz = Ok(Jsz { partial: true, ..Jsz::default() });
    }
    let Ok(jsz) = &mut read.jsz else { return };
    let accounts = &mut jsz.account_details;
    if !accounts.iter().any(|known| known.id == account.id) {
        accounts.push(Account { stream_detail: Vec::new(), ..account.clone() });
    }
    let Some(place) = accounts.iter_mut().find(|known| known.id == account.id) else { return };
    let streams = &mut place.stream_detail;
    if !streams.iter().any(|known| known.name == name) {
        streams.push(Stream { name: name.to_owned(), only_consumers: true, ..Stream::default() });
    }
    if let Some(stream) = streams.iter_mut().find(|known| known.name == name) {
        change(stream);
    }
}
