//! Where a run stands: the fold of its events, as a tree of the same shape as the runbook.
//!
//! Nothing here decides anything. [`super::apply`] is the only writer, [`super::next`] the only one that draws conclusions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sluice_plugin::{Problem, Timestamp, Verdict};

use crate::ids::{RunId, Sha256};
use crate::journal::{CancelHow, Epoch, Outcome, Owner, Phase, Samples, Trigger};
use crate::machine::SEMANTICS;
use crate::machine::asks::Asking;
use crate::machine::lock::LockState;
use crate::machine::path::Path;
use crate::runbook::checked::{Checked, Kind, Step};

/// The state of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Ordinal of the last event in it.
    pub ordinal: u64,
    /// When that was written.
    pub at: Timestamp,
    pub started: Option<Started>,
    pub epoch: Epoch,
    pub owner: Option<Owner>,
    /// Who has had the run, one after the other.
    pub claims: Vec<Claim>,
    pub lock: LockState,
    pub phase: Phase,
    pub steps: List,
    pub session: Slot,
    pub finally: List,
    /// Acts that were begun and of which no end is known.
    pub intents: BTreeMap<Path, Intent>,
    /// Who must say yes, and what people were asked.
    pub asking: Asking,
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
    /// Journals of the first release do not say.
    pub run: Option<RunId>,
    pub runbook: String,
    pub snapshot: Sha256,
    pub inputs: Arc<Value>,
    pub trigger: Trigger,
    pub semantics: u16,
    pub at: Timestamp,
    pub by: String,
}

/// Who went on with a run, and when: `ana@laptop`.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub by: String,
    pub at: Timestamp,
    /// When the event before was written.
    pub left: Timestamp,
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
    /// Of a gate that passed: the sentence it passed with.
    pub why: String,
    pub ended: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Inside {
    Leaf,
    List(Box<List>),
    Call(Box<Called>),
    /// A loop before its items are known.
    Closed,
    Rounds(Box<Rounds>),
}

/// A called runbook: the two lists of a run of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// `None` before the step has opened.
    pub inputs: Option<Arc<Value>>,
    pub steps: List,
    /// Its `finally` is on, or over.
    pub tidies: bool,
    pub finally: List,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    pub rounds: Vec<Round>,
    pub front: Front,
    /// `None`: the items have their turns in the order of the list.
    pub turns: Option<Turns>,
}

/// The turns of a loop that chooses its next item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// Places in the list, in the order in which they were chosen.
    pub picked: Vec<usize>,
    /// How often the next choice has failed, and when it is tried again.
    pub tries: u32,
    pub until: Option<Timestamp>,
    /// There will be no next one: the choice has failed for good.
    pub given_up: Option<Problem>,
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
    /// A group, loop or call of which something has happened.
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
    /// Nobody said yes to what it would do, or somebody said no.
    Unconfirmed {
        why: String,
    },
    /// A group, loop or call that a part of it ended.
    Broken,
}

impl State {
    pub fn new(runbook: &Checked) -> Self {
        Self {
            ordinal: 0,
            at: Timestamp(0),
            started: None,
            epoch: Epoch(0),
            owner: None,
            claims: Vec::new(),
            lock: LockState::default(),
            phase: Phase::Steps,
            steps: List::new(&runbook.steps),
            session: Slot::new(Inside::Leaf),
            finally: List::new(&runbook.finally),
            intents: BTreeMap::new(),
            asking: Asking::default(),
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

    /// A failure ends it once everything called in it has tidied up.
    pub fn is_settled(&self) -> bool {
        self.front.cursor >= self.slots.len() || (self.front.broken.is_some() && !self.is_untidy())
    }

    /// Something called in it has begun, and its `finally` has not ended.
    pub fn is_untidy(&self) -> bool {
        self.slots.iter().any(Slot::is_untidy)
    }
}

impl Rounds {
    /// No further round begins, though not all have ended.
    pub fn ends_early(&self) -> bool {
        self.front.broken.is_some() || self.given_up().is_some()
    }

    pub fn given_up(&self) -> Option<&Problem> {
        self.turns.as_ref()?.given_up.as_ref()
    }

    pub fn is_untidy(&self) -> bool {
        self.rounds.iter().any(|round| round.slot.is_untidy())
    }
}

impl Called {
    fn new(runbook: &Checked) -> Self {
        Self { inputs: None, steps: List::new(&runbook.steps), tidies: false, finally: List::new(&runbook.finally) }
    }

    /// Nothing in it starts any more: its steps have ended, and so has its `finally`.
    pub fn is_over(&self) -> bool {
        self.steps.is_settled() && (self.finally.slots.is_empty() || (self.tidies && self.finally.is_settled()))
    }

    /// Its steps ended well, and so did its `finally`.
    pub fn is_well(&self) -> bool {
        let well = |list: &List| list.front.broken.is_none() && list.front.failed.is_none();
        well(&self.steps) && well(&self.finally)
    }

    pub(super) fn is_untidy(&self) -> bool {
        match (self.inputs.is_some(), self.tidies) {
            (false, _) => false,
            (true, true) => !self.finally.is_settled(),
            (true, false) => !self.finally.slots.is_empty() || self.steps.is_untidy(),
        }
    }

    pub(super) fn list_mut(&mut self, finally: bool) -> &mut List {
        if finally { &mut self.finally } else { &mut self.steps }
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
        Self {
            status: Status::Pending,
            attempts: 0,
            inside,
            stale: false,
            samples: None,
            why: String::new(),
            ended: None,
        }
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
            Kind::Call(call) => Inside::Call(Box::new(Called::new(&call.runbook))),
        })
    }

    pub(super) fn round_mut(&mut self, round: usize) -> Option<&mut Slot> {
        match &mut self.inside {
            Inside::Rounds(rounds) => rounds.rounds.get_mut(round).map(|round| &mut round.slot),
            Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => None,
        }
    }

    /// It, or something that it is made of, lived only as long as the process that made it.
    pub fn is_stale(&self) -> bool {
        let inside = match &self.inside {
            Inside::Leaf | Inside::Closed | Inside::Call(_) => false,
            Inside::List(list) => list.slots.iter().any(Self::is_stale),
            Inside::Rounds(rounds) => rounds.rounds.iter().any(|round| round.slot.is_stale()),
        };
        self.stale || inside
    }

    fn is_untidy(&self) -> bool {
        self.status == Status::Open
            && match &self.inside {
                Inside::Leaf | Inside::Closed => false,
                Inside::List(list) => list.is_untidy(),
                Inside::Rounds(rounds) => rounds.is_untidy(),
                Inside::Call(called) => called.is_untidy(),
            }
    }

    /// The list inside; `finally` chooses one of the two of a call.
    pub(super) fn list_mut(&mut self, finally: bool) -> Option<&mut List> {
        match &mut self.inside {
            Inside::List(list) => Some(list),
            Inside::Call(called) => Some(called.list_mut(finally)),
            Inside::Leaf | Inside::Rounds(_) | Inside::Closed => None,
        }
    }

    /// The value `steps.<id>` stands for.
    pub fn output(&self, step: &Step) -> Value {
        match &self.inside {
            Inside::Leaf | Inside::Call(_) | Inside::Closed => {
                self.status.output().map_or(Value::Null, |value| (**value).clone())
            }
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
            Inside::Leaf | Inside::Call(_) | Inside::Closed | Inside::Rounds(_) => {
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
            Self::Done(_) | Self::Complete | Self::Skipped => true,
            Self::Failed(_) | Self::Stopped { .. } | Self::Unconfirmed { .. } | Self::Broken => true,
        }
    }

    /// It ended, and not well.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Stopped { .. } | Self::Unconfirmed { .. } | Self::Broken)
    }

    /// What a leaf or a call gave; a gate that stopped gives what it saw last.
    pub fn output(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Done(value) | Self::Stopped { seen: value, .. } => Some(value),
            _ => None,
        }
    }

    /// Why it is not done, where something went wrong.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Failed(problem) | Self::Backoff { problem, .. } => Some(&problem.message),
            Self::Unknown { problem } | Self::Stuck { problem, .. } => {
                problem.as_ref().map(|problem| &*problem.message)
            }
            Self::Stopped { why, .. } | Self::Unconfirmed { why } => Some(why),
            Self::Pending
            | Self::Waiting { .. }
            | Self::Intended
            | Self::Open
            | Self::Done(_)
            | Self::Complete
            | Self::Skipped
            | Self::Broken => None,
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
            Self::Unconfirmed { .. } => "not confirmed",
        }
    }
}
