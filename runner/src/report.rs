//! A run as data: what `--json` prints, what the screens of a run are made of, and its JSON Schema.
//!
//! Made from the folded state alone, so a live run, an ended one and one whose process died look alike. No words and no
//! colours here.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Outcome, Owner, Samples, Trigger, Version};
use sluice_engine::machine::fill;
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::machine::{State, Status, is_act};
use sluice_engine::run::{Alive, Loaded};
use sluice_engine::runbook::Checked;
use sluice_engine::runbook::checked::{Input, InputKind, Kind, Step};
use sluice_plugin::{Problem, Timestamp};

/// One run, as `sluice run --json`, `sluice resume --json` and `sluice runs show --json` print it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The run's id.
    pub(crate) run: String,
    /// The runbook's name.
    pub(crate) runbook: String,
    /// Where the runbook came from: a path, or `built in`.
    pub(crate) origin: String,
    /// Values the run was started with; a cluster or node is whole.
    pub(crate) inputs: Value,
    /// What would have to be typed to give the same inputs again.
    #[serde(skip)]
    pub(crate) given: Vec<String>,
    /// What started it: `cli`, ...
    pub(crate) trigger: String,
    /// Who started it: `ana@laptop`.
    pub(crate) by: String,
    /// RFC 3339, UTC.
    pub(crate) started: Option<String>,
    pub(crate) ended: Option<String>,
    pub(crate) status: RunStatus,
    /// The step that decided the outcome: the one that failed, or the gate that stopped the run.
    pub(crate) decided_by: Option<String>,
    /// Acts of which nobody knows whether they happened, by address.
    pub(crate) unknown: Vec<String>,
    /// The exit code of the run; null while it runs.
    pub(crate) exit: Option<u8>,
    /// Why it was asked to end, where it was.
    pub(crate) cancel: Option<CancelReport>,
    pub(crate) steps: Vec<StepReport>,
    /// The steps that run whatever happened before.
    pub(crate) finally: Vec<StepReport>,
    /// The ending in which a person had the terminal.
    pub(crate) session: Option<StepReport>,
    /// What the runbook gives; null until it is done.
    pub(crate) outputs: Option<Map<String, Value>>,
    /// The process that has it now, or had it last.
    pub(crate) owner: Option<OwnerReport>,
    /// The last event of its journal: noted elsewhere, `sluice verify --head` tells later whether any of it was changed.
    pub(crate) head: Option<HeadReport>,
    /// Some step of the runbook can change the world.
    #[serde(skip)]
    pub(crate) acts: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct HeadReport {
    pub(crate) event: u64,
    /// SHA-256 of the event's record, in hexadecimal.
    pub(crate) hash: String,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    /// A living process has it, as far as can be told from here.
    Running,
    Done,
    Failed,
    /// A gate did not pass.
    Stopped,
    Cancelled,
    Abandoned,
    /// Nothing goes on before a person says what became of an act: `sluice settle`.
    Parked,
    /// Its process was interrupted or died. `sluice resume` goes on.
    Interrupted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct CancelReport {
    /// `after_step`, `now` or `abandon`.
    pub(crate) how: Value,
    pub(crate) because: String,
    pub(crate) by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OwnerReport {
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// Null where that cannot be told: another machine.
    pub(crate) alive: Option<bool>,
}

/// One step, or one round of a loop.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct StepReport {
    /// Its address in the run: `roll[node-2]/terminate`.
    pub(crate) key: String,
    pub(crate) kind: StepKind,
    /// The action it uses; null of a group.
    pub(crate) action: Option<String>,
    pub(crate) summary: Option<String>,
    /// `pending`, `running`, `retrying`, `waiting`, `done`, `skipped`, `failed` or `stopped`; of an act also `intended`
    /// (it was begun), `unknown` (nobody knows whether it happened) or `stuck` (looking did not tell either).
    pub(crate) status: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// RFC 3339, UTC.
    pub(crate) ended: Option<String>,
    /// What it gave; of a gate, what it saw last.
    pub(crate) output: Option<Value>,
    pub(crate) problem: Option<ProblemReport>,
    /// What was seen when it was looked for whether the act happened.
    pub(crate) evidence: Option<Value>,
    /// Of a gate that did not pass: `fail` or `inconclusive`, and why.
    pub(crate) verdict: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) samples: Option<SamplesReport>,
    /// The steps inside a group; the rounds of a loop.
    pub(crate) steps: Vec<StepReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepKind {
    Use,
    Gate,
    Group,
    Loop,
    Session,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ProblemReport {
    /// Stable, for machines.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retryable: bool,
    /// Whether the world may have been changed: `no` or `maybe`.
    pub(crate) applied: Value,
    pub(crate) details: Option<Value>,
}

/// How often a gate looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct SamplesReport {
    pub(crate) count: u32,
    /// How often the verdict changed.
    pub(crate) flips: u32,
    pub(crate) first: String,
    pub(crate) last: String,
}

impl Report {
    /// `alive` is what is known of the process that the journal calls the owner.
    pub(crate) fn new(run: &RunId, origin: &str, runbook: &Checked, state: &State, alive: Alive) -> Self {
        let started = state.started.as_ref();
        let outcome = state.ended.as_ref().map(|(outcome, _)| outcome);
        let status = status(state, alive);
        Self {
            run: run.to_string(),
            runbook: runbook.name.to_string(),
            origin: origin.to_owned(),
            inputs: state.inputs().clone(),
            given: given(runbook, state.inputs()),
            trigger: started.map_or("", |started| trigger(started.trigger)).to_owned(),
            by: started.map(|started| started.by.clone()).unwrap_or_default(),
            started: started.map(|started| time(started.at)),
            ended: state.ended.as_ref().map(|(_, at)| time(*at)),
            status,
            decided_by: outcome.and_then(decided_by),
            unknown: state.intents.keys().map(|path| path.key(runbook, state).to_string()).collect(),
            exit: outcome.map(Outcome::exit).or_else(|| (status == RunStatus::Parked).then_some(PARKED)),
            cancel: state.cancel.as_ref().map(|cancel| CancelReport {
                how: serde_json::to_value(cancel.how).unwrap_or_default(),
                because: cancel.why.clone(),
                by: cancel.by.clone(),
            }),
            steps: list(&runbook.steps, &state.steps, ""),
            finally: list(&runbook.finally, &state.finally, ""),
            session: runbook.session.as_ref().map(|session| session_report(session.summary.clone(), &state.session)),
            outputs: (status == RunStatus::Done).then(|| fill::outputs(runbook, state)),
            owner: state.owner.as_ref().map(|owner| owner_report(owner, alive)),
            head: None,
            acts: runbook.walk().any(is_act),
        }
    }

    #[must_use]
    pub(crate) fn with_head(self, head: Version) -> Self {
        Self { head: Some(HeadReport { event: head.ordinal, hash: head.hash.to_string() }), ..self }
    }

    pub(crate) fn of(loaded: &Loaded, alive: Alive) -> Self {
        Self::new(&loaded.run, &loaded.snapshot.origin, &loaded.runbook, &loaded.state, alive).with_head(loaded.head)
    }

    /// The step with this address.
    pub(crate) fn step(&self, key: &str) -> Option<&StepReport> {
        self.leaves().into_iter().find(|step| step.key == key)
    }

    /// Every step that is no group and no loop, in the order of the runbook.
    pub(crate) fn leaves(&self) -> Vec<&StepReport> {
        let mut found = Vec::new();
        for step in self.steps.iter().chain(&self.session).chain(&self.finally) {
            step.collect_leaves(&mut found);
        }
        found
    }
}

impl StepReport {
    fn collect_leaves<'a>(&'a self, found: &mut Vec<&'a Self>) {
        match self.kind {
            StepKind::Use | StepKind::Gate | StepKind::Session => found.push(self),
            StepKind::Group | StepKind::Loop => self.steps.iter().for_each(|step| step.collect_leaves(found)),
        }
    }
}

impl RunStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Parked => "parked",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The exit code of a run that waits for a person.
pub(crate) const PARKED: u8 = 7;

/// A run whose process is gone is interrupted, whether or not it could still write that down.
pub(crate) fn status(state: &State, alive: Alive) -> RunStatus {
    match (state.ended.as_ref().map(|(outcome, _)| outcome), alive) {
        (None, _) if state.parked => RunStatus::Parked,
        (None, Alive::Yes | Alive::CannotTell) => RunStatus::Running,
        (None, Alive::No) | (Some(Outcome::Interrupted), _) => RunStatus::Interrupted,
        (Some(Outcome::Done), _) => RunStatus::Done,
        (Some(Outcome::Failed { .. }), _) => RunStatus::Failed,
        (Some(Outcome::Stopped { .. }), _) => RunStatus::Stopped,
        (Some(Outcome::Cancelled), _) => RunStatus::Cancelled,
        (Some(Outcome::Abandoned { .. }), _) => RunStatus::Abandoned,
    }
}

/// `name=value` of each input that is not its default; clusters and nodes by their names.
pub(crate) fn given(runbook: &Checked, inputs: &Value) -> Vec<String> {
    let one = |(name, input): (&String, &Input)| {
        let value = inputs.get(name).filter(|value| input.default.as_ref() != Some(*value))?;
        let text = match &input.kind {
            InputKind::Cluster | InputKind::Node { .. } => named(value)?,
            InputKind::Nodes { .. } => value.as_array()?.iter().filter_map(named).collect::<Vec<_>>().join(","),
            // A whole file stands in the place of its path.
            InputKind::Thresholds => return None,
            InputKind::Duration | InputKind::Plain(_) => {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            }
        };
        Some(format!("{name}={text}"))
    };
    runbook.inputs.iter().filter_map(one).collect()
}

fn named(thing: &Value) -> Option<String> {
    thing.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// RFC 3339 with milliseconds, UTC.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

fn decided_by(outcome: &Outcome) -> Option<String> {
    match outcome {
        // The session's address ends in a dot, so that no step can have it.
        Outcome::Failed { key } | Outcome::Stopped { key } => Some(key.as_str().trim_end_matches('.').to_owned()),
        Outcome::Done | Outcome::Cancelled | Outcome::Abandoned { .. } | Outcome::Interrupted => None,
    }
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Cli => "cli",
        Trigger::Api => "api",
        Trigger::Slack => "slack",
        Trigger::Schedule => "schedule",
        Trigger::Webhook => "webhook",
    }
}

fn owner_report(owner: &Owner, alive: Alive) -> OwnerReport {
    let alive = match alive {
        Alive::Yes => Some(true),
        Alive::No => Some(false),
        Alive::CannotTell => None,
    };
    OwnerReport { host: owner.host.clone(), pid: owner.pid, alive }
}

/// An output that cannot be evaluated says why in its place: the run is done all the same.
fn list(steps: &[Step], list: &List, above: &str) -> Vec<StepReport> {
    steps.iter().zip(&list.slots).map(|(step, slot)| whole(step, slot, above)).collect()
}

fn whole(step: &Step, slot: &Slot, above: &str) -> StepReport {
    let key = if above.is_empty() { step.id.to_string() } else { format!("{above}/{}", step.id) };
    match &slot.inside {
        Inside::Rounds(rounds) => {
            let round =
                |round: &sluice_engine::machine::state::Round| part(step, &round.slot, format!("{key}[{}]", round.key));
            let rounds = rounds.rounds.iter().map(round).collect();
            StepReport { kind: StepKind::Loop, steps: rounds, output: None, ..part(step, slot, key) }
        }
        Inside::Closed => StepReport { kind: StepKind::Loop, ..part(step, slot, key) },
        Inside::Leaf | Inside::List(_) => part(step, slot, key),
    }
}

fn part(step: &Step, slot: &Slot, key: String) -> StepReport {
    let (kind, action) = match &step.kind {
        Kind::Use(used) => (StepKind::Use, Some(used.action.to_string())),
        Kind::Gate(gate) => (StepKind::Gate, Some(gate.action.to_string())),
        Kind::Group(_) => (StepKind::Group, None),
    };
    let steps = match &slot.inside {
        Inside::List(inner) => list(step.children(), inner, &key),
        Inside::Leaf | Inside::Closed | Inside::Rounds(_) => Vec::new(),
    };
    StepReport { action, summary: step.summary.clone(), steps, ..of_slot(key, kind, slot) }
}

fn session_report(summary: Option<String>, slot: &Slot) -> StepReport {
    StepReport { summary, ..of_slot("session".to_owned(), StepKind::Session, slot) }
}

fn of_slot(key: String, kind: StepKind, slot: &Slot) -> StepReport {
    let (problem, verdict, why) = match &slot.status {
        Status::Unknown { problem } | Status::Stuck { problem, .. } => {
            (problem.as_ref().map(problem_report), None, None)
        }
        Status::Failed(problem) | Status::Backoff { problem, .. } => (Some(problem_report(problem)), None, None),
        Status::Stopped { verdict, why, .. } => (None, Some(verdict.to_string()), Some(why.clone())),
        Status::Pending
        | Status::Waiting { .. }
        | Status::Intended
        | Status::Open
        | Status::Done(_)
        | Status::Complete
        | Status::Skipped
        | Status::Broken => (None, None, None),
    };
    StepReport {
        key,
        kind,
        action: None,
        summary: None,
        status: slot.status.name().to_owned(),
        attempts: slot.attempts,
        ended: slot.ended.map(time),
        output: slot.status.output().map(|value| (**value).clone()),
        problem,
        evidence: match &slot.status {
            Status::Stuck { evidence, .. } => Some((**evidence).clone()),
            _ => None,
        },
        verdict,
        why,
        samples: slot.samples.as_ref().map(samples),
        steps: Vec::new(),
    }
}

fn problem_report(problem: &Problem) -> ProblemReport {
    ProblemReport {
        code: problem.code.clone(),
        message: problem.message.clone(),
        retryable: problem.retryable,
        applied: serde_json::to_value(problem.applied).unwrap_or_default(),
        details: problem.details.clone(),
    }
}

fn samples(samples: &Samples) -> SamplesReport {
    SamplesReport { count: samples.count, flips: samples.flips, first: time(samples.first), last: time(samples.last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_process_runs_nothing() {
        let source = sluice_engine::source::Source::new(
            "a.yaml",
            "runbook: a\nsteps: [ { id: b, uses: base.echo, with: { value: 1 } } ]\n",
        );
        let mut registry = sluice_engine::registry::Registry::default();
        let make = || std::sync::Arc::new(sluice_base::plugin()) as std::sync::Arc<dyn sluice_plugin::Plugin>;
        registry.add(sluice_plugin::PluginName::parse("base").unwrap(), make).unwrap();
        let runbook = sluice_engine::runbook::load(&source, &registry).unwrap().runbook;
        let check = |outcome: Option<Outcome>, parked, alive, expect| {
            let mut state = State::new(&runbook);
            state.ended = outcome.map(|outcome| (outcome, Timestamp(0)));
            state.parked = parked;
            assert_eq!(status(&state, alive), expect);
        };
        check(None, false, Alive::Yes, RunStatus::Running);
        check(None, false, Alive::CannotTell, RunStatus::Running);
        check(None, false, Alive::No, RunStatus::Interrupted);
        check(None, true, Alive::No, RunStatus::Parked);
        check(None, true, Alive::Yes, RunStatus::Parked);
        check(Some(Outcome::Interrupted), false, Alive::Yes, RunStatus::Interrupted);
        check(Some(Outcome::Done), false, Alive::No, RunStatus::Done);
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        assert_eq!(time(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
