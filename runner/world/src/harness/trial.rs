//! One runbook over one world, run again and again: uninterrupted, killed at each point, with each step failing.

use std::sync::Arc;

use futures::future::{Either, select};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Event, Store};
use sluice_engine::registry::Registry;
use sluice_engine::run::{Asker, OpenError, Order, Recheck};

use super::end::End;
use super::life::Life;
use super::mortal::{MortalStore, Ward};
use crate::process::{Process, Processes};
use crate::world::World;

/// What is tried. Every run begins with `begin`, which makes the world anew and gives an empty store and an order.
pub struct Trial<'a> {
    pub world: &'a World,
    /// Its plugins are [`super::MortalPlugin`]s of `ward`.
    pub registry: Arc<Registry>,
    pub ward: Ward,
    pub begin: &'a (dyn Fn() -> (Arc<dyn Store>, Order) + Sync),
    pub recheck: Recheck<'a>,
    /// Sits at every process.
    pub asker: Option<Arc<dyn Asker>>,
}

/// A run that lived through the death of a process.
#[derive(Debug)]
pub struct Crashed {
    /// Where it died.
    pub point: String,
    pub end: Result<End, String>,
    pub acts: Vec<String>,
    /// What was really done by `world.change`, as steps in order.
    pub deeds: Vec<String>,
    /// Things of the toy acts that were left in the world.
    pub things: Vec<String>,
    /// Instances that were ended, by whichever process.
    pub terminations: Vec<String>,
}

/// A run of which one step was made to fail.
#[derive(Debug)]
pub struct Failed {
    pub step: String,
    pub end: Result<End, String>,
    /// The step that the outcome names.
    pub named: Option<String>,
    pub acts: Vec<String>,
    /// What was really done by `world.change`, as steps in order.
    pub deeds: Vec<String>,
    /// Things of the toy acts that were left in the world.
    pub things: Vec<String>,
    /// Instances that were ended.
    pub terminations: Vec<String>,
}

impl Trial<'_> {
    /// The end of the run when nothing happens to it, and the acts it did.
    pub async fn uninterrupted(&self) -> Result<(End, Vec<String>), String> {
        let (processes, order) = self.begin();
        let run = order.run.clone();
        let process = self.process(&processes, 1, Arc::default());
        self.world.run(self.start(&process, order)).await?;
        Ok((self.end(&process, &run).await?, self.ward.acts()))
    }

    /// The run, killed at each point in turn and taken up by another process.
    pub async fn crashed_everywhere(&self) -> Vec<Crashed> {
        let mut all = Vec::new();
        while let Some(crashed) = self.crashed_at(all.len() + 1).await {
            all.push(crashed);
        }
        all
    }

    /// The run with each of its leaf steps failing in turn: those that are called when nothing happens.
    pub async fn failed_everywhere(&self) -> Result<Vec<Failed>, String> {
        self.uninterrupted().await?;
        let mut steps = self.ward.calls();
        steps.sort();
        steps.dedup();
        let mut all = Vec::new();
        for step in steps {
            all.push(self.failed_at(step).await);
        }
        Ok(all)
    }

    /// `None` when the run ended before it came to this point. The world is left as it was at the end.
    pub async fn crashed_at(&self, point: usize) -> Option<Crashed> {
        let (processes, order) = self.begin();
        let (run, another) = (order.run.clone(), another(&order));
        let life = Arc::new(Life::until(point));
        let first = self.process(&processes, 1, life.clone());
        let lived = {
            let running = std::pin::pin!(self.start(&first, order));
            let death = std::pin::pin!(life.death());
            matches!(self.world.run(select(death, running)).await, Either::Right(_))
        };
        if lived {
            return None;
        }
        first.died();
        let second = self.process(&processes, 2, Arc::default());
        let end = self.taken_up(&processes, &second, &run, another).await;
        let point = life.passed().pop().unwrap_or_default();
        let (deeds, things) = (self.world.deeds(), self.world.things());
        let terminations = self.world.terminations();
        Some(Crashed { point, end, acts: self.ward.acts(), deeds, things, terminations })
    }

    /// Another process takes the run up. When not a word of it was written there is none, and another is begun.
    async fn taken_up(
        &self,
        processes: &Processes,
        second: &Process,
        run: &RunId,
        another: Order,
    ) -> Result<End, String> {
        let written = processes.store.read(run, 0).await.map_err(|error| error.to_string())?;
        if written.is_empty() {
            let again = another.run.clone();
            self.world.run(self.start(second, another)).await?;
            return Ok(self.end(second, &again).await?.under(&again, run));
        }
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        match self.world.run(second.engine.resume(run, self.recheck, &mut signals)).await {
            // It died after its last word.
            Ok(_) | Err(OpenError::Over { .. }) => self.end(second, run).await,
            Err(other) => Err(other.to_string()),
        }
    }

    async fn failed_at(&self, step: String) -> Failed {
        let (processes, order) = self.begin();
        let run = order.run.clone();
        self.ward.fail(Some(&step));
        let process = self.process(&processes, 1, Arc::default());
        let ended = self.world.run(self.start(&process, order)).await;
        self.ward.fail(None);
        let end = match ended {
            Ok(()) => self.end(&process, &run).await,
            Err(error) => Err(error),
        };
        let named = self.named(&process, &run).await;
        let (deeds, things, terminations) = (self.world.deeds(), self.world.things(), self.world.terminations());
        Failed { step, end, named, acts: self.ward.acts(), deeds, things, terminations }
    }

    fn begin(&self) -> (Processes, Order) {
        let (store, order) = (self.begin)();
        self.ward.forget();
        (Processes::new(self.world.clone(), store), order)
    }

    fn process(&self, processes: &Processes, pid: u32, life: Arc<Life>) -> Process {
        self.ward.begin(life.clone());
        let mut process = processes.start(pid, self.registry.clone());
        process.engine.confirming.asker = self.asker.clone();
        process.engine.store = Arc::new(MortalStore { inner: processes.store.clone(), life });
        process
    }

    async fn start(&self, process: &Process, order: Order) -> Result<(), String> {
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        process.engine.start(order, &mut signals).await.map(drop).map_err(|error| error.to_string())
    }

    async fn end(&self, process: &Process, run: &RunId) -> Result<End, String> {
        let loaded = process.engine.load(run, self.recheck).await.map_err(|error| error.to_string())?;
        Ok(End::of(&loaded.runbook, &loaded.state))
    }

    async fn named(&self, process: &Process, run: &RunId) -> Option<String> {
        use sluice_engine::journal::Outcome::{Failed, Stopped};
        let loaded = process.engine.load(run, self.recheck).await.ok()?;
        loaded.envelopes.into_iter().rev().find_map(|envelope| match envelope.event {
            Event::Ended { outcome: Failed { key } | Stopped { key } } => Some(key.to_string()),
            _ => None,
        })
    }
}

/// The same, as somebody orders it who knows of no run: a lock that was taken for it may be held still.
fn another(order: &Order) -> Order {
    Order {
        run: RunId::new(1_790_000_000_001, [8; 10]),
        runbook: order.runbook.clone(),
        origin: order.origin.clone(),
        inputs: order.inputs.clone(),
        trigger: order.trigger,
    }
}
