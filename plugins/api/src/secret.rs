//! Secrets, and the references that stand for them wherever JSON goes.
//!
//! A secret has no `Display`, `Debug` or `Serialize`. What travels through `with`, outputs, journals and screens is a
//! [`SecretRef`]; only the host can turn one into the value, and only for the call in which it was given.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The one key of the object that stands for a secret in JSON: `{"$secret": "steps.creds#/jwt"}`.
pub const SECRET_KEY: &str = "$secret";

/// A value that must not be shown. The bytes are overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Box<str>);

/// Where a secret comes from: a name of the inventory (`secrets.axiom_token`) or a step and a JSON pointer into its
/// output (`steps.creds#/jwt`). Safe to store and to show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

impl Secret {
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it on. Do not put it into a `format!`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let length = self.0.len();
        let mut bytes = std::mem::take(&mut self.0).into_boxed_bytes();
        bytes.fill(0);
        // Without this the fill may be optimised away, since nothing reads it.
        std::hint::black_box((&mut bytes, length));
    }
}

impl SecretRef {
    pub fn to_json(&self) -> Value {
        json!({ SECRET_KEY: self.0 })
    }

    /// The reference in this leaf, if it is one.
    pub fn from_json(leaf: &Value) -> Option<Self> {
        let object = leaf.as_object().filter(|object| object.len() == 1)?;
        object.get(SECRET_KEY)?.as_str().map(|text| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds only while `Secret` has neither `Debug`, `Display` nor `Serialize`: with one of them the method becomes
    /// ambiguous and this no longer compiles.
    #[test]
    fn a_secret_cannot_be_shown() {
        trait Hidden<Marker> {
            fn hidden() -> bool {
                true
            }
        }
        struct ByDebug;
        struct ByDisplay;
        struct BySerialize;
        impl<T> Hidden<()> for T {}
        impl<T: std::fmt::Debug> Hidden<ByDebug> for T {}
        impl<T: std::fmt::Display> Hidden<ByDisplay> for T {}
        impl<T: Serialize> Hidden<BySerialize> for T {}
        assert!(Secret::hidden());
    }

    #[test]
    fn only_an_object_with_the_one_key_is_a_reference() {
        let reference = SecretRef("steps.creds#/jwt".into());
        assert_eq!(SecretRef::from_json(&reference.to_json()), Some(reference));
        assert_eq!(SecretRef::from_json(&json!({ "$secret": "a", "b": 1 })), None);
        assert_eq!(SecretRef::from_json(&json!({ "$secret": 1 })), None);
        assert_eq!(SecretRef::from_json(&json!("a")), None);
    }
}
