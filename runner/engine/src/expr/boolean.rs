//! What counts as true. Knows no expression.

use serde_json::Value;

use super::fault::{Cause, EvalCode};
use super::secret;

/// A boolean itself; none is false; a string, a list or an object is true unless empty. A number is an error: whether 0
/// or a negative number should stop something has to be written.
pub(super) fn of(value: &Value) -> Result<bool, Cause<EvalCode>> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) => Ok(!text.is_empty()),
        Value::Array(items) => Ok(!items.is_empty()),
        Value::Object(_) if secret::is_secret(value) => {
            Err(Cause::new(EvalCode::Secret, "a secret is no condition").hint(secret::ALONE))
        }
        Value::Object(fields) => Ok(!fields.is_empty()),
        Value::Number(_) => {
            Err(Cause::new(EvalCode::WrongType, "a number is neither true nor false").hint("compare it: `> 0`"))
        }
    }
}
