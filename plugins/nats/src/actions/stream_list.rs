//! `nats.stream_list`: what `nats stream ls`, `stream info` and `server report jetstream` show with these credentials.
//!
//! What the credentials may not do is said in the output. It fails only when nothing could be asked at all.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem};

use super::common;
use crate::by_hand::{self, Nats};
use crate::health::view::Source;
use crate::link::address::Urls;
use crate::link::ask::Unanswered;
use crate::link::connect::{self, Link, NoLink};
use crate::link::creds::CredsInput;
use crate::link::subject::Subject;
use crate::link::wire::Wire;
use crate::link::{jetstream, system};
use crate::monitor::model::Stream;
use crate::monitor::read;
use crate::names::StreamName;
use crate::report::{self, ServerReport};

pub(super) struct StreamList(pub(super) Arc<dyn Wire>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// `host`, `host:port`, a `nats://` URL, a comma list, or a list. The first that answers is used.
    urls: Urls,
    creds: CredsInput,
    /// Streams to look at closer.
    #[serde(default)]
    streams: Vec<String>,
    /// Whose endpoints to read for the report when the credentials have no system rights.
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// The server that was reached.
    server: String,
    account: Option<String>,
    /// `nats stream ls`; none when these credentials may not ask.
    streams: Option<Vec<String>>,
    /// `nats stream info` of the streams asked for.
    infos: Vec<Info>,
    /// Asked for and not there.
    missing: Vec<String>,
    report: Report,
    /// What these credentials may not ask, or what was not answered.
    denied: Vec<String>,
    /// One line for a person.
    summary: String,
}

/// A stream as its leader tells it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Info {
    name: String,
    subjects: Vec<String>,
    retention: String,
    replicas: u64,
    leader: String,
    messages: u64,
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
    peers: Vec<Peer>,
    source: Source,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Peer {
    name: String,
    current: bool,
    offline: bool,
    /// Raft operations, not messages.
    lag: u64,
    active_ms: u64,
}

/// `nats server report jetstream`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    /// None when neither source could be asked.
    source: Option<Source>,
    servers: Vec<ServerReport>,
    /// Why it is not the system's own report, or what is missing from it.
    notes: Vec<String>,
}

#[async_trait]
impl Action for StreamList {
    fn spec(&self) -> ActionSpec {
        let with = serde_json::json!({
            "urls": "nats-staging-node-1.nats-staging.internal:4222",
            "creds": { "jwt": { "$secret": "steps.creds#/jwt" }, "seed": { "$secret": "steps.creds#/seed" } },
            "streams": ["pivot_main"], "nodes": common::example_cluster().get("nodes").cloned().unwrap_or_default()
        });
        let example = common::example(
            "the admin user, without system rights",
            with,
            include_str!("../../examples/stream_list.json"),
        );
        let summary = "List streams, look at some closer, and read the JetStream report, with these credentials";
        let spec = common::reads::<Input, Output>("nats.stream_list", summary, vec![example]);
        let subjects =
            ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "$SYS.REQ.SERVER.PING.JSZ", "$SYS.REQ.USER.INFO"];
        ActionSpec { permissions: subjects.map(|subject| common::needs(subject, "{urls}")).into(), ..spec }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = common::input(call)?;
        let addresses = input.urls.parse("/urls")?;
        let names: Vec<StreamName> = parse_names(&input.streams)?;
        let creds = input.creds.reveal(host, "/creds")?;
        common::progress(host, "connecting", 0, None);
        let link = connect::first(&*self.0, &addresses, &creds).await.map_err(|none| failed(&none))?;
        let mut output = Output {
            server: link.server_name.clone(),
            account: jetstream::me(&link).await.ok().map(|me| me.account_name),
            streams: None,
            infos: Vec::new(),
            missing: Vec::new(),
            report: report(host, &link, &input.nodes).await,
            denied: Vec::new(),
            summary: String::new(),
        };
        output.list(&link).await;
        for name in &names {
            output.info(&link, name).await;
        }
        output.summary = output.sum_up();
        common::plain(&output)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { urls, creds, streams, nodes }) = common::input::<Input>(call) else { return Vec::new() };
        let Some(nats) = Nats::new(&urls, &creds) else { return Vec::new() };
        let info = streams.iter().filter(|name| StreamName::parse(name, "").is_ok());
        let info: Vec<[&str; 3]> = info.map(|name| ["stream", "info", name]).collect();
        let mut asked: Vec<(&[&str], &str)> = vec![(&["stream", "ls"], "the streams you expect")];
        let of_stream = "a leader, and every replica current with lag 0";
        asked.extend(info.iter().map(|words| (words.as_slice(), of_stream)));
        asked.push((
            &["server", "report", "jetstream"],
            "every server, one of them the meta leader; needs system rights",
        ));
        let raft = "without system rights: streams, consumers and bytes of this server";
        let mut commands = nats.commands(&asked);
        commands.extend(nodes.iter().map(|node| by_hand::endpoint(node, read::JSZ, raft)));
        commands
    }
}

impl Output {
    fn sum_up(&self) -> String {
        let streams = match &self.streams {
            None => "these credentials may not list streams".to_owned(),
            Some(names) if names.is_empty() => "no streams".to_owned(),
            Some(names) => format!("streams {}", names.join(", ")),
        };
        let missing =
            if self.missing.is_empty() { String::new() } else { format!("; missing: {}", self.missing.join(", ")) };
        let servers = self.report.servers.len();
        let report = match self.report.source {
            None => "no JetStream report".to_owned(),
            Some(Source::System) => format!("JetStream report of {servers} servers"),
            Some(Source::Monitoring | Source::JetstreamApi) => {
                format!("JetStream report of {servers} servers, from the nodes")
            }
        };
        format!("{streams}{missing}; {report}")
    }

    async fn list(&mut self, link: &Link) {
        match jetstream::stream_names(link).await {
            Ok(streams) => self.streams = Some(streams),
            Err(none) => self.denied.push(none.why(&Subject::stream_names())),
        }
    }

    async fn info(&mut self, link: &Link, name: &StreamName) {
        match jetstream::stream_info(link, name).await {
            Ok(stream) => self.infos.push(info(stream)),
            Err(none) if none.is_no_stream() => self.missing.push(name.to_string()),
            Err(none) => self.denied.push(none.why(&Subject::stream_info(name))),
        }
    }
}

async fn report(host: &dyn Host, link: &Link, nodes: &[Node]) -> Report {
    let expected = if nodes.is_empty() { usize::MAX } else { nodes.len() };
    match system::jsz(link, expected).await {
        Ok(by_name) => {
            let missing = nodes.iter().filter(|node| !by_name.contains_key(&node.name));
            let notes = missing.map(|node| format!("{} did not answer", node.name)).collect();
            let servers = by_name.iter().filter_map(|(name, jsz)| report::of(name, jsz)).collect();
            Report { source: Some(Source::System), servers, notes }
        }
        Err(none) => from_endpoints(host, nodes, &none).await,
    }
}

async fn from_endpoints(host: &dyn Host, nodes: &[Node], none: &Unanswered) -> Report {
    let why = none.why(&Subject::ping_jsz());
    if nodes.is_empty() {
        return Report {
            source: None,
            servers: Vec::new(),
            notes: vec![format!("no system rights: {why}; no nodes were given to read instead")],
        };
    }
    let mut notes = vec![format!("no system rights: {why}; the nodes' endpoints were read instead")];
    let said = read::jetstream(host, nodes).await;
    let mut servers = Vec::new();
    for (node, said) in nodes.iter().zip(said) {
        match said {
            Ok(jsz) => servers.extend(report::of(&node.name, &jsz)),
            Err(unreached) => notes.push(format!("{}: {unreached}", node.name)),
        }
    }
    Report { source: Some(Source::Monitoring), servers, notes }
}

fn parse_names(names: &[String]) -> Result<Vec<StreamName>, Problem> {
    names.iter().enumerate().map(|(at, name)| StreamName::parse(name, &format!("/streams/{at}"))).collect()
}

fn failed(none: &NoLink) -> Problem {
    match none {
        NoLink::Unreached(unreached) => Problem::not_applied("unreachable", unreached.why.clone()).retryable(),
        NoLink::Rejected(why) => Problem::not_applied("denied", why.clone()),
    }
}

fn info(stream: Stream) -> Info {
    let config = stream.config.unwrap_or_default();
    let group = stream.cluster.unwrap_or_default();
    let peer = |peer: &crate::monitor::model::Peer| Peer {
        name: peer.name.clone(),
        current: peer.current,
        offline: peer.offline,
        lag: peer.lag,
        active_ms: peer.active / 1_000_000,
    };
    Info {
        name: stream.name,
        replicas: config.replicas(),
        subjects: config.subjects,
        retention: config.retention,
        peers: group.replicas.iter().map(peer).collect(),
        leader: group.leader,
        messages: stream.state.messages,
        bytes: stream.state.bytes,
        first_seq: stream.state.first_seq,
        last_seq: stream.state.last_seq,
        source: stream.source,
    }
}
