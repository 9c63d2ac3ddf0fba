//! Values as text, and how long a text may get. Knows no expression.

use std::borrow::Cow;

use serde_json::Value;

use super::fault::{Cause, EvalCode};
use super::kinds::Kinds;

pub(super) const NOT_NONE: &str = "`| default(...)` gives a value in place of none";

/// Bytes of a string that an expression may make.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// Items of a list that an expression may make.
pub(super) const MAX_ITEMS: usize = 1 << 16;

/// The value as it stands in the middle of text: strings, numbers and booleans only.
pub(super) fn of(value: &Value) -> Result<Cow<'_, str>, Cause<EvalCode>> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Ok(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(no_text(Kinds::of(value))),
    }
}

fn no_text(kinds: Kinds) -> Cause<EvalCode> {
    Cause::new(EvalCode::WrongType, format!("{kinds} cannot stand in text")).hint(how(kinds))
}

/// What to write instead of putting a value of these kinds into text.
pub(super) fn how(kinds: Kinds) -> &'static str {
    if Kinds::LIST.within(kinds) {
        "`| join(\", \")` or `| tojson` makes text of it"
    } else if Kinds::OBJECT.within(kinds) {
        "`| tojson` makes text of it"
    } else {
        NOT_NONE
    }
}

pub(super) fn join<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Result<Value, Cause<EvalCode>> {
    let mut text = String::new();
    for piece in pieces {
        if text.len() + piece.len() > MAX_TEXT {
            return Err(too_long());
        }
        text.push_str(piece);
    }
    Ok(Value::String(text))
}

pub(super) fn too_long() -> Cause<EvalCode> {
    Cause::new(EvalCode::TooLarge, format!("the text would be longer than {} KiB", MAX_TEXT / 1024))
}

pub(super) fn limited_list(left: &[Value], right: &[Value]) -> Result<Value, Cause<EvalCode>> {
    if left.len() + right.len() > MAX_ITEMS {
        return Err(too_many());
    }
    Ok(Value::Array(left.iter().chain(right).cloned().collect()))
}

pub(super) fn too_many() -> Cause<EvalCode> {
    Cause::new(EvalCode::TooLarge, format!("the list would have more than {MAX_ITEMS} items"))
}
