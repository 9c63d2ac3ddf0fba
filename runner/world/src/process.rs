//! Processes of a simulated world: each is an engine of its own. They share the world and a store, and nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::journal::{Owner, Store};
use sluice_engine::registry::Registry;
use sluice_engine::run::{Alive, Confirming, Engine, Locking, Observer, Owners, SessionRequest, Sessions};
use sluice_plugin::Problem;

use crate::hosts::SimHosts;
use crate::world::World;

/// All that outlives a process: the world and the store, and who is dead.
#[derive(Clone)]
pub struct Processes {
    pub world: World,
    pub store: Arc<dyn Store>,
    dead: Arc<Mutex<Vec<u32>>>,
}

/// One process: what it runs with, and what it left in memory.
pub struct Process {
    pub engine: Engine,
    pub hosts: SimHosts,
    pid: u32,
    dead: Arc<Mutex<Vec<u32>>>,
}

impl Processes {
    pub fn new(world: World, store: Arc<dyn Store>) -> Self {
        Self { world, store, dead: Arc::default() }
    }

    /// A new process with these plugins.
    pub fn start(&self, pid: u32, registry: Arc<Registry>) -> Process {
        let hosts = SimHosts::new(self.world.clone());
        let engine = Engine {
            registry,
            store: self.store.clone(),
            clock: Arc::new(self.world.clock().clone()),
            hosts: Arc::new(hosts.clone()),
            owners: Arc::new(SimOwners { me: pid, dead: self.dead.clone() }),
            sessions: Arc::new(NobodyAtTheTerminal),
            observer: Arc::new(Silent),
            actor: format!("p{pid}@simulated"),
            locking: Locking::default(),
            confirming: Confirming::default(),
        };
        Process { engine, hosts, pid, dead: self.dead.clone() }
    }
}

impl Process {
    /// Others may see from now on that it is gone.
    pub fn died(&self) {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).push(self.pid);
    }
}

struct SimOwners {
    me: u32,
    dead: Arc<Mutex<Vec<u32>>>,
}

impl Owners for SimOwners {
    fn me(&self) -> Owner {
        Owner { host: "simulated".to_owned(), pid: self.me, started: "boot/1".to_owned() }
    }

    fn is_alive(&self, owner: &Owner) -> Alive {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if dead.contains(&owner.pid) { Alive::No } else { Alive::Yes }
    }
}

/// A session ends at once and well: nobody types in a simulation.
struct NobodyAtTheTerminal;

#[async_trait]
impl Sessions for NobodyAtTheTerminal {
    async fn run(&self, _: SessionRequest) -> Result<Value, Problem> {
        Ok(json!({ "exit": 0 }))
    }
}

struct Silent;

impl Observer for Silent {}
