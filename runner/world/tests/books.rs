//! What the tests of this package share: the cluster of the seed, the shipped runbooks, and a process to run them with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sluice_engine::ids::RunId;
use sluice_engine::inventory::{self, Inventory};
use sluice_engine::journal::{Snapshot, Trigger};
use sluice_engine::registry::Registry;
use sluice_engine::run::Order;
use sluice_engine::runbook::{Book, Checked, Given, Library, NoBook, load_book, resolve_inputs};
use sluice_engine::source::Source;
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Plugin, PluginName};
use sluice_world::aws::SimAws;
use sluice_world::harness::{MortalPlugin, Ward};
use sluice_world::{Setup, World, toy};

use crate::users::Minted;
use crate::wire::SimWire;

const INVENTORY: &str = r#"
clusters:
  nats-staging:
    nodes: 3
    aws: { account: "123456789012", region: us-east-2, profile: staging }
    streams: [pivot_main]
"#;

fn inventory() -> Inventory {
    inventory::parse(&Source::new("sluice.yaml", INVENTORY)).unwrap()
}

pub(crate) fn cluster() -> Cluster {
    inventory().clusters[0].cluster.clone()
}

/// A world, the plugins over it, and a shipped runbook, made once for many runs.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) registry: Arc<Registry>,
    pub(crate) runbook: Arc<Checked>,
    pub(crate) inputs: Value,
    pub(crate) ward: Ward,
    admin: Minted,
}

impl Bench {
    /// `text`: a runbook.
    pub(crate) fn new(text: &str) -> Self {
        let (ward, admin) = (Ward::default(), Minted::new("admin").unwrap());
        let world = World::new(Setup::new(1, cluster()));
        let registry = Arc::new(registry(&world, &ward));
        let runbook = Arc::new(checked(text, &registry));
        let inputs = inputs(&runbook);
        let bench = Self { world, registry, runbook, inputs, ward, admin };
        bench.world.begin_again(bench.setup(1));
        bench
    }

    /// The cluster of the seed, with an admin.
    pub(crate) fn setup(&self, seed: u64) -> Setup {
        let mut setup = Setup::new(seed, cluster());
        self.admin.as_admin(&mut setup, false);
        self.admin.as_system(&mut setup);
        setup
    }

    /// Always under the same id, for a store that is empty.
    pub(crate) fn order(&self) -> Order {
        let (runbook, inputs) = (self.runbook.clone(), self.inputs.clone());
        Order {
            run: RunId::new(1_790_000_000_000, [7; 10]),
            runbook,
            origin: "a test".into(),
            inputs,
            trigger: Trigger::Cli,
        }
    }

    pub(crate) fn recheck(&self, _: &Snapshot) -> Result<Checked, String> {
        Ok(Checked::clone(&self.runbook))
    }
}

/// All of them may be killed.
fn registry(world: &World, ward: &Ward) -> Registry {
    let mut registry = Registry::default();
    let plugins: [Arc<dyn Plugin>; 5] = [
        Arc::new(sluice_axiom::plugin()),
        Arc::new(sluice_base::plugin()),
        Arc::new(sluice_nats::plugin_over(Arc::new(SimWire(world.clone())))),
        Arc::new(SimAws::new(world.clone()).unwrap()),
        Arc::new(toy::plugin(world).unwrap()),
    ];
    for plugin in plugins {
        let name: PluginName = plugin.describe().name.clone();
        let mortal: Arc<dyn Plugin> = Arc::new(MortalPlugin::new(plugin, ward.clone()));
        registry.add(name, move || mortal.clone()).unwrap();
    }
    registry
}

pub(crate) fn text(runbook: &str) -> String {
    let path = format!("{}/../../runbooks/{runbook}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn checked(text: &str, registry: &Registry) -> Checked {
    let source = Source::new("runbook.yaml", text);
    let book = Book { id: String::new(), origin: "a test".to_owned(), source };
    match load_book(&book, registry, &Shipped) {
        Ok(loaded) => loaded.runbook,
        Err(errors) => panic!("{text}\n{}", errors.iter().map(|error| format!("{error:?}\n")).collect::<String>()),
    }
}

/// The runbooks that ship, for those that call them.
struct Shipped;

impl Library for Shipped {
    fn book(&self, name: &str, _: &Book) -> Result<Book, NoBook> {
        let source = Source::new(format!("{name}.yaml"), text(name).as_str());
        Ok(Book { id: name.to_owned(), origin: "built in".to_owned(), source })
    }

    fn thresholds(&self, _: &Book, _: &str, _: Option<&str>) -> Result<Value, NoBook> {
        Ok(thresholds())
    }
}

fn thresholds() -> Value {
    sluice_engine::thresholds::parse(&Source::new("thresholds.yaml", text("thresholds").as_str())).unwrap()
}

/// The inputs of a shipped runbook for the cluster.
fn inputs(runbook: &Checked) -> Value {
    let mut given: BTreeMap<String, Given> = BTreeMap::new();
    for (name, input) in &runbook.inputs {
        match name.as_str() {
            "cluster" => drop(given.insert(name.clone(), Given::Text("nats-staging".into()))),
            "node" => drop(given.insert(name.clone(), Given::Text("nats-staging-node-2".into()))),
            "thresholds" => drop(given.insert(name.clone(), Given::Value(thresholds()))),
            _ => assert!(input.default.is_some(), "{name}"),
        }
    }
    resolve_inputs(runbook, &given, &inventory()).unwrap()
}
