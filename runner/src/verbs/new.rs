//! `sluice new`

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sluice_engine::diagnostic::visible;
use sluice_engine::runbook::RunbookName;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::{builtin, paths, views};

const AFTER: &str = "\
Writes runbooks/NAME.yaml beside the inventory, or below the current folder where there is none. It never \
overwrites a file.

Examples:
  sluice new drain-node
  sluice check runbooks/drain-node.yaml && sluice run runbooks/drain-node.yaml";

/// Write the skeleton of a new runbook
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Small letters, digits and `-`
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let name = RunbookName::parse(&args.name).map_err(|error| CommandError::usage(error.to_string()))?;
    // Below the current folder where there is no inventory.
    let beside = context.inventory()?.map_or_else(PathBuf::new, |found| found.folder().to_owned());
    let file = beside.join("runbooks").join(format!("{name}.yaml"));
    let shown = paths::shown(&file);
    // Names count beside an inventory that is trusted.
    let named = match context.inventory()? {
        Some(found) => context.is_trusted(found)?,
        None => false,
    };
    let run = if named { name.to_string() } else { visible(&shown).into_owned() };
    write(&file, &skeleton(name.as_str(), &run))?;
    views::out(&format!("{}\n", visible(&shown)))?;
    if builtin::text(name.as_str()).is_some() {
        context.note(&format!("it hides the built-in runbook `{name}`"));
    }
    context.note(&format!("edit it, then: sluice check {run} && sluice run {run}"));
    Ok(Exit::DONE)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => CommandError::usage(format!("{} exists already", paths::shown(file)))
            .hint("choose another name, or remove the file first"),
        _ => CommandError::failed(format!("cannot write {}: {error}", paths::shown(file))),
    };
    fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).map_err(cannot)?;
    let mut out = fs::OpenOptions::new().write(true).create_new(true).open(file).map_err(cannot)?;
    out.write_all(text.as_bytes()).map_err(cannot)
}

/// Small, and it passes `check`: one input, one step, one gate, one output.
fn skeleton(name: &str, run: &str) -> String {
    include_str!("skeleton.yaml").replace("{NAME}", name).replace("{RUN}", run)
}
