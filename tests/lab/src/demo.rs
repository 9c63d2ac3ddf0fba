//! `cargo lab demo`: the product's first minutes, on a lab of its own, every command shown before it runs.
//! It knows the product's command line only.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::background;
use crate::cli::teller;
use crate::error::{Context, Error, Result};
use crate::inventory;
use crate::plan::{Options, Plan};
use crate::registry;

const NAME: &str = "demo";

/// What is run; `SLUICE` stands for the product.
const STEPS: [&[&str]; 3] = [
    &["run", "hello"],
    &["run", "health-check", "-i", "cluster=nats-staging"],
    &["run", "connect", "-i", "cluster=nats-staging", "--", "sh", "-c", "echo connected with $NATS_URL"],
];

/// Builds, brings up, runs, says the verdict, takes down (unless `keep`).
pub(crate) fn run(keep: bool) -> Result<ExitCode> {
    let start = Instant::now();
    let product = build()?;
    background::start(NAME, &Options::default(), &teller())?;
    let lab = registry::pick(Some(NAME))?;
    let outcome = walk(&product, &lab.plan);
    if !keep {
        background::stop(&lab, false)?;
    }
    let failed = outcome?;
    verdict(&failed, keep, start);
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build() -> Result<PathBuf> {
    eprintln!("$ cargo build --locked -p sluice");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--locked", "-p", "sluice"]).status().context("cargo")?;
    if !status.success() {
        return Err(Error::new("the product does not build; see above"));
    }
    let own = std::env::current_exe().context("own path")?;
    Ok(own.parent().context("own folder")?.join("sluice"))
}

/// Runs the steps; answers those that failed.
fn walk(product: &Path, plan: &Plan) -> Result<Vec<String>> {
    trust(product, plan)?;
    let mut failed = Vec::new();
    for step in STEPS {
        show(step);
        let status = command(product, plan).args(step).status().context(product.display())?;
        if !status.success() {
            failed.push(format!("sluice {}: {status}", step.join(" ")));
        }
    }
    Ok(failed)
}

/// The inventory was written a moment ago by this lab, so its digest is trusted as printed.
fn trust(product: &Path, plan: &Plan) -> Result<()> {
    show(&["trust", "--print-digest"]);
    let answer = command(product, plan).args(["trust", "--print-digest"]).output().context(product.display())?;
    let digest = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if !answer.status.success() {
        return Err(Error::new(format!("sluice trust: {}", String::from_utf8_lossy(&answer.stderr).trim())));
    }
    if digest.is_empty() {
        return Err(Error::new("sluice trust --print-digest printed no digest"));
    }
    show(&["trust", "--digest", &digest]);
    let status = command(product, plan).args(["trust", "--digest", &digest]).status().context(product.display())?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("sluice trust: {status}"))) }
}

fn command(product: &Path, plan: &Plan) -> Command {
    let mut command = Command::new(product);
    command.envs(inventory::environment(plan));
    for name in inventory::foreign(plan) {
        command.env_remove(name);
    }
    command
}

fn show(arguments: &[&str]) {
    let word = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
    eprintln!("\n$ sluice {}", arguments.iter().map(word).collect::<Vec<_>>().join(" "));
}

fn verdict(failed: &[String], keep: bool, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    match failed {
        [] => {
            eprintln!("\nall {} runbooks did what they should; {seconds:.1} s in all, building included", STEPS.len())
        }
        failed => eprintln!("\nFAILED after {seconds:.1} s:\n  {}", failed.join("\n  ")),
    }
    eprintln!("go on:");
    if keep {
        eprintln!("  eval \"$(cargo lab env --name {NAME})\"      # this shell now works on the lab");
    } else {
        eprintln!("  cargo lab up --name {NAME} && eval \"$(cargo lab env --name {NAME})\"");
    }
    eprintln!("  cargo run --locked -p sluice -- run health-check -i cluster=nats-staging");
    eprintln!("  cargo lab fault freeze 2                  # and look again; then: cargo lab fault thaw 2");
    eprintln!("  cargo lab down --name {NAME}");
}
