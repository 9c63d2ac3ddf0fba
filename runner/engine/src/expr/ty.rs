//! Types of values: what the checker knows before anything ran. Made from JSON Schema (`schema.rs`) or from a value,
//! joined where a value can come from two sides. Knows no expression.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::kinds::Kinds;

/// More objects than this in one union are no longer kept apart.
const MAX_OBJECTS: usize = 16;

/// What a value can be. [`Ty::union`] keeps unions flat and without repetition; compare types only when made by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ty {
    /// Nothing is known.
    Any,
    Null,
    Bool,
    Int,
    Float,
    Str,
    /// One of these strings.
    OneOf(BTreeSet<String>),
    /// A reference to a secret (`x-secret` in a schema). As a wanted type it takes a plain string too.
    Secret,
    List(Box<Ty>),
    Object(Object),
    /// One of these; empty when there is no value at all (the items of `[]`).
    Union(Vec<Ty>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub fields: BTreeMap<String, Field>,
    pub rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub ty: Ty,
    pub required: bool,
}

/// What an object holds beside its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Closed,
    /// The schema lists fields and is silent on others: nothing else may be read, and others may be passed in.
    Unsaid,
    /// Any name, with values of this type.
    Open(Box<Ty>),
}

impl Ty {
    pub const NEVER: Self = Self::Union(Vec::new());

    /// The exact type of a value; strings are [`Ty::OneOf`] themselves.
    pub fn of(value: &Value) -> Self {
        match value {
            _ if super::secret::is_secret(value) => Self::Secret,
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::Number(_) => Self::Int,
            Value::String(text) => Self::literal(text),
            Value::Array(items) => Self::list(Self::union(items.iter().map(Self::of))),
            Value::Object(fields) => Self::record(fields.iter().map(|(name, value)| (name.clone(), Self::of(value)))),
        }
    }

    pub fn literal(text: &str) -> Self {
        Self::OneOf(BTreeSet::from([text.to_owned()]))
    }

    pub fn list(items: Self) -> Self {
        Self::List(Box::new(items))
    }

    pub fn number() -> Self {
        Self::Union(vec![Self::Int, Self::Float])
    }

    /// An object with exactly these fields.
    pub fn record(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, ty)| (name, Field { ty, required: true })).collect();
        Self::Object(Object { fields, rest: Rest::Closed })
    }

    pub fn or_null(self) -> Self {
        Self::union([self, Self::Null])
    }

    pub fn union(types: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for ty in types {
            add(&mut parts, ty);
        }
        if parts.contains(&Self::Any) || parts.iter().filter(|ty| matches!(ty, Self::Object(_))).count() > MAX_OBJECTS {
            return Self::Any;
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Self::Union(parts),
        }
    }

    /// Itself, or the members of a union.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Union(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    #[must_use]
    pub fn without_null(&self) -> Self {
        Self::union(self.parts().iter().filter(|part| **part != Self::Null).cloned())
    }

    /// The kinds a value of this type can have. A secret has none: it is no operand.
    pub fn kinds(&self) -> Kinds {
        match self {
            Self::Any => Kinds::ANY,
            Self::Null => Kinds::NULL,
            Self::Bool => Kinds::BOOL,
            Self::Int => Kinds::INT,
            Self::Float => Kinds::FLOAT,
            Self::Str | Self::OneOf(_) => Kinds::STRING,
            Self::Secret => Kinds::NOTHING,
            Self::List(_) => Kinds::LIST,
            Self::Object(_) => Kinds::OBJECT,
            Self::Union(parts) => parts.iter().fold(Kinds::NOTHING, |kinds, part| kinds.or(part.kinds())),
        }
    }

    /// The loosest type of these kinds.
    pub fn of_kinds(kinds: Kinds) -> Self {
        if kinds == Kinds::ANY {
            return Self::Any;
        }
        let all = [
            (Kinds::NULL, Self::Null),
            (Kinds::BOOL, Self::Bool),
            (Kinds::INT, Self::Int),
            (Kinds::FLOAT, Self::Float),
            (Kinds::STRING, Self::Str),
            (Kinds::LIST, Self::list(Self::Any)),
            (Kinds::OBJECT, Self::Object(Object { fields: BTreeMap::new(), rest: Rest::Open(Box::new(Self::Any)) })),
        ];
        Self::union(all.into_iter().filter(|(kind, _)| kind.within(kinds)).map(|(_, ty)| ty))
    }

    /// True when the value is a secret or may hold one.
    pub fn may_hold_secret(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::Any | Self::Null | Self::Bool | Self::Int | Self::Float | Self::Str | Self::OneOf(_) => false,
            Self::List(items) => items.may_hold_secret(),
            Self::Object(object) => object.may_hold_secret(),
            Self::Union(parts) => parts.iter().any(Self::may_hold_secret),
        }
    }

    /// The items of a list; nothing for what is no list.
    pub fn items(&self) -> Self {
        Self::union(self.parts().iter().filter_map(|part| match part {
            Self::List(items) => Some((**items).clone()),
            Self::Any => Some(Self::Any),
            _ => None,
        }))
    }
}

impl Object {
    fn may_hold_secret(&self) -> bool {
        self.types().any(Ty::may_hold_secret)
    }

    /// The types of all fields, and of the rest where it has one.
    pub fn types(&self) -> impl Iterator<Item = &Ty> {
        let rest = match &self.rest {
            Rest::Open(rest) => Some(&**rest),
            Rest::Closed | Rest::Unsaid => None,
        };
        self.fields.values().map(|field| &field.ty).chain(rest)
    }
}

/// Adds one type to the members of a union.
fn add(parts: &mut Vec<Ty>, ty: Ty) {
    match ty {
        Ty::Union(more) => more.into_iter().for_each(|part| add(parts, part)),
        Ty::OneOf(texts) => add_texts(parts, texts),
        Ty::Str => {
            parts.retain(|part| !matches!(part, Ty::OneOf(_) | Ty::Str));
            parts.push(Ty::Str);
        }
        Ty::List(items) => add_list(parts, *items),
        other => {
            if !parts.contains(&other) {
                parts.push(other);
            }
        }
    }
}

fn add_texts(parts: &mut Vec<Ty>, texts: BTreeSet<String>) {
    for part in parts.iter_mut() {
        match part {
            Ty::Str => return,
            Ty::OneOf(known) => return known.extend(texts),
            _ => {}
        }
    }
    parts.push(Ty::OneOf(texts));
}

fn add_list(parts: &mut Vec<Ty>, items: Ty) {
    for part in parts.iter_mut() {
        if let Ty::List(known) = part {
            let joined = Ty::union([std::mem::replace(&mut **known, Ty::NEVER), items]);
            **known = joined;
            return;
        }
    }
    parts.push(Ty::list(items));
}

/// `a string`, `an integer or none`, `a list of strings`, `"up" or "down"`, as a message says it.
impl fmt::Display for Ty {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret => out.write_str("a secret"),
            Self::OneOf(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
                out.write_str(&texts.join(" or "))
            }
            Self::List(items) if **items != Self::Any && **items != Self::NEVER => write!(out, "a list (each {items})"),
            Self::Union(parts) if parts.is_empty() => out.write_str("nothing"),
            Self::Union(parts)
                if parts.iter().any(|part| matches!(part, Self::Secret | Self::OneOf(_) | Self::List(_))) =>
            {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                out.write_str(&parts.join(" or "))
            }
            other => write!(out, "{}", other.kinds()),
        }
    }
}
