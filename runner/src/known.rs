//! Runbooks of earlier runs, read with the actions of this program.

use std::sync::Arc;

use sluice_engine::diagnostic::{Paint, render};
use sluice_engine::journal::Snapshot;
use sluice_engine::registry::Registry;
use sluice_engine::runbook::{Checked, load_book};

/// Reads the runbook of an earlier run as it was then, with all that it called.
pub(crate) fn recheck(registry: &Arc<Registry>) -> impl Fn(&Snapshot) -> Result<Checked, String> + Sync + use<> {
    let registry = registry.clone();
    move |snapshot| {
        let loaded = load_book(&snapshot.book(), &*registry, snapshot)
            .map_err(|found| found.iter().map(|one| render(one, Paint::Plain)).collect::<Vec<_>>().join("\n"))?;
        Ok(loaded.runbook)
    }
}
