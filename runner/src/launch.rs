//! One run in this process: the engine put together with the terminal, the signals and the hosts, and driven to its end.

use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sluice_engine::confirm::Receipt;
use sluice_engine::ids::RunId;
use sluice_engine::inventory::Inventory;
use sluice_engine::journal::chain::version_of;
use sluice_engine::journal::{CancelHow, Store, Trigger};
use sluice_engine::machine::asks::is_stopped_open;
use sluice_engine::machine::{State, remaining_steps};
use sluice_engine::run::{
    Alive, Asker, Clock as _, Confirming, Ending, Engine, Loaded, LockError, Locking, OpenError, Order, Plan, RunError,
    Signals, Sources,
};
use sluice_engine::runbook::{Checked, SecretUse};
use sluice_host::{Redactor, Sink};
use sluice_plugin::Effect;
use sluice_store::MemoryStore;
use tokio::time::{Instant, interval_at};

use crate::asking::TerminalAsker;
use crate::clock::WallClock;
use crate::confirming::confirming;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::hosts::{Of, RunHosts};
use crate::known::AsItWas;
use crate::locks::Places;
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
type MakeHosts = fn(Of<'_>, Option<&Inventory>, Arc<Redactor>, Arc<dyn Sink>) -> Result<RunHosts>;

/// What is needed to drive runs.
pub(crate) struct Launch<'a> {
    context: Held<'a>,
    pub(crate) engine: Engine,
    hosts: Arc<RunHosts>,
    view: Arc<dyn RunView>,
    foreground: Arc<Foreground>,
    json: Option<Json>,
    /// What came after `--`, for the session.
    command: Vec<String>,
    /// Standard output belongs to that.
    out_is_commands: bool,
    outputs_shown: Arc<AtomicBool>,
    attended: bool,
    /// A yes that was given beforehand.
    pub(crate) receipt: Option<Receipt>,
    /// Whoever sits here is asked for what that does not cover.
    pub(crate) asks_beside: bool,
}

/// The context a run is launched in: of the command that runs it, or its own where one comes after the other.
enum Held<'a> {
    Lent(&'a Context),
    Own(Rc<Context>),
}

impl Deref for Held<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        match self {
            Self::Lent(context) => context,
            Self::Own(context) => context,
        }
    }
}

impl Launch<'static> {
    /// What is done again and again is not shown step by step, and asks nobody anything.
    pub(crate) fn of_ticks(context: Rc<Context>, run: &RunId) -> Result<Self> {
        let store = Arc::new(MemoryStore::default());
        let view = live::silent(&context.screen);
        let launch = Self::with(Held::Own(context), store, run, (None, view), Vec::new(), RunHosts::new)?;
        Ok(Self { attended: false, ..launch })
    }
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
        Self::with(Held::Lent(context), store, run, (json, view), command, RunHosts::new)
    }

    /// A plan writes nothing: no store is opened for it, and no private file is made.
    pub(crate) fn for_plan(context: &'a Context, run: &RunId) -> Result<Self> {
        context.sweep_private();
        let store = Arc::new(MemoryStore::default());
        let view = live::view(&context.screen, None);
        Self::with(Held::Lent(context), store, run, (None, view), Vec::new(), RunHosts::of_plan)
    }

    fn with(
        context: Held<'a>,
        store: Arc<dyn Store>,
        run: &RunId,
        (json, view): (Option<Json>, Arc<dyn RunView>),
        command: Vec<String>,
        hosts: MakeHosts,
    ) -> Result<Self> {
        let watcher = Arc::new(Watcher(view.clone()));
        let inventory = context.trusted_inventory()?.map(|found| &found.inventory);
        let actor = context.actor();
        let of = Of { run: run.as_str(), actor: &actor };
        let hosts = Arc::new(hosts(of, inventory, context.redactor.clone(), watcher.clone())?);
        let foreground = Arc::new(Foreground::default());
        let out_is_commands = !command.is_empty() && json.is_none();
        let outputs_shown = Arc::new(AtomicBool::new(false));
        let sessions = TerminalSessions {
            given: command.clone(),
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
            actor,
            locking: Locking { places: Some(Arc::new(Places::new(inventory))), ..Locking::default() },
            confirming: Confirming::default(),
        };
        // Somebody is there who can be asked.
        let attended = context.screen.input && context.screen.err.terminal && in_foreground();
        let receipt = None;
        Ok(Self {
            context,
            engine,
            hosts,
            view,
            foreground,
            json,
            command,
            out_is_commands,
            outputs_shown,
            attended,
            receipt,
            asks_beside: false,
        })
    }

    /// Makes it the launch of this run: what it is bound to beside its inputs, and who is here.
    pub(crate) fn at(&mut self, loaded: &Loaded) -> Result<()> {
        self.bind(&loaded.runbook, loaded.state.inputs(), &loaded.snapshot.origin)
    }

    fn bind(&mut self, runbook: &Checked, inputs: &Value, origin: &str) -> Result<()> {
        let asker = || TerminalAsker { view: self.view.clone(), screen: self.context.screen.err };
        let asker = self.attended.then(|| Arc::new(asker()) as Arc<dyn Asker>);
        let receipt = self.receipt.clone();
        let asks_beside = self.asks_beside;
        let confirming = confirming(&self.context, (runbook, inputs, origin), asker, receipt)?;
        self.engine.confirming = Confirming { asks_beside, ..confirming };
        Ok(())
    }

    /// Binds it and fetches the secrets, for any number of [`Launch::once`].
    pub(crate) async fn ready(&mut self, run: &RunId, prepared: &Prepared) -> Result<()> {
        self.bind(&prepared.runbook, &prepared.inputs, &prepared.origin)?;
        self.secrets(run, &prepared.runbook, &prepared.inputs).await
    }

    /// Drives a run whose journal nobody keeps.
    pub(crate) async fn once(
        &self,
        order: Order,
        signals: &mut Signals,
    ) -> std::result::Result<(Ending, State), RunError> {
        let engine = Engine { store: Arc::new(MemoryStore::default()), ..self.engine.clone() };
        let driven = engine.once(order, signals).await;
        self.tidy();
        driven
    }

    /// Begins the run and shows it to its end.
    pub(crate) async fn start(mut self, run: RunId, prepared: Prepared) -> Result<Exit> {
        let Prepared { runbook, origin, inputs } = prepared;
        self.bind(&runbook, &inputs, &origin)?;
        self.secrets(&run, &runbook, &inputs).await?;
        let mut signals = self.listen(&run)?;
        let order =
            Order { run: run.clone(), runbook: runbook.clone(), origin: origin.clone(), inputs, trigger: Trigger::Cli };
        let driven = self.ticking(self.engine.start(order, &mut signals)).await;
        self.tidy();
        let (ending, state) = driven.map_err(|error| explained(error, &runbook))?;
        self.end(&run, &origin, &runbook, ending, &state).await
    }

    /// Opens the run again and shows it to its end.
    pub(crate) async fn resume(mut self, run: RunId) -> Result<Exit> {
        let loaded = self.engine.load(&run, &AsItWas).await?;
        self.at(&loaded)?;
        let remaining = self.remaining(&loaded);
        self.secrets_of(&run, &loaded.runbook, loaded.state.inputs(), remaining.clone()).await?;
        self.secrets_of_done_steps(&run, &loaded, &remaining).await;
        let mut signals = self.listen(&run)?;
        let driven = self.ticking(self.engine.resume(&run, &AsItWas, &mut signals)).await;
        self.tidy();
        let (ending, state) = driven.map_err(|error| match error {
            OpenError::Run(error) => explained(error, &loaded.runbook),
            other => other.into(),
        })?;
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
        self.secrets_of(run, runbook, inputs, runbook.secrets_with(inputs)).await
    }

    /// Those that the steps name that may still be called. An abandoned run calls none.
    fn remaining(&self, loaded: &Loaded) -> Vec<SecretUse> {
        let claimed = self.engine.claimed(loaded);
        let wanted = loaded.runbook.secrets_with(loaded.state.inputs());
        let remaining = Checked::secrets_in(remaining_steps(&loaded.runbook, &claimed));
        // Not those of steps that the inputs leave out.
        remaining.into_iter().filter(|used| wanted.iter().any(|one| one.name == used.name)).collect()
    }

    /// No step asks for them any more; they are fetched to be taken out of whatever is shown or written. One that cannot be
    /// had is told of: it may be gone from where it was.
    async fn secrets_of_done_steps(&self, run: &RunId, loaded: &Loaded, remaining: &[SecretUse]) {
        if loaded.state.cancel.as_ref().is_some_and(|cancel| cancel.how == CancelHow::Abandon) {
            return;
        }
        let (runbook, inputs) = (&loaded.runbook, loaded.state.inputs());
        let known = |used: &SecretUse| remaining.iter().any(|one| one.name == used.name);
        for used in runbook.secrets_with(inputs).into_iter().filter(|used| !known(used)) {
            let name = used.name.clone();
            if let Err(error) = self.secrets_of(run, runbook, inputs, vec![used]).await {
                let why = error.message;
                tracing::warn!(why, secret = %name, "it is not known any more: texts of steps that are done may show it");
            }
        }
    }

    async fn secrets_of(&self, run: &RunId, runbook: &Checked, inputs: &Value, wanted: Vec<SecretUse>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let Some(inventory) = self.context.trusted_inventory()? else { return Ok(()) };
        let registry = &self.engine.registry;
        Secrets { inventory, runbook, inputs, registry, hosts: &self.hosts, run }.fetch(&wanted).await
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
            Ending::Parked => parked(runbook, state),
            Ending::Lost => {
                return Err(CommandError::failed(format!("run {run} was taken over by another process"))
                    .hint(format!("`sluice runs follow {run}` shows how it goes on")));
            }
        };
        let mut report = Report::new(run, origin, runbook, state, Alive::Yes);
        report.command = self.command.iter().map(|word| self.context.redactor.text(word).into_owned()).collect();
        if let Some(last) = self.engine.store.read(run, state.ordinal.saturating_sub(1)).await?.first() {
            report = report.with_head(version_of(last));
        }
        if self.outputs_shown.load(Ordering::Relaxed) {
            views::err(&outcome::ending(&report, &self.context.screen.err));
            return Ok(exit);
        }
        match show(&self.context, &report, self.json, self.out_is_commands) {
            // Without a reader the answer is lost; that a run did not come to its end is the more important news.
            Err(error) if exit == Exit::DONE => Err(error.into()),
            Ok(()) | Err(_) => Ok(exit),
        }
    }
}

/// The exit code of a run that waits for a person.
pub(crate) fn parked(runbook: &Checked, state: &State) -> Exit {
    // A gate stopped it, and it stays open.
    let stopped = !state.has_open_act() && is_stopped_open(runbook, state).is_some();
    if stopped { Exit::STOPPED } else { Exit::PARKED }
}

/// Where nothing is destroyed, a lock that cannot be asked for far away may be one of this machine.
fn explained(error: RunError, runbook: &Checked) -> CommandError {
    let far = matches!(&error, RunError::Lock(LockError::CannotTell { at, .. }) if at.is_shared());
    let harmless = runbook.walk_deep().iter().all(|step| step.effect() != Effect::Destroy);
    let shown = CommandError::from(error);
    if !(far && harmless) {
        return shown;
    }
    shown.hint("where only this machine runs such runbooks, write `locks: local` for the cluster in the inventory")
}

/// A process in the background that read from the terminal would be stopped dead.
fn in_foreground() -> bool {
    nix::unistd::tcgetpgrp(io::stdin()).is_ok_and(|group| group == nix::unistd::getpgrp())
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
