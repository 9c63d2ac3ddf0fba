//! `sluice plugin remove`

use sluice_plugin::PluginName;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::{components, inventory_edit, paths, trust};

const AFTER: &str = "\
Takes a plugin of one's own out of the inventory, with all that it was granted. Its file stays where it is.

Examples:
  sluice plugin remove acme";

/// Take a plugin out of the inventory
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let name = PluginName::parse(&args.name).map_err(|error| CommandError::usage(error.to_string()))?;
    let found = context.inventory()?.ok_or_else(|| CommandError::usage("there is no inventory from here upwards"))?;
    let pinned = found.inventory.plugins.get(&name).and_then(|entry| entry.component.as_ref()).ok_or_else(|| {
        CommandError::usage(format!("{} names no plugin `{name}` of its own", found.shown()))
            .hint("`sluice plugin list` shows those it names")
    })?;
    let file = components::file(found, pinned);
    inventory_edit::write(found, &inventory_edit::without(found, &name)?)?;
    context.note(&format!("{} is out of {}; its file is left: {}", name, found.shown(), paths::shown(&file)));
    context.note(&format!("trust the inventory as it is: {}", trust::command(found)));
    Ok(Exit::DONE)
}
