//! Brings a started cluster to the seed's state and says when it is there: a meta leader, the stream and its
//! consumers in the store of every node, every node healthy. It changes nothing once the stream exists.

use std::net::SocketAddr;
use std::time::Duration;

use async_nats::jetstream;
use serde_json::{Value, json};

use crate::Progress;
use crate::error::{Context, Error, Result};
use crate::jsz::{self, Monitors};
use crate::mint::User;
use crate::plan::{NODES, Plan, SERVICES, STREAM};
use crate::referee;
use crate::server::wait_for;

/// A connection to the cluster as this user.
pub(crate) async fn connect(plan: &Plan, user: &User) -> Result<async_nats::Client> {
    connect_to(NODES.map(|n| plan.client(n)).to_vec(), user).await
}

/// A connection to one of these; the first attempt may hang on a server just started, so it is cut.
pub(crate) async fn connect_to(addresses: Vec<SocketAddr>, user: &User) -> Result<async_nats::Client> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let options = async_nats::ConnectOptions::with_credentials(&user.creds()).context("creds")?;
    let connecting = options
        .name("sluice-lab")
        .ignore_discovered_servers()
        .connection_timeout(Duration::from_secs(2))
        .request_timeout(Some(Duration::from_secs(3)))
        .connect(addresses);
    let connected = tokio::time::timeout(Duration::from_secs(3), connecting).await;
    connected.map_err(|_| Error::new("no NATS connection within 3 s"))?.context("NATS")
}

/// Waits for the meta leader, makes stream and consumers, and waits until all is on three nodes.
pub(crate) async fn make_ready(plan: &Plan, at: &Monitors, admin: &User, progress: &Progress) -> Result<()> {
    progress("waiting for the servers to elect a meta leader");
    wait_for(Duration::from_secs(40), || meta_leader(plan, at)).await?;
    progress(&format!("making the stream {STREAM} (R3, interest) and its consumers"));
    wait_for(Duration::from_secs(20), || make_stream(plan, admin)).await?;
    progress("waiting until every node has the stream and is healthy");
    wait_for(Duration::from_secs(30), || whole(plan, at)).await
}

async fn meta_leader(plan: &Plan, at: &Monitors) -> Result<()> {
    for (n, answer) in NODES.into_iter().zip(jsz::of_all(at).await) {
        let name = plan.node_name(n);
        answer.context(&name)?.meta_leader().context(format!("{name} knows no meta leader"))?;
    }
    Ok(())
}

async fn make_stream(plan: &Plan, admin: &User) -> Result<()> {
    let context = jetstream::new(connect(plan, admin).await?);
    let subjects: Vec<String> = SERVICES.iter().map(|service| format!("{service}.>")).collect();
    let stream = json!({
        "name": STREAM, "subjects": subjects, "retention": "interest", "storage": "file", "num_replicas": 3,
        "discard": "old", "max_msgs": -1, "max_bytes": -1, "max_age": 0, "allow_direct": true,
        "duplicate_window": 120_000_000_000u64
    });
    api(&context, &format!("STREAM.CREATE.{STREAM}"), &stream).await?;
    for service in SERVICES {
        let durable = format!("{service}-worker");
        let config = json!({
            "durable_name": durable, "filter_subject": format!("{service}.>"), "ack_policy": "explicit",
            "deliver_policy": "all", "ack_wait": 30_000_000_000u64, "max_ack_pending": 20_000
        });
        let body = json!({ "stream_name": STREAM, "config": config });
        api(&context, &format!("CONSUMER.DURABLE.CREATE.{STREAM}.{durable}"), &body).await?;
    }
    Ok(())
}

/// A request to the JetStream API; its error as ours.
pub(crate) async fn api(context: &jetstream::Context, subject: &str, body: &Value) -> Result<Value> {
    let answer: Value = context.request(subject.to_owned(), body).await.context(subject)?;
    match answer.pointer("/error/description").and_then(Value::as_str) {
        Some(error) => Err(Error::new(format!("{subject}: {error}"))),
        None => Ok(answer),
    }
}

/// Ok when all three nodes are healthy and hold in their own stores what the stream's leader holds, and every group has
/// a leader.
pub(crate) async fn whole(plan: &Plan, at: &Monitors) -> Result<()> {
    let leader = leader_seq(at).await?;
    for ((n, answer), monitor) in NODES.into_iter().zip(jsz::of_all(at).await).zip(*at) {
        let name = plan.node_name(n);
        let answer = answer.context(&name)?;
        if let Some(meta) = answer.meta_cluster.as_ref().filter(|meta| meta.cluster_size != NODES.len()) {
            return Err(Error::new(format!("{name}: meta group has {} peers", meta.cluster_size)));
        }
        let stream = answer.stream(STREAM).context(format!("{name} has no replica of {STREAM}"))?;
        if stream.state.last_seq < leader {
            return Err(Error::new(format!("{name}: {STREAM} at {} of {leader}", stream.state.last_seq)));
        }
        if stream.consumer_detail.len() < SERVICES.len() {
            return Err(Error::new(format!("{name} has {} consumers", stream.consumer_detail.len())));
        }
        match jsz::healthz(monitor).await.context(&name)? {
            (200, _) => {}
            (status, why) => return Err(Error::new(format!("{name}: healthz {status} {why}"))),
        }
    }
    // A consumer's group elects its leader on its own, maybe long after the stream's has one.
    match referee::unsafe_as_it_is(at).await {
        Some(why) => Err(Error::new(why)),
        None => Ok(()),
    }
}

/// The last sequence in the stream leader's own store.
async fn leader_seq(at: &Monitors) -> Result<u64> {
    let answers = jsz::of_all(at).await;
    let streams = answers.iter().flatten().filter_map(|answer| answer.stream(STREAM));
    let leader = streams.into_iter().find(|stream| stream.cluster.as_ref().is_some_and(jsz::Group::led_here));
    leader.map(|stream| stream.state.last_seq).context(format!("{STREAM} has no leader among the nodes"))
}
