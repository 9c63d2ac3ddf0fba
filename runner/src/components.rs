//! Plugins of one's own: the components that the inventory names, taken into the sandbox of `sluice-wasm`.
//!
//! An inventory that is not trusted makes none: whoever can write a folder would decide what is run, if only in a sandbox.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sluice_engine::ids::Sha256;
use sluice_engine::inventory::{Component as Pinned, PluginEntry};
use sluice_engine::registry::Component as InEngine;
use sluice_plugin::{Effect, Plugin, PluginName};
use sluice_wasm::{Cache, Component, Home, LARGEST, Raised, WasmPlugin};

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::plugins::Own;
use crate::{inventory, paths, plugins, trust};

/// Those of the inventory that counts from here. An inventory that cannot be read says so elsewhere.
pub(crate) fn own(context: &Context) -> Vec<Own> {
    let Ok(Some(found)) = context.inventory() else { return Vec::new() };
    let named = found.inventory.plugins.iter();
    named
        .filter_map(|(name, entry)| {
            let pinned = entry.component.as_ref()?;
            let trusted = context.is_trusted(found).unwrap_or(false);
            let component = InFile {
                name: name.clone(),
                file: file(found, pinned),
                pinned: Sha256::from_hex(&pinned.sha256)?,
                raised: raised(entry),
                untrusted: (!trusted).then(|| untrusted(found)),
            };
            // Whoever trusts it means the sandbox: what ships natively must not quietly do it instead.
            Some(Own { name: name.clone(), replaces: trusted, component: Arc::new(component) })
        })
        .collect()
}

/// One that the inventory names.
struct InFile {
    name: PluginName,
    file: PathBuf,
    pinned: Sha256,
    raised: Raised,
    /// Why nothing is made of it.
    untrusted: Option<String>,
}

type Said<T> = std::result::Result<T, String>;

impl InEngine for InFile {
    fn sha256(&self) -> Sha256 {
        self.pinned
    }

    fn bytes(&self) -> Said<Vec<u8>> {
        self.trusted()?;
        self.may_be_called_so()?;
        read(&self.file).map_err(|error| cannot_read(&self.file, &error))
    }

    fn plugin(&self, bytes: &[u8], sha256: Sha256) -> Said<Arc<dyn Plugin>> {
        self.trusted()?;
        let (name, digest) = (&self.name, sha256.to_string());
        let component = home()?.load(bytes, &digest);
        let component = component.map_err(|refused| format!("{}: {refused}", paths::shown(&self.file)))?;
        let said = &component.described.spec.name;
        if said != name {
            return Err(format!("the inventory calls it `{name}`, and it calls itself `{said}`"));
        }
        let known =
            |operation: &String| component.described.spec.actions.iter().any(|spec| spec.name.operation() == operation);
        if let Some(wrong) = self.raised.keys().find(|operation| !known(operation)) {
            return Err(format!("the inventory speaks of its action `{wrong}`, and it has none of that name"));
        }
        Ok(Arc::new(WasmPlugin::new(component, &self.raised)))
    }
}

impl InFile {
    /// What a run kept was taken when it was begun, by the Sluice of that day; this is asked of what is in the file.
    fn may_be_called_so(&self) -> Said<()> {
        let name = &self.name;
        if plugins::is_shipped(name) && !plugins::ships_as_component(name, &self.pinned.to_string()) {
            return Err(format!(
                "`{name}` ships with Sluice, and this is not the component of it that ships: give yours another name, or \
                 add the one that ships with this version"
            ));
        }
        Ok(())
    }

    fn trusted(&self) -> Said<()> {
        self.untrusted.as_ref().map_or(Ok(()), |why| Err(why.clone()))
    }
}

fn cannot_read(file: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", paths::shown(file))
}

fn untrusted(found: &inventory::Found) -> String {
    if let Err(error) = trust::safe(found) {
        return error.message;
    }
    format!("the inventory {} names it and is not trusted; {}", found.shown(), trust::command(found))
}

/// Where the component is: relative to the inventory that names it.
pub(crate) fn file(found: &inventory::Found, pinned: &Pinned) -> PathBuf {
    found.folder().join(&pinned.file)
}

/// The whole file; one that is too large is not even read.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is in a file that nobody has pinned.
pub(crate) fn look(file: &Path) -> Result<(Vec<u8>, Component)> {
    let shown = paths::shown(file);
    let bytes = read(file).map_err(|error| CommandError::usage(cannot_read(file, &error)))?;
    let component = home().map_err(CommandError::failed)?.look(&bytes);
    let component =
        component.map_err(|refused| CommandError::refused(format!("{shown} cannot be added: {refused}")))?;
    Ok((bytes, component))
}

/// One for the process. Without a cache of its own it still works, and each process compiles what it uses.
fn home() -> std::result::Result<Arc<Home>, String> {
    static HOME: OnceLock<std::result::Result<Arc<Home>, String>> = OnceLock::new();
    HOME.get_or_init(|| {
        let folder = paths::cache().map_err(|error| error.message)?.join("plugins");
        let cache = Cache::open(&folder).map_err(|error| tracing::warn!("{error}")).ok();
        Home::new(cache).map_err(|refused| refused.to_string())
    })
    .clone()
}

/// An action that may write somewhere changes something there, whatever it says of itself.
fn raised(entry: &PluginEntry) -> Raised {
    let writing = entry.http.iter().flat_map(|grant| grant.write.iter().flatten());
    let mut raised: Raised = writing.map(|operation| (operation.clone(), Effect::Change)).collect();
    for (operation, effect) in &entry.effects {
        let known = raised.entry(operation.clone()).or_insert(*effect);
        *known = (*known).max(*effect);
    }
    raised
}
