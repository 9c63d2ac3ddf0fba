//! Descriptions of actions with the usual answers filled in, and inputs as Rust types.

use schemars::JsonSchema;
use sluice_plugin::{Abilities, ActionName, ActionSpec, PluginName};

pub(crate) use sluice_plugin::typed::{input, output};

/// A read without a verdict. What differs is set on what comes back.
pub(crate) fn reading<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str) -> ActionSpec {
    let abilities = Abilities { check: true, ..Abilities::default() };
    ActionSpec { abilities, ..ActionSpec::reading::<In, Out>(name(operation), summary) }
}

#[expect(clippy::expect_used, reason = "the names are constants, and a test describes every action")]
fn name(operation: &str) -> ActionName {
    ActionName::parse(&format!("system.{operation}")).expect("a constant name")
}

#[expect(clippy::expect_used, reason = "the name is a constant, and a test describes the plugin")]
pub(crate) fn plugin_name() -> PluginName {
    PluginName::parse("system").expect("a constant name")
}
