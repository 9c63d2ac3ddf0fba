//! One cluster, as seen from this machine: names, ports, clocks, whom AWS takes us for, and what that one may do.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_engine::inventory::Entry;
use sluice_engine::run::{Clock as _, Engine};
use sluice_plugin::inventory::{Aws, Node};
use sluice_plugin::{ActionName, Attempt, Call, HttpRequest, Problem, Purpose, Timestamp};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Tried, rights};
use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::launch::{Launch, new_run};
use crate::plugins;
use crate::views::live::Json;
use crate::views::text;

const PATIENCE: Duration = Duration::from_secs(4);
/// AWS has its own, slower way of giving up.
pub(super) const AWS_PATIENCE: Duration = Duration::from_secs(20);
/// A token is good or not by the second; requests to AWS are refused at five minutes.
const SKEW: Duration = Duration::from_secs(10);

pub(super) const NETWORK: &str = "is the VPN (Cloudflare WARP) connected, and is this the right cluster?";

pub(super) async fn examine(context: &Context, entry: &Entry) -> Vec<Tried> {
    let engine = match engine(context) {
        Ok(engine) => engine,
        Err(error) => return vec![Tried::error(entry.cluster.name.clone(), &error)],
    };
    let mut nodes = JoinSet::new();
    for node in entry.cluster.nodes.clone() {
        let engine = engine.clone();
        nodes.spawn(async move { (node.number, self::node(&engine, &node).await) });
    }
    let mut tried = nodes.join_all().await;
    tried.sort_by_key(|(number, _)| *number);
    let mut tried: Vec<Tried> = tried.into_iter().flat_map(|(_, tried)| tried).collect();
    let Some(aws) = &entry.cluster.aws else {
        tried.push(Tried::well("AWS", "the cluster names no account; only its nodes can be looked at"));
        return tried;
    };
    let identity = identity(&engine, aws).await;
    let known = identity.well;
    tried.push(identity);
    if known {
        tried.extend(rights::examine(&engine, &entry.cluster, aws).await);
    }
    tried
}

fn engine(context: &Context) -> Result<Engine> {
    let run = new_run()?;
    Ok(Launch::new(context, context.store()?, &run, Some(Json::Document), Vec::new())?.engine)
}

async fn node(engine: &Engine, node: &Node) -> Vec<Tried> {
    let resolved = timeout(PATIENCE, lookup_host((node.host.as_str(), node.ports.client))).await;
    let what = format!("{} name", node.name);
    let addresses: Vec<String> = match resolved {
        Ok(Ok(found)) => found.map(|address| address.ip().to_string()).collect(),
        Ok(Err(error)) => return vec![Tried::wrong(what, format!("{} does not resolve: {error}", node.host), NETWORK)],
        Err(_) => return vec![Tried::wrong(what, format!("nobody answers what {} is", node.host), NETWORK)],
    };
    let mut tried = vec![Tried::well(what, format!("{} is {}", node.host, addresses.join(", ")))];
    for (port, what) in [(node.ports.client, "client port"), (node.ports.monitor, "monitor port")] {
        tried.push(self::port(node, port, what).await);
    }
    if tried.iter().all(|one| one.well) {
        tried.push(clock(engine, node).await);
    }
    tried
}

async fn port(node: &Node, port: u16, what: &str) -> Tried {
    let what = format!("{} {what}", node.name);
    let place = format!("{}:{port}", node.host);
    match timeout(PATIENCE, TcpStream::connect((node.host.as_str(), port))).await {
        Ok(Ok(_)) => Tried::well(what, format!("{place} answers")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Tried::wrong(
            what,
            format!("{place} refuses connections"),
            "the machine is up and nothing listens: is nats-server running there?",
        ),
        Ok(Err(error)) => Tried::wrong(what, format!("{place} cannot be reached: {error}"), NETWORK),
        Err(_) => Tried::wrong(what, format!("{place} gave no answer within {}", text::duration(PATIENCE)), NETWORK),
    }
}

/// By the `Date` of the monitoring endpoint.
async fn clock(engine: &Engine, node: &Node) -> Tried {
    let what = format!("{} clock", node.name);
    let before = WallClock.now();
    let answer = date(engine, node).await;
    let now = WallClock.now();
    match answer {
        Ok(Some(theirs)) => {
            // The date is cut to seconds and was written somewhere between `before` and `now`.
            let behind = before.since(theirs.plus(Duration::from_secs(1)));
            let ahead = theirs.since(now);
            let off = behind.max(ahead);
            if off <= SKEW {
                return Tried::well(what, "the same as ours");
            }
            let side = if behind > ahead { "behind" } else { "ahead of" };
            let mend = "set this machine's clock (timedatectl); if it is right, look at chronyd on the node";
            Tried::wrong(what, format!("{} {side} ours", text::duration(off)), mend)
        }
        Ok(None) => Tried::wrong(what, "the monitor's answer has no date", "is something else listening on that port?"),
        Err(problem) => Tried::wrong(what, problem.message, "`sluice run health-check` looks closer"),
    }
}

async fn date(engine: &Engine, node: &Node) -> std::result::Result<Option<Timestamp>, Problem> {
    let reader =
        ActionName::parse(plugins::SERVERS).map_err(|error| Problem::not_applied("bad_name", error.to_string()))?;
    let host = engine.hosts.host(&reader, &call(Value::Null));
    let request = HttpRequest { timeout: PATIENCE, ..HttpRequest::get(format!("{}/healthz", node.monitor_url())) };
    let response = host.http(request).await?;
    let date = response.headers.iter().find(|(name, _)| name == "date").map(|(_, value)| value.as_str());
    let parsed = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Ok(parsed.map(|date| Timestamp(date.timestamp().as_millisecond())))
}

async fn identity(engine: &Engine, aws: &Aws) -> Tried {
    let wanted = aws.account.as_ref().map_or_else(|| "any account".to_owned(), |account| format!("account {account}"));
    match timeout(AWS_PATIENCE, ask(engine, plugins::IDENTITY, json!({ "aws": aws }))).await {
        Ok(Ok(output)) => {
            let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            Tried::well("AWS", format!("{} in account {} ({})", text("arn"), text("account"), aws.region))
        }
        Ok(Err(error)) => {
            let mend = format!("the inventory wants {wanted} in {}", aws.region);
            Tried::wrong("AWS", error.message, mend)
        }
        Err(_) => Tried::wrong("AWS", format!("no answer within {}", text::duration(AWS_PATIENCE)), NETWORK),
    }
}

/// What an action answers, called as a runbook would.
pub(super) async fn ask(engine: &Engine, action: &str, with: Value) -> Result<Value> {
    let failed = |error: String| CommandError::failed(error);
    let name = ActionName::parse(action).map_err(|error| failed(error.to_string()))?;
    let action = engine.registry.action(&name).ok_or_else(|| failed(format!("this Sluice has no action `{name}`")))?;
    let call = call(with);
    let host = engine.hosts.host(&name, &call);
    let answer = action.plugin.run(name.operation(), &*host, &call).await;
    answer.map(|outcome| outcome.output).map_err(|problem| failed(problem.message))
}

fn call(with: Value) -> Call {
    let deadline = Some(WallClock.now().plus(AWS_PATIENCE));
    Call {
        run: "doctor".to_owned(),
        step: "doctor".to_owned(),
        attempt: Attempt(1),
        purpose: Purpose::Read,
        deadline,
        with,
    }
}
