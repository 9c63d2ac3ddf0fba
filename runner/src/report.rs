//! A run as data: what `--json` prints, what the screens of a run are made of, and its JSON Schema.
//!
//! Made from the folded state alone, so a live run, an ended one and one whose process died look alike. No words and no
//! colours here.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{After, Loss, Outcome, Owner, Samples, Trigger, Version};
use sluice_engine::machine::asks::{Ask, Override, is_stopped_open};
use sluice_engine::machine::lock::has_acted;
use sluice_engine::machine::overrides::is_overridable;
use sluice_engine::machine::path::Path;
use sluice_engine::machine::state::{Called, Claim, Inside, List, Slot};
use sluice_engine::machine::{State, Status, fill, is_act};
use sluice_engine::run::{Alive, Loaded};
use sluice_engine::runbook::Checked;
use sluice_engine::runbook::checked::{Input, InputKind, Kind, Step};
use sluice_host::Redactor;
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
    /// What its session was to run, where this process was told.
    #[serde(skip)]
    pub(crate) command: Vec<String>,
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
    /// Whether that is a gate which somebody may let count.
    #[serde(skip)]
    pub(crate) overridable: bool,
    /// Acts of which nobody knows whether they happened, by address.
    pub(crate) unknown: Vec<String>,
    /// What people are asked now.
    pub(crate) questions: Vec<QuestionReport>,
    /// Gates that a person let pass, and that nothing was done under yet.
    pub(crate) overrides: Vec<OverrideReport>,
    /// Why the last question counts no more, where it does not.
    pub(crate) voided: Option<Value>,
    /// The exit code of the run; null while it runs.
    pub(crate) exit: Option<u8>,
    /// Why it was asked to end, where it was.
    pub(crate) cancel: Option<CancelReport>,
    pub(crate) steps: Vec<StepReport>,
    /// The steps that run whatever happened before.
    pub(crate) finally: Vec<StepReport>,
    /// The ending in which a person had the terminal.
    pub(crate) session: Option<StepReport>,
    /// What the runbook gives; null until it is done. Of a run that only looked and did not come to its end, what is known.
    pub(crate) outputs: Option<Map<String, Value>>,
    /// Which of them are inputs the next time, and nothing for a person.
    #[serde(skip)]
    pub(crate) carried: Vec<String>,
    /// The process that has it now, or had it last.
    pub(crate) owner: Option<OwnerReport>,
    /// The last event of its journal: noted elsewhere, `sluice verify --head` tells later whether any of it was changed.
    pub(crate) head: Option<HeadReport>,
    /// Some step of the runbook can change the world.
    #[serde(skip)]
    pub(crate) acts: bool,
    /// Who went on with it, one after the other; without the one who started it.
    pub(crate) resumed: Vec<ResumedReport>,
    pub(crate) lock: Option<LockReport>,
    /// True of a run with acts that was gone on with after nothing was written for an hour or more, where nothing but its own store
    /// tells what was done: had the store been restored from an older copy, acts would be missing from this report.
    pub(crate) acts_may_be_missing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ResumedReport {
    pub(crate) by: String,
    /// RFC 3339, UTC.
    pub(crate) at: String,
}

/// A yes that is waited for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct QuestionReport {
    /// Counts from 1 within the run.
    pub(crate) ask: u32,
    /// The address of the step that asks.
    pub(crate) step: String,
    /// What has to be typed.
    pub(crate) typed: String,
    /// RFC 3339, UTC.
    pub(crate) answer_by: String,
    /// Who has said yes so far.
    pub(crate) yes: Vec<String>,
    /// What an answer names.
    pub(crate) digest: String,
    /// What a person is shown: acts with their bindings and facts, gates, policy, where it comes from.
    pub(crate) shown: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OverrideReport {
    /// The address of the gate.
    pub(crate) gate: String,
    pub(crate) by: String,
    pub(crate) why: String,
    /// Why the gate had not passed.
    pub(crate) saw: String,
    /// RFC 3339, UTC.
    pub(crate) at: String,
}

/// The run's lock, as its journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct LockReport {
    /// Null where the run has none now.
    pub(crate) name: Option<String>,
    /// The fencing token.
    pub(crate) generation: Option<u64>,
    /// Where it is kept.
    pub(crate) at: Option<String>,
    /// From whom it was taken, where it was not free.
    pub(crate) after: Option<String>,
    /// Whether no other run gets it before this one has ended: it has begun to act, or repairs one that has.
    pub(crate) kept: bool,
    /// Why the run has it no more, where it lost it.
    pub(crate) lost: Option<String>,
    /// Whom AWS took the process for that took it.
    pub(crate) caller: Option<String>,
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
    /// A gate did not pass. A run that destroys stays open then, and `ended` is null.
    Stopped,
    /// Nobody said yes to what it would destroy, or somebody said no.
    NotConfirmed,
    Cancelled,
    Abandoned,
    /// It waits for a yes: `sluice confirm`.
    Asking,
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
    /// The action it uses; null of a group and of a call.
    pub(crate) action: Option<String>,
    /// The runbook that it calls, as the runbook names it; null of anything else.
    pub(crate) calls: Option<String>,
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
    /// The steps inside a group; the rounds of a loop; the steps of a called runbook, its `finally` last.
    pub(crate) steps: Vec<StepReport>,
    /// It can change the world.
    #[serde(skip)]
    pub(crate) acts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepKind {
    Use,
    Gate,
    Group,
    Call,
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
        let acts = runbook.walk_deep().into_iter().any(is_act);
        Self {
            run: run.to_string(),
            runbook: runbook.name.to_string(),
            origin: origin.to_owned(),
            inputs: state.inputs().clone(),
            given: given(runbook, state.inputs()),
            command: Vec::new(),
            trigger: started.map_or("", |started| trigger(started.trigger)).to_owned(),
            by: started.map(|started| started.by.clone()).unwrap_or_default(),
            started: started.map(|started| time(started.at)),
            ended: state.ended.as_ref().map(|(_, at)| time(*at)),
            status,
            decided_by: outcome.and_then(decided_by).or_else(|| is_stopped_open(runbook, state).map(|key| key.0)),
            overridable: is_stopped_open(runbook, state).is_some_and(|key| is_overridable(runbook, state, &key)),
            unknown: state.intents.keys().map(|path| path.key(runbook, state).to_string()).collect(),
            questions: questions(runbook, state),
            overrides: overrides(runbook, state),
            voided: state.asking.voided.as_ref().and_then(|(_, why)| serde_json::to_value(why).ok()),
            exit: outcome.map(Outcome::exit).or_else(|| open_exit(status)),
            cancel: state.cancel.as_ref().map(|cancel| CancelReport {
                how: serde_json::to_value(cancel.how).unwrap_or_default(),
                because: cancel.why.clone(),
                by: cancel.by.clone(),
            }),
            steps: list(&runbook.steps, &state.steps, ""),
            finally: list(&runbook.finally, &state.finally, ""),
            session: runbook.session.as_ref().map(|session| session_report(session.summary.clone(), &state.session)),
            outputs: outputs((runbook, state), status, acts),
            carried: runbook.inputs.values().filter_map(|input| input.from_last.clone()).collect(),
            owner: state.owner.as_ref().map(|owner| owner_report(owner, alive)),
            head: None,
            acts,
            resumed: state.claims.iter().skip(1).map(resumed).collect(),
            lock: runbook.lock.as_ref().map(|_| lock(runbook, state)),
            acts_may_be_missing: state.claims.iter().skip(1).any(|claim| is_long_ago(claim.left, claim.at))
                && may_miss_acts(runbook, state),
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
        self.steps.iter().chain(&self.session).chain(&self.finally).find_map(|step| step.find(key))
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

/// What was seen is worth something even where it was not all good; what was done is told by its steps.
fn outputs((runbook, state): (&Checked, &State), status: RunStatus, acts: bool) -> Option<Map<String, Value>> {
    match status {
        RunStatus::Done => Some(fill::outputs(runbook, state)),
        RunStatus::Stopped | RunStatus::Failed if !acts && runbook.session.is_none() && state.ended.is_some() => {
            Some(fill::outputs_known(runbook, state)).filter(|known| !known.is_empty())
        }
        _ => None,
    }
}

impl StepReport {
    /// Itself, or the one inside of it.
    fn find(&self, key: &str) -> Option<&Self> {
        if self.key == key {
            return Some(self);
        }
        self.steps.iter().find_map(|step| step.find(key))
    }

    fn collect_leaves<'a>(&'a self, found: &mut Vec<&'a Self>) {
        match self.kind {
            StepKind::Use | StepKind::Gate | StepKind::Session => found.push(self),
            // A call can fail itself, before its steps or after them.
            StepKind::Call if self.problem.is_some() => found.push(self),
            StepKind::Group | StepKind::Call | StepKind::Loop => {
                self.steps.iter().for_each(|step| step.collect_leaves(found))
            }
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
            Self::NotConfirmed => "not confirmed",
            Self::Asking => "asking",
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
    let waits = state.parked && !state.has_open_act();
    match (state.ended.as_ref().map(|(outcome, _)| outcome), alive) {
        (None, _) if waits && state.unanswered().next().is_some() => RunStatus::Asking,
        // Somebody has said yes since, or a gate stopped it.
        (None, _) if waits && state.steps.front.broken.is_some() => RunStatus::Stopped,
        (None, _) if state.parked => RunStatus::Parked,
        (None, Alive::Yes | Alive::CannotTell) => RunStatus::Running,
        (None, Alive::No) | (Some(Outcome::Interrupted), _) => RunStatus::Interrupted,
        (Some(Outcome::Done), _) => RunStatus::Done,
        (Some(Outcome::Failed { .. }), _) => RunStatus::Failed,
        (Some(Outcome::Stopped { .. }), _) => RunStatus::Stopped,
        (Some(Outcome::Unconfirmed { .. }), _) => RunStatus::NotConfirmed,
        (Some(Outcome::Cancelled), _) => RunStatus::Cancelled,
        (Some(Outcome::Abandoned { .. }), _) => RunStatus::Abandoned,
    }
}

/// The exit code of a run that has not ended and waits for a person.
fn open_exit(status: RunStatus) -> Option<u8> {
    match status {
        RunStatus::Asking | RunStatus::Parked => Some(PARKED),
        RunStatus::Stopped => Some(3),
        _ => None,
    }
}

fn questions(runbook: &Checked, state: &State) -> Vec<QuestionReport> {
    let one = |(path, ask): (&Path, &Ask)| QuestionReport {
        ask: ask.id.0,
        step: path.key(runbook, state).to_string(),
        typed: ask.typed.clone(),
        answer_by: time(ask.answer_by),
        yes: ask.yes.iter().map(ToString::to_string).collect(),
        digest: ask.digest.to_string(),
        shown: (*ask.shown).clone(),
    };
    state.unanswered().map(one).collect()
}

fn overrides(runbook: &Checked, state: &State) -> Vec<OverrideReport> {
    let one = |(gate, over): &(Path, Override)| OverrideReport {
        gate: gate.key(runbook, state).to_string(),
        by: over.by.to_string(),
        why: over.why.clone(),
        saw: over.saw.clone(),
        at: time(over.at),
    };
    state.asking.overridden.iter().map(one).collect()
}

/// `name=value` of each input that is not its default; clusters and nodes by their names. It is for screens: what looks
/// like a secret is not said again.
pub(crate) fn given(runbook: &Checked, inputs: &Value) -> Vec<String> {
    let redactor = Redactor::new();
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
        Some(format!("{name}={}", redactor.text(&text)))
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
        Outcome::Failed { key } | Outcome::Stopped { key } | Outcome::Unconfirmed { key } => {
            Some(key.as_str().trim_end_matches('.').to_owned())
        }
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

fn resumed(claim: &Claim) -> ResumedReport {
    ResumedReport { by: claim.by.clone(), at: time(claim.at) }
}

fn lock(runbook: &Checked, state: &State) -> LockReport {
    let lock = &state.lock;
    let held = lock.held.as_ref();
    let repairs = matches!(lock.after, Some(After::Repairs { .. }));
    LockReport {
        name: held.map(|held| held.name.clone()),
        generation: held.map(|held| held.generation),
        at: held.map(|held| held.at.to_string()),
        after: lock.after.as_ref().map(of_former),
        kept: held.is_some() && (repairs || has_acted(runbook, state)),
        lost: lock_lost(state),
        caller: lock.caller.clone(),
    }
}

/// What a lock that others see would tell: that the store is behind it.
pub(crate) fn may_miss_acts(runbook: &Checked, state: &State) -> bool {
    let shared = state.lock.held.as_ref().is_some_and(|held| held.at.is_shared()) || state.lock.caller.is_some();
    !shared && runbook.walk_deep().into_iter().any(is_act)
}

/// Long enough for a store to be lost and put back from a backup.
pub(crate) fn is_long_ago(then: Timestamp, now: Timestamp) -> bool {
    const LONG: std::time::Duration = std::time::Duration::from_secs(3600);
    now.since(then) >= LONG
}

/// From whom a lock was taken, behind "took the lock".
pub(crate) fn of_former(after: &After) -> String {
    match after {
        After::Broken { run, breach } => format!("after {} broke it for run {run}: {}", breach.by, breach.why),
        After::Lapsed { run } => format!("from run {run}, which had begun nothing and was not heard of"),
        After::Ended { run } => format!("from run {run}, which had ended"),
        After::Repairs { run } => format!("of run {run}, to repair it"),
    }
}

/// Why the run has its lock no more, where it lost it.
pub(crate) fn lock_lost(state: &State) -> Option<String> {
    state.lock.loss.as_ref().map(of_loss)
}

fn of_loss(loss: &Loss) -> String {
    match loss {
        Loss::Broken { why } => format!("broken: {why}"),
        Loss::Taken { by } => format!("taken by run {by}"),
        Loss::Lent { to } => format!("lent to run {to}, which repairs"),
        Loss::MovedOn => "it moved on while the run was not heard of".to_owned(),
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
        Inside::Leaf | Inside::List(_) | Inside::Call(_) => part(step, slot, key),
    }
}

fn part(step: &Step, slot: &Slot, key: String) -> StepReport {
    let (kind, action) = match &step.kind {
        Kind::Use(used) => (StepKind::Use, Some(used.action.to_string())),
        Kind::Gate(gate) => (StepKind::Gate, Some(gate.action.to_string())),
        Kind::Group(_) => (StepKind::Group, None),
        Kind::Call(_) => (StepKind::Call, None),
    };
    let calls = if let Kind::Call(call) = &step.kind { Some(call.name.clone()) } else { None };
    let steps = match &slot.inside {
        Inside::List(inner) => list(step.children(), inner, &key),
        Inside::Call(called) => called_steps(step, called, &key),
        Inside::Leaf | Inside::Closed | Inside::Rounds(_) => Vec::new(),
    };
    let acts = is_act(step);
    StepReport { action, calls, summary: step.summary.clone(), steps, acts, ..of_slot(key, kind, slot) }
}

/// Nothing before it has begun: a runbook that was never called has no steps here.
fn called_steps(step: &Step, called: &Called, key: &str) -> Vec<StepReport> {
    let Kind::Call(call) = &step.kind else { return Vec::new() };
    if called.inputs.is_none() {
        return Vec::new();
    }
    let mut steps = list(&call.runbook.steps, &called.steps, key);
    steps.extend(list(&call.runbook.finally, &called.finally, key));
    steps
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
        Status::Unconfirmed { why } => (None, None, Some(why.clone())),
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
        calls: None,
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
        acts: false,
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

    fn runbook(text: &str) -> Checked {
        let source = sluice_engine::source::Source::new("a.yaml", text);
        let mut registry = sluice_engine::registry::Registry::default();
        let make = || std::sync::Arc::new(sluice_base::plugin()) as std::sync::Arc<dyn sluice_plugin::Plugin>;
        registry.add(sluice_plugin::PluginName::parse("base").unwrap(), make).unwrap();
        sluice_engine::runbook::load(&source, &registry).unwrap().runbook
    }

    /// A store put back from yesterday may have lost what was done since, and without a lock elsewhere nobody can tell.
    #[test]
    fn a_run_that_goes_on_long_after_its_last_word_says_that_acts_may_be_missing() {
        const HOUR: i64 = 3_600_000;
        let acts = "runbook: a\nsteps: [ { id: b, uses: base.file, with: { path: /tmp/a, content: x } } ]\n";
        let reads = "runbook: a\nsteps: [ { id: b, uses: base.echo, with: { value: 1 } } ]\n";
        let check = |text: &str, gone: i64, caller: Option<&str>, expect: bool| {
            let runbook = runbook(text);
            let mut state = State::new(&runbook);
            let claim = |left: i64, at: i64| Claim { by: "ana".into(), at: Timestamp(at), left: Timestamp(left) };
            state.claims = vec![claim(0, 0), claim(1, 1 + gone)];
            state.lock.caller = caller.map(str::to_owned);
            let run = RunId::new(1, [0; 10]);
            let report = Report::new(&run, "a test", &runbook, &state, Alive::No);
            assert_eq!(report.acts_may_be_missing, expect, "{gone} ms, {caller:?}: {text}");
        };
        check(acts, HOUR, None, true);
        check(acts, HOUR - 1, None, false);
        check(reads, HOUR, None, false);
        // The lock in the account knows of every run that had it since.
        check(acts, HOUR, Some("arn:aws:iam::123456789012:user/ana"), false);
    }

    #[test]
    fn a_dead_process_runs_nothing() {
        let runbook = runbook("runbook: a\nsteps: [ { id: b, uses: base.echo, with: { value: 1 } } ]\n");
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
