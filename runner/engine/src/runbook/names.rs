//! Names that runbooks are written in: parsed once, here, and then trusted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `data_back`: `[a-z][a-z0-9_]*`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepId(String);

/// `rolling-replace`: `[a-z][a-z0-9-]*`, at most 64 characters. It stands in file names, locks and commands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunbookName(String);

/// Says what was expected instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not {wanted}")]
pub struct BadName {
    pub name: String,
    pub wanted: &'static str,
}

impl StepId {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if is_word(text, '_') {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName { name: text.to_owned(), wanted: "a step's id: small letters, digits and `_`, a letter first" })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RunbookName {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if is_word(text, '-') && !text.ends_with('-') {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName {
            name: text.to_owned(),
            wanted: "a runbook's name: small letters, digits and `-`, a letter first",
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Small letters, digits and the joiner, a letter first, 1 to 64 of them.
pub(crate) fn is_word(text: &str, joiner: char) -> bool {
    let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == joiner;
    text.len() <= 64 && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.chars().all(fits)
}

macro_rules! text_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_name!(StepId);
text_name!(RunbookName);
