//! `sluice runs`: what ran here.

mod follow;
mod list;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::{Exit, Result};

pub(crate) use list::Row;

const AFTER: &str = "\
Examples:
  sluice runs                          the newest runs
  sluice runs --open                   those that are running or can be resumed
  sluice runs show last
  sluice runs follow last              watch a run of another terminal
  sluice runs show last --json | jq .outputs";

/// List runs, show one, or follow one
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
    Show(show::Args),
    Follow(follow::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.what {
        None => list::run(context, args.list),
        Some(What::List(args)) => list::run(context, args),
        Some(What::Show(args)) => show::run(context, args),
        Some(What::Follow(args)) => follow::run(context, args),
    }
}
