//! One call of an action: which run and step it is for, and what it is meant to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::Timestamp;

/// Everything an action is told. It must not look anywhere else for it, least of all in the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub run: String,
    /// The step's address, `roll[node-2]/terminate`.
    pub step: String,
    pub attempt: Attempt,
    pub purpose: Purpose,
    /// After this moment the answer is no longer waited for.
    pub deadline: Option<Timestamp>,
    /// Valid against the action's input schema, defaults filled in. Secrets are [`crate::SecretRef`] leaves.
    pub with: Value,
}

/// Counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u32);

/// What a call is for. Everything but `Act` runs under a host that cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// `run` of a read action, or one sample of a gate.
    Read,
    Preview,
    /// `run` of a change or destroy action.
    Act,
    Reconcile,
}
