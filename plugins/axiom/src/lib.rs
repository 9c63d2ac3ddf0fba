//! Actions that ask Axiom, where the nodes' events go, send events there, and keep its monitors as they should be.
//!
//! It reaches nothing but what the host's HTTP lets it reach, and knows no cluster that it is not given.

mod alert_monitors;
mod apl;
mod ask;
mod describe;
mod events;
mod fresh_events;
mod ingest;
mod monitor;
mod monitors;
mod names;
mod service;
mod sync_monitors;

use sluice_plugin::{NativePlugin, PluginSpec, Power};

/// The plugin `axiom`. A new action is one file and one line here.
pub fn plugin() -> NativePlugin {
    let spec = PluginSpec {
        name: describe::plugin_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Ask Axiom for the events of nodes, send events, and keep monitors".to_owned(),
        powers: vec![Power {
            kind: "http".to_owned(),
            why: "sends queries, events and monitors to the origin that is granted; it opens no connection of its own"
                .to_owned(),
        }],
        actions: Vec::new(),
    };
    NativePlugin::new(
        spec,
        vec![
            ("alert_monitors", Box::new(alert_monitors::AlertMonitors)),
            ("events", Box::new(events::Events)),
            ("fresh_events", Box::new(fresh_events::FreshEvents)),
            ("ingest", Box::new(ingest::Ingest)),
            ("monitors", Box::new(monitors::ListMonitors)),
            ("sync_monitors", Box::new(sync_monitors::SyncMonitors)),
        ],
    )
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
