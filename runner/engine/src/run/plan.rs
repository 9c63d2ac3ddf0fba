//! What a run would do: reads are done for real, each gate is sampled once, nothing is changed and nothing journaled.
//!
//! The pure core walks the runbook as in a run; what cannot be known before an act is skipped and says after which step
//! it is known.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::Serialize;
use serde_json::Value;
use sluice_plugin::{ActionName, Attempt as Number, Effect, GateClass, Outcome, Preview, Problem, Verdict};

use super::Engine;
use super::attempt::Attempt;
use super::judge::{judge, unanswered};
use crate::ids::{RunId, Sha256};
use crate::journal::{Envelope, Epoch, Event, Item, Key, Owner, Phase, Samples, Trigger};
use crate::machine::Status;
use crate::machine::path::{Path, locate};
use crate::machine::scope::StepScope;
use crate::machine::{Command, InFlight, State, apply, fill, is_act, next, pick};
use crate::runbook::checked::{Checked, Kind, Step};
use crate::source::Span;

/// A plan is a value; nothing is decided anew from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub runbook: String,
    /// Where the runbook came from.
    pub origin: String,
    pub inputs: Value,
    pub steps: Vec<Planned>,
    /// A session follows the steps.
    pub session: bool,
}

/// One step of a plan, in the order of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    pub key: Key,
    pub summary: Option<String>,
    pub action: Option<ActionName>,
    pub effect: Effect,
    pub gate: Option<GateClass>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum What {
    /// A loop, and the items it goes over.
    Loop {
        items: Vec<String>,
    },
    /// A read, done for real.
    Read {
        output: Value,
    },
    /// One sample of a gate.
    Sample {
        verdict: Verdict,
        why: String,
        seen: Value,
    },
    /// What would be done, bound to real ids, and what is known about it.
    Would {
        binding: Value,
        facts: Value,
    },
    /// The world is there already.
    Already {
        output: Value,
    },
    /// The act would be refused.
    Refused {
        why: String,
    },
    /// The action cannot say beforehand what it would do; this is its input.
    WouldCall {
        with: Value,
    },
    /// `when` says no.
    Skipped,
    /// Known only after this step.
    KnownAfter {
        step: String,
    },
    Failed {
        problem: Problem,
    },
}

struct Planner<'a> {
    engine: &'a Engine,
    run: RunId,
    runbook: &'a Checked,
    state: State,
    planned: Vec<Planned>,
    /// Steps without an output, and after which step it will be there.
    unknown: BTreeMap<Span, String>,
}

impl Engine {
    /// Plans a run. Reads that fail are part of the plan.
    pub async fn plan(&self, runbook: &Checked, origin: &str, inputs: Value) -> Plan {
        let mut planner = Planner {
            engine: self,
            run: RunId::new(0, [0; 10]),
            runbook,
            state: State::new(runbook),
            planned: Vec::new(),
            unknown: BTreeMap::new(),
        };
        planner.begin(inputs.clone());
        planner.walk().await;
        Plan {
            runbook: runbook.name.to_string(),
            origin: origin.to_owned(),
            inputs,
            steps: planner.planned,
            session: runbook.session.is_some(),
        }
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
            runbook: self.runbook.name.to_string(),
            snapshot: Sha256::ZERO,
            inputs,
            trigger: Trigger::Cli,
            semantics: 0,
        });
        let owner = Owner { host: String::new(), pid: 0, started: String::new() };
        self.apply(Event::Claimed { epoch: Epoch(1), owner });
    }

    async fn walk(&mut self) {
        loop {
            let now = self.engine.clock.now();
            let commands = next(self.runbook, &self.state, now, &InFlight::default());
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
            for (path, what) in paths.into_iter().zip(looked) {
                self.put(&path, what);
            }
        }
    }

    /// What the core decided without asking anybody; wrong where it rests on something unknown.
    fn decide(&mut self, event: Event) {
        let path = event.key().and_then(|key| locate(key, self.runbook, &self.state));
        let Some(path) = path else { return self.apply(event) };
        let is_choice = self.is_choice(&event, &path);
        if is_choice && (self.waits_for(&path).is_some() || !matches!(event, Event::Picked { .. })) {
            let first = pick::first(self.runbook, &self.state, &path);
            return self.apply(first);
        }
        if let Some(step) = self.waits_for(&path).filter(|_| !is_choice) {
            return self.put(&path, What::KnownAfter { step });
        }
        match event {
            Event::Skipped { .. } => self.put(&path, What::Skipped),
            Event::Opened { ref items, .. } => {
                let items = items.iter().map(|item: &Item| item.key.clone()).collect();
                self.note(&path, What::Loop { items });
                self.apply(event);
            }
            Event::Failed { problem, .. } => self.put(&path, What::Failed { problem }),
            other => self.apply(other),
        }
    }

    /// A loop that has begun decides only what is next.
    fn is_choice(&self, event: &Event, path: &Path) -> bool {
        let open = || path.find(self.runbook, &self.state).is_some_and(|(_, slot)| slot.status == Status::Open);
        matches!(event, Event::Picked { .. }) || (matches!(event, Event::Failed { .. }) && open())
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

    async fn look(&self, engine: &Engine, path: &Path) -> What {
        if let Some(step) = self.waits_for(path) {
            return What::KnownAfter { step };
        }
        let Some((step, _)) = path.find(self.runbook, &self.state) else { return What::Skipped };
        match Attempt::prepare(engine, &self.run, self.runbook, &self.state, path) {
            Err(problem) => What::Failed { problem },
            Ok(attempt) if is_act(step) => self.preview(attempt).await,
            Ok(attempt) => self.read(path, step, attempt.run().await),
        }
    }

    async fn preview(&self, attempt: Attempt) -> What {
        let with = attempt.call.with.clone();
        if !attempt.action.spec.abilities.preview {
            return What::WouldCall { with };
        }
        match attempt.preview().await {
            Ok(Preview::Ready { binding, facts }) => What::Would { binding, facts },
            Ok(Preview::Already { output }) => What::Already { output },
            Ok(Preview::Refused { why }) => What::Refused { why },
            Err(problem) => What::Failed { problem },
        }
    }

    fn read(&self, path: &Path, step: &Step, answer: Result<Outcome, Problem>) -> What {
        let Kind::Gate(gate) = &step.kind else {
            return match answer {
                Ok(outcome) => What::Read { output: outcome.output },
                Err(problem) => What::Failed { problem },
            };
        };
        let (judgement, seen) = match answer {
            Ok(outcome) => judge(self.runbook, &self.state, path, (step, gate), outcome),
            Err(problem) => unanswered(&problem),
        };
        What::Sample { verdict: judgement.verdict, why: judgement.why, seen }
    }

    /// The step whose output this one needs and that has none yet.
    fn waits_for(&self, path: &Path) -> Option<String> {
        let (step, _) = path.find(self.runbook, &self.state)?;
        let scope = StepScope::new(self.runbook, &self.state, path);
        fill::names_in_step(step).iter().find_map(|name| {
            let (needed, _) = scope.step(name)?;
            let inside = needed.walk().find_map(|inner| self.unknown.get(&inner.span));
            inside.cloned()
        })
    }

    /// Writes a step into the plan and settles it in the state, so that the walk goes on.
    fn put(&mut self, path: &Path, what: What) {
        let key = path.key(self.runbook, &self.state);
        let Some((step, slot)) = path.find(self.runbook, &self.state) else { return };
        let (span, id) = (step.span, step.id.to_string());
        let attempt = Number(slot.attempts + 1);
        let done = |output: &Value| Event::Done { key: key.clone(), attempt, output: output.clone() };
        let event = match &what {
            What::Read { output } | What::Already { output } => done(output),
            What::Sample { seen, .. } => self.passed(&key, seen),
            What::KnownAfter { step } => {
                self.unknown.insert(span, step.clone());
                Event::Skipped { key: key.clone() }
            }
            What::Would { .. } | What::WouldCall { .. } | What::Refused { .. } | What::Failed { .. } => {
                self.unknown.insert(span, id);
                Event::Skipped { key: key.clone() }
            }
            What::Skipped | What::Loop { .. } => Event::Skipped { key: key.clone() },
        };
        self.note(path, what);
        self.apply(event);
    }

    /// A plan goes on behind a gate, whatever it said.
    fn passed(&self, key: &Key, seen: &Value) -> Event {
        let now = self.engine.clock.now();
        let samples = Samples { count: 1, flips: 0, first: now, last: now };
        let seen = seen.clone();
        Event::Judged { key: key.clone(), verdict: Verdict::Pass, why: String::new(), samples, seen }
    }

    fn note(&mut self, path: &Path, what: What) {
        let key = path.key(self.runbook, &self.state);
        let Some((step, _)) = path.find(self.runbook, &self.state) else { return };
        let (action, gate) = match &step.kind {
            Kind::Use(used) => (Some(used.action.clone()), None),
            Kind::Gate(gate) => (Some(gate.action.clone()), Some(gate.class)),
            Kind::Group(_) => (None, None),
        };
        let summary = step.summary.clone();
        self.planned.push(Planned { key, summary, action, effect: step.effect(), gate, what });
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
