//! The registry's actions as the checker wants them, and runbooks read with them.

use std::sync::Arc;

use serde_json::Value;
use sluice_engine::diagnostic::{Paint, render};
use sluice_engine::journal::Snapshot;
use sluice_engine::registry::Registry;
use sluice_engine::runbook::{Actions, Checked, load};
use sluice_engine::source::Source;
use sluice_plugin::{ActionName, ActionSpec, Problem};

/// What this program can do.
pub(crate) struct Known(pub(crate) Arc<Registry>);

impl Actions for Known {
    fn spec(&self, name: &ActionName) -> Option<&ActionSpec> {
        self.0.spec(name)
    }

    fn names(&self) -> Vec<ActionName> {
        self.0.names()
    }

    fn check(&self, name: &ActionName, with: &Value) -> Vec<Problem> {
        self.0.action(name).map_or_else(Vec::new, |action| action.plugin.check(name.operation(), with))
    }
}

/// Reads the runbook of an earlier run as it was then.
pub(crate) fn recheck(registry: &Arc<Registry>) -> impl Fn(&Snapshot) -> Result<Checked, String> + Sync + use<> {
    let known = Known(registry.clone());
    move |snapshot| {
        let source = Source::new(format!("{} (as it was)", snapshot.origin), snapshot.runbook.as_str());
        let loaded = load(&source, &known).map_err(|found| {
            found.iter().map(|one| render(one, Paint::Plain)).collect::<Vec<_>>().join("\n")
        })?;
        Ok(loaded.runbook)
    }
}
