//! The actions every runbook may need: look at a URL, write and read a file, wait, echo; and toys to practise with.
//!
//! It opens no connections of its own (the host's HTTP does) and knows nothing of clusters.

mod describe;
mod echo;
mod file;
mod files;
mod http;
mod http_get;
mod http_send;
mod join;
mod read_file;
mod toy;
mod wait;

use sluice_plugin::{NativePlugin, PluginSpec, Power};

/// The plugin `base`. A new action is one file and one line here.
pub fn plugin() -> NativePlugin {
    let spec = PluginSpec {
        name: describe::plugin_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Look at URLs, write and read files, wait, and toys to practise with".to_owned(),
        powers: vec![Power {
            kind: "files".to_owned(),
            why: "reads and writes the files that a step names, never those in a run's private folder".to_owned(),
        }],
        actions: Vec::new(),
    };
    NativePlugin::new(
        spec,
        vec![
            ("echo", Box::new(echo::Echo)),
            ("file", Box::new(file::WriteFile)),
            ("http_get", Box::new(http_get::HttpGet)),
            ("http_send", Box::new(http_send::HttpSend)),
            ("join", Box::new(join::Join)),
            ("read_file", Box::new(read_file::ReadFile)),
            ("toy", Box::new(toy::read::Toy)),
            ("toy_change", Box::new(toy::change::ToyChange::PUT)),
            ("toy_append", Box::new(toy::change::ToyChange::APPEND)),
            ("toy_destroy", Box::new(toy::change::ToyChange::REMOVE)),
            ("wait", Box::new(wait::Wait)),
        ],
    )
}

#[cfg(test)]
mod by_hand_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
