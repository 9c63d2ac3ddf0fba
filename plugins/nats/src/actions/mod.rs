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

use sluice_plugin::{Action, NativePlugin, PluginSpec, Power};

/// The plugin as the runner gets it.
pub fn plugin() -> NativePlugin {
    NativePlugin::new(spec(), actions())
}

fn actions() -> Vec<Box<dyn Action>> {
    vec![
        Box::new(servers::Servers),
        Box::new(cluster_health::ClusterHealth),
        Box::new(streams::Streams),
        Box::new(consumers::Consumers),
        Box::new(meta::Meta),
        Box::new(jetstream::JetStream),
        Box::new(connections::Connections),
        Box::new(hosts::Hosts),
        Box::new(whoami::WhoAmI),
        Box::new(stream_list::StreamList),
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
