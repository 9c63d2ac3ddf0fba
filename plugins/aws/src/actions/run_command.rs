//! `aws.run_command`: one shell command, as somebody wrote it, once, on the one instance it is given.
//!
//! What it does nobody can know, so it destroys, whatever it says. It is done when it was run: how it ended is its output,
//! and a problem is only that it was never begun, or that nobody can tell. What may be sent is judged in `text`; `found`
//! knows an act again in the history that AWS keeps.

mod found;
mod text;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Abilities, Action, ActionSpec, Applied, ByHand, Call, Example, Host, Outcome, Preview, Problem};
use sluice_plugin::{Purpose, Reconciled, Timestamp, duration, format_duration};

use self::found::History;
use self::text::Text;
use crate::act::{Place, in_time};
use crate::action::{About, destroy_spec, example_node, input, output, value};
use crate::by_hand;
use crate::clients::{ClientSet, Clients};
use crate::command::{self, Agent, Ended, Invocation, Order, Sent, TO_BEGIN, Waited};
use crate::group::{self, DESCRIBE_GROUPS, Member};
use crate::limits;

const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3600);

/// Beside the time to begin and its own time: until AWS says that it ended.
const TO_BE_TOLD: Duration = Duration::from_secs(15);

pub(crate) struct RunCommand(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The node whose instance it is.
    node: Node,
    /// The instance to run it on, as an earlier step found it.
    #[schemars(regex(pattern = r"^i-[0-9a-z]{1,32}$"))]
    instance: String,
    /// For `sh`, as root. No secret: AWS keeps it.
    #[schemars(length(min = 1, max = 8192))]
    command: String,
    /// When it is killed, from its beginning. The step's own `timeout` has to be longer by a minute.
    #[serde(default = "timeout")]
    #[schemars(schema_with = "duration::schema")]
    timeout: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    instance: String,
    /// Id of the command in the history of Systems Manager.
    command: String,
    /// How it ended, and the beginning of what it printed.
    summary: String,
    ended: How,
    /// Null where it was killed.
    exit: Option<i32>,
    /// The first 24,000 characters.
    stdout: String,
    /// The first 8,000 characters.
    stderr: String,
    /// It printed more than is here.
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// By itself; `exit` says how well.
    Exited,
    /// It was killed when its time was over. What it did until then is done.
    TimedOut,
    /// Somebody cancelled it. What it did until then is done.
    Cancelled,
}

fn timeout() -> String {
    "60s".to_owned()
}

/// An input that may be sent.
struct Asked<'a> {
    place: Place<'a>,
    instance: &'a str,
    text: Text,
    timeout: Duration,
}

#[async_trait]
impl Action for RunCommand {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.run_command",
            summary: "Run one shell command on the instance of a node",
            rights: &[
                (DESCRIBE_GROUPS, "*"),
                (command::DESCRIBE_AGENTS, "*"),
                (command::GET, "*"),
                (command::LIST, "*"),
                (command::CANCEL, "*"),
            ],
            examples: vec![example()],
        };
        let act = (command::SEND, &[command::DOCUMENT_ARN, command::INSTANCE_ARN][..]);
        let spec = destroy_spec::<Input, Output>(about, act);
        ActionSpec { abilities: Abilities { check: true, ..spec.abilities }, ..spec }
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        text::check(with)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(call)?;
        let asked = input.asked()?;
        let begun = host.now();
        let aws = self.0.open(asked.place.aws, call.purpose).await?;
        // Looking may be done again and again, sending may not.
        let looking = self.0.open(asked.place.aws, Purpose::Read).await?;
        let client = asked.place.commander(&aws, (host, call), (command::SEND, asked.instance)).await?;
        let comment = found::identity(call);
        let request = asked.order(&comment).request(&client.client);
        in_time(begun, host.now())?;
        let answer = request.send().await;
        let answer = answer.map_err(|error| aws.act_problem(&client, command::SEND, asked.instance, &error))?;
        let sent = command::sent(&answer, asked.instance).map_err(open)?;
        let seen = asked.ended(&looking, (host, call), &sent).await.map_err(open)?;
        output(Output::of(asked.place.node, sent, seen)?)
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input(call)?;
        let asked = input.asked()?;
        let aws = self.0.open(asked.place.aws, call.purpose).await?;
        // As for a termination: the login is made with the preview.
        let _ = self.0.open(asked.place.aws, Purpose::Act).await;
        let node = asked.place.node;
        let groups = group::describe(&aws, std::slice::from_ref(&node.group)).await?;
        let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(&aws, &node.group))?;
        let agent = Agent::of(&aws, asked.instance).await?;
        let members = Member::all(group);
        let refused =
            asked.may_be_sent(&members, agent.as_ref()).and_then(|()| asked.has_time(host.now(), call.deadline));
        if let Err(why) = refused {
            return Ok(Preview::Refused { why });
        }
        let binding = asked.place.binding(json!({
            "instance": asked.instance, "document": command::DOCUMENT, "command": asked.text.as_str(),
            "command_sha256": sha256(asked.text.as_str()), "timeout_seconds": asked.timeout.as_secs(),
        }));
        let member = members.first();
        let facts = json!({
            "region": aws.region(), "lifecycle": member.map(|one| &one.lifecycle), "health": member.map(|one| &one.health),
            "ping": agent.as_ref().map(|agent| &agent.ping), "agent": agent.as_ref().and_then(|agent| agent.version.as_ref()),
            "platform": agent.as_ref().and_then(|agent| agent.platform.as_ref()), "runs_as": "root",
            "kept": "the text and the beginning of what it prints stay in the history of Systems Manager for thirty days, the \
                     text in CloudTrail too",
        });
        Ok(Preview::Ready { binding, facts })
    }

    async fn reconcile(&self, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input(call)?;
        let asked = input.asked()?;
        let aws = self.0.open(asked.place.aws, call.purpose).await?;
        let comment = found::identity(call);
        let history = found::look(&aws, asked.instance, (&comment, asked.text.as_str())).await?;
        let evidence = value(&history)?;
        let Some(command) = the_one(&history) else {
            let none = history.found.is_empty() && !history.more;
            return Ok(if none { Reconciled::NotDone { evidence } } else { Reconciled::CannotTell { evidence } });
        };
        let sent = Sent { command: command.to_owned(), instance: asked.instance.to_owned() };
        let seen = match asked.ended(&aws, (host, call), &sent).await {
            Ok(seen) => seen,
            Err(problem) => return Ok(Reconciled::CannotTell { evidence: with(evidence, "problem", value(problem)?) }),
        };
        let evidence = with(evidence, "status", json!(seen.status));
        Ok(match Output::of(asked.place.node, sent, seen) {
            Ok(output) => Reconciled::Done { output: value(output)?, evidence },
            Err(problem) if problem.applied == Applied::No => Reconciled::NotDone { evidence },
            Err(_) => Reconciled::CannotTell { evidence },
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(call) else { return Vec::new() };
        let Ok(asked) = input.asked() else { return Vec::new() };
        let (aws, instance) = (asked.place.aws, asked.instance);
        let group = format!("{instance} alone; with any other id, stop here");
        let look_for = "Success and 0, or how it ended; never send it twice without looking here first";
        vec![
            by_hand::account(aws),
            by_hand::groups(aws, [asked.place.node.group.as_str()], &group),
            by_hand::agents(aws, instance),
            by_hand::send(aws, instance.into(), asked.text.as_str(), asked.timeout),
            by_hand::invocation(aws, instance.into(), look_for),
        ]
    }
}

impl Input {
    fn asked(&self) -> Result<Asked<'_>, Problem> {
        let text = Text::parse(&self.command).map_err(|why| Problem::bad_input("/command", why))?;
        let timeout = limits::time(&self.timeout, "/timeout", SHORTEST, LONGEST)?;
        Ok(Asked { place: Place::of(&self.node)?, instance: &self.instance, text, timeout })
    }
}

impl Asked<'_> {
    fn order<'a>(&'a self, comment: &'a str) -> Order<'a> {
        Order { instance: self.instance, text: self.text.as_str(), timeout: self.timeout, comment }
    }

    /// Until AWS has to say that it ended.
    fn whole_time(&self) -> Duration {
        TO_BEGIN.saturating_add(self.timeout).saturating_add(TO_BE_TOLD)
    }

    /// The words of the refusal, if there is one. The node may be ill: that is why somebody wants to do something there.
    fn may_be_sent(&self, members: &[Member], agent: Option<&Agent>) -> Result<(), String> {
        let (node, instance) = (self.place.node, self.instance);
        let listed = members.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect::<Vec<_>>().join(", ");
        match members {
            [one] if one.id == instance => {}
            [] => return Err(format!("{instance} is gone: group {} has no instance", node.group)),
            [_] => {
                return Err(format!(
                    "{} is replaced: group {} has {listed}, and not {instance}",
                    node.name, node.group
                ));
            }
            several => {
                return Err(format!(
                    "group {} has {} instances where one is expected: {listed}",
                    node.group,
                    several.len()
                ));
            }
        }
        Agent::must_be_online(agent, node, instance).map_err(|problem| problem.message)
    }

    /// A call that is cut leaves a command behind of which nobody has heard the end.
    fn has_time(&self, now: Timestamp, deadline: Option<Timestamp>) -> Result<(), String> {
        let Some(left) = deadline.map(|deadline| deadline.since(now)) else { return Ok(()) };
        if left >= self.whole_time() {
            return Ok(());
        }
        Err(format!(
            "the command may take {}, and with the time to begin and to be told {}; the step waits for {}: raise the \
             step's `timeout`, or lower the command's",
            format_duration(self.timeout),
            format_duration(self.whole_time()),
            format_duration(Duration::from_secs(left.as_secs()))
        ))
    }

    /// Waits for the end. The problem of one that nobody saw end says nothing of whether it was run.
    async fn ended(
        &self,
        aws: &Arc<ClientSet>,
        (host, call): (&dyn Host, &Call),
        sent: &Sent,
    ) -> Result<Invocation, Problem> {
        let (begun, whole) = (host.now(), self.whole_time());
        let until = command::until(begun, whole, call.deadline);
        let heard = match command::wait(aws, host, sent, until).await? {
            Waited::Ended(seen) => return Ok(seen),
            Waited::Still(heard) => heard,
        };
        // Only where all its time is over: one that runs is left to end, as AWS will end it.
        let is_over = call.purpose == Purpose::Act && host.now() >= begun.plus(whole);
        if is_over {
            command::cancel(aws.clone(), sent.clone()).await;
        }
        let message = format!(
            "command {} on {} ({}) is not known to have ended (heard last: {heard}){}; look at it with `aws ssm \
             get-command-invocation --command-id {} --instance-id {} --region {}`",
            sent.command,
            self.place.node.name,
            sent.instance,
            if is_over { ", and was cancelled" } else { "" },
            sent.command,
            sent.instance,
            aws.region()
        );
        let details = json!({ "command": sent.command, "instance": sent.instance, "heard": heard });
        Err(Problem::maybe_applied("no_end", message).with_details(details))
    }
}

/// The request has left: whatever went wrong afterwards, it may have been run.
fn open(problem: Problem) -> Problem {
    Problem { applied: Applied::Maybe, retryable: false, ..problem }
}

/// One command of this comment, with the text of this act.
fn the_one(history: &History) -> Option<&str> {
    match history.found.as_slice() {
        [one] if one.same_text => Some(&one.command),
        _ => None,
    }
}

fn with(mut evidence: Value, name: &str, what: Value) -> Value {
    if let Some(fields) = evidence.as_object_mut() {
        fields.insert(name.to_owned(), what);
    }
    evidence
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Output {
    fn of(node: &Node, sent: Sent, seen: Invocation) -> Result<Self, Problem> {
        let ended = match seen.ended {
            Some(Ended::Exited) => How::Exited,
            Some(Ended::TimedOut) => How::TimedOut,
            Some(Ended::Cancelled) => How::Cancelled,
            Some(Ended::NotBegun) => {
                let place = format!("{} ({}), command {}: {}", node.name, sent.instance, sent.command, seen.status);
                return Err(command::not_begun(&place, &seen).with_details(details(&sent, &seen)));
            }
            Some(Ended::Unclear) | None => {
                let message = format!(
                    "command {} on {} ({}) ended as {}, which does not say whether it was run; look at the node",
                    sent.command, node.name, sent.instance, seen.status
                );
                return Err(Problem::maybe_applied("no_proof", message).with_details(details(&sent, &seen)));
            }
        };
        let how = match (ended, seen.exit) {
            (How::Exited, Some(code)) => format!("exit {code}"),
            (How::Exited, None) => "ended, and AWS does not say how".to_owned(),
            (How::TimedOut, _) => "killed: its time was over".to_owned(),
            (How::Cancelled, _) => "killed: somebody cancelled it in Systems Manager".to_owned(),
        };
        let printed = seen.stdout.lines().chain(seen.stderr.lines()).find(|line| !line.trim().is_empty());
        let printed: String = printed.map_or_else(String::new, |line| line.chars().take(120).collect());
        let summary = if printed.is_empty() { how } else { format!("{how}: {printed}") };
        Ok(Self {
            node: node.name.clone(),
            instance: sent.instance,
            command: sent.command,
            summary,
            ended,
            exit: seen.exit.filter(|_| ended == How::Exited),
            stdout: seen.stdout,
            stderr: seen.stderr,
            cut: seen.cut,
        })
    }
}

fn details(sent: &Sent, seen: &Invocation) -> Value {
    json!({
        "command": sent.command, "instance": sent.instance, "status": seen.status, "exit": seen.exit,
        "stdout": seen.stdout, "stderr": seen.stderr,
    })
}

fn example() -> Example {
    Example {
        summary: "Start the NATS server of node 1 again".to_owned(),
        with: json!({
            "node": example_node(), "instance": "i-0123456789abcdef0", "command": "systemctl restart nats", "timeout": "60s",
        }),
        output: json!({
            "node": "nats-staging-node-1", "instance": "i-0123456789abcdef0",
            "command": "0831e1a8-a1ac-4257-a1fd-c831bb48d1bb", "summary": "exit 0", "ended": "exited", "exit": 0, "stdout": "", "stderr": "",
            "cut": false,
        }),
    }
}

#[cfg(test)]
mod tests;
