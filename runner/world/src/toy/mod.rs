//! The plugin `world`: acts on things that exist in the world and nowhere else, with every outcome an act can have.
//!
//! It is for trying the engine: what an act did is kept by the world, so a test can count it, and what the caller hears
//! of it is chosen by the caller. Acts of real plugins get their simulated effect in `state`, not here.

mod change;
mod things;

use serde_json::Value;
use sluice_plugin::{Abilities, ActionName, ActionSpec, BadName, Effect, Listed, NativePlugin, PluginName, PluginSpec};

use crate::world::World;

/// The plugin over this world. An error says that a name in this crate is no name.
pub fn plugin(world: &World) -> Result<NativePlugin, BadName> {
    let spec = PluginSpec {
        name: PluginName::parse("world")?,
        version: "simulated".to_owned(),
        summary: "Acts on things that exist in a simulated world only".to_owned(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let actions: Vec<Listed> = vec![
        ("change", Box::new(change::Change::new(world)?)),
        ("put", Box::new(things::Things::new(world, things::Deed::Put)?)),
        ("remove", Box::new(things::Things::new(world, things::Deed::Remove)?)),
        ("things", Box::new(things::Things::new(world, things::Deed::Look)?)),
    ];
    Ok(NativePlugin::new(spec, actions))
}

/// What differs between these actions.
struct About {
    name: &'static str,
    summary: &'static str,
    effect: Effect,
    idempotent: bool,
    reconciles: bool,
    input: Value,
    output: Value,
}

fn spec(about: About) -> Result<ActionSpec, BadName> {
    Ok(ActionSpec {
        name: ActionName::parse(about.name)?,
        summary: about.summary.to_owned(),
        effect: about.effect,
        idempotent: about.idempotent,
        gate: None,
        ephemeral: false,
        input: about.input,
        output: about.output,
        abilities: Abilities { reconcile: about.reconciles, preview: about.reconciles, ..Abilities::default() },
        permissions: Vec::new(),
        examples: Vec::new(),
        revision: 1,
    })
}
