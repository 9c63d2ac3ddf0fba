//! A runbook after the checker: what the machine walks. Nothing in it can be invalid, nothing in it is changed later.
//!
//! It is never stored: a resumed run keeps the text and is checked again. It does not know inputs, time or a run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use sluice_plugin::{ActionName, ActionSpec, Effect, GateClass, parse_duration};

use super::names::{RunbookName, StepId};
use crate::expr::{self, Expr, Template};
use crate::source::{Source, Span};

/// A runbook that may be run.
#[derive(Clone, Debug)]
pub struct Checked {
    pub name: RunbookName,
    pub summary: Option<String>,
    pub inputs: IndexMap<String, Input>,
    /// The lock's name, made of inputs alone.
    pub lock: Option<Template>,
    /// Over inputs alone. True: one yes at the start, to all that the plan destroys.
    pub confirm_once: Option<Expr>,
    pub steps: Vec<Step>,
    /// Runs whatever happened before. Only `read` and `change`.
    pub finally: Vec<Step>,
    pub outputs: IndexMap<String, Tree>,
    pub session: Option<Session>,
    pub triggers: Vec<Trigger>,
    /// The contract of every action that the steps name, those of called runbooks included.
    pub actions: BTreeMap<ActionName, ActionSpec>,
    pub source: Source,
}

/// One entry of a list of steps.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique among the steps it can see and that can see it.
    pub id: StepId,
    pub summary: Option<String>,
    /// False: the step is skipped, with all that is inside it. In a loop it is asked for the loop, before its items.
    pub when: Option<Expr>,
    /// The step is done once for each item.
    pub for_each: Option<Loop>,
    /// Gates that stand earlier in this or an enclosing list; those of enclosing groups are among them.
    pub needs: Vec<StepId>,
    /// What happens to the steps after it when it fails.
    pub on_error: OnError,
    /// One yes is asked for all that destroys in this step.
    pub confirm: Option<Confirm>,
    pub kind: Kind,
    pub span: Span,
}

/// How people are asked.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// What a person has to type: the name of what dies.
    pub typed: Template,
    pub answer_within: Duration,
    /// From the last yes to the last act.
    pub valid_for: Duration,
}

impl Confirm {
    pub const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);
    pub const VALID_FOR: Duration = Duration::from_secs(15 * 60);
}

#[derive(Clone, Debug)]
pub enum Kind {
    Use(Use),
    Gate(Box<Gate>),
    Group(Group),
    Call(Box<Call>),
}

/// A step done by an action.
#[derive(Clone, Debug)]
pub struct Use {
    pub action: ActionName,
    /// With the runbook's `defaults` for this action already in it.
    pub with: Tree,
    /// The action's, or the higher one that the runbook wants.
    pub effect: Effect,
    pub idempotent: bool,
    pub ephemeral: bool,
    /// For one attempt.
    pub timeout: Option<Duration>,
    pub retry: Retry,
}

/// A step that must pass.
#[derive(Clone, Debug)]
pub struct Gate {
    pub action: ActionName,
    pub with: Tree,
    /// The action's, or the lower one that the runbook wants. An action without a class counts as data.
    pub class: GateClass,
    /// False: the action returns no verdict, and `expect` alone decides.
    pub judges: bool,
    /// All must be true, beside the action's own verdict.
    pub expect: Vec<Expect>,
    pub passes: Passes,
    /// For one sample.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Expect {
    pub that: Expr,
    /// Says why, filled in when `that` is false.
    pub otherwise: Option<Template>,
}

/// When a gate has passed, and how long it is given.
#[derive(Clone, Debug)]
pub struct Passes {
    pub hold: Hold,
    /// The input, of type duration, whose time takes the place of the one in [`Hold::For`].
    pub lasting: Option<String>,
    /// From the start of one sample to the start of the next.
    pub every: Duration,
    /// Zero: the first sample decides, pass or not.
    pub within: Duration,
    /// True: the gate fails at once, whatever time is left.
    pub fail_if: Option<FailIf>,
    /// What must keep changing while the gate does not pass.
    pub progress: Option<Progress>,
}

#[derive(Clone, Debug)]
pub struct FailIf {
    pub that: Expr,
    /// As written.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So many passes in a row. At least 1.
    Consecutive(u32),
    /// Only passes for so long, from the start of the first to the start of the last, and at least two samples.
    For(Duration),
}

#[derive(Clone, Debug)]
pub struct Progress {
    /// A number or text; none tells nothing.
    pub value: Expr,
    /// The gate fails when the value has not moved for so long.
    pub stalled: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub steps: Vec<Step>,
    pub order: Order,
}

/// Another runbook, run under the address of the step.
#[derive(Clone, Debug)]
pub struct Call {
    /// As it is written: a name or a path.
    pub name: String,
    /// What tells the runbook from all others that the run calls.
    pub id: String,
    /// Where it came from, for people.
    pub origin: String,
    pub runbook: Arc<Checked>,
    /// The inputs that the call gives.
    pub with: Tree,
    /// Rows for the inputs of type `thresholds` that it does not give.
    pub thresholds: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other, as written.
    Written,
    /// At once, at most so many at a time.
    Parallel { at_most: u32 },
}

/// `for_each`. The items are evaluated once, when the step opens.
#[derive(Clone, Debug)]
pub struct Loop {
    /// Gives an array.
    pub over: Tree,
    /// How many items at a time. At least 1.
    pub at_most: u32,
    /// `None`: in the order of the list.
    pub next_by: Option<NextBy>,
}

/// How the next of the remaining items is chosen, anew before each round.
#[derive(Clone, Debug)]
pub struct NextBy {
    /// Only reads. Called before each choice; what it gives is `seen` for `by`.
    pub read: Option<Box<Use>>,
    /// Gives a number, a text or a truth for each remaining item; the item with the lowest is next, the first of equals.
    pub by: Expr,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing after it starts, but `finally`. In a loop: no further item starts.
    #[default]
    Stop,
    /// The rest goes on and the failure does not count; the report shows it. In a loop: the other items go on.
    Continue,
    /// The rest goes on and the failure counts: what `finally` does where a step in it says nothing.
    Later,
}

/// How often an action is tried in all, and how long to wait before the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// At least 1, which means no retry.
    pub attempts: u32,
    pub delay: Duration,
    pub backoff: Backoff,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    #[default]
    Fixed,
    /// Twice as long each time, at most [`Retry::LONGEST`].
    Double,
}

/// What a leaf of YAML became: a constant, or text to fill in.
#[derive(Clone, Debug)]
pub enum Tree {
    /// No template anywhere inside.
    Constant(Value),
    Leaf(Template),
    Seq(Vec<Tree>),
    Map(IndexMap<String, Tree>),
}

/// An input as declared.
#[derive(Clone, Debug)]
pub struct Input {
    pub kind: InputKind,
    pub description: Option<String>,
    /// Fits the kind. An input without one must be given.
    pub default: Option<Value>,
    /// The output that it is the next time, where the run is done again and again.
    pub from_last: Option<String>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// The name of a cluster of the inventory; the run sees the cluster.
    Cluster,
    /// A node of the cluster in the input `of`.
    Node { of: String },
    /// Several nodes of the cluster in the input `of`.
    Nodes { of: String },
    /// `30s`; the run sees the same text.
    Duration,
    /// A threshold file, by its path; the run sees its rows. Without a value: `thresholds.yaml` of the inventory, else
    /// the one that ships.
    Thresholds,
    /// Anything else: a JSON Schema.
    Plain(Value),
}

/// An ending that hands the terminal to a person.
#[derive(Clone, Debug)]
pub struct Session {
    pub summary: Option<String>,
    /// Program and arguments. Empty: the person's own shell.
    pub command: Vec<Template>,
    pub env: IndexMap<String, Template>,
    /// Shown before the terminal is handed over.
    pub banner: Option<Template>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    Cli,
    Api,
    Slack,
    Schedule,
    Webhook,
}

impl Tree {
    /// The value, when there is nothing to fill in.
    pub fn constant(&self) -> Option<&Value> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Leaf(_) | Self::Seq(_) | Self::Map(_) => None,
        }
    }
}

impl Default for Passes {
    /// One look decides.
    fn default() -> Self {
        Self {
            hold: Hold::Consecutive(1),
            lasting: None,
            every: Self::EVERY,
            within: Duration::ZERO,
            fail_if: None,
            progress: None,
        }
    }
}

impl Passes {
    /// Between samples where the runbook does not say.
    pub const EVERY: Duration = Duration::from_secs(5);

    /// As these inputs have it. An input that is no time after all leaves a gate that cannot pass.
    pub fn with(&self, inputs: &Value) -> Cow<'_, Self> {
        let Some(name) = &self.lasting else { return Cow::Borrowed(self) };
        let time = inputs.get(name).and_then(Value::as_str).and_then(|text| parse_duration(text).ok());
        Cow::Owned(Self { hold: Hold::For(time.unwrap_or(Duration::MAX)), ..self.clone() })
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay: Duration::from_secs(5), backoff: Backoff::Fixed }
    }
}

impl Retry {
    pub const LONGEST: Duration = Duration::from_secs(300);

    /// The wait after the attempt with this number (from 1) has failed.
    pub fn delay_after(&self, attempt: u32) -> Duration {
        match self.backoff {
            Backoff::Fixed => self.delay,
            Backoff::Double => {
                let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
                self.delay.saturating_mul(factor).min(Self::LONGEST.max(self.delay))
            }
        }
    }
}

impl Order {
    /// How many steps of the group may run at a time.
    pub fn width(self) -> usize {
        match self {
            Self::Written => 1,
            Self::Parallel { at_most } => at_most as usize,
        }
    }
}

impl Checked {
    /// Every step, outer before inner, `finally` last. Steps of called runbooks are not among them.
    pub fn walk(&self) -> impl Iterator<Item = &Step> {
        let mut open: Vec<&Step> = self.finally.iter().rev().chain(self.steps.iter().rev()).collect();
        std::iter::from_fn(move || {
            let step = open.pop()?;
            open.extend(step.children().iter().rev());
            Some(step)
        })
    }
}

impl Checked {
    /// Whether one yes is asked for at the start.
    pub fn confirms_once(&self, inputs: &Value) -> bool {
        let scope = serde_json::Map::from_iter([("inputs".to_owned(), inputs.clone())]);
        self.confirm_once.as_ref().is_some_and(|once| expr::truth(once, &scope) == Ok(true))
    }

    /// Whether anything in it, or in what it calls, destroys.
    pub fn destroys(&self) -> bool {
        self.walk_deep().into_iter().any(Step::destroys)
    }

    /// Every step, with those of called runbooks.
    pub fn walk_deep(&self) -> Vec<&Step> {
        self.steps.iter().chain(&self.finally).flat_map(Step::walk_deep).collect()
    }

    /// Every runbook that this one calls, directly or through others, each once.
    pub fn called(&self) -> Vec<&Call> {
        let mut found: Vec<&Call> = Vec::new();
        self.collect_called(&mut found);
        found
    }

    fn collect_called<'a>(&'a self, found: &mut Vec<&'a Call>) {
        for call in self.calls() {
            if !found.iter().any(|known| known.id == call.id) {
                found.push(call);
                call.runbook.collect_called(found);
            }
        }
    }

    /// Its own steps that call, by their addresses without rounds.
    pub fn calls_by_key(&self) -> Vec<(String, &Call)> {
        fn collect<'a>(steps: &'a [Step], above: &str, found: &mut Vec<(String, &'a Call)>) {
            for step in steps {
                let key = format!("{above}{}", step.id);
                collect(step.children(), &format!("{key}/"), found);
                if let Kind::Call(call) = &step.kind {
                    found.push((key, call));
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.steps, "", &mut found);
        found
    }

    /// Its own steps that call.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.walk().filter_map(|step| match &step.kind {
            Kind::Call(call) => Some(&**call),
            Kind::Use(_) | Kind::Gate(_) | Kind::Group(_) => None,
        })
    }
}

/// For a step that names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

impl Use {
    /// What one attempt is given.
    pub fn time(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }
}

impl Step {
    /// This step and every step inside it.
    pub fn walk(&self) -> impl Iterator<Item = &Step> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            let step = open.pop()?;
            open.extend(step.children().iter().rev());
            Some(step)
        })
    }

    /// This step and every step inside it, also those of called runbooks, their `finally` included.
    pub fn walk_deep(&self) -> Vec<&Step> {
        let mut found: Vec<&Step> = self.walk().collect();
        for step in self.walk() {
            if let Kind::Call(call) = &step.kind {
                let inside = call.runbook.steps.iter().chain(&call.runbook.finally);
                found.extend(inside.flat_map(Step::walk_deep));
            }
        }
        found
    }

    /// The steps inside a group; empty for anything else: a called runbook's steps stand in another file.
    pub fn children(&self) -> &[Step] {
        match &self.kind {
            Kind::Group(group) => &group.steps,
            Kind::Use(_) | Kind::Gate(_) | Kind::Call(_) => &[],
        }
    }

    /// An act that may not simply be done again: what became of it has to be known.
    pub fn is_once(&self) -> bool {
        match &self.kind {
            Kind::Use(step) => step.effect == Effect::Destroy || (step.effect == Effect::Change && !step.idempotent),
            Kind::Gate(_) | Kind::Group(_) | Kind::Call(_) => false,
        }
    }

    /// It ends something that does not come back by itself.
    pub fn destroys(&self) -> bool {
        self.effect() == Effect::Destroy
    }

    /// What it does to the world itself: a gate, a group and a call only look.
    pub fn effect(&self) -> Effect {
        match &self.kind {
            Kind::Use(step) => step.effect,
            Kind::Gate(_) | Kind::Group(_) | Kind::Call(_) => Effect::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_between_attempts() {
        let check = |backoff, attempt, expect| {
            let retry = Retry { attempts: 9, delay: Duration::from_secs(10), backoff };
            assert_eq!(retry.delay_after(attempt), Duration::from_secs(expect), "{backoff:?} {attempt}");
        };
        check(Backoff::Fixed, 1, 10);
        check(Backoff::Fixed, 7, 10);
        check(Backoff::Double, 1, 10);
        check(Backoff::Double, 2, 20);
        check(Backoff::Double, 5, 160);
        check(Backoff::Double, 6, 300);
        check(Backoff::Double, u32::MAX, 300);
    }
}
