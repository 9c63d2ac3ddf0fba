//! One run in this process: the engine put together with the terminal, the signals and the hosts, and driven to its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sluice_engine::ids::RunId;
use sluice_engine::inventory::Inventory;
use sluice_engine::journal::chain::version_of;
use sluice_engine::journal::{CancelHow, Store, Trigger};
use sluice_engine::machine::State;
use sluice_engine::run::{Alive, Clock as _, Ending, Engine, Order, Plan, Signals, Sources};
use sluice_engine::runbook::Checked;
use sluice_host::{Redactor, Sink};
use sluice_store::MemoryStore;
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

/// [`RunHosts::new`] or [`RunHosts::of_plan`].
type MakeHosts = fn(&str, Option<&Inventory>, Arc<Redactor>, Arc<dyn Sink>) -> Result<RunHosts>;

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
        Self::with(context, store, run, json, command, RunHosts::new)
    }

    /// A plan writes nothing: no store is opened for it, and no private file is made.
    pub(crate) fn for_plan(context: &'a Context, run: &RunId) -> Result<Self> {
        context.sweep_private();
        let store = Arc::new(MemoryStore::default());
        Self::with(context, store, run, None, Vec::new(), RunHosts::of_plan)
    }

    fn with(
        context: &'a Context,
        store: Arc<dyn Store>,
        run: &RunId,
        json: Option<Json>,
        command: Vec<String>,
        hosts: MakeHosts,
    ) -> Result<Self> {
        let view = live::view(&context.screen, json);
        let watcher = Arc::new(Watcher(view.clone()));
        let inventory = context.trusted_inventory()?.map(|found| &found.inventory);
        let hosts = Arc::new(hosts(run.as_str(), inventory, context.redactor.clone(), watcher.clone())?);
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
        self.end(&run, &origin, &runbook, ending, &state).await
    }

    /// Opens the run again and shows it to its end.
    pub(crate) async fn resume(self, run: RunId) -> Result<Exit> {
        let recheck = recheck(&self.engine.registry);
        let loaded = self.engine.load(&run, &recheck).await?;
        // Of an abandoned run nothing more happens, so nothing needs a secret.
        if loaded.state.cancel.as_ref().is_none_or(|cancel| cancel.how != CancelHow::Abandon) {
            self.secrets(&run, &loaded.runbook, loaded.state.inputs()).await?;
        }
        let mut signals = self.listen(&run)?;
        let driven = self.ticking(self.engine.resume(&run, &recheck, &mut signals)).await;
        self.tidy();
        let (ending, state) = driven?;
        self.end(&run, &loaded.snapshot.origin, &loaded.runbook, ending, &state).await
    }

    /// What the run would do; nothing when a signal came first.
    pub(crate) async fn plan(self, run: &RunId, prepared: &Prepared, sources: Sources) -> Result<Option<Plan>> {
        let signal = signals::any().map_err(cannot_listen)?;
        let work = async {
            self.secrets(run, &prepared.runbook, &prepared.inputs).await?;
            Ok(self.engine.plan(&prepared.runbook, sources, prepared.inputs.clone()).await)
        };
        let plan = tokio::select! {
            biased;
            () = signal => Ok(None),
            plan = self.ticking(work) => plan.map(Some),
        };
        self.tidy();
        plan
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
        signals::listen(run, self.view.clone(), self.foreground.clone()).map_err(cannot_listen)
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

    async fn end(&self, run: &RunId, origin: &str, runbook: &Checked, ending: Ending, state: &State) -> Result<Exit> {
        let exit = match ending {
            Ending::Ended(outcome) => Exit(outcome.exit()),
            Ending::Parked => Exit::PARKED,
            Ending::Lost => {
                return Err(CommandError::failed(format!("run {run} was taken over by another process"))
                    .hint(format!("`sluice runs follow {run}` shows how it goes on")));
            }
        };
        let mut report = Report::new(run, origin, runbook, state, Alive::Yes);
        if let Some(last) = self.engine.store.read(run, state.ordinal.saturating_sub(1)).await?.first() {
            report = report.with_head(version_of(last));
        }
        if self.outputs_shown.load(Ordering::Relaxed) {
            views::err(&outcome::ending(&report, &self.context.screen.err));
            return Ok(exit);
        }
        match show(self.context, &report, self.json, self.out_is_commands) {
            // Without a reader the answer is lost; that a run did not come to its end is the more important news.
            Err(error) if exit == Exit::DONE => Err(error.into()),
            Ok(()) | Err(_) => Ok(exit),
        }
    }
}

fn cannot_listen(error: io::Error) -> CommandError {
    CommandError::failed(format!("cannot listen for signals: {error}"))
}

/// The end of a run on both streams: what it found and gave is data, how it went is not.
pub(crate) fn show(context: &Context, report: &Report, json: Option<Json>, out_is_commands: bool) -> io::Result<()> {
    let mut written = Ok(());
    match json {
        Some(Json::Document) => return views::json(report),
        Some(Json::Events) => return Ok(()),
        None if out_is_commands => views::err(&outcome::results(report, &context.screen.err)),
        None => {
            let results = outcome::results(report, &context.screen.out);
            // On one screen with the course of the run it needs a gap; elsewhere nobody wants it.
            if !results.is_empty() && context.screen.out.terminal && context.screen.err.terminal {
                views::err("\n");
            }
            written = views::out(&results);
        }
    }
    views::err(&outcome::ending(report, &context.screen.err));
    written
}

/// A new run's id.
pub(crate) fn new_run() -> Result<RunId> {
    let mut random = [0; 10];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut random));
    read.map_err(|error| CommandError::failed(format!("cannot read /dev/urandom: {error}")))?;
    let now = u64::try_from(WallClock.now().0).unwrap_or(0);
    Ok(RunId::new(now, random))
}
