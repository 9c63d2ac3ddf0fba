//! Filters over lists, objects and the length of things.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::fault::{Cause, EvalCode};
use super::super::kinds::Kinds;
use super::super::look::Look;
use super::super::number::{self, Num};
use super::super::operators;
use super::super::ty::Ty;
use super::{Args, attribute};

type Outcome = Result<Value, Cause<EvalCode>>;

pub(super) fn default(input: &Value, args: Args<'_>) -> Outcome {
    Ok(if input.is_null() { args.get(0).unwrap_or(&Value::Null) } else { input }.clone())
}

pub(super) fn default_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    Ty::union([input.without_null()].into_iter().chain(args.iter().flatten().cloned())).into()
}

pub(super) fn length(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::from(match input {
        Value::String(text) => text.chars().count(),
        Value::Object(fields) => fields.len(),
        other => items(other).len(),
    }))
}

pub(super) fn contains(input: &Value, args: Args<'_>) -> Outcome {
    number::contains(input, args.get(0).unwrap_or(&Value::Null)).map(Value::Bool)
}

pub(super) fn contains_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    match args.first() {
        Some(Some(part)) => operators::containment(input, part),
        _ => Ty::Bool.into(),
    }
}

pub(super) fn first(input: &Value, _: Args<'_>) -> Outcome {
    items(input).first().cloned().ok_or_else(|| empty("first"))
}

pub(super) fn last(input: &Value, _: Args<'_>) -> Outcome {
    items(input).last().cloned().ok_or_else(|| empty("last"))
}

pub(super) fn item_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    input.items().into()
}

pub(super) fn sort(input: &Value, args: Args<'_>) -> Outcome {
    let keys = match args.text(1) {
        Some(path) => attribute::of_each(items(input), path)?,
        None => items(input).iter().collect(),
    };
    let mut pairs: Vec<(&Value, &Value)> = keys.into_iter().zip(items(input)).collect();
    check_order(pairs.iter().map(|(key, _)| *key))?;
    let reverse = args.get(0).and_then(Value::as_bool).unwrap_or_default();
    pairs.sort_by(|(left, _), (right, _)| {
        let order = number::order(left, right).unwrap_or(Ordering::Equal);
        if reverse { order.reverse() } else { order }
    });
    Ok(Value::Array(pairs.into_iter().map(|(_, item)| item.clone()).collect()))
}

/// Fails unless each has an order with the first, which all of them then have with each other.
fn check_order<'a>(mut values: impl Iterator<Item = &'a Value>) -> Result<(), Cause<EvalCode>> {
    let Some(first) = values.next() else { return Ok(()) };
    number::order(first, first)?;
    values.try_for_each(|value| number::order(first, value).map(drop))
}

pub(super) fn sort_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    let keys = match args.get(1) {
        Some(Some(path)) => attribute::ty_of_each(input, path),
        _ => input.items().into(),
    };
    let order = operators::one_order(&keys.ty, "`sort`");
    Look::from(input.clone()).and(keys).and(order)
}

pub(super) fn unique(input: &Value, _: Args<'_>) -> Outcome {
    let mut seen = BTreeSet::new();
    let new = items(input).iter().filter(|item| seen.insert(number::identity(item)));
    Ok(Value::Array(new.cloned().collect()))
}

pub(super) fn min(input: &Value, _: Args<'_>) -> Outcome {
    extreme(input, "min", Ordering::Less)
}

pub(super) fn max(input: &Value, _: Args<'_>) -> Outcome {
    extreme(input, "max", Ordering::Greater)
}

fn extreme(input: &Value, name: &str, wanted: Ordering) -> Outcome {
    check_order(items(input).iter())?;
    let mut best = items(input).first().ok_or_else(|| empty(name))?;
    for item in items(input) {
        if number::order(item, best)? == wanted {
            best = item;
        }
    }
    Ok(best.clone())
}

pub(super) fn min_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    Look::from(input.items()).and(operators::one_order(&input.items(), "`min`"))
}

pub(super) fn max_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    Look::from(input.items()).and(operators::one_order(&input.items(), "`max`"))
}

pub(super) fn sum(input: &Value, _: Args<'_>) -> Outcome {
    let mut total = Num::Int(0);
    for item in items(input) {
        let number = Num::of(item).ok_or_else(|| {
            Cause::new(EvalCode::WrongType, format!("`sum` adds numbers, and an item is {}", Kinds::of(item)))
        })?;
        total = total.add(number)?;
    }
    total.value()
}

pub(super) fn sum_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    let items = input.items();
    let ty = if items.kinds().within(Kinds::INT) { Ty::Int } else { Ty::number() };
    Look::from(ty).and_require(&items, Kinds::NUMBER, "an item that `sum` adds")
}

pub(super) fn keys(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::Array(by_name(input).into_iter().map(|(name, _)| Value::from(name.as_str())).collect()))
}

pub(super) fn values(input: &Value, _: Args<'_>) -> Outcome {
    Ok(Value::Array(by_name(input).into_iter().map(|(_, value)| value.clone()).collect()))
}

pub(super) fn values_ty(input: &Ty, _: &[Option<Ty>]) -> Look {
    let of_part = |part: &Ty| match part {
        Ty::Object(object) => Ty::union(object.types().cloned()),
        _ => Ty::Any,
    };
    Ty::list(Ty::union(input.parts().iter().filter(|part| **part != Ty::Null).map(of_part))).into()
}

fn by_name(input: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = input.as_object().into_iter().flat_map(Map::iter).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

fn empty(name: &str) -> Cause<EvalCode> {
    Cause::new(EvalCode::Undefined, format!("`{name}` has nothing to give: the list is empty"))
        .hint("add `| default(...)` if that can be")
}

/// The table lets lists only reach the callers.
fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
