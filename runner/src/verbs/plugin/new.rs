//! `sluice plugin new`

use std::io::ErrorKind;
use std::path::PathBuf;

use sluice_plugin::PluginName;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::{kit, paths, plugins, views};

const AFTER: &str = "\
Writes the sources of a plugin in Rust into a new folder: one action, its example, a runbook that uses it, and the kit it \
is built with. It is built with Rust's target wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown

Examples:
  sluice plugin new acme
  sluice plugin build acme && sluice plugin test acme";

/// Write the sources of a new plugin
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Small letters, digits and `_`: the part of its actions' names before the dot
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let name = PluginName::parse(&args.name).map_err(|error| CommandError::usage(error.to_string()))?;
    if plugins::is_shipped(&name) {
        return Err(CommandError::usage(format!("`{name}` is the name of a plugin that ships with Sluice")));
    }
    let folder = PathBuf::from(name.as_str());
    kit::write(&folder, name.as_str()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CommandError::usage(format!("there is a {name} here already"))
            .hint("choose another name, or another folder"),
        _ => CommandError::failed(format!("cannot write {}: {error}", paths::shown(&folder))),
    })?;
    views::out(&format!("{name}/src/lib.rs\n"))?;
    context.note(&format!("edit it, then: sluice plugin test {name} && sluice plugin add {name}/{name}.wasm"));
    Ok(Exit::DONE)
}
