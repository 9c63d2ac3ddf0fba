//! One run in this process, with the host as the product has it and nothing around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Event, Key, Owner, Ruling, Snapshot, Trigger};
use sluice_engine::machine::State;
use sluice_engine::registry::Registry;
use sluice_engine::run::{
    Alive, Clock, Confirming, Ending, Engine, Hosts, Loaded, Locking, Observer, Order, Owners, SessionRequest, Sessions,
};
use sluice_engine::runbook::{Checked, load};
use sluice_engine::source::Source;
use sluice_host::{Clock as _, Grants, HostParts, HttpGrant, Origin, Redactor, Shared, Sink, SystemClock, Vault};
use sluice_plugin::{ActionName, Call, Host, Level, PluginName, Problem, Progress, Timestamp};
use sluice_store::MemoryStore;

pub(crate) struct World {
    engine: Engine,
    registry: Arc<Registry>,
    run: RunId,
    _folder: tempfile::TempDir,
}

impl World {
    /// `base` may send requests to this origin.
    pub(crate) fn new(origin: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = PluginName::parse("base").unwrap();
        let mut registry = Registry::default();
        registry.add(name.clone(), || Arc::new(sluice_base::plugin())).unwrap();
        let registry = Arc::new(registry);
        let folder = tempfile::tempdir().unwrap();
        let grant = HttpGrant { origin: Origin::parse(origin).unwrap(), private: true, read: Vec::new(), write: None };
        let parts = HostParts {
            run: "run".into(),
            actor: "ana@laptop".into(),
            grants: BTreeMap::from([(name, Grants { http: vec![grant], secrets: Default::default() })]),
            vault: Arc::new(Vault::new(Arc::new(Redactor::new()))),
            private_base: folder.path().join("private"),
            clock: Arc::new(SystemClock),
            sink: Arc::new(Nobody),
        };
        let engine = Engine {
            registry: registry.clone(),
            store: Arc::new(MemoryStore::default()),
            clock: Arc::new(Wall),
            hosts: Arc::new(RunHosts(Shared::new(parts))),
            owners: Arc::new(Nobody),
            sessions: Arc::new(Nobody),
            observer: Arc::new(Nobody),
            actor: "ana@laptop".into(),
            locking: Locking::default(),
            confirming: Confirming::default(),
        };
        let mut random = [0; 10];
        random[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        Self { engine, registry, run: RunId::new(1_790_000_000_000, random), _folder: folder }
    }

    pub(crate) async fn start(&self, text: &str) -> (Ending, State) {
        let order = Order {
            run: self.run.clone(),
            runbook: Arc::new(checked(text, &self.registry)),
            origin: "a test".into(),
            inputs: json!({}),
            trigger: Trigger::Cli,
        };
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        self.engine.start(order, &mut signals).await.unwrap()
    }

    pub(crate) async fn settle(&self, step: &str, ruling: Ruling) -> (Ending, State) {
        let recheck = |snapshot: &Snapshot| Ok(checked(&snapshot.runbook, &self.registry));
        self.engine.settle(&self.run, &Key(step.into()), ruling, "their log says so", &recheck).await.unwrap();
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        self.engine.resume(&self.run, &recheck, &mut signals).await.unwrap()
    }

    /// What the journal tells, `kind` by `kind`, of this step.
    pub(crate) async fn kinds(&self, step: &str) -> Vec<&'static str> {
        let recheck = |snapshot: &Snapshot| Ok(checked(&snapshot.runbook, &self.registry));
        let loaded: Loaded = self.engine.load(&self.run, &recheck).await.unwrap();
        let own = |event: &Event| event.key().is_some_and(|key| key.as_str() == step);
        loaded.envelopes.iter().filter(|envelope| own(&envelope.event)).map(|envelope| envelope.event.kind()).collect()
    }
}

fn checked(text: &str, registry: &Registry) -> Checked {
    match load(&Source::new("test.yaml", text), registry) {
        Ok(loaded) => loaded.runbook,
        Err(errors) => panic!("{text}\n{errors:?}"),
    }
}

struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn since_boot(&self) -> Duration {
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

    fn redact(&self, _: &mut Value) {}

    fn redact_text(&self, _: &mut String) {}
}

struct Nobody;

impl Observer for Nobody {}

impl Sink for Nobody {
    fn log(&self, _: &str, _: Level, _: &str) {}

    fn progress(&self, _: &str, _: Progress) {}
}

impl Owners for Nobody {
    fn me(&self) -> Owner {
        Owner { host: "here".into(), pid: 1, started: "boot/1".into() }
    }

    fn is_alive(&self, _: &Owner) -> Alive {
        Alive::Yes
    }
}

#[async_trait]
impl Sessions for Nobody {
    async fn run(&self, _: SessionRequest) -> Result<Value, Problem> {
        Err(Problem::not_applied("no_session", "there is no terminal here"))
    }
}
