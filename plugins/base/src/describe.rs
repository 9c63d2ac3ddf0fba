//! Descriptions of actions with the usual answers filled in, and inputs as Rust types.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_plugin::{ActionName, ActionSpec, Call, Effect, Example, PluginName, Problem};

pub(crate) use sluice_plugin::typed::{input, output};

/// An action that has no verdict and answers no optional call. What differs is set on what comes back.
pub(crate) fn spec<In: JsonSchema, Out: JsonSchema>(operation: &str, summary: &str, effect: Effect) -> ActionSpec {
    ActionSpec { effect, idempotent: false, ..ActionSpec::reading::<In, Out>(name(operation), summary) }
}

pub(crate) fn example(summary: &str, with: Value, output: Value) -> Example {
    Example { summary: summary.to_owned(), with, output }
}

pub(crate) fn input_of<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    input(&call.with)
}

#[expect(clippy::expect_used, reason = "the names are constants, and a test describes every action")]
fn name(operation: &str) -> ActionName {
    ActionName::parse(&format!("base.{operation}")).expect("a constant name")
}

#[expect(clippy::expect_used, reason = "the name is a constant, and a test describes the plugin")]
pub(crate) fn plugin_name() -> PluginName {
    PluginName::parse("base").expect("a constant name")
}
