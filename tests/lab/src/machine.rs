//! The machine under a node's server, as a program that runs on it sees it: its units, its journal, its disk, its
//! bootstrap log. The names are the seed's; the programs that show all this are the adapter's (`adapter/node`).

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::daemon::World;
use crate::error::{Context, Result};
use crate::plan::{AdminSys, Plan};
use crate::process::Proc;
use crate::server::{Node, Setup};

/// No process ever has such a number: a command that ends what it takes for a unit's process ends nobody's.
const NOBODY: u32 = 1 << 23;
/// The node on which the admin's context of the NATS command line is.
const WITH_CONTEXT: u8 = 1;
/// Where a node's disk is mounted.
const DISK: &str = "/var/lib/nats";
/// By this variable whatever a command started on a node is found, wherever it has gone.
const MARK: &str = "SLUICE_LAB_NODE";

/// What happened on a machine since it was launched.
#[derive(Default)]
pub(crate) struct Machine {
    /// Where its part of the server's log begins.
    journal_from: u64,
    booted: Option<Timestamp>,
    /// Since when the server runs, or does not any more.
    since: Option<Timestamp>,
    ended: Option<ExitStatus>,
}

impl Machine {
    pub(crate) fn server_started(&mut self) {
        let now = Timestamp::now();
        self.booted.get_or_insert(now);
        self.since = Some(now);
        self.ended = None;
    }

    pub(crate) fn server_ended(&mut self, status: ExitStatus) {
        self.since = Some(Timestamp::now());
        self.ended = Some(status);
    }

    pub(crate) fn server_killed(&mut self) {
        self.server_ended(ExitStatus::from_raw(nix::sys::signal::Signal::SIGKILL as i32));
    }
}

/// The machine is another one: nothing of the old one runs, and nothing of what it wrote is there.
pub(crate) fn replace(node: &mut Node, plan: &Plan) -> Result<()> {
    let folder = plan.node_folder(node.n);
    end_commands(&folder)?;
    for file in ["bootstrap.log", "nats-context"] {
        // Most machines have not both.
        let _ = fs::remove_file(folder.join(file));
    }
    let journal_from = fs::metadata(folder.join("nats.log")).map_or(0, |log| log.len());
    node.machine = Machine { journal_from, ..Machine::default() };
    Ok(())
}

/// Appends to the machine's bootstrap log. It names the node's folder where a real one names the disk: so does every
/// command that reads it, and what a command says is shown with the real name again.
pub(crate) fn log_boot(plan: &Plan, n: u8, lines: &[String]) -> Result<()> {
    let (path, store) = (plan.node_folder(n).join("bootstrap.log"), plan.node_folder(n).join("store"));
    let text: String = lines.iter().map(|line| line.replace(DISK, &store.display().to_string()) + "\n").collect();
    let mut file = File::options().create(true).append(true).open(&path).context(path.display())?;
    file.write_all(text.as_bytes()).context(path.display())
}

/// Ends what commands started on a node, or on all nodes of a lab: whose folder it is.
pub(crate) fn end_commands(folder: &Path) -> Result<()> {
    Proc::end_marked(&format!("{MARK}={}/", folder.display()))
}

/// What a program on the machine is told when it asks.
pub(crate) async fn view(world: &World, n: u8) -> Result<Value> {
    let (plan, monitors) = (&world.plan, world.monitors().await);
    let mut node = world.node(n)?.lock().await;
    node.look();
    let folder = plan.node_folder(n);
    Ok(json!({
        "name": plan.node_name(n), "folder": folder, "store": folder.join("store"), "journal": folder.join("nats.log"),
        "journal_from": node.machine.journal_from, "units": units(&node),
        "disk": node.machine.booted.is_some() && node.setup == Setup::Whole,
        "context": n == WITH_CONTEXT, "system_rights": plan.options.admin_sys == AdminSys::Import,
        "monitors": monitors.map(|monitor| monitor.map(|address| address.to_string())),
    }))
}

fn units(node: &Node) -> Value {
    let machine = &node.machine;
    let nobody = |which: u32| NOBODY + 10 * u32::from(node.n) + which;
    let idle = || unit("inactive", "dead", 0, None, ("success", 0, 0));
    let nats = match (node.pid(), machine.ended) {
        (Some(pid), _) => unit("active", "running", pid, machine.since, ("success", 0, 0)),
        (None, Some(status)) if status.success() => idle(),
        (None, Some(status)) => unit("failed", "failed", 0, machine.since, outcome(status)),
        (None, None) => idle(),
    };
    let runs = |which| unit("active", "running", nobody(which), machine.booted, ("success", 0, 0));
    let (monitor, shipper) = match machine.booted {
        None => (idle(), idle()),
        // Nothing of it arrives in Axiom because nothing ships it.
        at if node.orders.axiom_silent => (runs(1), unit("failed", "failed", 0, at, ("exit-code", 1, 1))),
        _ => (runs(1), runs(2)),
    };
    json!({ "nats": nats, "nats-monitor": monitor, "fluent-bit": shipper })
}

/// systemd's result, and code and status of the process that ended.
fn outcome(status: ExitStatus) -> (&'static str, i32, i32) {
    match status.signal() {
        Some(signal) => ("signal", 2, signal),
        None => ("exit-code", 1, status.code().unwrap_or(1)),
    }
}

fn unit(
    active: &str,
    sub: &str,
    pid: u32,
    since: Option<Timestamp>,
    (result, code, status): (&str, i32, i32),
) -> Value {
    json!({
        "active": active, "sub": sub, "pid": pid, "since": since.map(Timestamp::as_second), "result": result,
        "code": code, "status": status,
    })
}
