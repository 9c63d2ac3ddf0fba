//! The components the tests are made with: those that are committed, or those that were just built.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sluice_wasm::{Component, Home, Raised, WasmPlugin};

/// The folder of freshly built ones, for whoever builds them; else the one in the repository.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("SLUICE_GUESTS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../guests/built")), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// One for all tests: a component is compiled once.
pub(crate) fn home() -> Arc<Home> {
    static HOME: OnceLock<Arc<Home>> = OnceLock::new();
    HOME.get_or_init(|| Home::new(None).unwrap()).clone()
}

/// The one that means harm.
pub(crate) fn component() -> Component {
    static ATTACKS: OnceLock<Component> = OnceLock::new();
    ATTACKS.get_or_init(|| home().look(&bytes("attacks")).unwrap()).clone()
}

pub(crate) fn attacks() -> WasmPlugin {
    WasmPlugin::new(component(), &Raised::new())
}

pub(crate) fn axiom() -> WasmPlugin {
    static AXIOM: OnceLock<Component> = OnceLock::new();
    WasmPlugin::new(AXIOM.get_or_init(|| home().look(&bytes("axiom")).unwrap()).clone(), &Raised::new())
}

pub(crate) fn terraform() -> WasmPlugin {
    static TERRAFORM: OnceLock<Component> = OnceLock::new();
    WasmPlugin::new(TERRAFORM.get_or_init(|| home().look(&bytes("terraform")).unwrap()).clone(), &Raised::new())
}
