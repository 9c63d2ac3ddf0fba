//! The two traits: [`Plugin`] is what the engine calls, [`Action`] is what a native author writes, one file each.

use std::sync::OnceLock;

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
    /// The same answer every time. Describes every action; who wants one of them asks for that.
    fn describe(&self) -> &PluginSpec;

    fn name(&self) -> &PluginName {
        &self.describe().name
    }

    fn powers(&self) -> &[Power] {
        &self.describe().powers
    }

    /// One action described, as [`Plugin::describe`] does.
    fn action(&self, operation: &str) -> Option<&ActionSpec> {
        self.describe().actions.iter().find(|spec| spec.name.operation() == operation)
    }

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

/// An action under the name of its operation, which its description gives too.
pub type Listed = (&'static str, Box<dyn Action>);

/// The home of plugins compiled into the runner: a plain list of actions.
///
/// Schemas are made from types, which takes longer than a step: an action is described when it is asked for.
pub struct NativePlugin {
    /// Without actions.
    about: PluginSpec,
    actions: Vec<Native>,
    whole: OnceLock<PluginSpec>,
}

struct Native {
    operation: &'static str,
    action: Box<dyn Action>,
    spec: OnceLock<ActionSpec>,
}

impl NativePlugin {
    /// `about.actions` is filled from the list, when somebody asks for it.
    pub fn new(about: PluginSpec, actions: Vec<Listed>) -> Self {
        let actions =
            actions.into_iter().map(|(operation, action)| Native { operation, action, spec: OnceLock::new() });
        Self { about, actions: actions.collect(), whole: OnceLock::new() }
    }

    fn native(&self, operation: &str) -> Option<&Native> {
        self.actions.iter().find(|native| native.operation == operation)
    }

    fn find(&self, operation: &str) -> Result<&dyn Action, Problem> {
        self.native(operation).map(|native| &*native.action).ok_or_else(|| {
            Problem::not_applied("no_such_action", format!("plugin {} has no action `{operation}`", self.about.name))
        })
    }
}

impl Native {
    fn spec(&self) -> &ActionSpec {
        self.spec.get_or_init(|| self.action.spec())
    }
}

#[async_trait]
impl Plugin for NativePlugin {
    fn describe(&self) -> &PluginSpec {
        self.whole.get_or_init(|| {
            let actions = self.actions.iter().map(|native| native.spec().clone()).collect();
            PluginSpec { actions, ..self.about.clone() }
        })
    }

    fn name(&self) -> &PluginName {
        &self.about.name
    }

    fn powers(&self) -> &[Power] {
        &self.about.powers
    }

    fn action(&self, operation: &str) -> Option<&ActionSpec> {
        self.native(operation).map(Native::spec)
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
