//! The lab's AWS: the moto adapter's process, and the life of an instance from termination to its successor's boot.
//! It decides nothing about safety (the referee does) and answers no AWS call itself (the adapter does).

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::daemon::World;
use crate::error::{Context, Error, Result};
use crate::forward;
use crate::http;
use crate::machine;
use crate::mint::Keys;
use crate::plan::{ACCOUNT, ACT_ROLE, NODES, OPERATOR_ROLE, Plan, REGION, SERVICES};
use crate::process::Proc;
use crate::programs::Programs;
use crate::server::Doing;
use crate::ship;

/// The adapter's files; the first is the program.
const ADAPTER: [(&str, &str); 23] = [
    ("main.py", include_str!("../adapter/main.py")),
    ("agents.py", include_str!("../adapter/agents.py")),
    ("app.py", include_str!("../adapter/app.py")),
    ("build.py", include_str!("../adapter/build.py")),
    ("commands.py", include_str!("../adapter/commands.py")),
    ("diagnostic.py", include_str!("../adapter/diagnostic.py")),
    ("document.py", include_str!("../adapter/document.py")),
    ("faults.py", include_str!("../adapter/faults.py")),
    ("groups.py", include_str!("../adapter/groups.py")),
    ("insights.py", include_str!("../adapter/insights.py")),
    ("invocation.py", include_str!("../adapter/invocation.py")),
    ("logs.py", include_str!("../adapter/logs.py")),
    ("query.py", include_str!("../adapter/query.py")),
    ("refreshes.py", include_str!("../adapter/refreshes.py")),
    ("roles.py", include_str!("../adapter/roles.py")),
    ("script.py", include_str!("../adapter/script.py")),
    ("shapes.py", include_str!("../adapter/shapes.py")),
    ("wire.py", include_str!("../adapter/wire.py")),
    // Programs on the nodes.
    ("node/df.py", include_str!("../adapter/node/df.py")),
    ("node/journalctl.py", include_str!("../adapter/node/journalctl.py")),
    ("node/machine.py", include_str!("../adapter/node/machine.py")),
    ("node/nats.py", include_str!("../adapter/node/nats.py")),
    ("node/systemctl.py", include_str!("../adapter/node/systemctl.py")),
];
/// From the termination request to the end of the machine, and from the launch to InService.
const STEP: Duration = Duration::from_millis(500);

/// The adapter's process; it ends when this is dropped.
pub(crate) struct Adapter {
    child: Child,
}

impl Adapter {
    /// Starts the adapter and waits until it answers.
    pub(crate) async fn start(plan: &Plan, keys: &Keys, programs: &Programs) -> Result<Self> {
        let folder = plan.folder.join("adapter");
        std::fs::create_dir_all(folder.join("node")).context(folder.display())?;
        for (name, text) in ADAPTER {
            std::fs::write(folder.join(name), text).context(name)?;
        }
        let log = plan.folder.join("aws.log");
        let mut child = Command::new(&programs.python)
            .arg(folder.join("main.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context(log.display())?)
            .kill_on_drop(true)
            .spawn()
            .context(programs.python.display())?;
        if let Some(proc) = child.id().and_then(Proc::of) {
            proc.write(&plan.folder.join("adapter.pid"))?;
        }
        let config = config(plan, keys)?.to_string() + "\n";
        // Kept open in the child's handle: its end tells the adapter that the daemon is gone.
        child.stdin.as_mut().context("adapter's stdin")?.write_all(config.as_bytes()).await.context("adapter")?;
        let mut line = String::new();
        let out = child.stdout.take().context("adapter's stdout")?;
        BufReader::new(out).read_line(&mut line).await.context("adapter")?;
        if line.trim() != "ready" {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(Error::new(format!("the AWS adapter did not start: {}", log.trim())));
        }
        Ok(Adapter { child })
    }

    pub(crate) async fn end(&mut self) -> Result<()> {
        self.child.kill().await.context("ending the AWS adapter")
    }
}

/// A private request to the adapter.
pub(crate) async fn tell(plan: &Plan, path: &str, body: Value) -> Result<Value> {
    http::post(plan.adapter(), path, &body, Duration::from_secs(10)).await.context(format!("AWS adapter {path}"))
}

fn config(plan: &Plan, keys: &Keys) -> Result<Value> {
    let address = |a: std::net::SocketAddr| json!([a.ip().to_string(), a.port()]);
    let nodes = NODES
        .map(|n| json!({ "n": n, "name": plan.node_name(n), "group": plan.group(n), "folder": plan.node_folder(n) }));
    Ok(json!({
        "account": ACCOUNT, "region": REGION, "cluster": plan.options.cluster, "log_group": plan.log_group(),
        "aws": address(plan.aws()), "private": address(plan.adapter()), "hook": address(plan.control()),
        "nodes": nodes, "roles": [ACT_ROLE, OPERATOR_ROLE], "parameters": parameters(plan, keys)?,
    }))
}

fn parameters(plan: &Plan, keys: &Keys) -> Result<Vec<Value>> {
    let prefix = format!("/nats-cluster/{}", plan.options.cluster);
    let plain = |name: String, value: String| json!({ "name": name, "type": "String", "value": value });
    let secret = |name: String, value: &str| json!({ "name": name, "type": "SecureString", "value": value });
    let (admin, sys) = (keys.user("admin")?, keys.user("sys")?);
    let mut all = vec![
        secret(format!("{prefix}/admin/nats_admin_jwt"), &admin.jwt),
        secret(format!("{prefix}/admin/nats_admin_nkey_seed"), &admin.seed),
        secret(format!("{prefix}/system/nats_system_jwt"), &sys.jwt),
        secret(format!("{prefix}/system/nats_system_nkey_seed"), &sys.seed),
    ];
    for service in SERVICES {
        let (user, base) = (keys.user(service)?, format!("{prefix}/services/{service}"));
        all.push(plain(format!("{base}/nats_host"), plan.nats_host()));
        all.push(secret(format!("{base}/nats_admin_jwt"), &user.jwt));
        all.push(secret(format!("{base}/nats_admin_nkey_seed"), &user.seed));
    }
    Ok(all)
}

/// How a node is replaced.
#[derive(Clone, Copy, Default)]
pub(crate) struct Replacement {
    /// The new server calls itself after its instance, so the old peer stays in the groups as a ghost.
    pub(crate) new_name: bool,
    /// Instead of the lab's own.
    pub(crate) boot_delay: Option<Duration>,
}

/// The rest of a termination that was asked for and marked: the machine dies, and its successor boots.
pub(crate) async fn replace(world: Arc<World>, n: u8, instance: String, how: Replacement) -> Result<()> {
    let plan = &world.plan;
    world.node(n)?.lock().await.doing = Doing::Terminating;
    tokio::time::sleep(STEP).await;
    {
        let mut node = world.node(n)?.lock().await;
        node.kill(plan).await?;
        node.wipe(plan)?;
        machine::replace(&mut node, plan)?;
        node.instance.clear();
    }
    tell(plan, "/terminated", json!({ "instance": instance })).await?;
    let new = launched(&world, n).await?;
    {
        let mut node = world.node(n)?.lock().await;
        node.doing = Doing::Booting;
        node.note.clear();
        node.instance.clone_from(&new);
        world.log(&format!("{}: {instance} is gone with its store, {new} boots", plan.node_name(n)));
        node.server_name = if how.new_name { format!("{}-{new}", plan.node_name(n)) } else { plan.node_name(n) };
    }
    tokio::time::sleep(STEP).await;
    tell(plan, "/in_service", json!({ "instance": new })).await?;
    tokio::time::sleep(how.boot_delay.unwrap_or_else(|| world.boot_delay())).await;
    boot(&world, n, &new).await
}

/// The group's new instance, however often it has to try.
async fn launched(world: &World, n: u8) -> Result<String> {
    loop {
        let answer = tell(&world.plan, "/launch", json!({ "group": world.plan.group(n) })).await?;
        if let Some(new) = answer.get("instance").and_then(Value::as_str) {
            return Ok(new.to_owned());
        }
        let why = answer.get("why").and_then(Value::as_str).unwrap_or("nobody knows why");
        {
            let mut node = world.node(n)?.lock().await;
            node.doing = Doing::Empty;
            node.note = format!("no instance: {why}");
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Starts the server of an instance as its orders say, and writes what a boot writes to CloudWatch.
async fn boot(world: &World, n: u8, instance: &str) -> Result<()> {
    {
        let mut node = world.node(n)?.lock().await;
        // Terminated while it booted: its successor's replacement goes on instead.
        if node.instance != instance || node.doing != Doing::Booting {
            return Ok(());
        }
        let orders = node.orders.clone();
        let Some(setup) = orders.setup() else {
            node.doing = Doing::Stopped;
            node.note = "its instance is in service, and its server never starts".into();
            return Ok(());
        };
        node.setup = setup;
        node.octet = if orders.moves.is_some() { Plan::elsewhere(n) } else { Plan::home(n) };
        if let Some(name) = orders.server_name {
            node.server_name = name;
        }
        node.start(&world.plan, &world.keys, &world.programs).await?;
        let found = orders.moves.and_then(|moves| Duration::try_from_secs_f64(moves.found_after?).ok());
        node.forward = found.map(|after| forward::lead(&world.plan, n, after));
        world.log(&format!("{}: nats-server of {instance} started", node.server_name));
    }
    log_boot(world, n, instance).await
}

/// The lines of a boot, on the machine, in CloudWatch and in Axiom.
pub(crate) async fn log_boot(world: &World, n: u8, instance: &str) -> Result<()> {
    let name = world.plan.node_name(n);
    let lines = world.node(n)?.lock().await.orders.lines(&name, instance);
    let stream = format!("{name}-bootstrap-{instance}");
    machine::log_boot(&world.plan, n, &lines)?;
    tell(&world.plan, "/log", json!({ "node": name, "stream": stream, "lines": lines })).await?;
    // Axiom may be told to refuse them, and a boot goes on without it.
    let _ = ship::lines(world, n, instance, &lines).await;
    Ok(())
}
