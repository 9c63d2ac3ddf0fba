//! `aws.insights`: the query of CloudWatch Logs Insights for lines with a text, such as the bootstrap check of a node.
//!
//! The query is the plugin's; of the inputs only quoted texts and a number get into it. It tells what lines there are and
//! judges none. An answer that is not complete is no answer, and a query nobody waits for any more is stopped.

mod query;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Timestamp, duration};

use self::query::{Answer, GET, START, STOP, Statistics, Wanted};
use super::bootstrap_line;
use crate::action::{About, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::Clients;
use crate::limits;
use crate::logs::{self, LOG_GROUP_ARN, Phrase};
use crate::moment::{self, Moment};

const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

pub(crate) struct Insights(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// Only lines of this node.
    #[serde(default)]
    node: Option<Node>,
    /// Only lines that hold this text, in this writing. Without it, the inventory's text of the bootstrap check.
    #[serde(default)]
    contains: Option<Phrase>,
    /// From when on: how long ago, RFC 3339, or milliseconds since 1970. Without it, an hour ago.
    #[serde(default)]
    #[schemars(schema_with = "moment::schema")]
    since: Option<Moment>,
    /// Until when. Without it, until now.
    #[serde(default)]
    #[schemars(schema_with = "moment::schema")]
    until: Option<Moment>,
    /// How many lines at most.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
    /// How long the query may take.
    #[serde(default = "timeout")]
    #[schemars(schema_with = "duration::schema")]
    timeout: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    group: String,
    /// As it was sent.
    query: String,
    /// RFC 3339.
    since: String,
    /// RFC 3339.
    until: String,
    group_exists: bool,
    /// `Complete`; null where there is no such group.
    status: Option<String>,
    /// Newest first.
    rows: Vec<Row>,
    /// There may be older ones beside these: `limit` was reached.
    cut: bool,
    /// Why there is no row.
    why: Option<String>,
    /// What the query went through; null where AWS does not say.
    statistics: Option<Statistics>,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Row {
    /// RFC 3339, UTC, with milliseconds.
    time: String,
    /// One of more than 4,000 characters is cut.
    message: String,
    stream: Option<String>,
}

fn limit() -> u32 {
    200
}

fn timeout() -> String {
    "60s".to_owned()
}

#[async_trait]
impl Action for Insights {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.insights",
            summary: "Query CloudWatch Logs Insights for lines with a text",
            rights: &[(START, LOG_GROUP_ARN), (GET, "*"), (STOP, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(call)?;
        let wanted = input.wanted(input.times(host.now())?)?;
        let timeout = limits::time(&input.timeout, "/timeout", SHORTEST, LONGEST)?;
        let aws = required(input.cluster.aws.as_ref(), "/cluster/aws", &input.cluster.name)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let answer = query::ask(&aws, host, &wanted, (timeout, call.deadline)).await?;
        let why = match &answer {
            None => Some(logs::no_group(wanted.group, &aws.place())),
            Some(answer) if answer.rows.is_empty() => Some(wanted.no_row()),
            Some(_) => None,
        };
        output(Output::of(&wanted, answer, why))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(call) else { return Vec::new() };
        let (Some(aws), Ok(wanted)) = (&input.cluster.aws, input.wanted((0, 0))) else { return Vec::new() };
        let fixed = |moment: &Option<Moment>| moment.as_ref().and_then(Moment::fixed);
        let times = (fixed(&input.since), fixed(&input.until));
        let commands = by_hand::insights(aws, (wanted.group, &wanted.query()), times);
        std::iter::once(by_hand::account(aws)).chain(commands).collect()
    }
}

impl Input {
    fn times(&self, now: Timestamp) -> Result<(i64, i64), Problem> {
        let since = self.since.as_ref().map(|since| since.at(now, "/since")).transpose()?;
        let until = self.until.as_ref().map(|until| until.at(now, "/until")).transpose()?;
        let (from, to) = (since.unwrap_or(now.0.saturating_sub(moment::HOUR)), until.unwrap_or(now.0));
        if to >= from {
            return Ok((from, to));
        }
        let message = format!("`until` lies before `since` ({})", moment::written(from));
        Err(Problem::bad_input("/until", message))
    }

    fn wanted(&self, (from, to): (i64, i64)) -> Result<Wanted<'_>, Problem> {
        let logs = logs::of_cluster(&self.cluster)?;
        let prefix = self.node.as_ref().map(|node| logs::of_node(&self.cluster, node)).transpose()?;
        let inventory = |why: String| Problem::bad_input("/cluster/logs/cloudwatch/bootstrap/match", why);
        let phrase = match &self.contains {
            Some(phrase) => phrase.clone(),
            None => Phrase::parse(&logs.bootstrap.phrase).map_err(inventory)?,
        };
        let prefix = prefix.map(|(_, prefix)| prefix);
        Ok(Wanted { group: &logs.group, prefix, phrase, from, to, limit: self.limit.clamp(1, 1000) })
    }
}

impl Output {
    fn of(wanted: &Wanted<'_>, answer: Option<Answer>, why: Option<String>) -> Self {
        let group_exists = answer.is_some();
        let answer = answer.unwrap_or_default();
        Self {
            group: wanted.group.to_owned(),
            query: wanted.query(),
            since: moment::written(wanted.from),
            until: moment::written(wanted.to),
            group_exists,
            status: group_exists.then(|| query::COMPLETE.to_owned()),
            rows: answer.rows,
            cut: answer.cut,
            why,
            statistics: answer.statistics,
        }
    }
}

fn example() -> Example {
    let with = bootstrap_line::example().with;
    let part = |name: &str| with.get(name).cloned().unwrap_or_default();
    Example {
        summary: "What the starts of node 1 said of the ingest check in the last two hours".to_owned(),
        with: json!({
            "cluster": part("cluster"), "node": part("node"), "contains": null, "since": "2h", "until": null, "limit": 200,
            "timeout": "60s",
        }),
        output: json!({
            "group": "/aws/ec2/nats-cluster/nats-staging/diagnostic",
            "query": "fields @timestamp, @message, @logStream | filter @message like /Axiom ingest check/ | filter \
                      @logStream like /^nats-staging-node-1-bootstrap-/ | sort @timestamp desc | limit 200",
            "since": "2026-11-22T16:01:00.000Z", "until": "2026-11-22T18:01:00.000Z", "group_exists": true,
            "status": "Complete",
            "rows": [{
                "time": "2026-11-22T17:54:46.927Z", "message": "[bootstrap] Axiom ingest check: OK (HTTP 200)",
                "stream": "nats-staging-node-1-bootstrap-i-0123456789abcdef0",
            }],
            "cut": false, "why": null,
            "statistics": { "records_matched": 1, "records_scanned": 312, "bytes_scanned": 40_961 },
        }),
    }
}

#[cfg(test)]
mod tests;
