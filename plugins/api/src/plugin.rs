//! The two traits: [`Plugin`] is what the engine calls, [`Action`] is what a native author writes, one file each.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{ActionSpec, PluginName};
use crate::by_hand::ByHand;
use crate::call::Call;
use crate::host::Host;
use crate::outcome::{Outcome, Preview, Reconciled};
use crate::problem::Problem;

/// A set of actions under one name, wherever it lives. A runbook cannot tell homes apart.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Cheap, and the same answer every time.
    fn describe(&self) -> &PluginSpec;

    /// Looks at the structure of `with` beyond its schema. Reaches nothing.
    fn check(&self, action: &str, with: &Value) -> Vec<Problem>;

    /// Does it. For a gate this is one sample.
    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem>;

    /// Says what `run` would do. Writes nowhere.
    async fn preview(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Preview, Problem>;

    /// Looks whether an act happened whose outcome nobody saw. Writes nowhere.
    async fn reconcile(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem>;

    /// The commands with which a person does the same. Reaches nothing; empty where it cannot say.
    fn by_hand(&self, _action: &str, _call: &Call) -> Vec<ByHand> {
        Vec::new()
    }

    /// The output of `run`, where that is known without doing it: nobody waits in a plan. Reaches nothing.
    fn foresee(&self, _action: &str, _call: &Call) -> Option<Value> {
        None
    }
}

/// A plugin described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSpec {
    pub name: PluginName,
    pub version: String,
    pub summary: String,
    pub powers: Vec<Power>,
    pub actions: Vec<ActionSpec>,
}

/// Something a plugin reaches by itself, beside the host. Shown by `sluice actions`; enforced only in WASM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// `network`, `processes`, `files`, `environment`.
    pub kind: String,
    /// What for: "opens NATS connections to the nodes of the cluster it is given".
    pub why: String,
}

impl Power {
    /// The kind of those that open connections of their own, past the host's allow-list. Their actions run only under a
    /// trusted inventory.
    pub const NETWORK: &str = "network";
}

/// One action of a native plugin. A new one is one file and one line in its plugin's list.
#[async_trait]
pub trait Action: Send + Sync {
    fn spec(&self) -> ActionSpec;

    fn check(&self, _with: &Value) -> Vec<Problem> {
        Vec::new()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem>;

    async fn preview(&self, _host: &dyn Host, _call: &Call) -> Result<Preview, Problem> {
        Err(Problem::not_applied("no_preview", "this action cannot say beforehand what it would do"))
    }

    async fn reconcile(&self, _host: &dyn Host, _call: &Call) -> Result<Reconciled, Problem> {
        Err(Problem::not_applied("no_reconcile", "this action cannot look whether it happened"))
    }

    /// The commands with which a person does the same, in order.
    fn by_hand(&self, _call: &Call) -> Vec<ByHand> {
        Vec::new()
    }

    /// What `run` would give, if that is known without it. A plan takes it in the place of a call.
    fn foresee(&self, _call: &Call) -> Option<Value> {
        None
    }
}

/// The home of plugins compiled into the runner: a plain list of actions.
pub struct NativePlugin {
    spec: PluginSpec,
    actions: Vec<Box<dyn Action>>,
}

impl NativePlugin {
    /// `spec.actions` is filled from the list.
    pub fn new(mut spec: PluginSpec, actions: Vec<Box<dyn Action>>) -> Self {
        spec.actions = actions.iter().map(|action| action.spec()).collect();
        Self { spec, actions }
    }

    fn find(&self, operation: &str) -> Result<&dyn Action, Problem> {
        let position = self.spec.actions.iter().position(|spec| spec.name.operation() == operation);
        let action = position.and_then(|at| self.actions.get(at));
        action.map(|action| &**action).ok_or_else(|| {
            Problem::not_applied("no_such_action", format!("plugin {} has no action `{operation}`", self.spec.name))
        })
    }
}

#[async_trait]
impl Plugin for NativePlugin {
    fn describe(&self) -> &PluginSpec {
        &self.spec
    }

    fn check(&self, action: &str, with: &Value) -> Vec<Problem> {
        self.find(action).map_or_else(|problem| vec![problem], |action| action.check(with))
    }

    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        self.find(action)?.run(host, call).await
    }

    async fn preview(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        self.find(action)?.preview(host, call).await
    }

    async fn reconcile(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        self.find(action)?.reconcile(host, call).await
    }

    fn by_hand(&self, action: &str, call: &Call) -> Vec<ByHand> {
        self.find(action).map_or_else(|_| Vec::new(), |action| action.by_hand(call))
    }

    fn foresee(&self, action: &str, call: &Call) -> Option<Value> {
        self.find(action).ok()?.foresee(call)
    }
}
