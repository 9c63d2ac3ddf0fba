//! `sluice plugin`: plugins of one's own, from the first line to a step of a runbook.

mod add;
mod build;
mod list;
mod new;
mod remove;
mod test;

use clap::Subcommand;

use crate::context::Context;
use crate::error::{Exit, Result};

const AFTER: &str = "\
A plugin of one's own is a WebAssembly component. It runs in a sandbox: no files, no sockets, no environment; it \
reaches the origins and secrets that the inventory grants it, and nothing else.

Examples:
  sluice plugin list                  what there is, where it lives and what it may do
  sluice plugin new acme              the sources of a new one, in Rust
  sluice plugin build acme            to acme/acme.wasm
  sluice plugin test acme             its examples, in the sandbox
  sluice plugin add acme/acme.wasm    show what it asks, and put it into the inventory";

/// Add plugins of one's own, and make them
#[derive(clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    list: list::Args,
}

#[derive(Subcommand)]
enum What {
    List(list::Args),
    Add(add::Args),
    Remove(remove::Args),
    New(new::Args),
    Build(build::Args),
    Test(test::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.what {
        None => list::run(context, args.list),
        Some(What::List(args)) => list::run(context, args),
        Some(What::Add(args)) => add::run(context, args),
        Some(What::Remove(args)) => remove::run(context, args),
        Some(What::New(args)) => new::run(context, args),
        Some(What::Build(args)) => build::run(context, args),
        Some(What::Test(args)) => test::run(context, args),
    }
}
