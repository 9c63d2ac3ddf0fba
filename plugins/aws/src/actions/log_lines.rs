//! `aws.log_lines`: what a node's start wrote into CloudWatch Logs, for the time before its other logs flow.
//!
//! It tells and does not judge. That there is no such group, or no line, is an answer. Who asks again with `next` gets
//! what came since, each line once (`cursor`).

mod cursor;
mod read;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Timestamp};

use self::cursor::Cursor;
use self::read::{Event, Wanted};
use super::bootstrap_line;
use crate::action::{About, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::Clients;
use crate::logs::{self, FILTER, LOG_GROUP_ARN, Phrase};
use crate::moment::{self, Moment};

/// As many as anybody scrolls through.
const MOST: u32 = 1000;

pub(crate) struct LogLines(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    node: Node,
    /// Only lines that hold this text, in this writing.
    #[serde(default)]
    contains: Option<Phrase>,
    /// From when on: how long ago, RFC 3339, or milliseconds since 1970. Without it, an hour ago.
    #[serde(default)]
    #[schemars(schema_with = "moment::schema")]
    since: Option<Moment>,
    /// Until when. Without it, until now and beyond.
    #[serde(default)]
    #[schemars(schema_with = "moment::schema")]
    until: Option<Moment>,
    /// How many lines at most.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
    /// The `next` of an earlier answer: what came since then, whatever `since` says.
    #[serde(default)]
    after: Option<Cursor>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    group: String,
    stream_prefix: String,
    /// RFC 3339.
    since: String,
    /// RFC 3339.
    until: Option<String>,
    group_exists: bool,
    /// Newest last.
    lines: Vec<Line>,
    /// So many older ones there are beside those given: only the newest are. None with `after`.
    left_out: u64,
    /// Newer ones wait: ask again with `next`. Only with `after`.
    more: bool,
    /// Why there is no line.
    why: Option<String>,
    /// Given as `after`, what comes after these lines.
    next: Cursor,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    /// RFC 3339, UTC, with milliseconds.
    time: String,
    stream: String,
    /// One of more than 4,000 characters is cut.
    message: String,
}

fn limit() -> u32 {
    200
}

#[async_trait]
impl Action for LogLines {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.log_lines",
            summary: "Read what the start of a node wrote into CloudWatch Logs",
            rights: &[(FILTER, LOG_GROUP_ARN)],
            examples: vec![example()],
        })
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(call)?;
        let (logs, prefix) = logs::of_node(&input.cluster, &input.node)?;
        let wanted = input.wanted(prefix, host.now())?;
        let aws = required(input.cluster.aws.as_ref(), "/cluster/aws", &input.cluster.name)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let found = read::events(&aws, &logs.group, &wanted).await?;
        let why = match &found {
            None => Some(logs::no_group(&logs.group, &aws.place())),
            Some(found) if found.given.is_empty() => Some(input.no_line(&logs.group, prefix, wanted.from)),
            Some(_) => None,
        };
        let group_exists = found.is_some();
        let found = found.unwrap_or_default();
        output(Output {
            node: input.node.name.clone(),
            group: logs.group.clone(),
            stream_prefix: prefix.to_owned(),
            since: moment::written(wanted.from),
            until: wanted.to.map(moment::written),
            group_exists,
            next: found.next(&wanted),
            lines: found.given.into_iter().map(Line::from).collect(),
            left_out: found.left_out,
            more: found.waiting.is_some(),
            why,
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(call) else { return Vec::new() };
        let Ok((logs, prefix)) = logs::of_node(&input.cluster, &input.node) else { return Vec::new() };
        let Some(aws) = &input.cluster.aws else { return Vec::new() };
        // A plan has no clock here: what counts from now is left out, and all that the group keeps is looked at.
        let fixed = |moment: &Option<Moment>| moment.as_ref().and_then(Moment::fixed).map(|millis| millis.to_string());
        let (from, to) = (fixed(&input.since), fixed(&input.until));
        let pattern = input.contains.as_ref().map(Phrase::as_pattern);
        let ask = ["logs", "filter-log-events", "--log-group-name", &logs.group, "--log-stream-name-prefix", prefix];
        let ask = ask.into_iter().chain(pattern.iter().flat_map(|pattern| ["--filter-pattern", pattern.as_str()]));
        let ask = ask.chain(from.iter().flat_map(|from| ["--start-time", from.as_str()]));
        let ask = ask.chain(to.iter().flat_map(|to| ["--end-time", to.as_str()]));
        let ask = ask.chain(["--query", "events[].[timestamp,logStreamName,message]", "--output", "text"]);
        let look_for = "lines, oldest first; none proves nothing where the group keeps them only for a day";
        vec![by_hand::account(aws), by_hand::aws(aws, ask, look_for)]
    }
}

impl Input {
    fn wanted<'a>(&'a self, prefix: &'a str, now: Timestamp) -> Result<Wanted<'a>, Problem> {
        let since = self.since.as_ref().map(|since| since.at(now, "/since")).transpose()?;
        let to = self.until.as_ref().map(|until| until.at(now, "/until")).transpose()?;
        let from = match &self.after {
            Some(after) => after.from()?,
            None => since.unwrap_or(now.0.saturating_sub(moment::HOUR)),
        };
        if to.is_some_and(|to| to < from) {
            let message = format!("`until` lies before {}, from when on lines are read", moment::written(from));
            return Err(Problem::bad_input("/until", message));
        }
        Ok(Wanted {
            prefix,
            phrase: self.contains.as_ref(),
            from,
            to,
            limit: usize::try_from(self.limit.clamp(1, MOST)).unwrap_or(usize::MAX),
            after: self.after.as_ref(),
        })
    }

    fn no_line(&self, group: &str, prefix: &str, from: i64) -> String {
        let with = self.contains.as_ref().map_or_else(String::new, |text| format!(" with \"{}\"", text.as_str()));
        let since = moment::written(from);
        format!("no line{with} in {group}, streams {prefix}*, since {since}; {}", logs::PROVES_NOTHING)
    }
}

impl From<Event> for Line {
    fn from(event: Event) -> Self {
        Self { time: moment::written(event.at), stream: event.stream, message: logs::shortened(&event.message) }
    }
}

fn example() -> Example {
    let with = bootstrap_line::example().with;
    let part = |name: &str| with.get(name).cloned().unwrap_or_default();
    let id = "38775352489765218495473245678901234567890123456789012345";
    Example {
        summary: "What the start of node 1 wrote in the last two hours".to_owned(),
        with: json!({
            "cluster": part("cluster"), "node": part("node"), "contains": "Axiom", "since": "2h", "until": null, "limit": 200,
            "after": null,
        }),
        output: json!({
            "node": "nats-staging-node-1", "group": "/aws/ec2/nats-cluster/nats-staging/diagnostic",
            "stream_prefix": "nats-staging-node-1-bootstrap-", "since": "2026-11-22T16:01:00.000Z", "until": null,
            "group_exists": true,
            "lines": [{
                "time": "2026-11-22T18:01:00.000Z", "stream": "nats-staging-node-1-bootstrap-i-0123456789abcdef0",
                "message": "[bootstrap] Axiom ingest check: OK (HTTP 200)",
            }],
            "left_out": 0, "more": false, "why": null,
            "next": { "from": "2026-11-22T18:00:00.000Z", "shown": [id] },
        }),
    }
}

#[cfg(test)]
mod tests;
