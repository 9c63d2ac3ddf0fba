//! Inputs and outputs of actions as Rust types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problem;

/// The engine has checked `with` against the schema; this says no only when schema and type disagree.
pub fn input<T: DeserializeOwned>(with: &Value) -> Result<T, Problem> {
    T::deserialize(with).map_err(|error| Problem::bad_input("", error.to_string()))
}

/// Never fails for the types that actions give back; what is said after an act would have to leave open whether it happened.
pub fn output(value: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| Problem::maybe_applied("bad_output", error.to_string()))
}
