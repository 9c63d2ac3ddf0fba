//! The nodes' shippers: what Fluent Bit sends from each node to Axiom, every second while its server runs. The fields'
//! names are here and nowhere else in the lab; they are those the inventory takes for granted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::World;
use crate::error::{Context, Error, Result};
use crate::http;
use crate::jsz;
use crate::plan::NODES;

/// The dataset of the seed.
pub(crate) const DATASET: &str = "nats-logs";
/// The field that names the node.
pub(crate) const NODE_FIELD: &str = "host";
/// The field that names the instance.
pub(crate) const INSTANCE_FIELD: &str = "instance_id";

/// What the nodes' shippers call themselves. Faults that count requests leave theirs alone: they are sent all the time.
pub(crate) const SHIPPER: &str = "Fluent-Bit";

/// Ships until dropped.
pub(crate) async fn forever(world: Arc<World>) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        // Axiom says no to everything when it is told to; a shipper then tries again with the next event.
        let _ = once(&world).await;
    }
}

async fn once(world: &World) -> Result<()> {
    let monitors = world.monitors().await;
    let mut events = Vec::new();
    for (n, monitor) in NODES.into_iter().zip(monitors) {
        let Some(instance) = sends(world, n).await? else { continue };
        let (code, status) = match jsz::healthz(monitor).await {
            Ok((code, why)) => (code, why),
            Err(error) => (0, error.to_string()),
        };
        let mut event = event(world, n, &instance, &format!("monitor: healthz {code} {status}"));
        if let Some(map) = event.as_object_mut() {
            map.extend([
                ("health_code".to_owned(), json!(code)),
                ("health_status".to_owned(), json!(code.to_string())),
            ]);
        }
        events.push(event);
    }
    post(world, events).await
}

/// The instance, when its shipper runs and is not told to be silent.
async fn sends(world: &World, n: u8) -> Result<Option<String>> {
    let node = world.node(n)?.lock().await;
    Ok((node.pid().is_some() && !node.orders.axiom_silent && !node.instance.is_empty()).then(|| node.instance.clone()))
}

/// Ships the lines of a boot, which need no server.
pub(crate) async fn lines(world: &World, n: u8, instance: &str, lines: &[String]) -> Result<()> {
    if world.node(n)?.lock().await.orders.axiom_silent {
        return Ok(());
    }
    post(world, lines.iter().map(|line| event(world, n, instance, line)).collect()).await
}

fn event(world: &World, n: u8, instance: &str, message: &str) -> Value {
    json!({
        "_time": jiff::Timestamp::now().to_string(), NODE_FIELD: world.plan.node_name(n), INSTANCE_FIELD: instance,
        "cluster": world.plan.options.cluster, "message": message,
    })
}

async fn post(world: &World, events: Vec<Value>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let bearer = format!("Bearer {}", world.plan.axiom_ingest_token());
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str()), ("User-Agent", SHIPPER)];
    let path = format!("/v1/datasets/{DATASET}/ingest");
    let answer =
        http::post_with(world.plan.axiom(), &path, &headers, &Value::Array(events), Duration::from_secs(5)).await?;
    let body: Value = serde_json::from_str(&answer.body).context("Axiom's answer")?;
    match (answer.status, body.get("failed").and_then(Value::as_u64)) {
        (200, Some(0)) => Ok(()),
        (status, _) => Err(Error::new(format!("Axiom: HTTP {status}: {body}"))),
    }
}
