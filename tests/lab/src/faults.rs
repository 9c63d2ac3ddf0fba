//! The faults a lab can be given, as the command line and the control API name them, and what each does.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cloud::{self, Replacement};
use crate::daemon::World;
use crate::error::{Context, Error, Result};
use crate::plan::NODES;
use crate::ready;
use crate::referee;
use crate::server::Doing;

/// One fault. NODE is 1, 2, 3 or the node's name.
#[derive(Clone, Debug, Serialize, Deserialize, Subcommand)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// End the node's server (SIGKILL); its instance and store stay
    Kill { node: String },
    /// Stop the node's server (SIGSTOP): it keeps its connections and answers nothing
    Freeze { node: String },
    /// Let a frozen or slowed server run again
    Thaw { node: String },
    /// Let the server run only part of the time, also after a replacement, which makes a lagging replica
    Slow {
        node: String,
        /// The part of the time it runs, as in 0.03
        #[arg(long)]
        duty: f64,
    },
    /// Start a killed server on its own store
    Start { node: String },
    /// Lose the instance with its store; its group launches a new one
    Replace {
        node: String,
        /// The new server has a new name, so the old peer stays in the groups as a ghost
        #[arg(long)]
        #[serde(default)]
        new_name: bool,
        /// Seconds from launch to the start of the server
        #[arg(long)]
        boot_delay: Option<f64>,
    },
    /// Delete a stream
    DeleteStream { name: String },
    /// Refuse connections to AWS
    AwsDown,
    /// Accept them again
    AwsUp,
    /// Let the next N calls of an AWS operation fail
    AwsError {
        /// As in DescribeAutoScalingGroups
        operation: String,
        times: u32,
        /// The error code
        #[arg(long, default_value = "InternalFailure")]
        code: String,
        /// The HTTP status
        #[arg(long, default_value_t = 500)]
        status: u16,
    },
    /// Take back all of it: thaw, start what is dead, AWS up and without errors
    Clear,
}

/// Does it; the answer says what was done.
pub(crate) async fn apply(world: &Arc<World>, fault: Fault) -> Result<Value> {
    let plan = &world.plan;
    world.log(&format!("fault {fault:?}"));
    match fault {
        Fault::Kill { node } => {
            let n = plan.node_number(&node)?;
            judge(world, n, "fault kill").await?;
            world.node(n)?.lock().await.kill(plan).await?;
        }
        Fault::Freeze { node } => running(world, &node).await?.freeze(),
        Fault::Thaw { node } => running(world, &node).await?.thaw(),
        Fault::Slow { node, duty } => {
            if !(duty > 0.0 && duty < 1.0) {
                return Err(Error::new(format!("duty {duty}: say a part of the time, as in 0.03")));
            }
            world.node(plan.node_number(&node)?)?.lock().await.slow(duty);
        }
        Fault::Start { node } => start(world, plan.node_number(&node)?).await?,
        Fault::Replace { node, new_name, boot_delay } => {
            let how = Replacement { new_name, boot_delay: boot_delay.map(seconds).transpose()? };
            return replace(world, plan.node_number(&node)?, how).await;
        }
        Fault::DeleteStream { name } => {
            let context = jetstream::new(ready::connect(plan, world.keys.user("admin")?).await?);
            ready::api(&context, &format!("STREAM.DELETE.{name}"), &json!({})).await?;
            world.deleted(&name);
        }
        Fault::AwsDown => drop(cloud::tell(plan, "/down", json!({})).await?),
        Fault::AwsUp => drop(cloud::tell(plan, "/up", json!({})).await?),
        Fault::AwsError { operation, times, code, status } => {
            let body = json!({ "operation": operation, "times": times, "code": code, "status": status });
            cloud::tell(plan, "/error", body).await?;
        }
        Fault::Clear => clear(world).await?,
    }
    Ok(json!({ "done": true }))
}

async fn running<'a>(world: &'a World, node: &str) -> Result<tokio::sync::MutexGuard<'a, crate::server::Node>> {
    let node = world.node(world.plan.node_number(node)?)?.lock().await;
    match node.pid() {
        Some(_) => Ok(node),
        None => Err(Error::new(format!("{} has no process (it is {:?})", node.server_name, node.doing))),
    }
}

async fn start(world: &World, n: u8) -> Result<()> {
    let mut node = world.node(n)?.lock().await;
    match node.doing {
        Doing::Stopped => node.start(&world.plan, &world.keys, &world.programs),
        Doing::Running | Doing::Frozen | Doing::Slowed => Err(Error::new("its server has a process already")),
        Doing::Terminating | Doing::Booting => Err(Error::new("its instance is being replaced; the server will start")),
    }
}

async fn replace(world: &Arc<World>, n: u8, how: Replacement) -> Result<Value> {
    let marked = cloud::tell(&world.plan, "/begin", json!({ "group": world.plan.group(n) })).await?;
    let instance = marked.get("instance").and_then(Value::as_str).context("no instance")?.to_owned();
    judge(world, n, "fault replace").await?;
    world.spawn_replacement(n, instance.clone(), how);
    Ok(json!({ "terminating": instance }))
}

/// The referee's verdict on losing the node now, kept.
pub(crate) async fn judge(world: &World, n: u8, cause: &str) -> Result<()> {
    let instance = world.node(n)?.lock().await.instance.clone();
    let verdict = referee::judge(&world.plan, world.streams(), n, &instance, cause).await;
    world.record(verdict);
    Ok(())
}

async fn clear(world: &World) -> Result<()> {
    for n in NODES {
        let mut node = world.node(n)?.lock().await;
        node.thaw();
        if node.doing == Doing::Stopped && !node.instance.is_empty() {
            node.start(&world.plan, &world.keys, &world.programs)?;
        }
    }
    cloud::tell(&world.plan, "/clear", json!({})).await.map(drop)
}

fn seconds(value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).context(format!("{value} seconds"))
}
