//! In the place of [`crate::components`] where there is no sandbox: plugins of one's own are known by name, and cannot be used.

use std::sync::Arc;

use sluice_engine::ids::Sha256;
use sluice_engine::registry::Component;
use sluice_plugin::Plugin;

use crate::context::Context;
use crate::plugins::Own;

/// Those of the inventory that counts from here.
pub(crate) fn own(context: &Context) -> Vec<Own> {
    let Ok(Some(found)) = context.inventory() else { return Vec::new() };
    let named = found.inventory.plugins.iter();
    let pinned = |text: &str| Some(Arc::new(Unusable(Sha256::from_hex(text)?)));
    named
        .filter_map(|(name, entry)| {
            let component = pinned(&entry.component.as_ref()?.sha256)?;
            Some(Own { name: name.clone(), replaces: false, component })
        })
        .collect()
}

struct Unusable(Sha256);

impl Component for Unusable {
    fn sha256(&self) -> Sha256 {
        self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err(WHY.to_owned())
    }

    fn plugin(&self, _: &[u8], _: Sha256) -> Result<Arc<dyn Plugin>, String> {
        Err(WHY.to_owned())
    }
}

const WHY: &str = "this Sluice was built without a sandbox for plugins";
