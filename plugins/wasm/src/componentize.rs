//! From what a compiler makes for `wasm32-unknown-unknown`, a core module, to a component.

use wit_component::ComponentEncoder;

use crate::refused::Refused;

/// The module says itself which interfaces it has: the kit's macro wrote that into it.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Refused> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    let component = encoder.and_then(|mut encoder| encoder.encode());
    component.map_err(|error| Refused::NoComponent(format!("{error:#}")))
}
