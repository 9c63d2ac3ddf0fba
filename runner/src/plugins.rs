//! The one file that names plugins. A new one is one line here.

use std::sync::Arc;

use sluice_engine::registry::{Component, Duplicate, Registry};
use sluice_plugin::{BadName, Plugin, PluginName};
#[cfg(feature = "simulate")]
use sluice_world::{World, aws::SimAws};

use crate::error::{CommandError, Result};
#[cfg(feature = "simulate")]
use crate::simulation::{Harmless, SimWire};

/// Locks of runs are kept where the AWS plugin reads parameters.
#[cfg(feature = "aws")]
pub(crate) use sluice_aws::locks as parameter_locks;

/// The plugin that reads the monitoring endpoints of the inventory's nodes.
pub(crate) const MONITORING: &str = "nats";

/// The action that reads them all.
pub(crate) const SERVERS: &str = "nats.servers";

/// The action that says whom AWS takes the caller for.
pub(crate) const IDENTITY: &str = "aws.caller_identity";

/// The action that reads secrets of the inventory from the parameter store.
pub(crate) const PARAMETERS: &str = "aws.parameters";

/// The action that connects with credentials and says whose they are.
pub(crate) const WHOAMI: &str = "nats.whoami";

type Make = fn() -> Arc<dyn Plugin>;

/// Name and maker. A plugin is made when the first of its actions is named.
const SHIPPED: &[(&str, Make)] = &[
    #[cfg(feature = "aws")]
    ("aws", || Arc::new(sluice_aws::plugin())),
    ("axiom", || Arc::new(sluice_axiom::plugin())),
    ("base", || Arc::new(sluice_base::plugin())),
    ("nats", || Arc::new(sluice_nats::plugin())),
    ("system", || Arc::new(sluice_system::plugin())),
    #[cfg(feature = "terraform")]
    ("terraform", || Arc::new(sluice_terraform::plugin())),
];

/// A plugin that the inventory names and that lives in a file.
pub(crate) struct Own {
    pub(crate) name: PluginName,
    /// It stands in the place of a plugin of that name that ships, if only to say that it may not.
    pub(crate) replaces: bool,
    pub(crate) component: Arc<dyn Component>,
}

/// All plugins of this program, and those of one's own. What an inventory that counts for nothing names under the name of one
/// that ships is left out.
pub(crate) fn registry(own: Vec<Own>) -> Result<Registry> {
    let mut registry = Registry::default();
    let failed = |error: Duplicate| CommandError::failed(error.to_string());
    let replaced = |name: &str| own.iter().any(|own| own.replaces && own.name.as_str() == name);
    let shipped = SHIPPED.iter().filter(|(name, _)| !replaced(name));
    for (name, make) in shipped {
        let name = PluginName::parse(name).map_err(|error: BadName| CommandError::failed(error.to_string()))?;
        registry.add(name, make).map_err(failed)?;
    }
    for Own { name, component, .. } in own.into_iter().filter(|own| own.replaces || !is_shipped(&own.name)) {
        registry.add_component(name, component).map_err(failed)?;
    }
    Ok(registry)
}

/// These names are nobody else's.
pub(crate) fn is_shipped(name: &PluginName) -> bool {
    SHIPPED.iter().any(|(shipped, _)| *shipped == name.as_str())
}

/// Lines of `sha256sum`: the shipped plugins that are also shipped as components.
#[cfg(feature = "wasm")]
const COMPONENTS: &str = include_str!("../../plugins/guests/built/sha256sums");

/// Whether this is the component of that name that ships with this Sluice.
#[cfg(feature = "wasm")]
pub(crate) fn ships_as_component(name: &PluginName, sha256: &str) -> bool {
    let file = format!("{name}.wasm");
    COMPONENTS.lines().filter_map(|line| line.split_once("  ")).any(|line| line == (sha256, &file))
}

#[cfg(feature = "simulate")]
/// The same over a simulated world: AWS is its own, and whatever else goes out goes there.
pub(crate) fn simulated(world: &World) -> Result<Registry> {
    let aws = SimAws::new(world.clone());
    let aws = aws.map_err(|error| CommandError::failed(format!("the simulated AWS is not described: {error}")))?;
    let nats = sluice_nats::plugin_over(Arc::new(SimWire(world.clone())));
    let plugins: [Arc<dyn Plugin>; 4] =
        [Arc::new(aws), Arc::new(sluice_axiom::plugin()), Arc::new(Harmless(sluice_base::plugin())), Arc::new(nats)];
    let mut registry = Registry::default();
    for plugin in plugins {
        let name = plugin.describe().name.clone();
        registry.add(name, move || plugin.clone()).map_err(|error| CommandError::failed(error.to_string()))?;
    }
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use sluice_plugin::Effect;

    use super::*;

    #[test]
    fn every_plugin_is_of_the_name_it_stands_under() {
        for (name, make) in SHIPPED {
            assert_eq!(make().name().as_str(), *name);
        }
    }

    #[cfg(feature = "wasm")]
    #[test]
    fn the_components_that_ship_are_those_whose_digests_do() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/guests/built");
        for line in COMPONENTS.lines() {
            let (sha256, file) = line.split_once("  ").unwrap();
            let found = sluice_engine::ids::Sha256::of(&std::fs::read(folder.join(file)).unwrap());
            assert_eq!(found.to_string(), sha256, "{file}");
            assert!(is_shipped(&PluginName::parse(file.strip_suffix(".wasm").unwrap()).unwrap()), "{file}");
        }
    }

    /// Each of these is tried twice by a test of its plugin.
    #[test]
    fn these_changes_may_be_repeated() {
        let mut found = Vec::new();
        for (_, make) in SHIPPED {
            let plugin = make();
            let actions = plugin.describe().actions.iter();
            found.extend(
                actions.filter(|spec| spec.idempotent && spec.effect != Effect::Read).map(|spec| spec.name.to_string()),
            );
        }
        assert_eq!(found, ["base.file", "base.spool_drop", "base.toy_change", "nats.step_down"]);
    }

    #[test]
    fn every_action_is_found_under_the_name_it_gives_itself() {
        for (_, make) in SHIPPED {
            let plugin = make();
            for spec in &plugin.describe().actions {
                assert_eq!(plugin.action(spec.name.operation()), Some(spec));
            }
        }
    }
}
