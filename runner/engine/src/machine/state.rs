//! Where a run stands: the fold of its events, as a tree of the same shape as the runbook.
//!
//! Nothing here decides anything. [`super::apply`] is the only writer, [`super::next`] the only one that draws conclusions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sluice_plugin::{Problem, Timestamp, Verdict};

use crate::ids::Sha256;
use crate::journal::{CancelHow, Epoch, Outcome, Owner, Phase, Samples, Trigger};
use crate::machine::SEMANTICS;
use crate::machine::path::Path;
use crate::runbook::checked::{Checked, Kind, Step};

/// The state of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Ordinal of the last event in it.
    pub ordinal: u64,
    pub started: Option<Started>,
    pub epoch: Epoch,
    pub owner: Option<Owner>,
    pub phase: Phase,
    pub steps: List,
    pub session: Slot,
    pub finally: List,
    /// Acts that were begun and of which no end is known.
    pub intents: BTreeMap<Path, Intent>,
    pub cancel: Option<Cancel>,
    pub interrupted: bool,
    /// Nothing goes on by itself, and nobody owns the run.
    pub parked: bool,
    /// `finally` was entered before everything before it was over.
    pub cut: bool,
    pub ended: Option<(Outcome, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    pub runbook: String,
    pub snapshot: Sha256,
    pub inputs: Arc<Value>,
    pub trigger: Trigger,
    pub semantics: u16,
    pub at: Timestamp,
    pub by: String,
}

/// An act that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub attempt: u32,
    /// Whoever owned the run then.
    pub epoch: Epoch,
    pub binding: Sha256,
    /// The call started until then or not at all.
    pub act_by: Timestamp,
    /// Doing it twice is not the same as doing it once: what became of it has to be known.
    pub once: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cancel {
    pub how: CancelHow,
    pub why: String,
    pub by: String,
}

/// Steps that stand together, in the order they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub slots: Vec<Slot>,
    pub front: Front,
}

/// How far a list or a loop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// Everything before this place is settled.
    pub cursor: usize,
    /// The first place whose failure ended the whole.
    pub broken: Option<usize>,
    /// The first place whose failure counts and ended nothing.
    pub failed: Option<usize>,
}

/// What is known of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    pub status: Status,
    /// Attempts that have ended.
    pub attempts: u32,
    pub inside: Inside,
    /// The output lived only as long as the process that made it.
    pub stale: bool,
    pub samples: Option<Samples>,
    pub ended: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Inside {
    Leaf,
    List(Box<List>),
    /// A loop before its items are known.
    Closed,
    Rounds(Box<Rounds>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    pub rounds: Vec<Round>,
    pub front: Front,
    /// `None`: the items have their turns in the order of the list.
    pub turns: Option<Turns>,
}

/// The turns of a loop that chooses its next item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Places in the list, in the order in which they were chosen.
    pub picked: Vec<usize>,
    /// How often the next choice has failed, and when it is tried again.
    pub tries: u32,
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    pub key: String,
    pub item: Arc<Value>,
    pub slot: Slot,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    Pending,
    /// Failed, and is tried again then.
    Backoff {
        until: Timestamp,
        problem: Problem,
    },
    /// A gate that has not passed yet, and its deadline.
    Waiting {
        until: Timestamp,
    },
    /// An act that was begun. It is in flight, or it may be done again.
    Intended,
    /// An act of which nobody knows whether it happened; the problem, where it came back with one.
    Unknown {
        problem: Option<Problem>,
    },
    /// Looking at the world did not tell either: a person has to say.
    Stuck {
        problem: Option<Problem>,
        evidence: Arc<Value>,
    },
    /// A group or loop of which something has happened.
    Open,
    Done(Arc<Value>),
    /// A group or loop whose parts are settled.
    Complete,
    Skipped,
    Failed(Problem),
    /// A gate that did not pass.
    Stopped {
        verdict: Verdict,
        why: String,
        seen: Arc<Value>,
    },
    /// A group or loop that a part of it ended.
    Broken,
}

impl State {
    pub fn new(runbook: &Checked) -> Self {
        Self {
            ordinal: 0,
            started: None,
            epoch: Epoch(0),
            owner: None,
            phase: Phase::Steps,
            steps: List::new(&runbook.steps),
            session: Slot::new(Inside::Leaf),
            finally: List::new(&runbook.finally),
            intents: BTreeMap::new(),
            cancel: None,
            interrupted: false,
            parked: false,
            cut: false,
            ended: None,
        }
    }

    /// An act of which it has to be known what became of it.
    pub fn has_open_act(&self) -> bool {
        self.intents.values().any(|intent| intent.once)
    }

    /// The rules that the run was begun under.
    pub fn semantics(&self) -> u16 {
        self.started.as_ref().map_or(SEMANTICS, |started| started.semantics)
    }

    pub fn inputs(&self) -> &Value {
        self.started.as_ref().map_or(&Value::Null, |started| &started.inputs)
    }
}

impl List {
    pub fn new(steps: &[Step]) -> Self {
        Self { slots: steps.iter().map(Slot::of_step).collect(), front: Front::default() }
    }

    pub fn is_settled(&self) -> bool {
        self.front.is_settled(self.slots.len())
    }
}

impl Front {
    pub fn is_settled(&self, length: usize) -> bool {
        self.broken.is_some() || self.cursor >= length
    }
}

impl Turns {
    /// Places that have had no turn yet.
    pub fn left(&self, rounds: &Rounds) -> impl Iterator<Item = usize> {
        (0..rounds.rounds.len()).filter(|at| !self.picked.contains(at))
    }

    /// Places whose round is on.
    pub fn open(&self, rounds: &Rounds) -> impl Iterator<Item = usize> {
        let is_open = |at: &usize| rounds.rounds.get(*at).is_some_and(|round| !round.slot.status.is_settled());
        self.picked.iter().copied().filter(is_open)
    }
}

impl Slot {
    fn new(inside: Inside) -> Self {
        Self { status: Status::Pending, attempts: 0, inside, stale: false, samples: None, ended: None }
    }

    pub(super) fn of_session() -> Self {
        Self::new(Inside::Leaf)
    }

    /// A step as it stands in its list; a loop has no rounds yet.
    pub fn of_step(step: &Step) -> Self {
        if step.for_each.is_some() { Self::new(Inside::Closed) } else { Self::of_round(step) }
    }

    /// One round of a loop over this step.
    pub fn of_round(step: &Step) -> Self {
        Self::new(match &step.kind {
            Kind::Use(_) | Kind::Gate(_) => Inside::Leaf,
            Kind::Group(group) => Inside::List(Box::new(List::new(&group.steps))),
        })
    }

    pub(super) fn round_mut(&mut self, round: usize) -> Option<&mut Slot> {
        match &mut self.inside {
            Inside::Rounds(rounds) => rounds.rounds.get_mut(round).map(|round| &mut round.slot),
            Inside::Leaf | Inside::List(_) | Inside::Closed => None,
        }
    }

    pub(super) fn list_mut(&mut self) -> Option<&mut List> {
        match &mut self.inside {
            Inside::List(list) => Some(list),
            Inside::Leaf | Inside::Rounds(_) | Inside::Closed => None,
        }
    }

    /// The value `steps.<id>` stands for.
    pub fn output(&self, step: &Step) -> Value {
        match &self.inside {
            Inside::Leaf | Inside::Closed => self.status.output().map_or(Value::Null, |value| (**value).clone()),
            Inside::List(list) => Value::Object(list.outputs(step)),
            Inside::Rounds(rounds) => Value::Array(rounds.rounds.iter().map(|round| round.output(step)).collect()),
        }
    }
}

impl List {
    fn outputs(&self, step: &Step) -> Map<String, Value> {
        step.children()
            .iter()
            .zip(&self.slots)
            .map(|(child, slot)| (child.id.to_string(), slot.output(child)))
            .collect()
    }
}

impl Round {
    fn output(&self, step: &Step) -> Value {
        let mut object = match &self.slot.inside {
            Inside::List(list) => list.outputs(step),
            Inside::Leaf | Inside::Closed | Inside::Rounds(_) => {
                Map::from_iter([("output".to_owned(), self.slot.output(step))])
            }
        };
        object.insert("key".to_owned(), Value::String(self.key.clone()));
        object.insert("item".to_owned(), (*self.item).clone());
        Value::Object(object)
    }
}

impl Status {
    /// Nothing more happens to it.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Pending | Self::Backoff { .. } | Self::Waiting { .. } | Self::Open => false,
            Self::Intended | Self::Unknown { .. } | Self::Stuck { .. } => false,
            Self::Done(_) | Self::Complete | Self::Skipped | Self::Failed(_) | Self::Stopped { .. } | Self::Broken => {
                true
            }
        }
    }

    /// It ended, and not well.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Stopped { .. } | Self::Broken)
    }

    /// What a leaf gave; a gate that stopped gives what it saw last.
    pub fn output(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Done(value) | Self::Stopped { seen: value, .. } => Some(value),
            _ => None,
        }
    }

    /// The word for it on screens and in `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Backoff { .. } => "retrying",
            Self::Waiting { .. } => "waiting",
            Self::Intended => "intended",
            Self::Unknown { .. } => "unknown",
            Self::Stuck { .. } => "stuck",
            Self::Open => "running",
            Self::Done(_) | Self::Complete => "done",
            Self::Skipped => "skipped",
            Self::Failed(_) | Self::Broken => "failed",
            Self::Stopped { .. } => "stopped",
        }
    }
}
