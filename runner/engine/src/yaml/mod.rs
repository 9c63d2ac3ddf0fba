//! YAML as a tree in which every value knows its place. One document, YAML 1.2, no anchors, no tags.
//!
//! The tree says nothing about runbooks or inventories; what a value means is for its reader to say.

mod build;
pub mod fields;
mod place;
mod read;
mod scalar;
pub(crate) mod schema;
#[cfg(test)]
mod tests;

pub use build::parse;
pub use place::place;
pub use read::{LARGEST, read};

use serde_json::Value;

use crate::source::Span;

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    Seq(Vec<Node>),
    Map(Map),
    /// Something that was reported already. Whoever meets it keeps silent.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    pub style: Style,
}

/// How a text was written, which decides how its characters are found again in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    /// `|` or `>`.
    Block,
}

/// In the order of the file, each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Key,
    pub value: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub span: Span,
}

impl Map {
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

impl Node {
    /// The value without its places. What is broken becomes null.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null | Kind::Broken => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Int(value) => Value::from(*value),
            Kind::Float(value) => Value::from(*value),
            Kind::Text(text) => Value::String(text.value.clone()),
            Kind::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(map) => {
                Value::Object(map.iter().map(|entry| (entry.key.name.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// The value at a JSON pointer, or the nearest one above it.
    pub fn at(&self, pointer: &str) -> &Self {
        pointer.split('/').skip(1).fold(self, |node, part| {
            let name = part.replace("~1", "/").replace("~0", "~");
            let inner = match &node.kind {
                Kind::Map(map) => map.get(&name).map(|entry| &entry.value),
                Kind::Seq(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Text(_) | Kind::Broken => None,
            };
            inner.unwrap_or(node)
        })
    }

    /// What it is, for "expected a list, found ...".
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Broken => "something broken",
        }
    }

    pub fn is_broken(&self) -> bool {
        matches!(self.kind, Kind::Broken)
    }
}
