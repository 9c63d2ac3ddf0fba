//! Which inventory counts, and what it says: found by flag, by environment, or upwards from the current folder.
//!
//! Whether it may be used is `trust`'s to say.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use sluice_engine::ids::Sha256;
use sluice_engine::inventory::{Inventory, parse};
use sluice_engine::source::Source;
use sluice_engine::yaml;

use crate::error::{CommandError, Result};
use crate::paths;

/// The name that is looked for.
pub(crate) const FILE: &str = "sluice.yaml";

/// An inventory file that is there and valid.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Absolute, without links.
    pub(crate) path: PathBuf,
    /// Of the bytes that were read: what is trusted is exactly what is used.
    pub(crate) digest: Sha256,
    pub(crate) source: Source,
    pub(crate) inventory: Inventory,
}

impl Found {
    /// The folder it stands in; what it names relatively is relative to this.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    pub(crate) fn shown(&self) -> String {
        paths::shown(&self.path)
    }
}

/// The inventory named by the flag or by SLUICE_INVENTORY, else the nearest one from the current folder upwards.
pub(crate) fn find(named: Option<&Path>) -> Result<Option<Found>> {
    place(named)?.map(read).transpose()
}

/// Where that is, valid or not.
pub(crate) fn place(named: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(path) = named else { return Ok(nearest()) };
    let found = path.canonicalize().map_err(|error| {
        CommandError::usage(format!("there is no inventory {}: {error}", path.display()))
            .hint("it was named by --inventory or SLUICE_INVENTORY")
    })?;
    Ok(Some(found))
}

/// One that is about to be written, in the current folder.
#[cfg(feature = "wasm")]
pub(crate) fn none_yet() -> Result<Found> {
    let here = env::current_dir().and_then(|here| here.canonicalize());
    let here = here.map_err(|error| CommandError::failed(format!("cannot tell where this is: {error}")))?;
    let source = Source::new(FILE, "");
    Ok(Found { path: here.join(FILE), digest: Sha256::of(b""), source, inventory: Inventory::default() })
}

fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?.canonicalize().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

fn read(path: PathBuf) -> Result<Found> {
    let name = paths::shown(&path);
    let bytes = fs::read(&path).map_err(|error| CommandError::failed(format!("cannot read {name}: {error}")))?;
    let invalid = |found| CommandError::invalid(&format!("the inventory {name}"), found);
    let source = yaml::read(&name, &bytes).map_err(|found| invalid(vec![found]))?;
    let inventory = parse(&source).map_err(invalid)?;
    Ok(Found { path, digest: Sha256::of(&bytes), source, inventory })
}
