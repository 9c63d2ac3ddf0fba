//! `nats.hosts`: the addresses in a `nats_host` parameter, whatever its form, or else those of the nodes.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use crate::link::address::{Address, Urls};

pub(super) struct Hosts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The parameter's value: `host`, `host:port`, a `nats://` URL, or a comma list of those.
    #[serde(default)]
    value: Option<Urls>,
    /// Where to connect when there is no value: the nodes of a cluster in the inventory.
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    hosts: Vec<Address>,
    /// The same as URLs.
    urls: Vec<String>,
    /// The same as one comma list, as the `nats` command takes it.
    list: String,
}

#[async_trait]
impl Action for Hosts {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({ "value": "n1.internal,n2.internal:4223" });
        let output = r#"{
            "hosts": [{ "host": "n1.internal", "port": 4222, "tls": false }, { "host": "n2.internal", "port": 4223, "tls": false }],
            "urls": ["nats://n1.internal:4222", "nats://n2.internal:4223"],
            "list": "nats://n1.internal:4222,nats://n2.internal:4223"
        }"#;
        let summary = "Read the addresses in a nats_host parameter";
        common::reads::<Input, Output>("nats.hosts", summary, vec![common::example("a comma list", with, output)])
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let hosts = common::input::<Input>(call)?.addresses()?;
        let urls: Vec<String> = hosts.iter().map(Address::url).collect();
        let list = urls.join(",");
        common::plain(&Output { hosts, urls, list })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let servers = common::input::<Input>(call).and_then(|input| input.addresses());
        let list = |servers: Vec<Address>| servers.iter().map(Address::url).collect::<Vec<_>>().join(",");
        let show = |list| ByHand::run("echo", [list], "the servers, as the nats command takes them behind --server");
        servers.map(list).map(show).into_iter().collect()
    }
}

impl Input {
    fn addresses(&self) -> Result<Vec<Address>, Problem> {
        match &self.value {
            Some(value) => value.parse("/value"),
            None => of_nodes(&self.nodes),
        }
    }
}

fn of_nodes(nodes: &[Node]) -> Result<Vec<Address>, Problem> {
    if nodes.is_empty() {
        return Err(Problem::bad_input("/value", "no address is given and no node of the inventory in its place"));
    }
    Ok(nodes.iter().map(|node| Address { host: node.host.clone(), port: node.ports.client, tls: false }).collect())
}
