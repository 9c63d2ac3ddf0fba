//! The actions every runbook may need: look at a URL, write and read a file, keep what a collector gathers, wait, echo;
//! and toys to practise with.
//!
//! It opens no connections of its own (the host's HTTP does) and knows nothing of clusters.

mod append_line;
mod describe;
mod echo;
mod file;
mod files;
mod http;
mod http_get;
mod http_send;
mod join;
mod lines;
mod lock;
mod read_file;
mod spool;
mod spool_add;
mod spool_drop;
mod spool_peek;
mod toy;
mod wait;

use sluice_plugin::{NativePlugin, PluginSpec, Power};

/// The plugin `base`. A new action is one file and one line here.
pub fn plugin() -> NativePlugin {
    let spec = PluginSpec {
        name: describe::plugin_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Look at URLs, write and read files, keep what a collector gathers, wait, and toys to practise with"
            .to_owned(),
        powers: vec![Power {
            kind: "files".to_owned(),
            why: "reads and writes the files that a step names, never those in a run's private folder".to_owned(),
        }],
        actions: Vec::new(),
    };
    NativePlugin::new(
        spec,
        vec![
            ("append_line", Box::new(append_line::AppendLine)),
            ("echo", Box::new(echo::Echo)),
            ("file", Box::new(file::WriteFile)),
            ("http_get", Box::new(http_get::HttpGet)),
            ("http_send", Box::new(http_send::HttpSend)),
            ("join", Box::new(join::Join)),
            ("read_file", Box::new(read_file::ReadFile)),
            ("spool_add", Box::new(spool_add::SpoolAdd)),
            ("spool_drop", Box::new(spool_drop::SpoolDrop)),
            ("spool_peek", Box::new(spool_peek::SpoolPeek)),
            ("toy", Box::new(toy::read::Toy)),
            ("toy_change", Box::new(toy::change::ToyChange::PUT)),
            ("toy_append", Box::new(toy::change::ToyChange::APPEND)),
            ("toy_destroy", Box::new(toy::change::ToyChange::REMOVE)),
            ("wait", Box::new(wait::Wait)),
        ],
    )
}

#[cfg(test)]
mod append_line_tests;
#[cfg(test)]
mod by_hand_tests;
#[cfg(test)]
mod full_disk_tests;
#[cfg(test)]
mod spool_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
