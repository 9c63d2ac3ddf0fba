//! Filters that take or make text.

use serde_json::Value;

use super::super::fault::{Cause, EvalCode};
use super::super::kinds::Kinds;
use super::super::look::Look;
use super::super::text::{self, MAX_ITEMS, MAX_TEXT};
use super::super::ty::Ty;
use super::Args;

type Outcome = Result<Value, Cause<EvalCode>>;

pub(super) fn join(input: &Value, args: Args<'_>) -> Outcome {
    let separator = args.text(0).unwrap_or_default();
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut pieces = Vec::with_capacity(items.len() * 2);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pieces.push(separator.into());
        }
        pieces.push(text::of(item)?);
    }
    text::join(pieces.iter().map(AsRef::as_ref))
}

pub(super) fn join_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    Look::from(Ty::Str).and_require(&input.items(), Kinds::TEXT, "an item that `join` puts into text")
}

pub(super) fn split(input: &Value, args: Args<'_>) -> Outcome {
    let whole = string_of(input);
    let parts: Vec<Value> = match args.text(0) {
        Some("") => return Err(Cause::new(EvalCode::BadValue, "the separator of `split` is empty")),
        Some(separator) => whole.split(separator).take(MAX_ITEMS + 1).map(Value::from).collect(),
        None => whole.split_whitespace().take(MAX_ITEMS + 1).map(Value::from).collect(),
    };
    if parts.len() > MAX_ITEMS {
        return Err(text::too_many());
    }
    Ok(Value::Array(parts))
}

pub(super) fn replace(input: &Value, args: Args<'_>) -> Outcome {
    let (whole, from, to) = (string_of(input), args.text(0).unwrap_or_default(), args.text(1).unwrap_or_default());
    if from.is_empty() {
        return Err(Cause::new(EvalCode::BadValue, "what `replace` looks for is empty"));
    }
    let added = whole.matches(from).count().saturating_mul(to.len());
    if whole.len().saturating_add(added) > MAX_TEXT {
        return Err(text::too_long());
    }
    Ok(Value::String(whole.replace(from, to)))
}

pub(super) fn lower(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::String(string_of(input).to_lowercase()))
}

pub(super) fn upper(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::String(string_of(input).to_uppercase()))
}

pub(super) fn trim(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::from(string_of(input).trim()))
}

pub(super) fn starts_with(input: &Value, args: Args<'_>) -> Outcome {
    Ok(Value::Bool(string_of(input).starts_with(args.text(0).unwrap_or_default())))
}

pub(super) fn ends_with(input: &Value, args: Args<'_>) -> Outcome {
    Ok(Value::Bool(string_of(input).ends_with(args.text(0).unwrap_or_default())))
}

pub(super) fn string(input: &Value, _: Args<'_>) -> Outcome {
    text::of(input).map(|text| Value::String(text.into_owned()))
}

pub(super) fn to_json(input: &Value, _: Args<'_>) -> Outcome {
    let mut sorted = input.clone();
    sorted.sort_all_objects();
    let json = sorted.to_string();
    if json.len() > MAX_TEXT { Err(text::too_long()) } else { Ok(Value::String(json)) }
}

/// The table lets strings only reach the callers.
fn string_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
