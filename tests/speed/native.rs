//! The engine with its store on disk and `base` in this process, as the product puts them together, but for the screen.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Outcome as Ended, Owner, Trigger};
use sluice_engine::registry::Registry;
use sluice_engine::run::{
    Alive, Clock, Confirming, Ending, Engine, Hosts, Locking, Observer, Order, Owners, SessionRequest, Sessions,
};
use sluice_engine::runbook::{Checked, load};
use sluice_engine::source::Source;
use sluice_host::{Clock as _, HostParts, Redactor, Shared, Sink, SystemClock, Vault};
use sluice_plugin::{ActionName, Call, Host, Level, Plugin, Problem, Progress, Timestamp};
use sluice_store::SqliteStore;

use crate::{Outcome, toys};

pub(crate) const STEPS: usize = 10_000;
pub(crate) const ROUNDS: usize = 5;

/// Runs runbooks to their end.
pub(crate) struct Native {
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    begun: u64,
}

impl Native {
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        Self::with(folder, vec![Arc::new(sluice_base::plugin()), Arc::new(toys::plugin()?)])
    }

    pub(crate) fn with(folder: &Path, plugins: Vec<Arc<dyn Plugin>>) -> Outcome<Self> {
        let mut registry = Registry::default();
        for plugin in plugins {
            registry.add(plugin.name().clone(), move || plugin.clone())?;
        }
        let parts = HostParts {
            run: "speed".to_owned(),
            actor: "ana@laptop".into(),
            grants: std::collections::BTreeMap::new(),
            vault: Arc::new(Vault::new(Arc::new(Redactor::new()))),
            private_base: folder.join("private"),
            clock: Arc::new(SystemClock),
            sink: Arc::new(Nobody),
        };
        let engine = Engine {
            registry: Arc::new(registry),
            store: Arc::new(SqliteStore::open(&folder.join("store"))?),
            clock: Arc::new(Wall),
            hosts: Arc::new(RunHosts(Shared::new(parts))),
            owners: Arc::new(Nobody),
            sessions: Arc::new(Nobody),
            observer: Arc::new(Nobody),
            actor: "ana@laptop".to_owned(),
            locking: Locking::default(),
            confirming: Confirming::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { engine, runtime, begun: 0 })
    }

    pub(crate) fn check(&self, text: &str) -> Outcome<Arc<Checked>> {
        match load(&Source::new("speed.yaml", text), &*self.engine.registry) {
            Ok(loaded) => Ok(Arc::new(loaded.runbook)),
            Err(found) => Err(format!("the runbook is not valid: {found:?}").into()),
        }
    }

    pub(crate) fn run(&mut self, runbook: &Arc<Checked>) -> Outcome {
        self.begun += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.begun.to_be_bytes());
        let order = Order {
            run: RunId::new(1_790_000_000_000, random),
            runbook: runbook.clone(),
            origin: "speed".to_owned(),
            inputs: json!({ "name": "operator" }),
            trigger: Trigger::Cli,
        };
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        match self.runtime.block_on(self.engine.start(order, &mut signals))? {
            (Ending::Ended(Ended::Done), _) => Ok(()),
            (other, _) => Err(format!("the run ended otherwise: {other:?}").into()),
        }
    }
}

/// What this process and those it waited for have used so far.
pub(crate) fn cpu_micros() -> Outcome<f64> {
    let micros = |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()) as f64;
    let mut sum = 0.0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        sum += micros(usage.user_time()) + micros(usage.system_time());
    }
    Ok(sum)
}

struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn since_boot(&self) -> std::time::Duration {
        SystemClock.since_boot()
    }

    async fn sleep_until(&self, at: Timestamp) {
        SystemClock.sleep(at.since(SystemClock.now())).await;
    }
}

struct RunHosts(Shared);

impl Hosts for RunHosts {
    fn host(&self, action: &ActionName, call: &Call) -> Box<dyn Host> {
        Box::new(self.0.for_call(action, call))
    }

    fn redact(&self, value: &mut Value) {
        self.0.redactor().json(value);
    }

    fn redact_text(&self, text: &mut String) {
        if let std::borrow::Cow::Owned(clean) = self.0.redactor().text(text) {
            *text = clean;
        }
    }
}

/// No screen, no session, no other process.
struct Nobody;

impl Observer for Nobody {}

impl Sink for Nobody {
    fn log(&self, _: &str, _: Level, _: &str) {}

    fn progress(&self, _: &str, _: Progress) {}
}

impl Owners for Nobody {
    fn me(&self) -> Owner {
        Owner { host: "here".to_owned(), pid: std::process::id(), started: "boot/1".to_owned() }
    }

    fn is_alive(&self, _: &Owner) -> Alive {
        Alive::CannotTell
    }
}

#[async_trait]
impl Sessions for Nobody {
    async fn run(&self, _: SessionRequest) -> Result<Value, Problem> {
        Err(Problem::not_applied("no_session", "there is no terminal here"))
    }
}
