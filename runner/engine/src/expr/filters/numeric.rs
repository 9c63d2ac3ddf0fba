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
/// Of a text that a message shows whole.
const LONGEST: usize = 40;

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

/// Seconds, with a fraction where it has one. Durations are written as everywhere in a runbook.
pub(super) fn duration(input: &Value, _: Args<'_>) -> Outcome {
    let text = input.as_str().unwrap_or_default();
    if text.len() > LONGEST {
        return Err(unreadable(text, "a duration"));
    }
    let time = sluice_plugin::parse_duration(text).map_err(|why| Cause::new(EvalCode::BadValue, why))?;
    match time.subsec_nanos() {
        0 => Ok(Value::from(time.as_secs())),
        _ => Num::Float(time.as_secs_f64()).value(),
    }
}

fn whole(number: Option<i128>) -> Outcome {
    Num::Int(number.ok_or_else(overflow)?).value()
}

fn unreadable(text: &str, wanted: &str) -> Cause<EvalCode> {
    let shown: String = text.chars().take(LONGEST).collect();
    Cause::new(EvalCode::BadValue, format!("{shown:?} is not {wanted}"))
}
