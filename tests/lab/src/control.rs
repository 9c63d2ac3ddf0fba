//! The control API of a running lab: JSON over HTTP on loopback, for the command line, the library and the adapter.
//! It routes; each part does its own work.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cloud::{self, Replacement};
use crate::daemon::{Ending, World};
use crate::error::{Context, Error, Result};
use crate::http::{self, Request};
use crate::jsz::{self, Jsz};
use crate::load::Load;
use crate::machine;
use crate::misdeeds;
use crate::plan::{NODES, STREAM};
use crate::ready;
use crate::referee;

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    http::serve(listener, move |request| route(world.clone(), request)).await;
}

async fn route(world: Arc<World>, request: Request) -> Result<Value> {
    let body = request.json()?;
    match request.path.as_str() {
        "/status" => status(&world).await,
        "/healthy" => ready::whole(&world.plan, &world.monitors().await).await.map(|()| json!({ "healthy": true })),
        "/verdicts" => Ok(json!({ "verdicts": world.verdicts() })),
        "/calls" => cloud::tell(&world.plan, "/calls", body).await,
        "/queries" => Ok(json!({ "queries": world.axiom.queries() })),
        "/ingests" => Ok(json!({ "ingests": world.axiom.ingests() })),
        "/terraform" => world.terraform.order(serde_json::from_value(body).context("order")?),
        "/terraform/requests" => Ok(json!({ "requests": world.terraform.requests() })),
        "/instances" => instances(&world).await,
        "/creds" => creds(&world, &body),
        "/fault" => misdeeds::apply(&world, serde_json::from_value(body).context("fault")?).await,
        "/ec2/terminating" => terminating(&world, &body).await,
        "/machine" => machine::view(&world, number(&body)?).await,
        "/load" => start_load(&world, serde_json::from_value(body).context("load")?).await,
        "/counts" => Ok(json!(world.ledger.counts())),
        "/audit" => Ok(json!(world.ledger.audit(&world).await?)),
        "/down" => {
            world.stop(Ending { keep: body.get("keep").and_then(Value::as_bool).unwrap_or(false) });
            Ok(json!({ "ending": true }))
        }
        other => Err(Error::new(format!("no {other} in the control API"))),
    }
}

/// The adapter says that AWS was asked to terminate an instance; it waits for the answer before it tells the caller.
async fn terminating(world: &Arc<World>, body: &Value) -> Result<Value> {
    let n = number(body)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned).context(key);
    let request: referee::Request = serde_json::from_value(body.clone()).context("request")?;
    misdeeds::judge(world, n, &text("cause")?, Some(request)).await?;
    world.spawn_replacement(n, text("instance")?, Replacement::default());
    Ok(json!({}))
}

fn number(body: &Value) -> Result<u8> {
    body.get("node").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok()).context("node")
}

async fn start_load(world: &World, load: Load) -> Result<Value> {
    world.ledger.start(world, load).await?;
    Ok(json!(world.ledger.counts()))
}

fn creds(world: &World, body: &Value) -> Result<Value> {
    let user = world.keys.user(body.get("user").and_then(Value::as_str).unwrap_or("admin"))?;
    Ok(json!({ "jwt": user.jwt, "seed": user.seed, "creds": user.creds() }))
}

async fn status(world: &World) -> Result<Value> {
    let plan = &world.plan;
    let at = world.monitors().await;
    let answers = jsz::of_all(&at).await;
    let mut nodes = Vec::new();
    for ((n, answer), monitor) in NODES.into_iter().zip(&answers).zip(at) {
        nodes.push(node(world, n, monitor, answer.as_ref().ok()).await?);
    }
    let mut aws = cloud::tell(plan, "/state", json!({})).await.unwrap_or_else(|e| json!({ "error": e.to_string() }));
    let mut part = |name: &str| aws.get_mut(name).map(Value::take).unwrap_or_default();
    let (groups, refreshes, faults, up) = (part("groups"), part("refreshes"), part("faults"), part("up"));
    let verdicts = world.verdicts();
    let unsafe_ones = verdicts.iter().filter(|verdict| !verdict.safe).count();
    Ok(json!({
        "name": plan.name, "cluster": plan.options.cluster, "net": plan.net_text(), "folder": plan.folder,
        "nodes": nodes,
        "groups": groups,
        "aws": { "url": format!("http://{}", plan.aws()), "up": up, "faults": faults, "refreshes": refreshes, "error": part("error") },
        "axiom": { "url": format!("http://{}", plan.axiom()), "troubles": world.axiom.troubles(), "queries": world.axiom.queries().len() },
        "boot_delay": world.boot_delay().as_secs_f64(), "streams": world.streams(),
        "load": world.ledger.counts(),
        "verdicts": { "total": verdicts.len(), "unsafe": unsafe_ones, "last": verdicts.last() },
    }))
}

async fn instances(world: &World) -> Result<Value> {
    let mut all = serde_json::Map::new();
    for n in NODES {
        let instance = world.node(n)?.lock().await.instance.clone();
        if !instance.is_empty() {
            all.insert(world.plan.node_name(n), json!(instance));
        }
    }
    Ok(json!({ "instances": all }))
}

async fn node(world: &World, n: u8, monitor: Option<SocketAddr>, answer: Option<&Jsz>) -> Result<Value> {
    let plan = &world.plan;
    let health = match jsz::healthz(monitor).await {
        Ok((status, why)) => format!("{status} {why}").trim().to_owned(),
        Err(_) => "no answer".to_owned(),
    };
    let stream = answer.and_then(|answer| answer.stream(STREAM));
    let leads = stream.and_then(|s| s.cluster.as_ref()).is_some_and(jsz::Group::led_here);
    let node = world.node(n)?.lock().await;
    Ok(json!({
        "n": n, "name": plan.node_name(n), "server_name": node.server_name, "instance": node.instance,
        "pid": node.pid(), "doing": node.doing, "duty": node.duty, "note": node.note,
        "orders": node.orders, "setup": node.setup, "address": plan.address(node.octet, 4222).ip().to_string(),
        "client": plan.client(n).to_string(), "monitor": plan.monitor(n).to_string(), "healthz": health,
        "meta_leader": answer.and_then(Jsz::meta_leader) == Some(node.server_name.as_str()),
        "cluster_size": answer.and_then(|a| a.meta_cluster.as_ref()).map(|meta| meta.cluster_size),
        "stream": stream.map(|s| json!({ "messages": s.state.messages, "last_seq": s.state.last_seq, "leader": leads })),
    }))
}
