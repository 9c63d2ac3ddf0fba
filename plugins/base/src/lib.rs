//! The actions every runbook may need: look at a URL, write and read a file, wait, echo; and toys to practise with.
//!
//! It opens no connections of its own (the host's HTTP does) and knows nothing of clusters.

mod describe;
mod echo;
mod file;
mod files;
mod http_get;
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
            Box::new(echo::Echo),
            Box::new(file::WriteFile),
            Box::new(http_get::HttpGet),
            Box::new(read_file::ReadFile),
            Box::new(toy::read::Toy),
            Box::new(toy::change::ToyChange::PUT),
            Box::new(toy::change::ToyChange::APPEND),
            Box::new(toy::change::ToyChange::REMOVE),
            Box::new(wait::Wait),
        ],
    )
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
