//! `cargo lab demo`: the product's first minutes, on a lab of its own, every command shown before it runs.
//! It knows the product's command line only.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use crate::background;
use crate::cli::{block_on, teller};
use crate::error::{Context, Error, Result};
use crate::inventory;
use crate::lab::Lab;
use crate::load::Load;
use crate::plan::{Options, Plan};
use crate::process::Proc;
use crate::registry::{self, Found};
use crate::second;

/// The lab's name, unless another is given.
pub(crate) const NAME: &str = "demo";

/// What is run; `SLUICE` stands for the product.
const STEPS: [&[&str]; 3] = [
    &["run", "hello"],
    &["run", "health-check", "-i", "cluster=nats-staging"],
    &["run", "connect", "-i", "cluster=nats-staging", "--", "sh", "-c", "echo connected with $NATS_URL"],
];

/// The exit code of a run that waits for an answer.
const WAITS: i32 = 7;

/// How it is done.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Leave the lab up
    #[arg(long)]
    keep: bool,
    /// Show this program instead of building it
    #[arg(long, value_name = "PATH")]
    product: Option<PathBuf>,
}

/// Builds, brings up, runs, says the verdict, takes down (unless asked to keep the lab).
pub(crate) fn run(name: &str, demo: Demo) -> Result<ExitCode> {
    let start = Instant::now();
    let product = demo.product.map_or_else(build, Ok)?;
    background::start(name, &Options::default(), &teller())?;
    let up = Up(Some(registry::pick(Some(name))?));
    let (failed, there) = up.walk(&product)?;
    if demo.keep {
        up.leave();
    } else {
        drop(up);
    }
    say!("\ngo on:");
    next(name, demo.keep).iter().for_each(|line| say!("  {line}"));
    verdict(&failed, start);
    say!("{there}");
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The lab while the demo runs. Whatever happens to the demo, it is taken down.
struct Up(Option<Found>);

impl Up {
    /// What failed, and what became of the messages.
    fn walk(&self, product: &Path) -> Result<(Vec<String>, String)> {
        let lab = self.0.as_ref().context("no lab")?;
        let mut failed = walk(product, &lab.plan)?;
        let there = replace(product, &lab.plan, &mut failed)?;
        Ok((failed, there))
    }

    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|lab| background::stop(&lab, false)) {
            say!("error: the lab is not taken down: {error}");
        }
    }
}

fn build() -> Result<PathBuf> {
    say!("$ cargo build --locked -p sluice");
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
        let status = play_out(command(product, plan).args(step), product)?;
        if !status.success() {
            failed.push(format!("sluice {}: {status}", step.join(" ")));
        }
    }
    Ok(failed)
}

fn play_out(command: &mut Command, product: &Path) -> Result<ExitStatus> {
    let mut child = command.spawn().context(product.display())?;
    background::beside(Proc::of(child.id()));
    let status = child.wait().context(product.display())?;
    background::beside(None);
    background::end_if_told();
    Ok(status)
}

/// Replaces a node under load: one terminal asks for it, a second one says yes. Answers what became of the messages.
fn replace(product: &Path, plan: &Plan, failed: &mut Vec<String>) -> Result<String> {
    let lab = Lab::attach(Some(&plan.name))?;
    say!("\n$ cargo lab load --rate 500        # a publisher, and consumers, from here to the end");
    block_on(lab.load(Load::steady()))?;
    let (cluster, name) = (format!("cluster={}", plan.options.cluster), plan.node_name(2));
    let asks = ["run", "replace-node", "-i", &cluster, "-i", &format!("node={name}")];
    show(&asks);
    let asked = play_out(command(product, plan).args(asks).stdin(Stdio::null()), product)?;
    if asked.code() != Some(WAITS) {
        failed.push(format!("sluice {}: {asked}, and it was to wait for a yes", asks.join(" ")));
        return Ok("no node was replaced".to_owned());
    }
    say!("\nNobody can be asked there, so it waits. In a second terminal, where somebody reads and types the name:");
    let says = ["confirm", "last"];
    show(&says);
    let mut confirm = command(product, plan);
    confirm.args(says);
    let confirmed = second::answering(confirm, &name)?;
    if !confirmed.success() {
        failed.push(format!("sluice {}: {confirmed}", says.join(" ")));
    }
    block_on(audited(&lab, failed))
}

/// What the cloud's record, the referee and the ledger say of it.
async fn audited(lab: &Lab, failed: &mut Vec<String>) -> Result<String> {
    let ended = lab.terminations().await?;
    let unsafe_ones = ended.iter().filter(|ended| !ended.verdict.safe).count();
    lab.load(Load::stop()).await?;
    let audit = lab.audit().await?;
    if ended.len() != 1 || unsafe_ones > 0 {
        failed.push(format!("{} instances were ended, {unsafe_ones} of them unsafely; it was to be one", ended.len()));
    }
    if audit.lost > 0 {
        failed.push(format!("{} acknowledged messages are lost", audit.lost));
    }
    Ok(format!(
        "instances ended: {}, unsafely: {unsafe_ones}; {} of {} messages there",
        ended.len(),
        audit.there,
        audit.counts.acked
    ))
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
    // What is trusted here is gone with the lab; the user's own trust is for what they looked at.
    command.env("XDG_STATE_HOME", plan.folder.join("user-state"));
    for name in inventory::foreign(plan) {
        command.env_remove(name);
    }
    command
}

fn show(arguments: &[&str]) {
    let word = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() };
    say!("\n$ sluice {}", arguments.iter().map(word).collect::<Vec<_>>().join(" "));
}

fn verdict(failed: &[String], start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    match failed {
        [] => say!("\nall {} runbooks did what they should; {seconds:.1} s in all, building included", STEPS.len() + 1),
        failed => say!("\nFAILED after {seconds:.1} s:\n  {}", failed.join("\n  ")),
    }
}

/// What to type next. Each lab has its own addresses, so its inventory is a new one that nobody has looked at.
fn next(name: &str, up: bool) -> Vec<String> {
    let start = (!up).then(|| format!("cargo lab up --name {name}"));
    let then = [
        format!("eval \"$(cargo lab env --name {name})\"               # this shell now works on the lab"),
        "cargo run --locked -p sluice -- trust             # look at its inventory, and trust it".to_owned(),
        "cargo run --locked -p sluice -- run health-check -i cluster=nats-staging".to_owned(),
        "cargo lab fault freeze 2                          # and look again; then: cargo lab fault thaw 2".to_owned(),
        format!("cargo lab down --name {name}"),
    ];
    start.into_iter().chain(then).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_is_trusted_before_it_is_run() {
        for up in [false, true] {
            let lines = next("a", up);
            let at = |part: &str| lines.iter().position(|line| line.contains(part));
            let (env, trust, run) = (at("cargo lab env --name a"), at("-- trust"), at("-- run health-check"));
            assert!(env < trust && trust < run && env.is_some(), "{lines:#?}");
            assert_eq!(at("cargo lab up").is_none(), up, "{lines:#?}");
        }
    }
}
