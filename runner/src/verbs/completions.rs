//! `sluice completions`

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::views;

const AFTER: &str = "\
Examples:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice
  sluice completions zsh > \"${fpath[1]}/_sluice\"
  sluice completions fish > ~/.config/fish/completions/sluice.fish";

/// Print completions for a shell
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(_: &Context, args: Args) -> Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::Command::command(), "sluice", &mut script);
    views::out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::DONE)
}
