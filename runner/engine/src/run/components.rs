//! Plugins that live in files: a run keeps what is in them, and whoever goes on with it has what it was begun with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_plugin::PluginName;

use super::{Engine, RunError};
use crate::ids::Sha256;
use crate::journal::{Snapshot, StoreError};
use crate::runbook::checked::Checked;

impl Engine {
    /// Puts the components of this runbook's actions where the run's snapshot will be.
    pub(super) async fn keep_components(&self, runbook: &Checked) -> Result<BTreeMap<PluginName, Sha256>, RunError> {
        let mut kept = BTreeMap::new();
        for (plugin, component) in self.registry.components(runbook.actions.keys()) {
            let pinned = component.sha256();
            if !self.store.has_blob(&pinned).await? {
                let cannot = |why: String| RunError::Component { plugin: plugin.clone(), why };
                let hash = self.store.put_blob(&component.bytes().map_err(cannot)?).await?;
                if hash != pinned {
                    return Err(cannot("its file has just been changed".to_owned()));
                }
            }
            kept.insert(plugin, pinned);
        }
        Ok(kept)
    }

    /// This engine with the components that the run was begun with.
    pub(super) async fn as_begun(&self, snapshot: &Snapshot) -> Result<Cow<'_, Self>, StoreError> {
        let mut engine = Cow::Borrowed(self);
        for (plugin, hash) in &snapshot.components {
            // What is no component any more has its contract checked like any other plugin.
            let Some(now) = self.registry.component(plugin).map(|component| component.sha256()) else { continue };
            if now != *hash {
                let missing = || StoreError::Corrupt(format!("the component of {plugin}, {hash}, is missing"));
                let bytes = self.store.get_blob(hash).await?.ok_or_else(missing)?;
                Arc::make_mut(&mut engine.to_mut().registry).put(plugin, bytes, *hash);
            }
        }
        Ok(engine)
    }
}
