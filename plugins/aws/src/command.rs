//! One shell text on one instance through Run Command of Systems Manager: the request, the wait for its end, the cancel.
//!
//! It knows no node's commands and judges no text. What it hears of an instance stands in `agent`, what it hears of a
//! command in `invocation`. AWS keeps text and output for thirty days: a secret has no place in either.

mod agent;
mod invocation;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::operation::send_command::SendCommandOutput;
use aws_sdk_ssm::operation::send_command::builders::SendCommandFluentBuilder;
use sluice_plugin::{Host, Problem, Progress, Timestamp, format_duration};

pub(crate) use self::agent::{Agent, DESCRIBE_AGENTS, not_registered};
pub(crate) use self::invocation::{Ended, Invocation};
use crate::clients::ClientSet;

pub(crate) const SEND: &str = "ssm:SendCommand";
pub(crate) const GET: &str = "ssm:GetCommandInvocation";
pub(crate) const CANCEL: &str = "ssm:CancelCommand";
pub(crate) const LIST: &str = "ssm:ListCommands";

/// Runs a text with `sh`, as root.
pub(crate) const DOCUMENT: &str = "AWS-RunShellScript";

/// AWS's own documents belong to no account.
pub(crate) const DOCUMENT_ARN: &str = "arn:aws:ssm:{node.aws.region}:*:document/AWS-RunShellScript";

/// Which instance it will be nobody knows beforehand; that it bears the node's name can be asked for.
pub(crate) const INSTANCE_ARN: &str =
    "arn:aws:ec2:{node.aws.region}:{node.aws.account}:instance/* if ssm:resourceTag/Name={node.name}";

/// So long a command may wait until it is begun. AWS takes no shorter time.
pub(crate) const TO_BEGIN: Duration = Duration::from_secs(30);

/// The lists of AWS lag behind its own answers.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Before the deadline of a call the answer has to be on its way.
const BEFORE_DEADLINE: Duration = Duration::from_secs(3);

/// What is to be run, and where.
pub(crate) struct Order<'a> {
    pub(crate) instance: &'a str,
    pub(crate) text: &'a str,
    /// From its beginning to the moment in which it is killed.
    pub(crate) timeout: Duration,
    /// By which it is found again. A hundred characters at most.
    pub(crate) comment: &'a str,
}

/// A command that AWS took.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) command: String,
    pub(crate) instance: String,
}

/// How the wait for a command ended.
pub(crate) enum Waited {
    Ended(Invocation),
    /// It goes on, as far as anybody knows; what was heard last.
    Still(String),
}

impl Order<'_> {
    pub(crate) fn request(&self, client: &Client) -> SendCommandFluentBuilder {
        let seconds = self.timeout.as_secs().max(1).to_string();
        let request = client.send_command().document_name(DOCUMENT).instance_ids(self.instance);
        let request = request.parameters("commands", vec![self.text.to_owned()]);
        let request = request.parameters("executionTimeout", vec![seconds]);
        let to_begin = i32::try_from(TO_BEGIN.as_secs()).unwrap_or(i32::MAX);
        request.timeout_seconds(to_begin).comment(self.comment)
    }
}

/// What AWS took, by its own answer.
pub(crate) fn sent(answer: &SendCommandOutput, instance: &str) -> Result<Sent, Problem> {
    let command = answer.command().and_then(|command| command.command_id()).filter(|id| !id.is_empty());
    let missing = || Problem::not_applied("bad_answer", format!("{SEND} for {instance} was answered without an id"));
    Ok(Sent { command: command.ok_or_else(missing)?.to_owned(), instance: instance.to_owned() })
}

/// By AWS's own word. `place`: which command, where.
pub(crate) fn not_begun(place: &str, seen: &Invocation) -> Problem {
    let advice = match seen.status.as_str() {
        "AccessDenied" => {
            "the caller may not send commands to this instance: see `sluice iam`, which asks for the tag Name with the \
             node's name"
        }
        _ => "the agent on it did not take it in time: see whether the machine is up and online, and try again",
    };
    Problem::not_applied("not_delivered", format!("{place}: it never began; {advice}")).retryable()
}

/// The moment in which a wait of this length has to be over, so that the call can still say so.
pub(crate) fn until(now: Timestamp, wait: Duration, deadline: Option<Timestamp>) -> Timestamp {
    let wanted = now.plus(wait);
    let last = deadline.map(|deadline| now.plus(deadline.since(now).saturating_sub(BEFORE_DEADLINE)));
    last.map_or(wanted, |last| wanted.min(last))
}

pub(crate) async fn wait(aws: &ClientSet, host: &dyn Host, sent: &Sent, until: Timestamp) -> Result<Waited, Problem> {
    let (begun, mut pause, mut heard) = (host.now(), FIRST_PAUSE, "not listed yet".to_owned());
    loop {
        match look(aws, sent).await {
            Ok(Some(seen)) if seen.is_over() => return Ok(Waited::Ended(seen)),
            Ok(Some(seen)) => heard = seen.status,
            Ok(None) if host.now().since(begun) >= VISIBLE_WITHIN => return Err(never_listed(aws, sent)),
            Ok(None) => {}
            // One answer that did not come says nothing of the command.
            Err(problem) if is_passing(&problem) => heard = problem.message,
            Err(problem) => return Err(problem),
        }
        let now = host.now();
        if now >= until {
            return Ok(Waited::Still(heard));
        }
        let note = format!("{} on {}: {heard}, {}", sent.command, sent.instance, seconds(now.since(begun)));
        host.progress(Progress { note, done: now.since(begun).as_secs(), total: None });
        host.sleep(pause.min(until.since(now))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What AWS says of it now; nothing where its lists do not have it yet.
async fn look(aws: &ClientSet, sent: &Sent) -> Result<Option<Invocation>, Problem> {
    let request = aws.ssm.client.get_command_invocation().command_id(&sent.command).instance_id(&sent.instance);
    match request.send().await {
        Ok(answer) => Ok(Some(Invocation::of(&answer))),
        Err(error) if error.code() == Some("InvocationDoesNotExist") => Ok(None),
        Err(error) => Err(aws.problem(&aws.ssm, GET, &sent.command, &error)),
    }
}

fn is_passing(problem: &Problem) -> bool {
    problem.retryable && ["throttled", "unreachable", "server_error", "bad_answer"].contains(&problem.code.as_str())
}

fn never_listed(aws: &ClientSet, sent: &Sent) -> Problem {
    let message = format!(
        "AWS took command {} for {} and does not list it after {}; look at it with `aws ssm list-command-invocations \
         --command-id {} --details --region {}`",
        sent.command,
        sent.instance,
        format_duration(VISIBLE_WITHIN),
        sent.command,
        aws.region()
    );
    Problem::not_applied("not_listed", message).retryable()
}

fn seconds(time: Duration) -> String {
    format_duration(Duration::from_secs(time.as_secs()))
}

/// Asks AWS to end it. Whether it did is nobody's business any more.
pub(crate) async fn cancel(aws: Arc<ClientSet>, sent: Sent) {
    let request = aws.ssm.client.cancel_command().command_id(&sent.command).instance_ids(&sent.instance);
    // Whoever gives up has something to say already.
    let _ = request.send().await;
}

/// A comment of at most a hundred characters of ASCII, as AWS takes it.
pub(crate) fn comment(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' }).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_before_its_call_does() {
        let check = |wait: u64, deadline: Option<i64>, expect: i64| {
            let found = until(Timestamp(1_000), Duration::from_secs(wait), deadline.map(Timestamp));
            assert_eq!(found, Timestamp(expect), "{wait} s, {deadline:?}");
        };
        check(60, None, 61_000);
        check(60, Some(601_000), 61_000);
        check(60, Some(31_000), 28_000);
        check(60, Some(2_000), 1_000);
        check(60, Some(0), 1_000);
    }

    #[test]
    fn a_comment_is_short_and_plain() {
        assert_eq!(comment("sluice inspect 01k2 é\n"), "sluice inspect 01k2 ??");
        assert_eq!(comment(&"a".repeat(200)).len(), 100);
    }
}
