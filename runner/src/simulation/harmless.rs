//! A plugin of this machine in a simulation: only what reaches nothing, or reaches it through the world's host.

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{Call, Host, Outcome, Plugin, PluginSpec, Preview, Problem, Reconciled};

/// The others read and write the files of this machine.
const REACH_NOTHING: [&str; 4] = ["echo", "wait", "http_get", "http_send"];

pub(crate) struct Harmless<P>(pub(crate) P);

fn allowed(action: &str) -> Result<(), Problem> {
    if REACH_NOTHING.contains(&action) {
        return Ok(());
    }
    let message = format!("a simulation reaches no files of this machine, so base.{action} is not done in it");
    Err(Problem::not_applied("not_simulated", message))
}

#[async_trait]
impl<P: Plugin> Plugin for Harmless<P> {
    fn describe(&self) -> &PluginSpec {
        self.0.describe()
    }

    fn check(&self, action: &str, with: &Value) -> Vec<Problem> {
        self.0.check(action, with)
    }

    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        allowed(action)?;
        self.0.run(action, host, call).await
    }

    async fn preview(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        allowed(action)?;
        self.0.preview(action, host, call).await
    }

    async fn reconcile(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        allowed(action)?;
        self.0.reconcile(action, host, call).await
    }
}
