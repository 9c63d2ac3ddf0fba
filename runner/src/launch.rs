//! One run in this process: the engine put together with the terminal, the signals and the hosts, and driven to its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Store, Trigger};
use sluice_engine::machine::State;
use sluice_engine::run::{Alive, Clock as _, Ending, Engine, Order, Plan, Signals};
use sluice_engine::runbook::Checked;
use tokio::time::{Instant, interval_at};

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::hosts::RunHosts;
use crate::known::recheck;
use crate::owners::Processes;
use crate::prepare::Prepared;
use crate::report::Report;
use crate::secrets::Secrets;
use crate::session::TerminalSessions;
use crate::signals::{self, Foreground};
use crate::views::live::{self, Json, RunView, Watcher};
use crate::views::{self, outcome};

/// Between two looks at what a step waits for, for the screen.
const TICK: Duration = Duration::from_millis(100);

/// What is needed to drive runs.
pub(crate) struct Launch<'a> {
    context: &'a Context,
    pub(crate) engine: Engine,
    hosts: Arc<RunHosts>,
    view: Arc<dyn RunView>,
    foreground: Arc<Foreground>,
    json: Option<Json>,
    /// Standard output belongs to the command of the session.
    out_is_commands: bool,
    outputs_shown: Arc<AtomicBool>,
}

impl<'a> Launch<'a> {
    /// `command` is what came after `--`.
    pub(crate) fn new(
        context: &'a Context,
        store: Arc<dyn Store>,
        run: &RunId,
        json: Option<Json>,
        command: Vec<String>,
    ) -> Result<Self> {
        let view = live::view(&context.screen, json);
        let watcher = Arc::new(Watcher(view.clone()));
        let inventory = context.trusted_inventory()?.map(|found| &found.inventory);
        let hosts = Arc::new(RunHosts::new(run.as_str(), inventory, context.redactor.clone(), watcher.clone())?);
        let foreground = Arc::new(Foreground::default());
        let out_is_commands = !command.is_empty() && json.is_none();
        let outputs_shown = Arc::new(AtomicBool::new(false));
        let sessions = TerminalSessions {
            given: command,
            interactive: context.screen.input && context.screen.err.terminal,
            out_is_taken: json.is_some(),
            redactor: context.redactor.clone(),
            view: view.clone(),
            foreground: foreground.clone(),
            screen: context.screen.err,
            outputs_shown: outputs_shown.clone(),
        };
        let engine = Engine {
            registry: context.registry()?,
            store,
            clock: Arc::new(WallClock),
            hosts: hosts.clone(),
            owners: Arc::new(Processes::new()),
            sessions: Arc::new(sessions),
            observer: watcher,
            actor: context.actor(),
        };
        Ok(Self { context, engine, hosts, view, foreground, json, out_is_commands, outputs_shown })
    }

    /// Begins the run and shows it to its end.
    pub(crate) async fn start(self, run: RunId, prepared: Prepared) -> Result<Exit> {
        let Prepared { runbook, origin, inputs } = prepared;
        self.secrets(&run, &runbook, &inputs).await?;
        let mut signals = self.listen(&run)?;
        let order =
            Order { run: run.clone(), runbook: runbook.clone(), origin: origin.clone(), inputs, trigger: Trigger::Cli };
        let driven = self.ticking(self.engine.start(order, &mut signals)).await;
        self.tidy();
        let (ending, state) = driven?;
        self.end(&run, &origin, &runbook, ending, &state)
    }

    /// Opens the run again and shows it to its end.
    pub(crate) async fn resume(self, run: RunId) -> Result<Exit> {
        let recheck = recheck(&self.engine.registry);
        let loaded = self.engine.load(&run, &recheck).await?;
        self.secrets(&run, &loaded.runbook, loaded.state.inputs()).await?;
        let mut signals = self.listen(&run)?;
        let driven = self.ticking(self.engine.resume(&run, &recheck, &mut signals)).await;
        self.tidy();
        let (ending, state) = driven?;
        self.end(&run, &loaded.snapshot.origin, &loaded.runbook, ending, &state)
    }

    /// What the run would do.
    pub(crate) async fn plan(self, run: &RunId, prepared: &Prepared) -> Result<Plan> {
        self.secrets(run, &prepared.runbook, &prepared.inputs).await?;
        let work = self.engine.plan(&prepared.runbook, &prepared.origin, prepared.inputs.clone());
        let plan = self.ticking(work).await;
        self.tidy();
        Ok(plan)
    }

    /// Before anything begins: a run that misses a secret is not even started.
    async fn secrets(&self, run: &RunId, runbook: &Checked, inputs: &Value) -> Result<()> {
        if runbook.secrets().is_empty() {
            return Ok(());
        }
        let Some(inventory) = self.context.trusted_inventory()? else { return Ok(()) };
        let registry = &self.engine.registry;
        Secrets { inventory, runbook, inputs, registry, hosts: &self.hosts, run }.fetch().await
    }

    fn listen(&self, run: &RunId) -> Result<Signals> {
        signals::listen(run, self.view.clone(), self.foreground.clone())
            .map_err(|error| CommandError::failed(format!("cannot listen for signals: {error}")))
    }

    async fn ticking<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = tick.tick() => self.view.tick(),
            }
        }
    }

    /// Whatever happened, nothing private outlives the run.
    fn tidy(&self) {
        self.view.clear();
        if let Err(error) = self.hosts.end() {
            self.context.note(&error.message);
        }
    }

    fn end(&self, run: &RunId, origin: &str, runbook: &Checked, ending: Ending, state: &State) -> Result<Exit> {
        let exit = match ending {
            Ending::Ended(outcome) => Exit(outcome.exit()),
            Ending::Parked => Exit::PARKED,
            Ending::Lost => {
                return Err(CommandError::failed(format!("run {run} was taken over by another process"))
                    .hint(format!("`sluice runs follow {run}` shows how it goes on")));
            }
        };
        let report = Report::new(run, origin, runbook, state, Alive::Yes);
        if self.outputs_shown.load(Ordering::Relaxed) {
            eprint!("{}", outcome::ending(&report, &self.context.screen.err));
        } else {
            show(self.context, &report, self.json, self.out_is_commands)?;
        }
        Ok(exit)
    }
}

/// The end of a run on both streams: what it found and gave is data, how it went is not.
pub(crate) fn show(context: &Context, report: &Report, json: Option<Json>, out_is_commands: bool) -> io::Result<()> {
    match json {
        Some(Json::Document) => return views::json(report),
        Some(Json::Events) => return Ok(()),
        None if out_is_commands => eprint!("{}", outcome::results(report, &context.screen.err)),
        None => {
            let results = outcome::results(report, &context.screen.out);
            // On one screen with the course of the run it needs a gap; elsewhere nobody wants it.
            if !results.is_empty() && context.screen.out.terminal && context.screen.err.terminal {
                eprintln!();
            }
            views::out(&results)?;
        }
    }
    eprint!("{}", outcome::ending(report, &context.screen.err));
    Ok(())
}

/// A new run's id.
pub(crate) fn new_run() -> Result<RunId> {
    let mut random = [0; 10];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut random));
    read.map_err(|error| CommandError::failed(format!("cannot read /dev/urandom: {error}")))?;
    let now = u64::try_from(WallClock.now().0).unwrap_or(0);
    Ok(RunId::new(now, random))
}
