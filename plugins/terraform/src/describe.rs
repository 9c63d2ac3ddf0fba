//! Descriptions of actions with the usual answers filled in, and inputs as Rust types.

use schemars::JsonSchema;
use sluice_plugin::{Abilities, ActionName, ActionSpec, Effect, GateClass, PluginName};

pub(crate) use sluice_plugin::typed::{input, output};

/// A read that is usable as a gate: what Terraform Cloud says of a run is the run.
pub(crate) fn gate<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str) -> ActionSpec {
    ActionSpec { gate: Some(GateClass::Data), ..read::<In, Out>(operation, summary) }
}

/// A read without a verdict.
pub(crate) fn read<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str) -> ActionSpec {
    let abilities = Abilities { check: true, ..Abilities::default() };
    ActionSpec { abilities, ..ActionSpec::reading::<In, Out>(name(operation), summary) }
}

/// A change that is looked at before and after, and never done twice by itself.
pub(crate) fn change<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str) -> ActionSpec {
    ActionSpec {
        effect: Effect::Change,
        idempotent: false,
        abilities: Abilities { check: true, preview: true, reconcile: true },
        ..read::<In, Out>(operation, summary)
    }
}

#[expect(clippy::expect_used, reason = "the names are constants, and a test describes every action")]
fn name(operation: &str) -> ActionName {
    ActionName::parse(&format!("terraform.{operation}")).expect("a constant name")
}

#[expect(clippy::expect_used, reason = "the name is a constant, and a test describes the plugin")]
pub(crate) fn plugin_name() -> PluginName {
    PluginName::parse("terraform").expect("a constant name")
}
