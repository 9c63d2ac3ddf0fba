//! Runbooks of earlier runs, read with the actions of this program.

use sluice_engine::diagnostic::{Paint, render};
use sluice_engine::journal::Snapshot;
use sluice_engine::registry::Registry;
use sluice_engine::run::Rechecks;
use sluice_engine::runbook::{Checked, load_book};

/// Reads the runbook of an earlier run as it was then, with all that it called.
pub(crate) struct AsItWas;

impl Rechecks for AsItWas {
    fn recheck(&self, snapshot: &Snapshot, registry: &Registry) -> Result<Checked, String> {
        let loaded = load_book(&snapshot.book(), registry, snapshot)
            .map_err(|found| found.iter().map(|one| render(one, Paint::Plain)).collect::<Vec<_>>().join("\n"))?;
        Ok(loaded.runbook)
    }
}
