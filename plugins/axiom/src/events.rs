//! `axiom.events`: the events of a cluster's nodes, for people who read them and for rules that judge them, and the place
//! from which to go on. It judges nothing.
//!
//! Names of fields and dataset come from the inventory; what nobody wrote down there is a marked guess. The field with an
//! event's message is not in it: `message` is a guess too, and an input replaces it.

mod cursor;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::inventory::{AxiomLogs, Cluster, Node};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Timestamp, duration, format_duration,
    parse_duration,
};

use crate::apl::Query;
use crate::ask::{Answer, Asked, Axiom, Table};
use crate::describe::{input, output, read};
use crate::fresh_events::{cluster, node};
use crate::service::Service;
use cursor::{Cursor, Page};
use sluice_plugin::time;

/// A thousand events with every field that a dataset may have.
const LARGEST: usize = 16 << 20;

pub(crate) struct Events;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// Only events of this node; without, those of all nodes of the cluster.
    #[serde(default)]
    node: Option<Node>,
    /// Only events of this instance: those of one that is gone are still there.
    #[serde(default)]
    instance: Option<String>,
    /// From when on: RFC 3339, or so far back from now as `15m`. Where `after` is given, that is from when on.
    #[serde(default = "fifteen_minutes")]
    since: String,
    /// Before when, written as `since`.
    #[serde(default)]
    until: Option<String>,
    /// Only events whose message holds this text, in any writing.
    #[serde(default)]
    contains: Option<String>,
    /// The field with an event's message.
    #[serde(default = "message")]
    message_field: String,
    /// Only events in which these fields are exactly these texts.
    #[serde(default)]
    equal: BTreeMap<String, String>,
    /// Only events that have all of these fields.
    #[serde(default)]
    has: Vec<String>,
    /// Only these fields, beside the time. A field in another one is written with dots: `jsz.api.errors`.
    #[serde(default)]
    #[schemars(length(max = 100))]
    fields: Option<Vec<String>>,
    /// Which events come first, and are the ones that are given where there are too many. After `after` it is the oldest.
    #[serde(default)]
    order: Order,
    /// How many at most.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
    /// The `next` of an earlier answer: what came since then, the oldest first.
    #[serde(default)]
    after: Option<Cursor>,
    /// How late an event may arrive and still be among those that come `after`.
    #[serde(default = "one_minute")]
    #[schemars(schema_with = "duration::schema")]
    late: String,
    /// The field with an event's own id: events with the same one are one event that was sent twice.
    #[serde(default)]
    id_field: Option<String>,
    /// An API token that may query the dataset.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Newest,
    Oldest,
    /// The newest are given, and the newest of them comes last, as in a log.
    NewestLast,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    dataset: String,
    /// From when on events were looked for. RFC 3339.
    since: String,
    /// Each with the fields it has, the time first.
    events: Vec<Map<String, Value>>,
    /// What was asked, in APL.
    query: String,
    /// Axiom answered with a part of what it has: events may be missing.
    partial: bool,
    /// There are more than `limit`.
    more: bool,
    /// The time of the newest of these events, as Axiom writes it.
    newest: Option<String>,
    /// Fields that were asked for and that no event of the dataset has ever had.
    missing_fields: Vec<String>,
    /// From here on it goes on: the `after` of the next call.
    next: Cursor,
}

fn fifteen_minutes() -> String {
    "15m".to_owned()
}

fn one_minute() -> String {
    "1m".to_owned()
}

fn message() -> String {
    "message".to_owned()
}

fn two_hundred() -> usize {
    200
}

/// A question that can be asked.
struct Question<'a> {
    logs: &'a AxiomLogs,
    input: &'a Input,
    since: Timestamp,
    until: Option<Timestamp>,
    late: Duration,
    /// What stands in the node's field, of each node that is asked for.
    values: Vec<&'a str>,
    /// What is asked for beside the time; nothing: all there is.
    fields: Option<Vec<&'a str>>,
}

/// A moment, or so far back from whenever it is asked.
#[derive(Clone, Copy)]
enum When {
    At(Timestamp),
    Back(Duration),
}

#[async_trait]
impl Action for Events {
    fn spec(&self) -> ActionSpec {
        let mut spec = read::<Input, Output>("events", "Read the events of nodes in Axiom");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        // What is filled in later cannot be judged yet.
        let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let times = [("since", "/since"), ("until", "/until")];
        let times = times.into_iter().filter_map(|(key, pointer)| when(text(key)?, pointer).err());
        times.chain(text("late").and_then(|late| late_of(late).err())).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let question = Question::new(&input, host.now())?;
        output(&question.answer(host).await?).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(question) = Question::new(&input, Timestamp(i64::MAX / 2)) else { return Vec::new() };
        // A plan has no clock here: Axiom's own is asked.
        let (since, query) = match (&input.after, when(&input.since, "/since")) {
            (Some(_), _) => (time::written(question.since), Query::of(&question.logs.dataset)),
            (None, Ok(When::At(at))) => (time::written(at), Query::of(&question.logs.dataset)),
            (None, Ok(When::Back(back))) => {
                let query = Query::of(&question.logs.dataset).since_ago(&question.logs.time_field, back);
                (format!("now-{}", format_duration(back)), query)
            }
            (None, Err(_)) => return Vec::new(),
        };
        let query = match input.until.as_deref().map(|until| when(until, "/until")) {
            Some(Ok(When::Back(back))) => query.before_ago(&question.logs.time_field, back),
            Some(Ok(When::At(at))) => query.before(&question.logs.time_field, at),
            Some(Err(_)) | None => query,
        };
        let query = question.filtered(query, &question.wanted(&[]), input.limit);
        let look_for = "200 at the end; each of `columns` belongs to the field at the same place in `fields`";
        vec![question.axiom().by_hand(&query, &since, look_for)]
    }
}

fn when(text: &str, pointer: &str) -> Result<When, Problem> {
    let moment = time::read(text).map(When::At);
    let back = || parse_duration(text).ok().map(When::Back);
    let why =
        || format!("`{text}` is neither a moment, as 2026-11-22T17:54:46Z, nor a time back from now, as 15m or 2h");
    moment.or_else(back).ok_or_else(|| Problem::bad_input(pointer, why()))
}

fn late_of(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| Problem::bad_input("/late", why))
}

impl When {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Back(back) => time::before(now, back),
        }
    }
}

impl<'a> Question<'a> {
    fn new(input: &'a Input, now: Timestamp) -> Result<Self, Problem> {
        let logs = input.cluster.logs.as_ref().map(|logs| &logs.axiom);
        let logs = logs.ok_or_else(|| Problem::bad_input("/cluster", "the cluster says nothing of its logs"))?;
        let since = match &input.after {
            Some(cursor) => cursor.time()?,
            None => when(&input.since, "/since")?.at(now),
        };
        let until = input.until.as_deref().map(|until| when(until, "/until")).transpose()?.map(|until| until.at(now));
        if until.is_some_and(|until| until <= since) {
            let message = format!("there is no time between {} and then", time::written(since));
            return Err(Problem::bad_input("/until", message));
        }
        let values = match &input.node {
            None => logs.node_values.values().map(String::as_str).collect(),
            Some(node) => vec![logs.node_values.get(&node.name).map(String::as_str).ok_or_else(|| {
                let message = format!("{} is no node of cluster {}", node.name, input.cluster.name);
                Problem::bad_input("/node", message)
            })?],
        };
        Ok(Self { logs, input, since, until, late: late_of(&input.late)?, values, fields: fields(input, logs)? })
    }

    fn axiom(&self) -> Axiom<'_> {
        let service = Service { url: &self.logs.url, token: &self.input.token };
        Axiom { service, dataset: &self.logs.dataset }
    }

    /// A field that no event ever had is an error of the query: it is asked again without.
    async fn answer(&self, host: &dyn Host) -> Result<Output, Problem> {
        let mut missing: Vec<String> = Vec::new();
        loop {
            let query = self.query(&missing);
            let named: Vec<&str> = self.filters().into_iter().chain(self.wanted(&missing)).collect();
            let (from, until) = (self.since, self.until);
            let asked = Asked { query: &query, from, until, fields: &named, largest: LARGEST };
            let answer = self.axiom().ask(host, &asked).await.map_err(too_large)?;
            let (said, fields) = match answer {
                Answer::Table(table) => return self.page(&table, host.now(), &query, missing),
                Answer::NoSuchField { said, fields } => (said, fields),
            };
            let fresh: Vec<String> = fields.into_iter().filter(|field| !missing.contains(field)).collect();
            if fresh.is_empty() {
                let message = format!("Axiom does not accept the query (HTTP 400) (it says: {said})");
                return Err(Problem::not_applied("bad_query", message));
            }
            let is_filter = fresh.iter().any(|field| self.filters().contains(&field.as_str()));
            missing.extend(fresh);
            if is_filter {
                // No event has it, so there is none with this value in it.
                return self.page(&Table::default(), host.now(), &query, missing);
            }
        }
    }

    fn query(&self, missing: &[String]) -> Query {
        let query = Query::of(&self.logs.dataset).since(&self.logs.time_field, self.since);
        let query = match self.until {
            Some(until) => query.before(&self.logs.time_field, until),
            None => query,
        };
        // Those that were given already come again, and one more says whether there are more.
        let seen = self.input.after.as_ref().map_or(0, Cursor::seen);
        self.filtered(query, &self.wanted(missing), self.input.limit.saturating_add(seen).saturating_add(1))
    }

    fn filtered(&self, query: Query, wanted: &[&str], rows: usize) -> Query {
        let query = match self.values.as_slice() {
            [one] => query.is(&self.logs.node_field, one),
            all => query.among(&self.logs.node_field, all),
        };
        let query = match &self.input.instance {
            Some(instance) => query.is(&self.logs.instance_field, instance),
            None => query,
        };
        let query = match &self.input.contains {
            Some(part) => query.contains(&self.input.message_field, part),
            None => query,
        };
        let query = self.input.equal.iter().fold(query, |query, (field, value)| query.is(field, value));
        let query = self.input.has.iter().fold(query, |query, field| query.has(field));
        let query = query.sorted(&self.logs.time_field, !self.oldest_first()).take(rows);
        if wanted.is_empty() { query } else { query.only(wanted) }
    }

    fn oldest_first(&self) -> bool {
        self.input.after.is_some() || self.input.order == Order::Oldest
    }

    /// The fields without which the query finds nothing.
    fn filters(&self) -> Vec<&str> {
        let instance = self.input.instance.as_ref().map(|_| self.logs.instance_field.as_str());
        let message = self.input.contains.as_ref().map(|_| self.input.message_field.as_str());
        let always = [self.logs.time_field.as_str(), self.logs.node_field.as_str()];
        let more = self.input.equal.keys().chain(&self.input.has).map(String::as_str);
        always.into_iter().chain(instance).chain(message).chain(more).collect()
    }

    /// What the query gives of each event, the time first; nothing stands for all there is.
    fn wanted(&self, missing: &[String]) -> Vec<&str> {
        let Some(fields) = &self.fields else { return Vec::new() };
        let fields = fields.iter().copied().filter(|field| !missing.iter().any(|missing| missing == field));
        std::iter::once(self.logs.time_field.as_str()).chain(fields).collect()
    }

    fn page(&self, table: &Table, now: Timestamp, query: &Query, missing: Vec<String>) -> Result<Output, Problem> {
        let time_field = self.logs.time_field.as_str();
        let rows = table.rows(time_field);
        let page = Page {
            from: self.since,
            after: self.input.after.as_ref(),
            time_field,
            id_field: self.input.id_field.as_deref(),
            limit: self.input.limit,
            oldest_first: self.oldest_first(),
            partial: table.partial,
            now,
            late: self.late,
        };
        let mut found = page.of(rows)?;
        if self.input.order == Order::NewestLast && !self.oldest_first() {
            found.events.reverse();
        }
        Ok(Output {
            dataset: self.logs.dataset.clone(),
            since: time::written(self.since),
            events: found.events,
            query: query.as_str().to_owned(),
            partial: table.partial,
            more: found.more,
            newest: found.newest,
            missing_fields: missing,
            next: found.next,
        })
    }
}

/// What is wanted beside the time, each once; an id is wanted wherever anything is.
fn fields<'a>(input: &'a Input, logs: &AxiomLogs) -> Result<Option<Vec<&'a str>>, Problem> {
    let Some(given) = &input.fields else { return Ok(None) };
    let mut fields: Vec<&str> = Vec::new();
    for (at, field) in given.iter().enumerate() {
        if field.is_empty() {
            return Err(Problem::bad_input(&format!("/fields/{at}"), "a field has a name"));
        }
        if *field != logs.time_field && !fields.contains(&field.as_str()) {
            fields.push(field);
        }
    }
    let id = input.id_field.as_deref().filter(|id| *id != logs.time_field && !fields.contains(id));
    fields.extend(id);
    Ok(Some(fields))
}

fn too_large(problem: Problem) -> Problem {
    if problem.code != "too_large" {
        return problem;
    }
    let message = format!("{}; ask for fewer `fields`, or a smaller `limit`", problem.message);
    Problem { message, ..problem }
}

fn example() -> Example {
    Example {
        summary: "the newest samples of one node, for its disk".to_owned(),
        with: json!({
            "cluster": cluster(),
            "node": node(),
            "since": "5m",
            "fields": ["node", "system.disk_used_percent"],
            "limit": 2,
            "token": { "$secret": "secrets.axiom_token" },
        }),
        output: json!({
            "dataset": "nats-logs",
            "since": "2026-11-22T17:50:00.000Z",
            "events": [
                { "_time": "2026-11-22T17:54:46.927Z", "node": "nats-staging-node-1", "system.disk_used_percent": 41.5 },
                { "_time": "2026-11-22T17:54:16.911Z", "node": "nats-staging-node-1", "system.disk_used_percent": 41.25 },
            ],
            "query": "['nats-logs']\n| where ...",
            "partial": false,
            "more": true,
            "newest": "2026-11-22T17:54:46.927Z",
            "missing_fields": [],
            "next": { "time": "2026-11-22T17:54:16.911Z", "seen": ["8f434346648f6b96", "9c56cc51b374c3ba"] },
        }),
    }
}

#[cfg(test)]
mod tests;
