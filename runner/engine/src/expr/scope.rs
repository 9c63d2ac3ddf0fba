//! How names get their values and types. The caller implements the traits; this file knows no name of its own.
//!
//! A path is handed over with all of its parts that are known beforehand, and the scope answers with the value it holds
//! for the *longest* prefix it knows, and how long that prefix was. So `steps.quorum.voters_left` can be answered with
//! a borrow of the one output of `steps.quorum` (one part used), and nobody ever builds an object of all steps.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::facts::Fact;
use super::tree::Part;
use super::ty::Ty;

pub trait Scope {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Value>;
}

pub trait TypeScope {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Ty>;

    /// What is known beside the types: conditions that hold wherever this is evaluated.
    fn facts(&self) -> &[Fact] {
        &[]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<'a, T: Clone> {
    /// The value of the root followed by the first `used` parts. The rest of the way is walked inside it.
    Found { value: Cow<'a, T>, used: usize },
    /// The root is not a name here. `known` are the names that are.
    Unknown { known: Vec<String> },
    /// The root is a name, the first `used` parts are right, and there is nothing further on. `known` are the names that
    /// could stand there; `why` replaces the message ("step `idle` was skipped and has no output").
    Missing { used: usize, known: Vec<String>, why: Option<String> },
}

/// The names of the first, and behind them those of the second.
pub struct Layered<'a, S: ?Sized>(pub &'a S, pub &'a S);

impl Scope for Map<String, Value> {
    fn resolve(&self, root: &str, _: &[Part]) -> Resolved<'_, Value> {
        found_or_unknown(self.get(root), self.keys())
    }
}

impl TypeScope for BTreeMap<String, Ty> {
    fn resolve(&self, root: &str, _: &[Part]) -> Resolved<'_, Ty> {
        found_or_unknown(self.get(root), self.keys())
    }
}

impl Scope for Layered<'_, dyn Scope + '_> {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Value> {
        self.0.resolve(root, path).or_else(|| self.1.resolve(root, path))
    }
}

impl TypeScope for Layered<'_, dyn TypeScope + '_> {
    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Ty> {
        self.0.resolve(root, path).or_else(|| self.1.resolve(root, path))
    }
}

impl<T: Clone> Resolved<'_, T> {
    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        let Self::Unknown { mut known } = self else { return self };
        match other() {
            Self::Unknown { known: more } => {
                known.extend(more);
                Self::Unknown { known }
            }
            answer @ (Self::Found { .. } | Self::Missing { .. }) => answer,
        }
    }
}

fn found_or_unknown<'a, 'b, T: Clone>(
    value: Option<&'a T>,
    known: impl Iterator<Item = &'b String>,
) -> Resolved<'a, T> {
    match value {
        Some(value) => Resolved::Found { value: Cow::Borrowed(value), used: 0 },
        None => Resolved::Unknown { known: known.cloned().collect() },
    }
}
