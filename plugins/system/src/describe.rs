//! Descriptions of actions with the usual answers filled in, and inputs as Rust types.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_plugin::{Abilities, ActionName, ActionSpec, PluginName, Problem};

/// A read without a verdict. What differs is set on what comes back.
pub(crate) fn reading<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str) -> ActionSpec {
    let abilities = Abilities { check: true, ..Abilities::default() };
    ActionSpec { abilities, ..ActionSpec::reading::<In, Out>(name(operation), summary) }
}

/// The engine has checked `with` against the schema; this says no only when schema and type disagree.
pub(crate) fn input<T: DeserializeOwned>(with: &Value) -> Result<T, Problem> {
    T::deserialize(with).map_err(|error| Problem::bad_input("", error.to_string()))
}

pub(crate) fn output(value: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| Problem::not_applied("bad_output", error.to_string()))
}

#[expect(clippy::expect_used, reason = "the names are constants, and a test describes every action")]
fn name(operation: &str) -> ActionName {
    ActionName::parse(&format!("system.{operation}")).expect("a constant name")
}

#[expect(clippy::expect_used, reason = "the name is a constant, and a test describes the plugin")]
pub(crate) fn plugin_name() -> PluginName {
    PluginName::parse("system").expect("a constant name")
}
