//! What `schemas/plugin.wit` says, as types: generated, and turned into those of the contract.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../schemas/plugin.wit",
        world: "whole-plugin",
        imports: { default: async },
        exports: { default: async },
    });
}

pub(crate) use generated::WholePlugin as World;
pub(crate) use generated::exports::sluice::plugin as exported;
pub(crate) use generated::sluice::plugin as imported;
pub(crate) use imported::types;

mod convert {
    sluice_plugin::convert_wit!(super::types);
}

/// The version of the package in that file: what this Sluice offers to components.
pub(crate) const OFFERED: semver::Version = semver::Version::new(0, 1, 0);

/// The names of its interfaces begin so.
pub(crate) const PACKAGE: &str = "sluice:plugin/";
