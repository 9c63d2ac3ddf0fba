//! Runs done for real: the loop that asks the pure core what should be in flight, does it, and appends what happened.
//!
//! Everything outside comes in through the traits here. Nothing in this folder decides what a state means.

mod act;
mod answers;
mod attempt;
mod bind;
mod clean;
mod components;
mod confirming;
mod drive;
mod fence;
mod gate;
mod hold;
mod judge;
mod ledger;
mod locking;
mod log;
mod login;
mod open;
mod plan;
mod progress;
mod recall;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{ActionName, Call, Host, PluginName, Problem, Timestamp, Verdict};

use crate::ids::RunId;
use crate::journal::{Envelope, Key, Outcome, Owner, Store, StoreError};
use crate::machine::State;
use crate::registry::Registry;
use crate::runbook::checked::{Checked, Step};

pub use confirming::{Asker, Confirming, Question, Reply};
pub use fence::LEASE;
pub use gate::{Decision, GateRun, Look};
pub use locking::{LockError, LockPlaces, Locking, Place};
pub(crate) use log::large_value;
pub use open::{Loaded, OpenError, Order, Recheck, Rechecks, index_entry};
pub use plan::{
    Altered, Binding, Change, Changes, Counts, InventorySource, MadeFrom, Plan, Planned, PlannedLock, Sources, Unbound,
    What,
};
pub use progress::Course;
pub use replay::{Difference, Replayed};

/// What a run needs of the world. One per process.
#[derive(Clone)]
pub struct Engine {
    pub registry: Arc<Registry>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub hosts: Arc<dyn Hosts>,
    pub owners: Arc<dyn Owners>,
    pub sessions: Arc<dyn Sessions>,
    pub observer: Arc<dyn Observer>,
    /// Who acts: `ana@laptop`.
    pub actor: String,
    pub locking: Locking,
    pub confirming: Confirming,
}

/// The only source of time.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Counts time in which the machine was suspended, and cannot be set. Only differences mean something.
    fn since_boot(&self) -> Duration;

    /// Counts time in which the machine was suspended.
    async fn sleep_until(&self, at: Timestamp);
}

/// Makes the host of one call, and knows the secrets of the run.
pub trait Hosts: Send + Sync {
    fn host(&self, action: &ActionName, call: &Call) -> Box<dyn Host>;

    /// Takes known secrets out of what is about to be stored.
    fn redact(&self, value: &mut Value);

    fn redact_text(&self, text: &mut String);
}

/// Which process owns a run, and whether it still lives.
pub trait Owners: Send + Sync {
    fn me(&self) -> Owner;

    fn is_alive(&self, owner: &Owner) -> Alive;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive {
    Yes,
    No,
    /// It is on another machine.
    CannotTell,
}

/// Hands the terminal to a person, or runs the command given in place of one.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The output of the session: `{ "exit": 0 }`.
    async fn run(&self, session: SessionRequest) -> Result<Value, Problem>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// Empty: the person's own shell.
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    pub banner: Option<String>,
    /// What the runbook gives, for a person to see before the terminal is theirs.
    pub outputs: serde_json::Map<String, Value>,
}

/// Watches a run, for a screen. Must be quick.
pub trait Observer: Send + Sync {
    /// An event was appended (or read, when a run is opened again).
    fn event(&self, _watched: &Watched<'_>, _envelope: &Envelope) {}

    /// A call begins.
    fn began(&self, _watched: &Watched<'_>, _key: &Key, _step: &Step) {}

    /// Another run has the lock, or it cannot be told; it is waited for until then.
    fn waits_for_lock(&self, _refused: &LockError, _until: Timestamp) {}

    /// Nobody is logged in; somebody is waited for until then.
    fn waits_for_login(&self, _key: &Key, _problem: &Problem, _until: Timestamp) {}

    /// It is not known whether an act happened, and not before this moment it is looked for.
    fn looks(&self, _watched: &Watched<'_>, _key: &Key, _step: &Step, _not_before: Timestamp) {}

    /// A gate was sampled and goes on.
    fn sampled(&self, _watched: &Watched<'_>, _key: &Key, _sample: &Sample) {}
}

/// What a run looked like when something happened.
pub struct Watched<'a> {
    pub run: &'a RunId,
    pub runbook: &'a Checked,
    pub state: &'a State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub verdict: Verdict,
    pub why: String,
    pub count: u32,
    /// How many passes in a row.
    pub streak: u32,
    pub until: Timestamp,
    /// What the gate's `progress` gave last: a number or text.
    pub progress: Option<Value>,
    /// When a number that falls will be at zero, if it goes on like this.
    pub left: Option<Duration>,
}

/// What a person at the terminal does to a run in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Cut reads and waits, let acts end, run `finally`; the run can be resumed.
    Interrupt,
    /// Stop at once.
    Abandon,
}

pub type Signals = tokio::sync::mpsc::UnboundedReceiver<Signal>;

/// How driving a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Ended(Outcome),
    /// Nothing goes on before a person says what became of an act.
    Parked,
    /// Another process owns the run by now.
    Lost,
}

/// Why a run could not go on. The run itself stays as its journal says, and can be resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nothing was begun.
    #[error("{0}")]
    Policy(String),
    /// Nothing was begun.
    #[error("the plugin {plugin} cannot be kept for this run: {why}")]
    Component { plugin: PluginName, why: String },
    #[error("the journal of run {run} makes no sense at event {ordinal}: {why}")]
    Journal { run: RunId, ordinal: u64, why: String },
    /// A store restored from a backup, most likely.
    #[error(
        "the journal of run {run} no longer holds event {seen}, which was seen in it before; it has {left} now, so the \
         store was restored from a backup or changed by hand, and acts may be missing in it"
    )]
    Rewritten { run: RunId, seen: u64, left: u64 },
}
