//! A runbook as written, with the place of everything: what `parse` makes of the tree and the checker reads.
//!
//! Its shape is right and its meaning is not known yet: templates and expressions are still nodes, actions are names.
//! What was wrong is left out here and stands among the findings, so that the checker can go on.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use sluice_plugin::{ActionName, Effect, GateClass};

use super::checked::{Backoff, OnError, Trigger};
use super::names::{RunbookName, StepId};
use crate::source::Span;
use crate::yaml::fields::Spanned;
use crate::yaml::{Key, Map, Node};

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub name: Option<Spanned<RunbookName>>,
    pub summary: Option<String>,
    pub inputs: IndexMap<String, InputModel>,
    pub lock: Option<Node>,
    pub confirm_once: Option<Node>,
    pub steps: Vec<StepModel>,
    pub finally: Vec<StepModel>,
    pub outputs: Vec<OutputModel>,
    pub session: Option<SessionModel>,
    pub defaults: Vec<DefaultModel>,
    pub triggers: Vec<Spanned<Trigger>>,
}

#[derive(Clone, Debug)]
pub struct InputModel {
    pub name: Span,
    /// `None` when it was wrong: the input exists, and nothing is known of its type.
    pub kind: Option<InputType>,
    pub description: Option<String>,
    pub default: Option<Node>,
    pub from_last: Option<Spanned<String>>,
}

#[derive(Clone, Debug)]
pub enum InputType {
    Cluster,
    Node {
        of: Option<Spanned<String>>,
    },
    Nodes {
        of: Option<Spanned<String>>,
    },
    Duration,
    Thresholds,
    /// A JSON Schema that compiles.
    Plain(Value),
}

#[derive(Clone, Debug)]
pub struct StepModel {
    /// The step's first key.
    pub span: Span,
    pub id: Option<Spanned<StepId>>,
    pub summary: Option<String>,
    /// `None` when it was wrong or is not supported yet.
    pub kind: Option<KindModel>,
    pub when: Option<Node>,
    pub for_each: Option<Node>,
    pub max_parallel: Option<Spanned<u32>>,
    pub next_by: Option<NextByModel>,
    pub needs: Vec<Spanned<StepId>>,
    pub on_error: Option<Spanned<OnError>>,
    pub confirm: Option<ConfirmModel>,
}

#[derive(Clone, Debug)]
pub struct ConfirmModel {
    /// The key.
    pub span: Span,
    pub typed: Option<Node>,
    pub answer_within: Option<Spanned<Duration>>,
    pub valid_for: Option<Spanned<Duration>>,
}

#[derive(Clone, Debug)]
pub enum KindModel {
    Use(UseModel),
    Gate(GateModel),
    Steps(Vec<StepModel>),
    Parallel(Vec<StepModel>),
    Call(CallModel),
}

#[derive(Clone, Debug)]
pub struct UseModel {
    /// `None` when it is no name of an action.
    pub action: Option<Spanned<ActionName>>,
    pub with: WithGiven,
    pub timeout: Option<Spanned<Duration>>,
    pub retry: Option<Spanned<RetryModel>>,
    pub effect: Option<Spanned<Effect>>,
}

#[derive(Clone, Debug)]
pub struct GateModel {
    pub action: Option<Spanned<ActionName>>,
    pub with: WithGiven,
    pub timeout: Option<Spanned<Duration>>,
    /// In the order of the file; an empty list counts as none.
    pub expect: Vec<ExpectModel>,
    pub passes: Option<PassesModel>,
    pub class: Option<Spanned<GateClass>>,
}

#[derive(Clone, Debug)]
pub struct CallModel {
    /// A name or a path; `None` when it was wrong.
    pub runbook: Option<Spanned<String>>,
    pub with: WithGiven,
}

/// How a loop chooses its next item.
#[derive(Clone, Debug)]
pub struct NextByModel {
    /// The key.
    pub span: Span,
    pub by: Node,
    /// Without an effect.
    pub read: Option<UseModel>,
}

/// `with` as it was found.
#[derive(Clone, Debug)]
pub enum WithGiven {
    Absent,
    /// It was reported; nothing is said about its fields.
    Wrong,
    Fields(WithModel),
}

#[derive(Clone, Debug)]
pub struct WithModel {
    pub map: Map,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct ExpectModel {
    pub that: Node,
    pub otherwise: Option<Node>,
}

#[derive(Clone, Debug)]
pub struct PassesModel {
    pub span: Span,
    pub consecutive: Option<Spanned<u32>>,
    pub lasting: Option<Spanned<Lasting>>,
    pub every: Option<Spanned<Duration>>,
    pub within: Option<Spanned<Duration>>,
    pub progress: Option<Node>,
    pub stalled: Option<Spanned<Duration>>,
    pub fail_if: Option<Node>,
}

/// `for` of a gate.
#[derive(Clone, Debug)]
pub enum Lasting {
    Time(Duration),
    /// Of the input with this name.
    Input(String),
}

#[derive(Clone, Copy, Debug)]
pub struct RetryModel {
    pub attempts: u32,
    pub delay: Option<Duration>,
    pub backoff: Backoff,
}

#[derive(Clone, Debug)]
pub struct OutputModel {
    pub key: Key,
    pub value: Node,
    pub declared: Option<Spanned<String>>,
}

#[derive(Clone, Debug)]
pub struct SessionModel {
    pub summary: Option<String>,
    pub command: Vec<Node>,
    pub env: Vec<(Key, Node)>,
    pub banner: Option<Node>,
}

/// `with` fields that every step with this action gets, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct DefaultModel {
    pub action: Spanned<ActionName>,
    pub with: WithModel,
}

impl StepModel {
    /// The steps inside a group.
    pub fn children(&self) -> &[StepModel] {
        match &self.kind {
            Some(KindModel::Steps(steps) | KindModel::Parallel(steps)) => steps,
            Some(KindModel::Use(_) | KindModel::Gate(_) | KindModel::Call(_)) | None => &[],
        }
    }
}
