//! The verbs: one file each, with its arguments, its help and what it does. A new one is a file and a line in the list.

mod actions;
mod cancel;
mod check;
mod completions;
mod confirm;
mod deny;
mod doctor;
mod explain;
mod export;
#[cfg(feature = "aws")]
mod iam;
mod inbox;
mod locks;
mod new;
mod override_gate;
mod plan;
#[cfg(feature = "wasm")]
mod plugin;
mod replay;
mod resume;
mod run;
mod runs;
mod schema;
mod settle;
#[cfg(feature = "simulate")]
mod simulate;
mod trust;
mod verify;
mod which;

use std::path::PathBuf;

use clap::{Args as _, FromArgMatches as _, Parser, Subcommand};

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::screen::Color;

const EXAMPLES: &str = "\
Examples:
  sluice run hello                               the first run; needs no cluster
  sluice trust                                   look at the inventory and trust it
  sluice doctor -i cluster=nats-staging          can this machine reach what it needs?
  sluice run health-check -i cluster=nats-staging
  sluice plan health-check -i cluster=nats-staging
  sluice runs                                    what ran here, and how it ended
  sluice resume last                             go on with an interrupted run";

/// Run operators' runbooks: gates are checked before anything dangerous, and everything is journaled
#[derive(Parser)]
#[command(name = "sluice", version, after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Command {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The inventory to use [default: the nearest sluice.yaml from here upwards]
    #[arg(long, global = true, env = "SLUICE_INVENTORY", value_name = "FILE", hide_env_values = true)]
    pub(crate) inventory: Option<PathBuf>,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Color,
}

/// The list of verbs: `Name(file)`. What each is for stands over its arguments.
macro_rules! verbs {
    ($($(#[$when:meta])* $name:ident($file:ident),)*) => {
        #[derive(Subcommand)]
        pub(crate) enum Verb { $($(#[$when])* $name($file::Args),)* }

        /// Each verb, and what adds its arguments.
        const VERBS: &[(&str, fn(clap::Command) -> clap::Command)] =
            &[$($(#[$when])* (stringify!($name), <$file::Args as clap::Args>::augment_args),)*];

        impl Verb {
            pub(crate) fn run(self, context: &Context) -> Result<Exit> {
                match self { $($(#[$when])* Self::$name(args) => $file::run(context, args),)* }
            }
        }
    };
}

verbs! {
    Run(run),
    Plan(plan),
    #[cfg(feature = "simulate")]
    Simulate(simulate),
    Check(check),
    Runs(runs),
    Resume(resume),
    Cancel(cancel),
    Inbox(inbox),
    Confirm(confirm),
    Deny(deny),
    Override(override_gate),
    Settle(settle),
    Locks(locks),
    Export(export),
    Verify(verify),
    Replay(replay),
    Doctor(doctor),
    Trust(trust),
    #[cfg(feature = "aws")]
    Iam(iam),
    Actions(actions),
    #[cfg(feature = "wasm")]
    Plugin(plugin),
    Explain(explain),
    New(new),
    Schema(schema),
    Completions(completions),
}

impl Command {
    /// What was typed. Only the arguments of the verb that is used are put together: all of them take a quarter of the time
    /// of a short run. Whatever is not right is said with all there is.
    pub(crate) fn typed() -> std::result::Result<Self, clap::Error> {
        let verbs =
            VERBS.iter().map(|(name, arguments)| clap::Command::new(name.to_ascii_lowercase()).defer(*arguments));
        let short = Global::augment_args(clap::Command::new("sluice").disable_help_subcommand(true)).subcommands(verbs);
        let matches = short.try_get_matches();
        matches.and_then(|found| Self::from_arg_matches(&found)).or_else(|_| Self::try_parse())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_verb_says_what_it_is_for() {
        for verb in Command::command().get_subcommands() {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", verb.get_name());
            assert!(verb.get_after_help().is_some(), "{} has no examples", verb.get_name());
        }
    }
}
