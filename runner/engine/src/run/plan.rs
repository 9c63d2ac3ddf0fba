//! What a run would do: reads are done for real, each gate is sampled once, nothing is changed and nothing journaled.
//!
//! The pure core walks the runbook as in a run; what cannot be known before an act is skipped and says after which step
//! it is known. What comes out is a [`Plan`], a value.

mod changes;
mod made_from;
mod value;

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};
use sluice_plugin::{Attempt as Number, ByHand, Effect, ONLY_IN_A_RUN, Preview, Problem, Purpose, Verdict};

use super::attempt::Attempt;
use super::bind::bind;
use super::drive::can_be_typed;
use super::judge::{judge, unanswered};
use super::{Engine, clean};
use crate::ids::{RunId, Sha256};
use crate::journal::{Envelope, Epoch, Event, Item, Key, LockedAt, Owner, Phase, Samples, Trigger};
use crate::machine::Status;
use crate::machine::path::{Path, Root, locate};
use crate::machine::scope::StepScope;
use crate::machine::state::Inside;
use crate::machine::{Command, InFlight, State, apply, asks, fill, is_act, lock, next, pick};
use crate::runbook::checked::{Checked, Kind, Step};

pub(super) use made_from::{identities, made_from as made_from_all};
pub(super) use value::BINDING_FORM;

pub use changes::{Change, Changes};
pub use value::{
    Altered, Binding, Counts, InventorySource, MadeFrom, Plan, Planned, PlannedLock, Sources, Unbound, What,
};

struct Planner<'a> {
    engine: &'a Engine,
    run: RunId,
    runbook: &'a Checked,
    state: State,
    made_from: MadeFrom,
    planned: Vec<Planned>,
    /// Steps without an output, and after which step it will be there.
    unknown: BTreeMap<StepAt, String>,
    /// The last act that would destroy: a gate behind it judges a world that is not there yet.
    destroyed: Option<String>,
}

/// A step of a runbook, called or not, by its place in memory: the runbooks of a plan do not move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct StepAt(usize);

impl StepAt {
    fn of(step: &Step) -> Self {
        Self(std::ptr::from_ref(step).addr())
    }
}

/// What was learnt of one step.
struct Look {
    what: What,
    by_hand: Vec<ByHand>,
}

impl Engine {
    /// Plans a run. Reads that fail are part of the plan.
    pub async fn plan(&self, runbook: &Checked, sources: impl Into<Sources>, mut inputs: Value) -> Plan {
        let sources = sources.into();
        self.hosts.redact(&mut inputs);
        let mut planner = Planner {
            engine: self,
            run: RunId::new(0, [0; 10]),
            runbook,
            state: State::new(runbook),
            made_from: made_from::made_from(runbook, &self.registry, &inputs, &sources),
            planned: Vec::new(),
            unknown: BTreeMap::new(),
            destroyed: None,
        };
        let lock = self.planned_lock(runbook, &inputs);
        planner.begin(inputs.clone());
        planner.walk().await;
        let Planner { made_from, planned, .. } = planner;
        Plan {
            runbook: runbook.name.to_string(),
            sources,
            inputs,
            digest: value::digest_of(&made_from, &planned),
            made_from,
            steps: planned,
            session: runbook.session.is_some(),
            lock,
        }
    }

    /// A name that cannot be filled in is the run's problem, which says so.
    fn planned_lock(&self, runbook: &Checked, inputs: &Value) -> Option<PlannedLock> {
        let name = lock::name(runbook, inputs).ok().flatten()?;
        let places = self.locking.places.as_ref();
        let at = places.map_or(LockedAt::Store, |places| places.choose(runbook, inputs));
        Some(PlannedLock { name, at: at.to_string() })
    }
}

/// A loop that reads to choose its next item.
fn choice(commands: &[Command]) -> Option<Path> {
    commands.iter().find_map(|command| match command {
        Command::Pick { path } => Some(path.clone()),
        _ => None,
    })
}

impl Planner<'_> {
    fn begin(&mut self, inputs: Value) {
        self.apply(Event::Started {
            run: None,
            runbook: self.runbook.name.to_string(),
            snapshot: Sha256::ZERO,
            inputs,
            trigger: Trigger::Cli,
            semantics: 0,
        });
        let owner = Owner { host: String::new(), pid: 0, started: String::new() };
        self.apply(Event::Claimed { epoch: Epoch(1), owner });
        // A plan takes no lock; what it looks at may change under it.
        if self.runbook.lock.is_some() {
            let (name, at) = (String::new(), LockedAt::Store);
            self.apply(Event::Locked { name, generation: 0, at, after: None, caller: None });
        }
    }

    async fn walk(&mut self) {
        loop {
            let now = self.engine.clock.now();
            let commands = next(self.runbook, &self.state, now, &InFlight { plans: true, ..InFlight::default() });
            let decisions: Vec<&Event> = commands.iter().filter_map(Command::event).collect();
            if let Some(event) = decisions.first() {
                if matches!(event, Event::Ended { .. }) {
                    return;
                }
                self.decide((*event).clone());
                continue;
            }
            if let Some(path) = choice(&commands) {
                let event = self.choose(&path).await;
                self.apply(event);
                continue;
            }
            let paths: Vec<Path> = commands.iter().filter_map(Command::path).cloned().collect();
            if paths.is_empty() {
                if self.state.phase != Phase::Session {
                    return;
                }
                // A person's part cannot be planned: it is taken as done.
                self.apply(Event::Done { key: Key::session(), attempt: Number(1), output: Value::Null });
                continue;
            }
            let engine = self.engine;
            let before = &*self;
            let looked = join_all(paths.iter().map(|path| before.look(engine, path))).await;
            for (path, look) in paths.into_iter().zip(looked) {
                self.put(&path, look);
            }
        }
    }

    /// What the core decided without asking anybody; wrong where it rests on something unknown.
    fn decide(&mut self, mut event: Event) {
        clean::event(&*self.engine.hosts, &mut event);
        let path = event.key().and_then(|key| locate(key, self.runbook, &self.state));
        let Some(path) = path else { return self.apply(event) };
        let is_choice = self.is_choice(&event, &path);
        if is_choice && (self.waits_for(&path).is_some() || !matches!(event, Event::Picked { .. })) {
            let first = pick::first(self.runbook, &self.state, &path);
            return self.apply(first);
        }
        // What has begun rests on nothing unknown.
        if let Some(what) = self.known_after(&path).filter(|_| !is_choice && !self.is_open(&path)) {
            return self.put(&path, what.into());
        }
        match event {
            Event::Skipped { .. } => self.put(&path, What::Skipped.into()),
            Event::Opened { ref items, .. } => {
                let items = items.iter().map(|item: &Item| item.key.clone()).collect();
                self.note(&path, What::Loop { items }.into());
                self.apply(event);
            }
            Event::Called { .. } => {
                if let Some(Kind::Call(call)) = path.find(self.runbook, &self.state).map(|(step, _)| &step.kind) {
                    let runbook = call.name.clone();
                    self.note(&path, What::Call { runbook }.into());
                }
                self.apply(event);
            }
            Event::Returned { key, outputs } => self.give_back(&path, key, Ok(outputs)),
            Event::Failed { key, problem, .. } if self.is_open(&path) => self.give_back(&path, key, Err(problem)),
            Event::Failed { problem, .. } => self.put(&path, What::Failed { problem }.into()),
            other => self.apply(other),
        }
    }

    fn is_open(&self, path: &Path) -> bool {
        path.find(self.runbook, &self.state).is_some_and(|(_, slot)| slot.status == Status::Open)
    }

    /// The end of a called runbook: what it gives is known when all that it is made of is.
    fn give_back(&mut self, path: &Path, key: Key, outputs: Result<Value, Problem>) {
        let found = path.find(self.runbook, &self.state).map(|(step, slot)| (step, &step.kind, &slot.inside));
        let Some((step, Kind::Call(call), Inside::Call(called))) = found else { return };
        let scope = StepScope::at_end_of(call, called);
        let names = fill::names_in_outputs(call);
        let after = names.iter().filter_map(|name| scope.step(name)).find_map(|(needed, _)| self.unknown_in(needed));
        let (at, id) = (StepAt::of(step), step.id.to_string());
        let outputs = match (after, outputs) {
            (None, Ok(outputs)) => outputs,
            (Some(after), _) => {
                self.unknown.insert(at, format!("{id}/{after}"));
                Value::Null
            }
            (None, Err(problem)) => {
                self.note(path, What::Failed { problem }.into());
                self.unknown.insert(at, id);
                Value::Null
            }
        };
        self.apply(Event::Returned { key, outputs });
    }

    /// After which step the output of this one is known.
    fn unknown_in(&self, needed: &Step) -> Option<String> {
        needed.walk().find_map(|inner| self.unknown.get(&StepAt::of(inner)).cloned())
    }

    fn is_call(&self, path: &Path) -> bool {
        path.find(self.runbook, &self.state)
            .is_some_and(|(step, slot)| matches!((&step.kind, &slot.inside), (Kind::Call(_), Inside::Call(_))))
    }

    /// A loop that has begun decides only what is next.
    fn is_choice(&self, event: &Event, path: &Path) -> bool {
        let open = || path.find(self.runbook, &self.state).is_some_and(|(_, slot)| slot.status == Status::Open);
        matches!(event, Event::Picked { .. })
            || (matches!(event, Event::Failed { .. }) && open() && !self.is_call(path))
    }

    /// The item that would be next as things stand now; in the order of the list where that cannot be known.
    async fn choose(&self, path: &Path) -> Event {
        let answer = match self.waits_for(path) {
            None => match Attempt::to_pick(self.engine, &self.run, self.runbook, &self.state, path) {
                Ok(attempt) => attempt.run().await.ok(),
                Err(_) => None,
            },
            Some(_) => None,
        };
        let event = answer.map(|outcome| pick::picked(self.runbook, &self.state, path, &outcome.output));
        match event {
            Some(event @ Event::Picked { .. }) => event,
            _ => pick::first(self.runbook, &self.state, path),
        }
    }

    async fn look(&self, engine: &Engine, path: &Path) -> Look {
        if let Some(what) = self.known_after(path) {
            return what.into();
        }
        let Some((step, _)) = path.find(self.runbook, &self.state) else { return What::Skipped.into() };
        match Attempt::prepare(engine, &self.run, self.runbook, &self.state, path) {
            Err(problem) => What::Failed { problem }.into(),
            Ok(attempt) => {
                let by_hand = by_hand(engine, &attempt);
                let after = self.destroyed.clone().filter(|_| matches!(step.kind, Kind::Gate(_)));
                let what = match (is_act(step), after) {
                    (true, _) => self.preview(step, attempt).await,
                    (false, Some(step)) => What::KnownAfter { step, acts: Vec::new() },
                    (false, None) => self.read(path, step, attempt).await,
                };
                Look { what, by_hand }
            }
        }
    }

    async fn preview(&self, step: &Step, attempt: Attempt) -> What {
        let mut binding = bind(&*self.engine.hosts, step, &attempt, &self.made_from, Value::Null);
        if !attempt.action.spec.abilities.preview {
            return would(binding, Value::Null);
        }
        match attempt.preview().await {
            Ok(Preview::Ready { binding: target, facts }) => {
                binding.target = target;
                would(binding, facts)
            }
            Ok(Preview::Already { output }) => What::Already { output },
            Ok(Preview::Refused { why }) => What::Refused { why },
            Err(problem) => What::Failed { problem },
        }
    }

    async fn read(&self, path: &Path, step: &Step, attempt: Attempt) -> What {
        if matches!(step.kind, Kind::Use(_))
            && let Some(output) = attempt.foresee()
        {
            return What::Foreseen { output };
        }
        let ephemeral = attempt.action.spec.ephemeral;
        let answer = attempt.run().await;
        if let Err(problem) = &answer
            && ephemeral
            && problem.code == ONLY_IN_A_RUN
        {
            return What::MadeInTheRun;
        }
        let Kind::Gate(gate) = &step.kind else {
            return match answer {
                Ok(outcome) => What::Read { output: outcome.output },
                Err(problem) => What::Failed { problem },
            };
        };
        let (judgement, seen) = match answer {
            Ok(mut outcome) => {
                self.engine.hosts.redact(&mut outcome.output);
                judge(self.runbook, &self.state, path, (step, gate), outcome)
            }
            Err(problem) => unanswered(&problem),
        };
        What::Sample { verdict: judgement.verdict, why: judgement.why, seen }
    }

    /// What is known of a step that waits for another one: only which acts are in it.
    fn known_after(&self, path: &Path) -> Option<What> {
        let step = self.waits_for(path)?;
        let (waiting, _) = path.find(self.runbook, &self.state)?;
        let acts = waiting.walk_deep().into_iter().filter(|inner| is_act(inner)).filter_map(unbound);
        Some(What::KnownAfter { step, acts: acts.collect() })
    }

    /// The step whose output this one needs and that has none yet.
    fn waits_for(&self, path: &Path) -> Option<String> {
        let (step, _) = path.find(self.runbook, &self.state)?;
        let scope = StepScope::new(self.runbook, &self.state, path);
        fill::names_in_step(step).iter().find_map(|name| {
            let (needed, _) = scope.step(name)?;
            self.unknown_in(needed)
        })
    }

    /// Writes a step into the plan and settles it in the state, so that the walk goes on.
    fn put(&mut self, path: &Path, mut look: Look) {
        clean::what(&*self.engine.hosts, &mut look.what);
        let key = path.key(self.runbook, &self.state);
        let Some((step, slot)) = path.find(self.runbook, &self.state) else { return };
        let (at, id) = (StepAt::of(step), step.id.to_string());
        let attempt = Number(slot.attempts + 1);
        let done = |output: &Value| Event::Done { key: key.clone(), attempt, output: output.clone() };
        let event = match &look.what {
            What::Read { output } | What::Foreseen { output } | What::Already { output } => done(output),
            What::Sample { seen, .. } => self.passed(&key, seen),
            What::KnownAfter { step, .. } => {
                self.unknown.insert(at, step.clone());
                Event::Skipped { key: key.clone() }
            }
            What::Would { .. } if step.destroys() => {
                self.destroyed = Some(key.to_string());
                self.unknown.insert(at, id);
                Event::Skipped { key: key.clone() }
            }
            What::Would { .. } | What::MadeInTheRun | What::Refused { .. } | What::Failed { .. } => {
                self.unknown.insert(at, id);
                Event::Skipped { key: key.clone() }
            }
            What::Skipped | What::Loop { .. } | What::Call { .. } => Event::Skipped { key: key.clone() },
        };
        self.note(path, look);
        self.apply(event);
    }

    /// A plan goes on behind a gate, whatever it said.
    fn passed(&self, key: &Key, seen: &Value) -> Event {
        let now = self.engine.clock.now();
        let samples = Samples { count: 1, flips: 0, first: now, last: now };
        let seen = seen.clone();
        Event::Judged { key: key.clone(), verdict: Verdict::Pass, why: String::new(), samples, seen }
    }

    fn note(&mut self, path: &Path, look: Look) {
        let key = path.key(self.runbook, &self.state);
        let Some((step, _)) = path.find(self.runbook, &self.state) else { return };
        let (action, gate) = match &step.kind {
            Kind::Use(used) => (Some(used.action.clone()), None),
            Kind::Gate(gate) => (Some(gate.action.clone()), Some(gate.class)),
            Kind::Group(_) | Kind::Call(_) => (None, None),
        };
        let Look { what, by_hand } = look;
        let summary = step.summary.clone();
        let effect = step.walk_deep().into_iter().map(Step::effect).max().unwrap_or(Effect::Read);
        let finally = path.root == Root::Finally;
        let confirm = self.typed(path);
        self.planned.push(Planned { key, summary, action, effect, gate, finally, confirm, what, by_hand });
    }

    /// What a person will have to type before this act, where that is known.
    fn typed(&self, path: &Path) -> Option<String> {
        let (step, _) = path.find(self.runbook, &self.state)?;
        let scope = asks::scope_of(path, self.runbook, &self.state).filter(|_| step.destroys())?;
        let (asks, _) = scope.find(self.runbook, &self.state)?;
        let names = StepScope::new(self.runbook, &self.state, &scope);
        fill::text(&asks.confirm.as_ref()?.typed, &names).ok().filter(|typed| can_be_typed(typed))
    }

    fn apply(&mut self, event: Event) {
        let envelope = Envelope {
            ordinal: self.state.ordinal + 1,
            at: self.engine.clock.now(),
            epoch: Some(Epoch(1)),
            actor: self.engine.actor.clone(),
            event,
        };
        if let Err(illegal) = apply(self.runbook, &mut self.state, &envelope) {
            tracing::warn!(%illegal, "the plan could not be walked");
            // Nothing can follow from here; ending is better than going round.
            self.state.phase = Phase::Ended;
        }
    }
}

impl From<What> for Look {
    fn from(what: What) -> Self {
        Self { what, by_hand: Vec::new() }
    }
}

fn would(binding: Box<Binding>, facts: Value) -> What {
    What::Would { digest: binding.digest(), binding, facts }
}

fn unbound(step: &Step) -> Option<Unbound> {
    match &step.kind {
        Kind::Use(used) => {
            Some(Unbound { step: step.id.to_string(), action: used.action.clone(), effect: step.effect() })
        }
        Kind::Gate(_) | Kind::Group(_) | Kind::Call(_) => None,
    }
}

/// The commands of an action, cleaned of what is known to be secret.
fn by_hand(engine: &Engine, attempt: &Attempt) -> Vec<ByHand> {
    let call = sluice_plugin::Call { purpose: Purpose::Preview, ..attempt.call.clone() };
    let commands = attempt.action.plugin.by_hand(attempt.action.spec.name.operation(), &call);
    if commands.is_empty() {
        return commands;
    }
    let mut text = json!(commands);
    engine.hosts.redact(&mut text);
    serde_json::from_value(text).unwrap_or_default()
}
