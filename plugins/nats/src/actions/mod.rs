//! The actions of this plugin: one file each and one line in the list.

mod cluster_health;
mod common;
mod connections;
mod consumers;
mod context;
mod hosts;
mod jetstream;
mod jetstream_input;
mod meta;
mod second_source;
mod servers;
mod stream_list;
mod streams;
mod whoami;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sluice_plugin::{Action, NativePlugin, PluginSpec, Power};

use crate::link::client::Network;
use crate::link::wire::Wire;

/// The plugin as the runner gets it.
pub fn plugin() -> NativePlugin {
    plugin_over(Arc::new(Network))
}

/// The same with another way to NATS servers.
pub fn plugin_over(wire: Arc<dyn Wire>) -> NativePlugin {
    NativePlugin::new(spec(), actions(&wire))
}

fn actions(wire: &Arc<dyn Wire>) -> Vec<Box<dyn Action>> {
    vec![
        Box::new(servers::Servers),
        Box::new(cluster_health::ClusterHealth(wire.clone())),
        Box::new(streams::Streams(wire.clone())),
        Box::new(consumers::Consumers(wire.clone())),
        Box::new(meta::Meta(wire.clone())),
        Box::new(jetstream::JetStream(wire.clone())),
        Box::new(connections::Connections),
        Box::new(hosts::Hosts),
        Box::new(whoami::WhoAmI(wire.clone())),
        Box::new(stream_list::StreamList(wire.clone())),
        Box::new(context::Context),
    ]
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: common::plugin_name("nats"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Reads and judges NATS JetStream clusters".to_owned(),
        powers: vec![Power {
            kind: Power::NETWORK.to_owned(),
            why: "opens NATS connections to the servers it is given credentials for".to_owned(),
        }],
        actions: Vec::new(),
    }
}
