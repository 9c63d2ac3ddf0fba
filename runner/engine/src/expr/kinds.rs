//! The kinds of JSON values as a set, for everything that only asks "is this a number?". Knows no structure inside them.

use std::fmt;

use serde_json::Value;

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const NOTHING: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOL: Self = Self(2);
    pub const INT: Self = Self(4);
    pub const FLOAT: Self = Self(8);
    pub const STRING: Self = Self(16);
    pub const LIST: Self = Self(32);
    pub const OBJECT: Self = Self(64);

    pub const NUMBER: Self = Self::INT.or(Self::FLOAT);
    /// What can stand in the middle of text.
    pub const TEXT: Self = Self::NUMBER.or(Self::STRING).or(Self::BOOL);
    pub const ANY: Self = Self::TEXT.or(Self::NULL).or(Self::LIST).or(Self::OBJECT);

    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when all of `self` is in `other`.
    pub const fn within(self, other: Self) -> bool {
        self.without(other).is_empty()
    }

    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(number) if number.is_f64() => Self::FLOAT,
            Value::Number(_) => Self::INT,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn names(self) -> Vec<&'static str> {
        let names = [
            (Self::BOOL, "a boolean"),
            (Self::NUMBER, "a number"),
            (Self::INT, "an integer"),
            (Self::FLOAT, "a float"),
            (Self::STRING, "a string"),
            (Self::LIST, "a list"),
            (Self::OBJECT, "an object"),
            (Self::NULL, "none"),
        ];
        let mut rest = self;
        let mut found = Vec::new();
        for (kind, name) in names {
            if !rest.is_empty() && kind.within(rest) {
                found.push(name);
                rest = rest.without(kind);
            }
        }
        found
    }
}

/// `a string`, `a number or none`, `a string, a list or an object`.
impl fmt::Display for Kinds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return out.write_str("anything");
        }
        match self.names().as_slice() {
            [] => out.write_str("nothing"),
            [only] => out.write_str(only),
            [first @ .., last] => write!(out, "{} or {last}", first.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_shown_with_their_articles() {
        let check = |kinds: Kinds, expect: &str| assert_eq!(kinds.to_string(), expect);
        check(Kinds::STRING, "a string");
        check(Kinds::NUMBER, "a number");
        check(Kinds::INT, "an integer");
        check(Kinds::INT.or(Kinds::NULL), "an integer or none");
        check(Kinds::STRING.or(Kinds::LIST).or(Kinds::OBJECT), "a string, a list or an object");
        check(Kinds::ANY, "anything");
        check(Kinds::NOTHING, "nothing");
    }
}
