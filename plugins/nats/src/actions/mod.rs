//! The actions of this plugin: one file each and one line in the list.

mod alerts;
mod at_risk;
mod baseline;
mod caught_up;
mod cluster_health;
mod common;
mod connections;
mod consumers;
mod context;
mod gate_input;
mod hosts;
mod jetstream;
mod jetstream_input;
mod meta;
mod metrics;
mod quorum;
mod replicas_current;
mod second_source;
mod servers;
mod step_down;
mod stream_list;
mod streams;
mod whoami;

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
pub(crate) use common::example_cluster;

use std::sync::Arc;

use sluice_plugin::{Listed, NativePlugin, PluginSpec, Power};

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

fn actions(wire: &Arc<dyn Wire>) -> Vec<Listed> {
    vec![
        ("servers", Box::new(servers::Servers)),
        ("cluster_health", Box::new(cluster_health::ClusterHealth(wire.clone()))),
        ("streams", Box::new(streams::Streams(wire.clone()))),
        ("consumers", Box::new(consumers::Consumers(wire.clone()))),
        ("meta", Box::new(meta::Meta(wire.clone()))),
        ("jetstream", Box::new(jetstream::JetStream(wire.clone()))),
        ("connections", Box::new(connections::Connections)),
        ("alerts", Box::new(alerts::Alerts)),
        ("metrics", Box::<metrics::Metrics>::default()),
        ("hosts", Box::new(hosts::Hosts)),
        ("whoami", Box::new(whoami::WhoAmI(wire.clone()))),
        ("stream_list", Box::new(stream_list::StreamList(wire.clone()))),
        ("context", Box::new(context::Context)),
        ("quorum", Box::new(quorum::Quorum(wire.clone()))),
        ("replicas_current", Box::new(replicas_current::ReplicasCurrent(wire.clone()))),
        ("at_risk", Box::new(at_risk::AtRisk(wire.clone()))),
        ("baseline", Box::new(baseline::Baseline(wire.clone()))),
        ("caught_up", Box::new(caught_up::CaughtUp(wire.clone()))),
        ("step_down", Box::new(step_down::StepDown(wire.clone()))),
    ]
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: common::plugin_name("nats"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Reads and judges NATS JetStream clusters, and moves leaders in them".to_owned(),
        powers: vec![Power {
            kind: Power::NETWORK.to_owned(),
            why: "opens NATS connections to the servers it is given credentials for".to_owned(),
        }],
        actions: Vec::new(),
    }
}
