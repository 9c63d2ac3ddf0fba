//! Plugins of one's own: the components that the inventory names, taken into the sandbox of `sluice-wasm`.
//!
//! An inventory that is not trusted makes none: whoever can write a folder would decide what is run, if only in a sandbox.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sluice_engine::inventory::{Component as Pinned, PluginEntry};
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
    let named = named.filter_map(|(name, entry)| Some((name.clone(), entry.component.clone()?, entry)));
    named
        .map(|(name, pinned, entry)| {
            let raised = raised(entry);
            let trusted = context.is_trusted(found).unwrap_or(false);
            let untrusted = (!trusted).then(|| untrusted(found));
            // Whoever trusts it means the sandbox: what ships natively must not quietly do it instead.
            let replaces = trusted;
            let (file, of) = (file(found, &pinned), name.clone());
            let make = move || match &untrusted {
                Some(why) => Err(why.clone()),
                None => made(&of, &file, &pinned, &raised),
            };
            Own { name, replaces, make: Box::new(make) }
        })
        .collect()
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

fn made(
    name: &PluginName,
    file: &Path,
    pinned: &Pinned,
    raised: &Raised,
) -> std::result::Result<Arc<dyn Plugin>, String> {
    if plugins::is_shipped(name) && !plugins::ships_as_component(name, &pinned.sha256) {
        return Err(format!(
            "`{name}` ships with Sluice, and this is not the component of it that ships: give yours another name, or add the \
             one that ships with this version"
        ));
    }
    let component = load(file, &pinned.sha256)?;
    let said = &component.described.spec.name;
    if said != name {
        return Err(format!("the inventory calls it `{name}`, and it calls itself `{said}`"));
    }
    let known =
        |operation: &String| component.described.spec.actions.iter().any(|spec| spec.name.operation() == operation);
    if let Some(wrong) = raised.keys().find(|operation| !known(operation)) {
        return Err(format!("the inventory speaks of its action `{wrong}`, and it has none of that name"));
    }
    Ok(Arc::new(WasmPlugin::new(component, raised)))
}

/// The whole file; one that is too large is not even read.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The component that is pinned, if it is what is in the file.
pub(crate) fn load(file: &Path, sha256: &str) -> std::result::Result<Component, String> {
    let shown = paths::shown(file);
    let bytes = read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    home()?.load(&bytes, sha256).map_err(|refused| format!("{shown}: {refused}"))
}

/// What is in a file that nobody has pinned.
pub(crate) fn look(file: &Path) -> Result<(Vec<u8>, Component)> {
    let shown = paths::shown(file);
    let bytes = read(file).map_err(|error| CommandError::usage(format!("cannot read {shown}: {error}")))?;
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
