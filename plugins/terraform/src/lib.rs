//! Actions that change a value in a Terraform file, and that watch, apply and discard the run of Terraform Cloud which
//! follows from it.
//!
//! It reaches nothing but what the host's HTTP lets it reach, reads and writes no file, and starts no program.

mod cloud;
mod decide;
mod describe;
mod find_run;
mod hcl;
mod plan;
mod run;
mod run_finished;
mod set_attribute;
mod workspace;

use sluice_plugin::{NativePlugin, PluginSpec, Power};

/// The plugin `terraform`. A new action is one file and one line here.
pub fn plugin() -> NativePlugin {
    let spec = PluginSpec {
        name: describe::plugin_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Change Terraform files, and watch and apply runs of Terraform Cloud".to_owned(),
        powers: vec![Power {
            kind: "http".to_owned(),
            why: "asks Terraform Cloud at the origin that is granted; it opens no connection of its own".to_owned(),
        }],
        actions: Vec::new(),
    };
    NativePlugin::new(
        spec,
        vec![
            ("apply", Box::new(decide::Decide::Apply)),
            ("discard", Box::new(decide::Decide::Discard)),
            ("find_run", Box::new(find_run::FindRun)),
            ("plan", Box::new(plan::ReadPlan)),
            ("run", Box::new(run::ReadRun)),
            ("run_finished", Box::new(run_finished::RunFinished)),
            ("set_attribute", Box::new(set_attribute::SetAttribute)),
            ("workspace", Box::new(workspace::Workspace)),
        ],
    )
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
