//! Findings: one thing that is not as it should be, told so that somebody can act on it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is not as it should be, or that could not be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Stable, for machines: `replica_behind`, `ghost_peer`, or the id of a threshold.
    pub(crate) code: String,
    pub(crate) subject: Subject,
    pub(crate) seen: String,
    /// What it was held against.
    pub(crate) threshold: String,
    pub(crate) why: String,
    pub(crate) todo: String,
    /// What the team's own page says about it, where a threshold carries that.
    pub(crate) wording: Option<String>,
    /// It may be gone a moment later, so it is worth looking again before it is said aloud.
    #[serde(skip)]
    pub(crate) may_settle: bool,
}

/// `Unknown` is what nobody could see; it is never taken as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Critical,
    Unknown,
    Warning,
}

/// What a finding is about. `name` is the node's, or `account/stream` or `account/stream/consumer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    Cluster,
    Node,
    Meta,
    Stream,
    Consumer,
}

impl Finding {
    pub(crate) fn new(severity: Severity, code: &str, subject: Subject) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            subject,
            seen: String::new(),
            threshold: String::new(),
            why: String::new(),
            todo: String::new(),
            wording: None,
            may_settle: false,
        }
    }

    #[must_use]
    pub(crate) fn seen(self, seen: impl fmt::Display, threshold: impl fmt::Display) -> Self {
        Self { seen: seen.to_string(), threshold: threshold.to_string(), ..self }
    }

    #[must_use]
    pub(crate) fn told(self, why: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { why: why.into(), todo: todo.into(), ..self }
    }

    #[must_use]
    pub(crate) fn settling(self) -> Self {
        Self { may_settle: true, ..self }
    }
}

impl Subject {
    pub(crate) fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    pub(crate) fn node(name: &str) -> Self {
        Self::new(SubjectKind::Node, name)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SubjectKind::Cluster => "cluster",
            SubjectKind::Node => "node",
            SubjectKind::Meta => "meta group",
            SubjectKind::Stream => "stream",
            SubjectKind::Consumer => "consumer",
        };
        write!(out, "{kind} {}", self.name)
    }
}
