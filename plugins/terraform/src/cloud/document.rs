//! JSON:API as Terraform Cloud speaks it: resources with attributes, and others that they point at.

use serde::Deserialize;
use serde_json::Value;

/// One resource or several, and what was asked for beside them.
#[derive(Debug, Deserialize)]
pub(crate) struct Document<T> {
    pub(crate) data: T,
    #[serde(default)]
    included: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    #[serde(rename = "type")]
    kind: String,
    pub(crate) id: String,
    #[serde(default)]
    attributes: Value,
    #[serde(default)]
    relationships: Value,
}

impl<T> Document<T> {
    /// What a resource points at, when it came along.
    pub(crate) fn related(&self, from: &Resource, relation: &str) -> Option<&Resource> {
        let (kind, id) = from.relation(relation)?;
        self.included.iter().find(|resource| resource.kind == kind && resource.id == id)
    }
}

impl Resource {
    /// An attribute, `/actions/is-confirmable`.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        self.attributes.pointer(pointer).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer).and_then(Value::as_str)
    }

    pub(crate) fn flag(&self, pointer: &str) -> Option<bool> {
        self.at(pointer).and_then(Value::as_bool)
    }

    pub(crate) fn number(&self, pointer: &str) -> Option<u64> {
        self.at(pointer).and_then(Value::as_u64)
    }

    pub(crate) fn texts(&self, pointer: &str) -> Vec<String> {
        let list = self.at(pointer).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Type and id of what it points at.
    pub(crate) fn relation(&self, name: &str) -> Option<(&str, &str)> {
        let data = self.relationships.get(name)?.get("data")?;
        Some((data.get("type")?.as_str()?, data.get("id")?.as_str()?))
    }
}
