//! What each fault does to the lab, and how all of it is taken back. It acts through the parts that own the things:
//! servers, the adapter, Axiom; the referee is asked before a node is lost.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use serde_json::{Value, json};
use tokio::sync::MutexGuard;

use crate::axiom::{Away, Trouble};
use crate::cloud::{self, Replacement};
use crate::daemon::World;
use crate::error::{Context, Error, Result};
use crate::faults::Fault;
use crate::forward;
use crate::impostor;
use crate::jsz;
use crate::orders::{Moves, NoDisk, Orders};
use crate::plan::{NODES, Plan, SERVICES, STREAM, checked_name};
use crate::ready;
use crate::referee::{self, Request};
use crate::server::{Doing, Node, Setup, wait_for};

const MESSAGES: u32 = 10;

/// Does it; the answer says what was done.
pub(crate) async fn apply(world: &Arc<World>, fault: Fault) -> Result<Value> {
    let plan = &world.plan;
    world.log(&format!("fault {fault:?}"));
    match fault {
        Fault::Kill { node } => lose(world, plan.node_number(&node)?, "fault kill").await.map(drop)?,
        Fault::Freeze { node } => running(world, &node).await?.freeze(),
        Fault::Thaw { node } => running(world, &node).await?.thaw(),
        Fault::Slow { node, duty } => slow(world, &node, duty).await?,
        Fault::Start { node } => start(world, plan.node_number(&node)?).await?,
        Fault::Wipe { node, stopped } => wipe(world, plan.node_number(&node)?, stopped).await?,
        Fault::Impostor { node, as_other } => stand_in(world, plan.node_number(&node)?, as_other).await?,
        Fault::Replace { node, new_name, boot_delay } => {
            let how = Replacement { new_name, boot_delay: boot_delay.map(seconds).transpose()? };
            return replace(world, plan.node_number(&node)?, how).await;
        }
        Fault::EmptyGroup { node, message } => {
            let n = plan.node_number(&node)?;
            no_launch(plan, n, &message).await?;
            return replace(world, n, Replacement::default()).await;
        }
        Fault::Refresh { node } => {
            let preferences = json!({ "Preferences.MinHealthyPercentage": 0 });
            return somebody(plan, plan.node_number(&node)?, "StartInstanceRefresh", preferences).await;
        }
        Fault::RefreshPending { seconds: pending } => {
            let body = json!({ "seconds": seconds(pending)?.as_secs_f64() });
            cloud::tell(plan, "/hesitate", body).await?;
        }
        Fault::Suspend { node, process } => {
            let processes = json!({ "ScalingProcesses.member.1": process });
            return somebody(plan, plan.node_number(&node)?, "SuspendProcesses", processes).await;
        }
        Fault::NoLaunch { node, message } => no_launch(plan, plan.node_number(&node)?, &message).await?,
        Fault::BootDelay { seconds: delay } => world.set_boot_delay(Some(seconds(delay)?)),
        Fault::NeverBoots { node, how } => order(world, &node, |orders| orders.no_boot = Some(how)).await?,
        Fault::BootsAs { node, server_name, elsewhere, found_after } => {
            found_after.map(seconds).transpose()?;
            server_name.as_deref().map(|name| checked_name("server name", name)).transpose()?;
            order(world, &node, |orders| {
                orders.server_name = server_name;
                orders.moves = elsewhere.then_some(Moves { found_after });
            })
            .await?;
        }
        Fault::NvmeNotMounted { node, runs } => {
            order(world, &node, |orders| orders.no_disk = Some(NoDisk { runs })).await?
        }
        Fault::BootstrapLine { node, line } => order(world, &node, |orders| orders.line = Some(line)).await?,
        Fault::OldBootLines { node } => about(plan, "/old_boot_lines", &node, None).await?,
        Fault::LogGroupGone => drop(cloud::tell(plan, "/log_group_gone", json!({})).await?),
        Fault::SsmUnregistered { node } => about(plan, "/ssm_unregistered", &node, None).await?,
        Fault::SsmLost { node, after } => about(plan, "/ssm_lost", &node, after.map(seconds).transpose()?).await?,
        Fault::AxiomSilent { node } => order(world, &node, |orders| orders.axiom_silent = true).await?,
        Fault::Axiom429 => world.axiom.trouble(|trouble| trouble.limited = true),
        Fault::Axiom503 => world.axiom.trouble(|trouble| trouble.broken = true),
        Fault::AxiomAway { cut } => world.axiom.trouble(|trouble| trouble.away = Some(Away::new(cut))),
        Fault::AxiomRejects { field } => world.axiom.trouble(|trouble| trouble.rejects.extend([field])),
        Fault::AxiomLosesAnswers { times } => world.axiom.trouble(|trouble| trouble.loses = times),
        Fault::R1Stream { name, node } => r1_stream(world, &name, plan.node_number(&node)?).await?,
        Fault::MoveLeaders => move_leaders(world).await?,
        Fault::MoveMeta { node } => move_meta(world, node).await?,
        Fault::DeleteStream { name } => delete_stream(world, &name).await?,
        Fault::AwsDown => drop(cloud::tell(plan, "/down", json!({})).await?),
        Fault::AwsUp => drop(cloud::tell(plan, "/up", json!({})).await?),
        Fault::AwsError { operation, times, code, status } => {
            let body =
                json!({ "operation": operation, "times": times, "how": "error", "code": code, "status": status });
            cloud::tell(plan, "/error", body).await?;
        }
        Fault::AwsThrottle { operation, times } => calls(plan, &operation, times, "throttle").await?,
        Fault::AwsHtml { operation, times } => calls(plan, &operation, times, "html").await?,
        Fault::AwsTimeoutAfter { operation, times, cut } => {
            calls(plan, &operation, times, if cut { "cut" } else { "silence" }).await?;
        }
        Fault::AwsExpired => drop(cloud::tell(plan, "/expired", json!({})).await?),
        Fault::Clear => clear(world).await?,
    }
    Ok(json!({ "done": true }))
}

async fn calls(plan: &Plan, operation: &str, times: u32, how: &str) -> Result<()> {
    let body = json!({ "operation": operation, "times": times, "how": how });
    cloud::tell(plan, "/error", body).await.map(drop)
}

/// Tells the adapter something of a node.
async fn about(plan: &Plan, path: &str, node: &str, after: Option<Duration>) -> Result<()> {
    let name = plan.node_name(plan.node_number(node)?);
    let body = json!({ "node": name, "after": after.map(|after| after.as_secs_f64()) });
    cloud::tell(plan, path, body).await.map(drop)
}

async fn order(world: &World, node: &str, give: impl FnOnce(&mut Orders)) -> Result<()> {
    give(&mut world.node(world.plan.node_number(node)?)?.lock().await.orders);
    Ok(())
}

async fn running<'a>(world: &'a World, node: &str) -> Result<MutexGuard<'a, Node>> {
    let node = world.node(world.plan.node_number(node)?)?.lock().await;
    match node.pid() {
        Some(_) => Ok(node),
        None => Err(Error::new(format!("{} has no process (it is {:?})", node.server_name, node.doing))),
    }
}

async fn slow(world: &World, node: &str, duty: f64) -> Result<()> {
    if !(duty > 0.0 && duty < 1.0) {
        return Err(Error::new(format!("duty {duty}: say a part of the time, as in 0.03")));
    }
    world.node(world.plan.node_number(node)?)?.lock().await.slow(duty);
    Ok(())
}

async fn start(world: &World, n: u8) -> Result<()> {
    let mut node = world.node(n)?.lock().await;
    match node.doing {
        Doing::Stopped => node.start(&world.plan, &world.keys, &world.programs).await,
        Doing::Running | Doing::Frozen | Doing::Slowed => Err(Error::new("its server has a process already")),
        Doing::Terminating | Doing::Booting => Err(Error::new("its instance is being replaced; the server will start")),
        Doing::Empty => Err(Error::new("its group has no instance")),
    }
}

/// Judges the loss and kills the server.
async fn lose<'a>(world: &'a World, n: u8, cause: &str) -> Result<MutexGuard<'a, Node>> {
    judge(world, n, cause, None).await?;
    let mut node = world.node(n)?.lock().await;
    node.kill(&world.plan).await?;
    Ok(node)
}

async fn wipe(world: &World, n: u8, stopped: bool) -> Result<()> {
    let mut node = lose(world, n, "fault wipe").await?;
    node.wipe(&world.plan)?;
    if stopped { Ok(()) } else { node.start(&world.plan, &world.keys, &world.programs).await }
}

async fn stand_in(world: &World, n: u8, as_other: bool) -> Result<()> {
    let mut node = lose(world, n, "fault impostor").await?;
    node.note = "something else answers on its monitoring port".into();
    let others = NODES.into_iter().filter(|other| *other != n).map(|other| world.plan.monitor(other)).collect();
    node.impostor = Some(impostor::stand_in(&world.plan, n, others, as_other).await?);
    Ok(())
}

async fn replace(world: &Arc<World>, n: u8, how: Replacement) -> Result<Value> {
    let marked = cloud::tell(&world.plan, "/begin", json!({ "group": world.plan.group(n) })).await?;
    let instance = marked.get("instance").and_then(Value::as_str).context("no instance")?.to_owned();
    judge(world, n, "fault replace", None).await?;
    world.spawn_replacement(n, instance.clone(), how);
    Ok(json!({ "terminating": instance }))
}

/// The referee's verdict on losing the node now, kept.
pub(crate) async fn judge(world: &World, n: u8, cause: &str, request: Option<Request>) -> Result<()> {
    let instance = world.node(n)?.lock().await.instance.clone();
    let (at, streams) = (world.monitors().await, world.streams());
    let verdict = referee::judge(&world.plan, &at, &streams, n, &instance, cause).await;
    world.record(referee::Verdict { request, ..verdict });
    Ok(())
}

async fn no_launch(plan: &Plan, n: u8, message: &str) -> Result<()> {
    cloud::tell(plan, "/no_launch", json!({ "group": plan.group(n), "message": message })).await.map(drop)
}

/// An Auto Scaling call about a node's group by somebody who is not the one under test.
async fn somebody(plan: &Plan, n: u8, operation: &str, mut params: Value) -> Result<Value> {
    if let Some(params) = params.as_object_mut() {
        params.insert("AutoScalingGroupName".into(), json!(plan.group(n)));
    }
    cloud::tell(plan, "/somebody", json!({ "service": "autoscaling", "operation": operation, "params": params })).await
}

async fn jetstream(world: &World, user: &str) -> Result<jetstream::Context> {
    Ok(jetstream::new(ready::connect(&world.plan, world.keys.user(user)?).await?))
}

async fn r1_stream(world: &World, name: &str, n: u8) -> Result<()> {
    checked_name("stream", name)?;
    let context = jetstream(world, "admin").await?;
    let config = json!({
        "name": name, "subjects": [format!("r1.{name}.>")], "retention": "limits", "storage": "file",
        "num_replicas": 1, "placement": { "tags": [world.plan.node_name(n)] },
    });
    ready::api(&context, &format!("STREAM.CREATE.{name}"), &config).await?;
    world.made(name);
    for message in 0..MESSAGES {
        let sent = context.publish(format!("r1.{name}.{message}"), "lab".into()).await.context(name)?;
        sent.await.context(name)?;
    }
    let monitor = world.node(n)?.lock().await.monitor(&world.plan);
    wait_for(Duration::from_secs(10), || async {
        let held = jsz::of_node(monitor).await?;
        held.stream(name).map(drop).context(format!("{} has no {name}", world.plan.node_name(n)))
    })
    .await
}

async fn move_leaders(world: &World) -> Result<()> {
    let context = jetstream(world, "admin").await?;
    let consumers = SERVICES.map(|service| format!("CONSUMER.LEADER.STEPDOWN.{STREAM}.{service}-worker"));
    for subject in std::iter::once(format!("STREAM.LEADER.STEPDOWN.{STREAM}")).chain(consumers) {
        // A leader may be found anew just now, because another one was.
        wait_for(Duration::from_secs(10), || async { ready::api(&context, &subject, &json!({})).await.map(drop) })
            .await?;
    }
    Ok(())
}

async fn move_meta(world: &World, node: String) -> Result<()> {
    let context = jetstream(world, "sys").await?;
    let wish = json!({ "placement": { "preferred": node } });
    wait_for(Duration::from_secs(10), || async { ready::api(&context, "META.LEADER.STEPDOWN", &wish).await.map(drop) })
        .await
}

async fn delete_stream(world: &World, name: &str) -> Result<()> {
    ready::api(&jetstream(world, "admin").await?, &format!("STREAM.DELETE.{name}"), &json!({})).await?;
    world.deleted(name);
    Ok(())
}

/// Takes everything back: what AWS, Axiom and the nodes were told, and what came of it.
async fn clear(world: &World) -> Result<()> {
    world.set_boot_delay(None);
    world.axiom.trouble(|trouble| *trouble = Trouble::default());
    let mut ghosts = Vec::new();
    for n in NODES {
        ghosts.extend(mend(world, n).await?);
    }
    cloud::tell(&world.plan, "/clear", json!({})).await?;
    for ghost in ghosts {
        wait_for(Duration::from_secs(20), || remove_peer(world, &ghost)).await?;
    }
    for stream in world.take_made() {
        wait_for(Duration::from_secs(20), || delete_stream(world, &stream)).await?;
    }
    Ok(())
}

/// Takes a server that is gone out of the meta group. One that never came up was no member.
async fn remove_peer(world: &World, name: &str) -> Result<()> {
    match ready::api(&jetstream(world, "sys").await?, "SERVER.REMOVE", &json!({ "peer": name })).await {
        Err(error) if error.to_string().contains("not a member") => Ok(()),
        done => done.map(drop),
    }
}

/// The node as it should be; answers the name it ran under when that was another.
async fn mend(world: &World, n: u8) -> Result<Option<String>> {
    let (plan, name) = (&world.plan, world.plan.node_name(n));
    let mut node = world.node(n)?.lock().await;
    node.orders = Orders::default();
    node.thaw();
    if matches!(node.doing, Doing::Terminating | Doing::Booting | Doing::Empty) {
        return Ok(None);
    }
    let ghost = (node.server_name != name).then(|| node.server_name.clone());
    if ghost.is_some() || node.setup != Setup::Whole || node.impostor.is_some() {
        node.kill(plan).await?;
        node.setup = Setup::Whole;
    }
    if ghost.is_some() {
        // The peer of another name had this store.
        node.wipe(plan)?;
        node.server_name = name;
    }
    if node.doing == Doing::Stopped && !node.instance.is_empty() {
        node.start(plan, &world.keys, &world.programs).await?;
    }
    if node.octet != Plan::home(n) && node.forward.is_none() {
        node.forward = Some(forward::lead(plan, n, Duration::ZERO));
    }
    Ok(ghost)
}

fn seconds(value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).context(format!("{value} seconds"))
}
