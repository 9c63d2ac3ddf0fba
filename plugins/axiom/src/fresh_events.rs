//! `axiom.fresh_events`: do the events of a node, and of one instance of it, arrive? A gate of class evidence: it says that
//! logs flow, and nothing of the node's data.
//!
//! Names of fields and dataset come from the inventory; what nobody wrote down there is a marked guess.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::{AxiomLogs, Cluster, Node};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Timestamp, Verdict, duration, format_duration,
    parse_duration,
};

use crate::apl::Query;
use crate::ask::{Answer, Asked, Axiom, Table};
use crate::describe::{evidence, input, output};
use crate::service::Service;
use sluice_plugin::time;

/// The answer is one row.
const LARGEST: usize = 1 << 20;

/// How far back is looked: what is older is no news, and a narrow query costs less.
const FARTHEST: Duration = Duration::from_secs(24 * 3600);
const USUALLY: Duration = Duration::from_secs(3600);

/// Clocks differ. What lies further in the future tells nothing of now.
const AHEAD: Duration = Duration::from_secs(60);

pub(crate) struct FreshEvents;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    node: Node,
    /// Only events of this instance count: after a replacement those of the one before are still there.
    #[serde(default)]
    instance: Option<String>,
    /// Only events from then on count: when the instance was launched. RFC 3339.
    #[serde(default)]
    since: Option<String>,
    /// How old the newest event may be.
    #[serde(default = "two_minutes")]
    #[schemars(schema_with = "duration::schema")]
    within: String,
    /// An API token that may query the dataset.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    dataset: String,
    node: String,
    instance: Option<String>,
    /// From when on events were looked for. RFC 3339.
    since: String,
    /// How many there are from then on.
    events: u64,
    /// The time of the last one. RFC 3339.
    newest: Option<String>,
    /// How old that is.
    age_seconds: Option<u64>,
    /// What was asked, in APL.
    query: String,
}

fn two_minutes() -> String {
    "2m".to_owned()
}

/// A question that can be asked.
struct Question<'a> {
    logs: &'a AxiomLogs,
    input: &'a Input,
    within: Duration,
    since: Timestamp,
    query: Query,
}

#[async_trait]
impl Action for FreshEvents {
    fn spec(&self) -> ActionSpec {
        let mut spec = evidence::<Input, Output>("fresh_events", "See whether a node's events arrive in Axiom");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        // What is filled in later cannot be judged yet.
        let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let within = text("within").and_then(|within| within_of(within).err());
        let since = text("since").and_then(|since| since_of(since).err());
        within.into_iter().chain(since).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let question = Question::new(&input, host.now())?;
        let (query, from, fields) = (&question.query, question.since, question.fields());
        let asked = Asked { query, from, until: None, fields: &fields, largest: LARGEST };
        match question.axiom().ask(host, &asked).await? {
            Answer::Table(table) => question.judged(&table.whole(&question.logs.dataset)?, host.now()),
            Answer::NoSuchField { said, .. } => question.without_field(&said),
        }
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        // A plan has no clock here: without a time, all that the service keeps is looked at.
        let since = input.since.as_deref().and_then(time::read).unwrap_or_default();
        let Ok(question) = Question::from(&input, since) else { return Vec::new() };
        let look_for = format!(
            "200 at the end; `events` above 0, and `newest` not older than {}",
            format_duration(question.within)
        );
        vec![question.axiom().by_hand(&question.query, &time::written(since), &look_for)]
    }
}

fn within_of(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| Problem::bad_input("/within", why))
}

fn since_of(text: &str) -> Result<Timestamp, Problem> {
    let why = || format!("`{text}` is no moment; write it like 2026-11-22T17:54:46Z");
    time::read(text).ok_or_else(|| Problem::bad_input("/since", why()))
}

impl<'a> Question<'a> {
    fn new(input: &'a Input, now: Timestamp) -> Result<Self, Problem> {
        let before = |back: Duration| time::before(now, back);
        let since = input.since.as_deref().map(since_of).transpose()?;
        // Nothing that the gate asks for may lie outside what is looked at.
        let usually = before(within_of(&input.within)?.max(USUALLY));
        Self::from(input, since.map_or(usually, |since| since.max(before(FARTHEST))))
    }

    fn from(input: &'a Input, since: Timestamp) -> Result<Self, Problem> {
        let name = &input.node.name;
        let logs = input.cluster.logs.as_ref().map(|logs| &logs.axiom);
        let logs = logs.ok_or_else(|| Problem::bad_input("/cluster", "the cluster says nothing of its logs"))?;
        let value = logs.node_values.get(name);
        let value = value.ok_or_else(|| {
            Problem::bad_input("/node", format!("{name} is no node of cluster {}", input.cluster.name))
        })?;
        let query = Query::of(&logs.dataset).since(&logs.time_field, since).is(&logs.node_field, value);
        let query = match &input.instance {
            Some(instance) => query.is(&logs.instance_field, instance),
            None => query,
        };
        let query = query.count_and_newest(&logs.time_field);
        Ok(Self { logs, input, within: within_of(&input.within)?, since, query })
    }

    fn axiom(&self) -> Axiom<'_> {
        let service = Service { url: &self.logs.url, token: &self.input.token };
        Axiom { service, dataset: &self.logs.dataset }
    }

    fn fields(&self) -> [&str; 3] {
        [&self.logs.node_field, &self.logs.instance_field, &self.logs.time_field]
    }

    fn judged(&self, table: &Table, now: Timestamp) -> Result<Outcome, Problem> {
        let unreadable = |what: &str| {
            let message = format!("Axiom answered with a table whose {what} cannot be read");
            Problem::not_applied("unexpected_answer", message)
        };
        let events = match table.first("events") {
            Some(Value::Null) | None => 0,
            Some(count) => whole(count).ok_or_else(|| unreadable("column `events`"))?,
        };
        let newest = match table.first("newest") {
            _ if events == 0 => None,
            Some(Value::String(text)) => Some(time::read(text).ok_or_else(|| unreadable("column `newest`"))?),
            _ => return Err(unreadable("column `newest`")),
        };
        let (verdict, why) = self.verdict(events, newest, now);
        self.outcome(events, newest, now, verdict, &why)
    }

    fn verdict(&self, events: u64, newest: Option<Timestamp>, now: Timestamp) -> (Verdict, String) {
        let (who, since) = (self.who(), time::written(self.since));
        let Some(newest) = newest else {
            let why = format!(
                "no event of {who} in dataset `{}` since {since}: it sends none, none has arrived yet, or the inventory \
                 names other fields (`logs.axiom`)",
                self.logs.dataset
            );
            return (Verdict::Inconclusive, why);
        };
        let age = now.since(newest).as_secs();
        if newest.since(now) > AHEAD {
            let why = format!(
                "the newest of {events} events of {who} is {} s in the future: its clock is wrong, and it tells nothing of \
                 now",
                newest.since(now).as_secs()
            );
            return (Verdict::Inconclusive, why);
        }
        if now.since(newest) > self.within {
            let why = format!(
                "the newest of {events} events of {who} is {age} s old, more than {}: it has fallen silent, or they arrive \
                 late",
                format_duration(self.within)
            );
            return (Verdict::Inconclusive, why);
        }
        (Verdict::Pass, format!("{events} events of {who} since {since}, the newest {age} s old"))
    }

    fn who(&self) -> String {
        let node = &self.input.node.name;
        match &self.input.instance {
            Some(instance) => format!("{node} ({instance})"),
            None => format!("{node}, whichever instance,"),
        }
    }

    /// No event ever had such a field: that is no answer about the node.
    fn without_field(&self, said: &str) -> Result<Outcome, Problem> {
        let why = format!(
            "Axiom knows a field of the query in no event of dataset `{}` ({said}): none has arrived yet, or the inventory \
             names another (`logs.axiom`)",
            self.logs.dataset
        );
        self.outcome(0, None, Timestamp(0), Verdict::Inconclusive, &why)
    }

    fn outcome(
        &self,
        events: u64,
        newest: Option<Timestamp>,
        now: Timestamp,
        verdict: Verdict,
        why: &str,
    ) -> Result<Outcome, Problem> {
        let seen = Output {
            dataset: self.logs.dataset.clone(),
            node: self.input.node.name.clone(),
            instance: self.input.instance.clone(),
            since: time::written(self.since),
            events,
            newest: newest.map(time::written),
            age_seconds: newest.map(|newest| now.since(newest).as_secs()),
            query: self.query.as_str().to_owned(),
        };
        Ok(Outcome::judged(output(&seen)?, verdict, why))
    }
}

/// Some numbers come with a fraction that is zero.
fn whole(count: &Value) -> Option<u64> {
    let fraction = || count.as_f64().filter(|count| count.fract() == 0.0 && (0.0..9e15).contains(count));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    count.as_u64().or_else(|| fraction().map(|count| count as u64))
}

fn example() -> Example {
    Example {
        summary: "the new instance of a replaced node".to_owned(),
        with: json!({
            "cluster": cluster(),
            "node": node(),
            "instance": "i-0new",
            "since": "2026-11-22T17:49:00Z",
            "token": { "$secret": "secrets.axiom_token" },
        }),
        output: json!({
            "dataset": "nats-logs",
            "node": "nats-staging-node-1",
            "instance": "i-0new",
            "since": "2026-11-22T17:49:00.000Z",
            "events": 12,
            "newest": "2026-11-22T17:54:46.927Z",
            "age_seconds": 14,
            "query": "['nats-logs']\n| where ...",
        }),
    }
}

/// As the inventory gives it to an action.
pub(crate) fn cluster() -> Value {
    let admin =
        json!({ "jwt": "/nats-cluster/nats-staging/admin/jwt", "seed": "/nats-cluster/nats-staging/admin/seed" });
    json!({
        "name": "nats-staging", "labels": { "tier": "staging" }, "nodes": [node()], "aws": null,
        "ssm_prefix": "/nats-cluster/nats-staging", "streams": ["pivot_main"], "services": {},
        "creds": { "admin": admin, "system": null },
        "logs": {
            "cloudwatch": {
                "group": "/nats/staging", "stream_prefixes": { "nats-staging-node-1": "nats-staging-node-1" },
                "bootstrap": { "match": "Axiom ingest check", "ok": ["OK"], "failed": ["FAILED"] },
            },
            "axiom": {
                "url": "https://api.axiom.co", "dataset": "nats-logs", "node_field": "node",
                "match": { "nats-staging-node-1": "nats-staging-node-1" }, "instance_field": "instance_id",
                "time_field": "_time",
            },
        },
    })
}

pub(crate) fn node() -> Value {
    json!({
        "number": 1, "name": "nats-staging-node-1", "cluster": "nats-staging", "host": "10.0.0.1",
        "group": "nats-staging-node-1", "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": null,
    })
}
