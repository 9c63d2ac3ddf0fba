//! A runbook over a simulated cluster: the real engine, the real plugins but for AWS, and a world that exists in memory only.
//! Nothing outside is reached, nothing is written, and time passes as fast as it can be counted.

mod faults;
mod harmless;
mod person;
mod users;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use sluice_engine::registry::Registry;
use sluice_engine::run::{Confirming, Loaded, Observer, Order, RunError};
use sluice_plugin::inventory::Cluster;
use sluice_store::MemoryStore;
use sluice_world::{Fault, Processes, Setup, Termination, Traffic, World};

pub(crate) use faults::{AFTER as FAULTS, Planned};
pub(crate) use harmless::Harmless;
pub(crate) use wire::SimWire;

use crate::error::{CommandError, Result};
use crate::known::AsItWas;
use crate::views::live::RunView;

/// What a world begins with.
pub(crate) struct Begin {
    pub(crate) cluster: Cluster,
    pub(crate) seed: u64,
    /// In each stream.
    pub(crate) messages: u64,
    /// A second, into each stream.
    pub(crate) rate: u64,
}

/// What came of a run.
pub(crate) struct Simulated {
    /// Where it stands, unless it never began.
    pub(crate) loaded: Option<Loaded>,
    pub(crate) error: Option<RunError>,
    /// In the order in which they were ended.
    pub(crate) ended: Vec<Termination>,
    pub(crate) acknowledged: u64,
    /// And of those, how many were lost: whoever led then had them no more, or nobody has.
    pub(crate) lost: u64,
    /// Faults whose moment never came.
    pub(crate) missed: Vec<String>,
    /// How long it took in the world.
    pub(crate) took: Duration,
}

pub(crate) fn world(begin: Begin) -> Result<World> {
    let Begin { cluster, seed, messages, rate } = begin;
    let mint =
        |name| users::Minted::new(name).map_err(|error| CommandError::failed(format!("cannot make a user: {error}")));
    let mut setup = Setup { messages, traffic: Traffic::steady(rate), ..Setup::new(seed, cluster) };
    mint("admin")?.as_admin(&mut setup, false);
    mint("system")?.as_system(&mut setup);
    Ok(World::new(setup))
}

/// Runs it to where it ends, stops, or waits for somebody.
pub(crate) async fn run(
    world: &World,
    registry: Arc<Registry>,
    order: Order,
    confirming: Confirming,
    (faults, view): (Vec<(Planned, Fault)>, Arc<dyn RunView>),
) -> Result<Simulated> {
    let store = Arc::new(MemoryStore::default());
    let run = order.run.clone();
    let mut process = Processes::new(world.clone(), store).start(1, registry);
    let watcher = Arc::new(faults::Falls::new(world, faults, view.clone()));
    watcher.begin();
    process.engine.observer = watcher.clone() as Arc<dyn Observer>;
    process.engine.confirming = Confirming { asker: Some(Arc::new(person::SimPerson::new(world, view))), ..confirming };
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let ran = world.run(Box::pin(process.engine.start(order, &mut signals))).await;
    let loaded = process.engine.load(&run, &AsItWas).await.ok();
    let truth = world.truth();
    Ok(Simulated {
        loaded,
        error: ran.err(),
        ended: world.terminated(),
        acknowledged: truth.streams.iter().map(|stream| stream.acknowledged).sum(),
        lost: truth.streams.iter().map(sluice_world::StreamTruth::missing).sum(),
        missed: watcher.missed(),
        took: world.clock().elapsed(),
    })
}
