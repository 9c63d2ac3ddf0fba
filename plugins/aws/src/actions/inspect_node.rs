//! `aws.inspect_node`: what an operator would look at on a node, through Run Command of Systems Manager.
//!
//! It reads because the plugin fixes the commands (`catalogue`): of the inputs only numbers, names of units and of a NATS
//! context, and paths get into their text, each of a type that holds nothing else, each quoted in one place. What it
//! leaves behind is a line in the history of Systems Manager. The instance is the group's, never one that a tag finds.

mod catalogue;
mod disk;
mod sections;
mod services;
mod target;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, duration, format_duration};
use uuid::Uuid;

use self::catalogue::{Catalogue, LeftOut, Wanted};
use self::disk::Disk;
use self::sections::Section;
use self::services::Service;
use crate::action::{About, example_node, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::{ClientSet, Clients};
use crate::command::{self, Agent, Ended, Invocation, Order, Sent, Waited};
use crate::group::DESCRIBE_GROUPS;
use crate::leftover::Leftover;
use crate::limits;
use crate::shell::{ContextName, PlainPath, Unit};

const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);

pub(crate) struct InspectNode(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
    /// One of the group's instances. Without it, the group's only one.
    #[serde(default)]
    #[schemars(regex(pattern = r"^i-[0-9a-z]{1,32}$"))]
    instance: Option<String>,
    /// Which sections. One alone is given whole, as far as AWS keeps it. Empty for all.
    #[serde(default)]
    sections: Vec<Wanted>,
    /// Whose state and logs are looked at.
    #[serde(default = "units")]
    #[schemars(length(max = 8))]
    units: Vec<Unit>,
    /// How many of the last lines of each log.
    #[serde(default = "lines")]
    #[schemars(range(min = 1, max = 2000))]
    lines: u32,
    /// Where the data of JetStream is.
    #[serde(default = "data")]
    disk: PlainPath,
    /// Where the program `nats` has a context with which it may ask.
    #[serde(default)]
    nats_context: NatsContext,
    /// How long all of it may take on the node.
    #[serde(default = "timeout")]
    #[schemars(schema_with = "duration::schema")]
    timeout: String,
}

/// A guess, where nobody wrote it down: the node with the context, its name, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NatsContext {
    /// Number of the node.
    pub(super) node: u32,
    pub(super) name: ContextName,
    /// Home of the user whose context it is.
    pub(super) home: PlainPath,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    instance: String,
    /// Id of the command in the history of Systems Manager.
    command: String,
    /// How AWS says that it ended: `Success`.
    status: String,
    sections: Vec<Section>,
    /// What was asked for and is not to be had on this node.
    left_out: Vec<LeftOut>,
    /// As the section `services` says; empty without it.
    services: Vec<Service>,
    /// As the section `disk` says; null where it does not.
    disk: Option<Disk>,
    summary: String,
}

fn units() -> Vec<Unit> {
    ["nats", "nats-monitor", "fluent-bit"].into_iter().filter_map(|unit| Unit::try_from(unit.to_owned()).ok()).collect()
}

fn lines() -> u32 {
    100
}

#[expect(clippy::expect_used, reason = "the text is a constant, and a test takes every default")]
fn path(text: &str) -> PlainPath {
    PlainPath::try_from(text.to_owned()).expect("a path in the source is well formed")
}

fn data() -> PlainPath {
    path("/var/lib/nats")
}

fn timeout() -> String {
    "60s".to_owned()
}

impl Default for NatsContext {
    #[expect(clippy::expect_used, reason = "the text is a constant, and a test takes every default")]
    fn default() -> Self {
        let name = ContextName::try_from("pivot".to_owned()).expect("a name in the source is well formed");
        Self { node: 1, name, home: path("/root") }
    }
}

#[async_trait]
impl Action for InspectNode {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.inspect_node",
            summary: "Look at services, logs, disk and NATS reports on a node",
            rights: &[
                (DESCRIBE_GROUPS, "*"),
                (command::DESCRIBE_AGENTS, "*"),
                (command::SEND, command::DOCUMENT_ARN),
                (command::SEND, command::INSTANCE_ARN),
                (command::GET, "*"),
                (command::CANCEL, "*"),
            ],
            examples: vec![example()],
        })
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(call)?;
        let timeout = limits::time(&input.timeout, "/timeout", SHORTEST, LONGEST)?;
        let catalogue = Catalogue::of(&input);
        if catalogue.is_empty() {
            return Err(nothing_to_ask(&input.node, &catalogue.left_out));
        }
        let aws = required(input.node.aws.as_ref(), "/node/aws", &input.node.cluster)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let instance = target::instance(&aws, &input.node, input.instance.as_deref()).await?;
        let agent = Agent::of(&aws, &instance).await?;
        Agent::must_be_online(agent.as_ref(), &input.node, &instance)?;

        // Half of it is the time, the other half nobody can guess.
        let nonce = Uuid::now_v7().simple().to_string();
        let comment = command::comment(&format!("sluice inspect {} {}", call.run, call.step));
        let text = catalogue.script(&nonce, timeout);
        let order = Order { instance: &instance, text: &text, timeout, comment: &comment };
        let sent = send(&aws, &input.node, &order).await?;
        let seen = ended(&aws, host, (&input.node, &sent), (timeout, call)).await?;
        let sections = catalogue.read(&nonce, &seen.stdout);
        if sections.iter().all(|section| section.exit.is_none()) {
            return Err(nothing(&input.node, &sent, &seen));
        }
        output(Output::of(&input, sent, seen, (sections, catalogue.left_out)))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &input.node.aws else { return Vec::new() };
        let Ok(timeout) = limits::time(&input.timeout, "/timeout", SHORTEST, LONGEST) else { return Vec::new() };
        let (find, instance) = by_hand::instance(aws, &input.node.group);
        let look_for = "what each section prints; ask for one of them alone where it is cut";
        vec![
            by_hand::account(aws),
            find,
            by_hand::agents(aws, "${SLUICE_INSTANCE}"),
            by_hand::send(aws, instance.clone(), &Catalogue::of(&input).plain(), timeout),
            by_hand::invocation(aws, instance, look_for),
        ]
    }
}

fn nothing_to_ask(node: &Node, left_out: &[LeftOut]) -> Problem {
    let why = left_out.iter().map(|one| one.why.as_str()).collect::<Vec<_>>().join("; ");
    Problem::bad_input("/sections", format!("nothing of what is asked for is to be had on {}: {why}", node.name))
}

async fn send(aws: &ClientSet, node: &Node, order: &Order<'_>) -> Result<Sent, Problem> {
    use aws_sdk_ssm::error::ProvideErrorMetadata as _;
    let answer = match order.request(&aws.ssm.client).send().await {
        Ok(answer) => answer,
        // It went away between the two questions, or never was.
        Err(error) if error.code() == Some("InvalidInstanceId") => {
            return Err(command::not_registered(node, order.instance));
        }
        Err(error) => return Err(aws.problem(&aws.ssm, command::SEND, order.instance, &error)),
    };
    command::sent(&answer, order.instance)
}

/// Waits for the end, and does not leave behind what nobody waits for any more.
async fn ended(
    aws: &Arc<ClientSet>,
    host: &dyn Host,
    (node, sent): (&Node, &Sent),
    (timeout, call): (Duration, &Call),
) -> Result<Invocation, Problem> {
    let leftover = Leftover::new(command::cancel(aws.clone(), sent.clone()));
    let until = command::until(host.now(), timeout, call.deadline);
    match command::wait(aws, host, sent, until).await? {
        Waited::Ended(seen) => {
            leftover.forget();
            Ok(seen)
        }
        Waited::Still(heard) => {
            leftover.stop().await;
            let message = format!(
                "what was asked of {} ({}) did not end within {} (heard last: {heard}); command {} was cancelled; ask for \
                 fewer `sections`, or raise `timeout` here and in the step",
                node.name,
                sent.instance,
                format_duration(timeout),
                sent.command
            );
            Err(Problem::not_applied("timed_out", message).retryable())
        }
    }
}

/// It ended and no section came of it.
fn nothing(node: &Node, sent: &Sent, seen: &Invocation) -> Problem {
    let place = format!("{} ({}), command {}: {}", node.name, sent.instance, sent.command, seen.status);
    let problem = match seen.ended {
        Some(Ended::TimedOut) => {
            let message =
                format!("{place}; not one section was done in time; ask for fewer `sections`, or raise `timeout`");
            Problem::not_applied("timed_out", message).retryable()
        }
        Some(Ended::Cancelled) => {
            Problem::not_applied("cancelled", format!("{place}; somebody cancelled it; try again")).retryable()
        }
        Some(Ended::NotBegun) => command::not_begun(&place, seen),
        Some(Ended::Exited | Ended::Unclear) | None => {
            let said: String = seen.stderr.chars().take(300).collect();
            let message = format!("{place}; it printed nothing that was asked for: {}", said.escape_debug());
            Problem::not_applied("bad_answer", message)
        }
    };
    problem.with_details(json!({ "command": sent.command, "instance": sent.instance, "status": seen.status }))
}

impl Output {
    fn of(input: &Input, sent: Sent, seen: Invocation, (sections, left_out): (Vec<Section>, Vec<LeftOut>)) -> Self {
        let text =
            |name: &str| sections.iter().find(|section| section.name == name).map(|section| section.text.as_str());
        let services = text("services").map(|text| services::read(text, &input.units)).unwrap_or_default();
        let disk = text("disk").and_then(|text| disk::read(text, &input.disk));
        let mut said: Vec<String> = services.iter().map(Service::said).collect();
        said.extend(disk.as_ref().map(Disk::said));
        said.extend(sections.iter().filter_map(Section::complaint));
        if said.is_empty() {
            said.push(format!("{} sections", sections.len()));
        }
        Self {
            summary: format!("{} ({}): {}", input.node.name, sent.instance, said.join(", ")),
            node: input.node.name.clone(),
            instance: sent.instance,
            command: sent.command,
            status: seen.status,
            sections,
            left_out,
            services,
            disk,
        }
    }
}

fn example() -> Example {
    let services = "Id=nats.service\nNames=nats.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\
                    MainPID=812\nNRestarts=0\nExecMainStartTimestamp=Sun 2026-11-22 17:54:46 UTC\n";
    let disk = "Filesystem 1-blocks Used Available Capacity Mounted on\n\
                /dev/nvme1n1 59000000000 23600000000 35400000000 40% /var/lib/nats\nmountpoint 0\n";
    Example {
        summary: "Services and disk of node 1".to_owned(),
        with: json!({
            "node": example_node(), "instance": null, "sections": ["services", "disk"], "units": ["nats"], "lines": 100,
            "disk": "/var/lib/nats", "nats_context": { "node": 1, "name": "pivot", "home": "/root" }, "timeout": "60s",
        }),
        output: json!({
            "node": "nats-staging-node-1", "instance": "i-0123456789abcdef0",
            "command": "0831e1a8-a1ac-4257-a1fd-c831bb48d1bb", "status": "Success",
            "sections": [
                { "name": "services", "exit": 0, "text": services, "cut": false, "bytes": services.len() },
                { "name": "disk", "exit": 0, "text": disk, "cut": false, "bytes": disk.len() },
            ],
            "left_out": [],
            "services": [{
                "unit": "nats", "loaded": "loaded", "active": "active", "sub": "running", "pid": 812, "restarts": 0,
                "since": "2026-11-22T17:54:46.000Z",
            }],
            "disk": {
                "path": "/var/lib/nats", "mounted": true, "used_percent": 40, "total_bytes": 59_000_000_000_u64,
                "used_bytes": 23_600_000_000_u64, "available_bytes": 35_400_000_000_u64,
            },
            "summary": "nats-staging-node-1 (i-0123456789abcdef0): nats active (running), /var/lib/nats 40% used",
        }),
    }
}

#[cfg(test)]
mod tests;
