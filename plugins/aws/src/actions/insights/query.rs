//! One query: its text, its start, the wait for all of its answer, and the rows of that.
//!
//! Insights counts in whole seconds, so rows from outside the time are left out here; what it was asked to leave out is
//! left out here once more.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::types::ResultField;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{Host, Problem, Progress, Timestamp, format_duration};

use super::Row;
use crate::clients::ClientSet;
use crate::command;
use crate::leftover::Leftover;
use crate::logs::{self, Phrase, is_gone};
use crate::moment;

pub(super) const START: &str = "logs:StartQuery";
pub(super) const GET: &str = "logs:GetQueryResults";
pub(super) const STOP: &str = "logs:StopQuery";

pub(super) const COMPLETE: &str = "Complete";

const PAUSE: Duration = Duration::from_secs(1);

/// Which lines are wanted. Times are milliseconds since 1970 in UTC.
pub(super) struct Wanted<'a> {
    pub(super) group: &'a str,
    /// How the names of a node's streams begin.
    pub(super) prefix: Option<&'a str>,
    pub(super) phrase: Phrase,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) limit: u32,
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) cut: bool,
    pub(super) statistics: Option<Statistics>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Statistics {
    pub(super) records_matched: u64,
    pub(super) records_scanned: u64,
    pub(super) bytes_scanned: u64,
}

impl Wanted<'_> {
    pub(super) fn query(&self) -> String {
        let of_node = self.prefix.map(|prefix| format!(" | filter @logStream like {}", logs::regex_of_start(prefix)));
        format!(
            "fields @timestamp, @message, @logStream | filter @message like {}{} | sort @timestamp desc | limit {}",
            self.phrase.as_regex(),
            of_node.unwrap_or_default(),
            self.limit
        )
    }

    pub(super) fn no_row(&self) -> String {
        let streams = self.prefix.map(|prefix| format!(", streams {prefix}*,")).unwrap_or_default();
        format!(
            "no line with \"{}\" in {}{streams} since {}; a line may take a minute until a query finds it, and {}",
            self.phrase.as_str(),
            self.group,
            moment::written(self.from),
            logs::PROVES_NOTHING
        )
    }

    fn row(&self, fields: &[ResultField]) -> Option<Row> {
        let value =
            |name: &str| fields.iter().find(|field| field.field() == Some(name)).and_then(|field| field.value());
        let (message, stream) = (value("@message")?, value("@logStream"));
        let time = value("@timestamp")?;
        let at = moment::read_spaced(time).or_else(|| time.parse().ok());
        let in_time = at.is_none_or(|at| (self.from..=self.to).contains(&at));
        let of_node = self.prefix.is_none_or(|prefix| stream.is_none_or(|stream| stream.starts_with(prefix)));
        (in_time && of_node && self.phrase.is_in(message)).then(|| Row {
            time: at.map_or_else(|| time.to_owned(), moment::written),
            message: logs::shortened(message),
            stream: stream.map(str::to_owned),
        })
    }

    fn answer(&self, results: &GetQueryResultsOutput) -> Answer {
        let statistics = results.statistics().map(|all| Statistics {
            records_matched: whole(all.records_matched()),
            records_scanned: whole(all.records_scanned()),
            bytes_scanned: whole(all.bytes_scanned()),
        });
        let given = results.results();
        Answer {
            rows: given.iter().filter_map(|fields| self.row(fields)).collect(),
            cut: u32::try_from(given.len()).is_ok_and(|given| given >= self.limit),
            statistics,
        }
    }
}

/// AWS counts in numbers with a point.
fn whole(number: f64) -> u64 {
    // From a float this stops at the ends of what the type holds.
    number.round() as u64
}

/// Nothing where there is no such group. `timeout`, and the deadline of the call.
pub(super) async fn ask(
    aws: &Arc<ClientSet>,
    host: &dyn Host,
    wanted: &Wanted<'_>,
    (timeout, deadline): (Duration, Option<Timestamp>),
) -> Result<Option<Answer>, Problem> {
    let begun = host.now();
    let Some(id) = start(aws, wanted).await? else { return Ok(None) };
    let leftover = Leftover::new(stop(aws.clone(), id.clone()));
    let until = command::until(begun, timeout, deadline);
    loop {
        let request = aws.logs.client.get_query_results().query_id(&id);
        let results = request.send().await.map_err(|error| aws.problem(&aws.logs, GET, &id, &error))?;
        let status = results.status().map_or("Unknown", |status| status.as_str());
        match status {
            COMPLETE => {
                leftover.forget();
                return Ok(Some(wanted.answer(&results)));
            }
            "Failed" | "Cancelled" | "Timeout" => {
                leftover.forget();
                return Err(ended_badly(wanted, &id, status));
            }
            // What has come so far may be a part. A status nobody knows is no end.
            _ => {}
        }
        let now = host.now();
        if now >= until {
            let problem = too_slow(wanted, &id, (status, timeout));
            leftover.stop().await;
            return Err(problem);
        }
        let note = format!("query of {}: {status}", wanted.group);
        host.progress(Progress { note, done: now.since(begun).as_secs(), total: None });
        host.sleep(PAUSE.min(until.since(now))).await;
    }
}

async fn start(aws: &ClientSet, wanted: &Wanted<'_>) -> Result<Option<String>, Problem> {
    let (from, to) = (wanted.from.div_euclid(1000), wanted.to.div_euclid(1000).saturating_add(1));
    let request = aws.logs.client.start_query().log_group_name(wanted.group).query_string(wanted.query());
    let answer = match request.start_time(from).end_time(to).send().await {
        Ok(answer) => answer,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) if error.code() == Some("LimitExceededException") => {
            let problem = aws.problem(&aws.logs, START, wanted.group, &error);
            let message = format!("too many queries run at once in {}: {}; try again", aws.place(), problem.message);
            return Err(Problem { code: "throttled".to_owned(), message, ..problem }.retryable());
        }
        Err(error) => return Err(aws.problem(&aws.logs, START, wanted.group, &error)),
    };
    let missing =
        || Problem::not_applied("bad_answer", format!("{START} was answered without an id; try again")).retryable();
    answer.query_id.filter(|id| !id.is_empty()).ok_or_else(missing).map(Some)
}

async fn stop(aws: Arc<ClientSet>, id: String) {
    // Whoever gives up has something to say already.
    let _ = aws.logs.client.stop_query().query_id(id).send().await;
}

fn ended_badly(wanted: &Wanted<'_>, id: &str, status: &str) -> Problem {
    let message = format!(
        "query {id} of {} ended as {status}, and what it had found by then is no whole answer; try again, or with a shorter \
         time",
        wanted.group
    );
    Problem::not_applied("query_failed", message).retryable()
}

fn too_slow(wanted: &Wanted<'_>, id: &str, (status, timeout): (&str, Duration)) -> Problem {
    let message = format!(
        "query {id} of {} was still {status} after {} and was stopped; try again, with a shorter time, or raise `timeout` \
         here and in the step",
        wanted.group,
        format_duration(timeout)
    );
    Problem::not_applied("timed_out", message).retryable()
}
