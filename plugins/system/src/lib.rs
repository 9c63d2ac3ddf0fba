//! Actions that look at the machine they run on.
//!
//! It opens no connection and runs no program, and knows nothing of clusters: a node looks at itself.

mod cpu;
mod describe;
mod disk;
mod errors;
mod identity;
mod load;
mod looks;
mod machine;
mod memory;
mod metrics;
mod mounts;
mod percent;
mod read;

use sluice_plugin::{NativePlugin, PluginSpec, Power};

/// The plugin `system`. A new action is one file and one line here.
pub fn plugin() -> NativePlugin {
    let spec = PluginSpec {
        name: describe::plugin_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Look at the machine it runs on".to_owned(),
        powers: vec![Power {
            kind: "files".to_owned(),
            why: "reads the kernel's figures below /proc, the instance's id, and how full the file system of a step is"
                .to_owned(),
        }],
        actions: Vec::new(),
    };
    NativePlugin::new(spec, vec![("metrics", Box::new(metrics::Metrics::default()))])
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod this_machine;
