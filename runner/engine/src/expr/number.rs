//! Arithmetic and comparison of values. Integers are exact from the least i64 to the greatest u64; whatever would leave
//! that range, round an integer or not be a number is an error. Knows no expression.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::fault::{Cause, EvalCode};
use super::kinds::Kinds;
use super::text;
use super::tree::{Arithmetic, Comparison};

type Outcome<T> = Result<T, Cause<EvalCode>>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

/// `left op right`. Adding also joins two strings or two lists.
pub(super) fn arithmetic(op: Arithmetic, left: &Value, right: &Value) -> Outcome<Value> {
    if let (Some(left), Some(right)) = (Num::of(left), Num::of(right)) {
        return calculate(op, left, right)?.value();
    }
    match (op, left, right) {
        (Arithmetic::Add, Value::String(left), Value::String(right)) => text::join([left.as_str(), right]),
        (Arithmetic::Add, Value::Array(left), Value::Array(right)) => text::limited_list(left, right),
        _ => Err(not_for(op, Kinds::of(left), Kinds::of(right))),
    }
}

pub(super) fn not_for(op: Arithmetic, left: Kinds, right: Kinds) -> Cause<EvalCode> {
    let cause = Cause::new(EvalCode::WrongType, format!("`{}` does not go with {left} and {right}", op.symbol()));
    let either = left.or(right);
    match op {
        _ if Kinds::NULL.within(either) => cause.hint(text::NOT_NONE),
        Arithmetic::Add if Kinds::STRING.within(either) => {
            cause.hint("`~` joins anything as text; `| int` makes a number of text")
        }
        _ if Kinds::STRING.within(either) => cause.hint("`| int` makes a number of text"),
        _ => cause,
    }
}

fn calculate(op: Arithmetic, left: Num, right: Num) -> Outcome<Num> {
    match (left, right) {
        (Num::Int(left), Num::Int(right)) if op != Arithmetic::Divide => integers(op, left, right).map(Num::Int),
        _ => floats(op, left.exact_float()?, right.exact_float()?).map(Num::Float),
    }
}

fn integers(op: Arithmetic, left: i128, right: i128) -> Outcome<i128> {
    let result = match op {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::FloorDivide | Arithmetic::Divide => {
            let rest = floor_remainder(left, right)?;
            left.checked_sub(rest).and_then(|left| left.checked_div(right))
        }
        Arithmetic::Remainder => Some(floor_remainder(left, right)?),
        Arithmetic::Power => return power(left, right),
    };
    result.ok_or_else(overflow)
}

fn floor_remainder(left: i128, right: i128) -> Outcome<i128> {
    let rest = left.checked_rem(right).ok_or_else(by_zero)?;
    Ok(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
}

fn power(base: i128, exponent: i128) -> Outcome<i128> {
    if exponent < 0 {
        return Err(Cause::new(EvalCode::Arithmetic, "the exponent of `**` is negative").hint("write `1 / (a ** b)`"));
    }
    if matches!(base, 0 | 1) {
        return Ok(if exponent == 0 { 1 } else { base });
    }
    u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)).ok_or_else(overflow)
}

fn floats(op: Arithmetic, left: f64, right: f64) -> Outcome<f64> {
    match op {
        Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::Remainder if right == 0.0 => Err(by_zero()),
        Arithmetic::Add => finite(left + right),
        Arithmetic::Subtract => finite(left - right),
        Arithmetic::Multiply => finite(left * right),
        Arithmetic::Divide => finite(left / right),
        Arithmetic::FloorDivide => finite(((left - float_remainder(left, right)) / right).round()),
        Arithmetic::Remainder => finite(float_remainder(left, right)),
        Arithmetic::Power => Err(Cause::new(EvalCode::WrongType, "`**` takes integers only")),
    }
}

fn float_remainder(left: f64, right: f64) -> f64 {
    let rest = left % right;
    if rest != 0.0 && (rest < 0.0) != (right < 0.0) { rest + right } else { rest }
}

fn finite(number: f64) -> Outcome<f64> {
    // Adding zero makes a negative zero positive.
    if number.is_finite() { Ok(number + 0.0) } else { Err(overflow()) }
}

fn by_zero() -> Cause<EvalCode> {
    Cause::new(EvalCode::Arithmetic, "division by zero")
}

pub(super) fn overflow() -> Cause<EvalCode> {
    Cause::new(EvalCode::Arithmetic, "the result is too large for a number")
}

impl Num {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        if number.is_f64() { number.as_f64().map(Self::Float) } else { number.as_i128().map(Self::Int) }
    }

    pub(super) fn value(self) -> Outcome<Value> {
        match self {
            Self::Int(number) => Number::from_i128(number).map(Value::Number).ok_or_else(overflow),
            Self::Float(number) => Number::from_f64(number).map(Value::Number).ok_or_else(overflow),
        }
    }

    pub(super) fn negated(self) -> Outcome<Value> {
        calculate(Arithmetic::Subtract, Self::Int(0), self)?.value()
    }

    pub(super) fn add(self, other: Self) -> Outcome<Self> {
        calculate(Arithmetic::Add, self, other)
    }

    /// The number as a float, if that is the same number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared after the round trip")]
    pub(super) fn exact_float(self) -> Outcome<f64> {
        match self {
            Self::Float(number) => Ok(number),
            Self::Int(number) if (number as f64) as i128 == number => Ok(number as f64),
            Self::Int(number) => {
                Err(Cause::new(EvalCode::Arithmetic, format!("{number} is too large to be exact as a float"))
                    .hint("`//`, `+`, `-` and `*` are exact between integers"))
            }
        }
    }

    /// Without its fraction. `None` where that is no integer of any kind.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates far outside of the range of integers here")]
    pub(super) fn truncated(self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(number),
            Self::Float(number) => number.is_finite().then_some(number as i128),
        }
    }

    /// Exact, also between an integer and a float.
    pub(super) fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(&right),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            (Self::Int(left), Self::Float(right)) => int_to_float(left, right),
            (Self::Float(left), Self::Int(right)) => int_to_float(right, left).reverse(),
        }
    }
}

/// The whole part of a float saturates in i128, far outside of what an integer can be here.
#[expect(clippy::cast_possible_truncation, reason = "saturation keeps the order")]
fn int_to_float(left: i128, right: f64) -> Ordering {
    left.cmp(&(right.trunc() as i128)).then_with(|| 0.0_f64.partial_cmp(&right.fract()).unwrap_or(Ordering::Equal))
}

/// `left op right` for one comparison.
pub(super) fn compare(op: Comparison, left: &Value, right: &Value) -> Outcome<bool> {
    match op {
        Comparison::Equal => Ok(same(left, right)),
        Comparison::NotEqual => Ok(!same(left, right)),
        Comparison::In => contains(right, left),
        Comparison::NotIn => contains(right, left).map(|found| !found),
        Comparison::Less => order(left, right).map(Ordering::is_lt),
        Comparison::LessOrEqual => order(left, right).map(Ordering::is_le),
        Comparison::Greater => order(left, right).map(Ordering::is_gt),
        Comparison::GreaterOrEqual => order(left, right).map(Ordering::is_ge),
    }
}

/// Equal as JSON, where 1 and 1.0 are the same number.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => {
            Num::of(left).zip(Num::of(right)).is_some_and(|(left, right)| left.order(right).is_eq())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// A text that two values share exactly when they are the same.
pub(super) fn identity(value: &Value) -> String {
    match value {
        Value::Number(_) => match Num::of(value) {
            Some(Num::Float(number)) if number.fract() != 0.0 || number.abs() > 1e20 => number.to_string(),
            Some(number) => number.truncated().unwrap_or_default().to_string(),
            None => value.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(identity).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key:?}:{}", identity(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

/// The order of two numbers or two strings (by code points).
pub(super) fn order(left: &Value, right: &Value) -> Outcome<Ordering> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return Ok(left.cmp(right));
    }
    match (Num::of(left), Num::of(right)) {
        (Some(left), Some(right)) => Ok(left.order(right)),
        _ => Err(no_order(Kinds::of(left), Kinds::of(right))),
    }
}

fn no_order(left: Kinds, right: Kinds) -> Cause<EvalCode> {
    let message = if left == right {
        format!("{left} is neither less nor greater than another")
    } else {
        format!("{left} cannot be compared with {right}")
    };
    let cause = Cause::new(EvalCode::WrongType, message);
    match (Kinds::STRING.within(left.or(right)), Kinds::NULL.within(left.or(right))) {
        (_, true) => cause.hint(text::NOT_NONE),
        (true, false) => cause.hint("`| int` or `| float` makes a number of text"),
        (false, false) => cause,
    }
}

/// Whether a list has the item, a string the part, an object the key.
pub(super) fn contains(whole: &Value, part: &Value) -> Outcome<bool> {
    match (whole, part) {
        (Value::Array(items), part) => Ok(items.iter().any(|item| same(item, part))),
        (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
        (Value::Object(fields), Value::String(name)) => Ok(fields.contains_key(name)),
        (Value::String(_) | Value::Object(_), part) => Err(Cause::new(
            EvalCode::WrongType,
            format!("{} can only hold a string, and this is {}", Kinds::of(whole), Kinds::of(part)),
        )),
        _ => Err(Cause::new(EvalCode::WrongType, format!("nothing is in {}", Kinds::of(whole)))
            .hint("`in` looks into a list, a string or the keys of an object")),
    }
}
