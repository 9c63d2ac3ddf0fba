//! `axiom.sync_monitors`: makes the monitors of one prefix what they should be. It owns those named `<prefix>: <id>`, and
//! touches no other.
//!
//! What has to be done is the difference to what is there, read anew each time: first what is created or updated, then
//! what is deleted, each by one request. A lost answer ends it, as perhaps applied, and the look back compares again. A
//! monitor that Axiom refuses does not keep the others from being changed: then `complete` is false. What somebody
//! switched off stays off.

mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, Applied, ByHand, Call, Example, Host, Method, Outcome, Preview, Problem, Reconciled, Timestamp,
};

use crate::describe::{change, input, output};
use crate::monitor::api::{self, Undone};
use crate::monitor::difference::{self, Change};
use crate::monitor::model::MonitorId;
use crate::monitor::{Monitor, Monitors, Prefix, Wanted};
use crate::service::{PATIENCE, Service, bad_url};
use report::{Output, Report};

/// Less than this is left to the step: a change that is begun now would be cut off.
const TOO_LITTLE: Duration = Duration::from_secs(2);

pub(crate) struct SyncMonitors;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Where Axiom is: `https://api.axiom.co`, whatever edge deployment the events go to.
    url: String,
    /// An API token that may read, create, update and delete monitors.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// How the names of the owned monitors begin, without a colon: `sluice nats-staging`.
    #[schemars(regex(pattern = r"^[^:]{1,100}$"))]
    prefix: String,
    /// All there should be. Those of the prefix that are not here are deleted.
    #[schemars(length(max = 500))]
    monitors: Vec<Wanted>,
}

/// An input that makes sense.
struct Task<'a> {
    monitors: Monitors<'a>,
    url: &'a str,
    prefix: Prefix,
    wanted: BTreeMap<MonitorId, Wanted>,
}

/// What is there, and what has to be done.
struct Look {
    there: Vec<Monitor>,
    changes: Vec<Change>,
}

#[async_trait]
impl Action for SyncMonitors {
    fn spec(&self) -> ActionSpec {
        let summary = "Create, update and delete monitors in Axiom until they are as wanted";
        let mut spec = change::<Input, Output>("sync_monitors", summary);
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let prefix = text("prefix").and_then(|prefix| prefix_of(prefix).err());
        text("url").and_then(bad_url).into_iter().chain(prefix).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let task = Task::of(&input)?;
        let look = task.look(host).await?;
        let mut report = Report::of(&look.there);
        for (done, change) in look.changes.iter().enumerate() {
            task.apply(host, call.deadline, change, &mut report)
                .await
                .map_err(|problem| lost(problem, change, &look.changes, done, &report))?;
        }
        if let Some(problem) = report.in_vain() {
            return Err(problem);
        }
        if report.changed() {
            report.read_back(task.look(host).await.map(|look| look.changes));
        }
        output(&report.output()).map(Outcome::plain)
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input(&call.with)?;
        let task = Task::of(&input)?;
        let look = task.look(host).await?;
        if let Some(output) = look.as_wanted()? {
            return Ok(Preview::Already { output });
        }
        let changes: Vec<Value> = look.changes.iter().filter(|change| !change.is_same()).map(Change::told).collect();
        let owned = |monitor: &&Monitor| task.prefix.id_in(monitor.name()).is_some();
        let off = look.there.iter().filter(owned).filter(|monitor| monitor.is_disabled());
        let facts = json!({
            "same": look.changes.len() - changes.len(),
            "others": look.there.iter().filter(|monitor| !owned(monitor)).count(),
            "switched_off": off.map(Monitor::name).collect::<Vec<_>>(),
        });
        let binding = json!({ "url": task.url, "prefix": input.prefix, "changes": changes });
        Ok(Preview::Ready { binding, facts })
    }

    async fn reconcile(&self, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input(&call.with)?;
        let look = Task::of(&input)?.look(host).await?;
        let changes: Vec<Value> = look.changes.iter().filter(|change| !change.is_same()).map(Change::told).collect();
        let evidence = json!({ "still_to_do": changes });
        Ok(match look.as_wanted()? {
            Some(output) => Reconciled::Done { output, evidence },
            None => Reconciled::NotDone { evidence },
        })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(task) = Task::of(&input) else { return Vec::new() };
        let service = task.monitors.service;
        let look_for = format!(
            "200 at the end, and which of the following names there are, each with its `id`; one that begins with `{}: ` \
             and does not follow is deleted with `--request DELETE` on {}/<id>",
            input.prefix,
            api::PATH
        );
        let list = service.by_hand(Some(Method::Get), api::PATH, None, &look_for);
        let one = |(id, wanted): (&MonitorId, &Wanted)| {
            let name = task.prefix.name(id);
            let fields = wanted.fields(&name).into_iter().map(|(field, value)| (field.to_owned(), value));
            let body = Value::Object(fields.collect()).to_string();
            let look_for = format!(
                "only where there is no `{name}`; where there is, the same with `--request PUT` on {}/<id>",
                api::PATH
            );
            service.by_hand(Some(Method::Post), api::PATH, Some(&body), &look_for)
        };
        std::iter::once(list).chain(task.wanted.iter().map(one)).collect()
    }
}

fn prefix_of(text: &str) -> Result<Prefix, Problem> {
    let why = "a prefix is a text without a colon, and begins and ends with no space: `sluice nats-staging`";
    Prefix::parse(text).ok_or_else(|| Problem::bad_input("/prefix", why))
}

impl<'a> Task<'a> {
    fn of(input: &'a Input) -> Result<Self, Problem> {
        if let Some(problem) = bad_url(&input.url) {
            return Err(problem);
        }
        let prefix = prefix_of(&input.prefix)?;
        let mut wanted = BTreeMap::new();
        for (at, monitor) in input.monitors.iter().enumerate() {
            let bad = |why: String| Problem::bad_input(&format!("/monitors/{at}/id"), why);
            let id = MonitorId::parse(&monitor.id)
                .ok_or_else(|| bad(format!("`{}` is no id: letters, digits, `.`, `-` and `_`", monitor.id)))?;
            if wanted.insert(id, monitor.clone()).is_some() {
                return Err(bad(format!("there are two monitors `{}`", monitor.id)));
            }
        }
        let monitors = Monitors { service: Service { url: &input.url, token: &input.token } };
        Ok(Self { monitors, url: &input.url, prefix, wanted })
    }

    async fn look(&self, host: &dyn Host) -> Result<Look, Problem> {
        let there = self.monitors.all(host).await?;
        let changes = difference::between(&self.prefix, &there, &self.wanted);
        Ok(Look { there, changes })
    }

    /// A problem only where nobody knows what came of it.
    async fn apply(
        &self,
        host: &dyn Host,
        deadline: Option<Timestamp>,
        change: &Change,
        report: &mut Report,
    ) -> Result<(), Problem> {
        if change.is_same() || report.is_stopped() {
            report.left(change);
            return Ok(());
        }
        let left = deadline.map_or(PATIENCE, |deadline| deadline.since(host.now()));
        if left < TOO_LITTLE {
            let message = "the time of the step (`timeout`) is over";
            report.stopped(change, Problem::not_applied("too_late", message).retryable());
            return Ok(());
        }
        match self.monitors.apply(host, change, left.saturating_sub(TOO_LITTLE / 2)).await {
            Ok(monitor) => report.done(change, monitor.as_ref()),
            Err(Undone::Refused(problem)) => report.refused(change, problem),
            Err(Undone::NotNow(problem)) => report.stopped(change, problem),
            Err(Undone::Unknown(problem)) => return Err(problem),
        }
        Ok(())
    }
}

impl Look {
    /// The output, where there is nothing to do.
    fn as_wanted(&self) -> Result<Option<Value>, Problem> {
        if !self.changes.iter().all(Change::is_same) {
            return Ok(None);
        }
        let mut report = Report::of(&self.there);
        self.changes.iter().for_each(|change| report.left(change));
        output(&report.output()).map(Some)
    }
}

fn lost(problem: Problem, change: &Change, changes: &[Change], done: usize, report: &Report) -> Problem {
    let before = changes.iter().take(done).filter(|change| !change.is_same()).count();
    let all = changes.iter().filter(|change| !change.is_same()).count();
    let message = format!(
        "after {before} of {all} changes nobody knows what became of the monitor `{}`: {}",
        change.name, problem.message
    );
    Problem { message, applied: Applied::Maybe, ..problem }
        .with_details(json!({ "unknown": change.told(), "before": report.output() }))
}

fn example() -> Example {
    Example {
        summary: "one threshold of a cluster".to_owned(),
        with: json!({
            "url": "https://api.axiom.co", "token": { "$secret": "secrets.axiom_monitors_token" },
            "prefix": "sluice nats-staging",
            "monitors": [{
                "id": "disk_used", "description": "a node's NVMe disk fills up",
                "apl": "['nats-logs'] | where ['cluster'] == \"nats-staging\" | summarize max(['system.disk_used_percent'])",
                "operator": "above_or_equal", "threshold": 80, "interval_minutes": 1, "range_minutes": 5,
                "notifiers": ["notify_slack"],
            }],
        }),
        output: json!({
            "complete": true, "created": 0, "updated": 1, "deleted": 0, "same": 0,
            "monitors": [{
                "name": "sluice nats-staging: disk_used", "change": "update", "outcome": "as_wanted", "id": "mon_xyz789",
                "fields": [{ "field": "threshold", "from": 90, "to": 80 }], "disabled": false, "why": null,
            }],
            "summary": "0 created, 1 updated, 0 deleted, 0 as they were",
        }),
    }
}

#[cfg(test)]
mod tests;
