//! How an action says that it did not work, and whether anything may have happened all the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A failure that crosses the boundary, goes into the journal, and comes out again the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Problem {
    /// Stable, `snake_case`, for machines: `unreachable`, `not_found`, `denied`, `timeout`.
    pub code: String,
    /// For a person: what happened and what to do next. Small letter first, no full stop.
    pub message: String,
    /// True when the same call may work later.
    pub retryable: bool,
    /// Whether the world may have been changed. `No` only where the plugin can prove it.
    pub applied: Applied,
    /// JSON pointer inside `with`, when one field is to blame; the engine turns it into file and line.
    pub path: Option<String>,
    pub details: Option<Value>,
}

/// `Maybe` is the answer whenever a request may have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    No,
    Maybe,
}

impl Problem {
    /// A failure before anything left this process, or of a call that only reads.
    pub fn not_applied(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            retryable: false,
            applied: Applied::No,
            path: None,
            details: None,
        }
    }

    /// A failure after which the world may have changed.
    pub fn maybe_applied(code: &str, message: impl Into<String>) -> Self {
        Self { applied: Applied::Maybe, ..Self::not_applied(code, message) }
    }

    /// A `with` that fits the schema and still makes no sense.
    pub fn bad_input(pointer: &str, message: impl Into<String>) -> Self {
        Self { path: Some(pointer.to_owned()), ..Self::not_applied("bad_input", message) }
    }

    #[must_use]
    pub fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }

    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }
}
