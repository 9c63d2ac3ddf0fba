//! Filters that make numbers.

use serde_json::Value;

use super::super::fault::{Cause, EvalCode};
use super::super::kinds::Kinds;
use super::super::look::Look;
use super::super::number::{Num, overflow};
use super::super::ty::Ty;
use super::Args;

type Outcome = Result<Value, Cause<EvalCode>>;

const MAX_DIGITS: u64 = 15;

pub(super) fn int(input: &Value, _: Args<'_>) -> Outcome {
    match (input.as_str(), Num::of(input)) {
        (Some(text), _) => {
            let number = text.trim().parse().map_err(|_| unreadable(text, "an integer"))?;
            Num::Int(number).value()
        }
        (None, Some(number)) => whole(number.truncated()),
        (None, None) => Err(overflow()),
    }
}

pub(super) fn float(input: &Value, _: Args<'_>) -> Outcome {
    match (input.as_str(), Num::of(input)) {
        (Some(text), _) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Num::Float(number).value(),
            _ => Err(unreadable(text, "a number")),
        },
        (None, Some(number)) => Num::Float(number.exact_float()?).value(),
        (None, None) => Err(overflow()),
    }
}

pub(super) fn abs(input: &Value, _: Args<'_>) -> Outcome {
    match Num::of(input) {
        Some(Num::Int(number)) => Num::Int(number.saturating_abs()).value(),
        Some(Num::Float(number)) => Num::Float(number.abs()).value(),
        None => Err(overflow()),
    }
}

pub(super) fn round(input: &Value, args: Args<'_>) -> Outcome {
    let digits = args.get(0).map(digits_of).transpose()?;
    match (Num::of(input), digits) {
        (Some(Num::Float(number)), None) => whole(Num::Float(number.round()).truncated()),
        (Some(Num::Float(number)), Some(digits)) => {
            // Through text, where rounding is exact: a multiplication by a power of ten is not.
            Num::Float(format!("{number:.digits$}").parse().map_err(|_| overflow())?).value()
        }
        (Some(number), _) => number.value(),
        (None, _) => Err(overflow()),
    }
}

pub(super) fn round_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    let rounds_to_float = matches!(args.first(), Some(Some(_))) && Kinds::FLOAT.within(input.kinds());
    let part = |part: &Ty| if *part == Ty::Float && !rounds_to_float { Ty::Int } else { part.clone() };
    match input {
        Ty::Any if rounds_to_float => Ty::number().into(),
        Ty::Any => Ty::Int.into(),
        other => Ty::union(other.parts().iter().map(part)).into(),
    }
}

fn digits_of(digits: &Value) -> Result<usize, Cause<EvalCode>> {
    let digits = digits.as_u64().filter(|digits| *digits <= MAX_DIGITS).and_then(|digits| usize::try_from(digits).ok());
    digits.ok_or_else(|| Cause::new(EvalCode::BadValue, format!("`round` takes 0 to {MAX_DIGITS} digits")))
}

/// Seconds; each unit once at most, greatest first.
pub(super) fn duration(input: &Value, _: Args<'_>) -> Outcome {
    let text = input.as_str().unwrap_or_default();
    seconds(text)
        .map(Value::from)
        .ok_or_else(|| unreadable(text, "a duration").hint("write `90s`, `10m`, `1h30m` or `2d`"))
}

fn seconds(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return None;
    }
    for (unit, length) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if let Some((count, after)) = count_of(rest, unit) {
            total = total.checked_add(count.checked_mul(length)?)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(total)
}

/// The number before `unit`, if `text` starts with the two.
fn count_of(text: &str, unit: char) -> Option<(u64, &str)> {
    let (count, after) = text.split_once(unit)?;
    let all_digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| count.parse().ok().map(|count| (count, after))).flatten()
}

fn whole(number: Option<i128>) -> Outcome {
    Num::Int(number.ok_or_else(overflow)?).value()
}

fn unreadable(text: &str, wanted: &str) -> Cause<EvalCode> {
    let shown: String = text.chars().take(40).collect();
    Cause::new(EvalCode::BadValue, format!("{shown:?} is not {wanted}"))
}
