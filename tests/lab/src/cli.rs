//! The verbs of `cargo lab`. Progress goes to stderr, answers to stdout; it does nothing the library cannot.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::background;
use crate::bench;
use crate::crash;
use crate::demo::{self, Demo};
use crate::error::{Context, Result};
use crate::faults::Fault;
use crate::inventory;
use crate::lab::Lab;
use crate::load::Load;
use crate::plan::{Options, Plan};
use crate::registry;
use crate::suite;
use crate::upgrade;
use crate::view;

/// The runbook's world on loopback: three real nats-servers, AWS played by moto, faults, a referee and a ledger.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct Cli {
    /// The lab's name; not needed when only one is up
    // An id of its own: subcommands have names too, and clap would take theirs for it.
    #[arg(long = "name", id = "LAB", global = true, env = "SLUICE_LAB")]
    name: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring a lab up in the background
    Up(Options),
    /// End a lab: every process, then its files
    Down {
        /// Keep the folder with logs and stores
        #[arg(long)]
        keep: bool,
        /// All labs, and what is left of labs whose daemon died
        #[arg(long)]
        all: bool,
    },
    /// Show nodes, groups, the referee's verdicts
    Status {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the environment for a shell: eval "$(cargo lab env)"
    Env,
    /// Run a command in the lab's environment
    Exec {
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Do something bad to it
    #[command(subcommand)]
    Fault(Fault),
    /// Publish messages and remember what was acknowledged; 500 a second is what a cluster carries while it is worked on
    Load(Load),
    /// Compare the acknowledged messages with the delivered ones and the stream; exit code 1 when some are lost
    Audit,
    /// List the AWS calls: who asked what, when, and what was answered; one JSON document a line
    Calls {
        /// Only those after this number
        #[arg(long, default_value_t = 0)]
        since: u64,
    },
    /// List the referee's verdicts
    Verdicts,
    /// Build the product, bring a lab up, and walk through the first runbooks
    Demo(Demo),
    /// Run the whole test suite, installing first what it needs
    Test {
        /// Passed on to cargo test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure the product beside its peers, built for release
    Bench {
        /// Passed on: ROW, --runs N, --json, --check
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Weigh what collecting its metrics costs a node, beside a shell script and collectd, built for release
    Weigh {
        /// Passed on: --polls N, --check, --order
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kill a replacement of a node around every event of its journal, take it up again, and count what was ended
    Crash {
        /// Passed on: RUNBOOK, --points one-each|all|N, --from K, --only TEXT, --labs N, --rate N, --as-shipped, --list
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Take up with this product what an earlier one left, and the other way round
    Upgrade {
        /// The commit of the earlier one
        #[arg(long, default_value = "HEAD^")]
        from: String,
    },
    #[command(hide = true)]
    Daemon { lab: String, options: String },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            say!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let name = cli.name.as_deref();
    match cli.verb {
        Verb::Up(options) => up(name.unwrap_or("lab"), &options)?,
        Verb::Down { keep, all } => down(name, keep, all)?,
        Verb::Status { json } => status(name, json)?,
        Verb::Env => environment(&Lab::attach(name)?),
        Verb::Exec { command } => exec(&Lab::attach(name)?, &command)?,
        Verb::Fault(fault) => println!("{}", block_on(async { Lab::attach(name)?.fault(fault).await })?),
        Verb::Load(load) => {
            let counts = block_on(async { Lab::attach(name)?.load(load).await })?;
            println!("{}", view::counts(&counts));
        }
        Verb::Audit => {
            let audit = block_on(async { Lab::attach(name)?.audit().await })?;
            println!("{}", view::audit(&audit));
            return Ok(if audit.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Verb::Calls { since } => {
            for call in block_on(async { Lab::attach(name)?.calls(since).await })? {
                println!("{call}");
            }
        }
        Verb::Verdicts => {
            for verdict in block_on(async { Lab::attach(name)?.verdicts().await })? {
                print!("{}", view::verdict(&verdict));
            }
        }
        Verb::Demo(demo) => {
            // A shell that works on another lab does not mean that one.
            let own = name.filter(|name| std::env::var("SLUICE_LAB").as_deref() != Ok(*name));
            return demo::run(own.unwrap_or(demo::NAME), demo);
        }
        Verb::Test { arguments } => return suite::run(&arguments),
        Verb::Bench { arguments } => return bench::run(&arguments),
        Verb::Weigh { arguments } => return bench::weigh(&arguments),
        Verb::Crash { arguments } => crash::run(&arguments)?,
        Verb::Upgrade { from } => return upgrade::run(&from),
        Verb::Daemon { lab, options } => background::daemon(&lab, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines on stderr with the time since the start, the same with and without a terminal.
pub(crate) fn teller() -> impl Fn(&str) + Send + Sync {
    let start = Instant::now();
    move |text: &str| say!("[{:>5.1} s] {text}", start.elapsed().as_secs_f64())
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")?.block_on(work)
}

fn up(name: &str, options: &Options) -> Result<()> {
    let tell = teller();
    background::start(name, options, &tell)?;
    let plan: Plan = registry::pick(Some(name))?.plan;
    tell(&format!("lab '{name}' is ready: nodes {}.1-3, AWS http://{}", plan.net_text(), plan.aws()));
    say!("next:  eval \"$(cargo lab env --name {name})\"   or   cargo lab exec --name {name} -- COMMAND");
    say!("end:   cargo lab down --name {name}");
    Ok(())
}

fn down(name: Option<&str>, keep: bool, all: bool) -> Result<()> {
    let swept = registry::sweep()?;
    for orphan in &swept {
        say!("swept what was left of lab '{orphan}'");
    }
    let labs = match (all, registry::pick(name)) {
        (true, _) => registry::running()?,
        (false, Ok(lab)) => vec![lab],
        (false, Err(_)) if !swept.is_empty() => Vec::new(),
        (false, Err(error)) => return Err(error),
    };
    for lab in labs {
        background::stop(&lab, keep)?;
        say!("lab '{}' is down", lab.plan.name);
    }
    Ok(())
}

fn status(name: Option<&str>, json: bool) -> Result<()> {
    let status: Value = block_on(async { Lab::attach(name)?.status().await })?;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&status).context("status")?),
        false => print!("{}", view::status(&status)),
    }
    Ok(())
}

fn environment(lab: &Lab) {
    for name in inventory::foreign(lab.plan()) {
        println!("unset {name}");
    }
    for (key, value) in lab.env() {
        println!("export {key}={}", quoted(&value));
    }
}

fn exec(lab: &Lab, command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program);
    child.args(arguments).envs(lab.env());
    for name in inventory::foreign(lab.plan()) {
        child.env_remove(name);
    }
    // Replaces this process, so that signals and the terminal belong to the command alone.
    Err(child.exec()).context(program)
}

/// A word for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let faults: [&[&str]; 18] = [
            &["fault", "slow", "1", "--duty", "0.03"],
            &["fault", "replace", "2", "--new-name", "--boot-delay", "2"],
            &["fault", "aws-error", "DescribeAutoScalingGroups", "3"],
            &["fault", "boots-as", "1", "--server-name", "other", "--name", "a"],
            &["fault", "boots-as", "1", "--elsewhere", "--found-after", "5"],
            &["fault", "never-boots", "1", "--how", "crash"],
            &["fault", "bootstrap-line", "1", "missing"],
            &["fault", "axiom-429"],
            &["fault", "axiom-503"],
            &["fault", "axiom-away", "--cut"],
            &["fault", "axiom-rejects", "jsz.api"],
            &["fault", "axiom-loses-answers", "2"],
            &["fault", "ssm-lost", "1", "--after", "2"],
            &["fault", "log-group-gone"],
            &["fault", "suspend", "1"],
            &["fault", "aws-timeout-after", "TerminateInstanceInAutoScalingGroup", "1", "--cut"],
            &["fault", "r1-stream", "lonely", "2"],
            &["exec", "--name", "a", "--", "sh", "-c", "true"],
        ];
        for words in faults {
            let line = std::iter::once("cargo lab").chain(words.iter().copied());
            assert!(Cli::try_parse_from(line).is_ok(), "{words:?}");
        }
        let cli = Cli::try_parse_from(["cargo lab", "fault", "delete-stream", "pivot_main", "--name", "a"]).unwrap();
        assert_eq!(cli.name.as_deref(), Some("a"), "the lab's name is not the stream's");
        assert!(Cli::try_parse_from(["cargo lab", "fault", "boots-as", "1"]).is_err(), "as what?");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
