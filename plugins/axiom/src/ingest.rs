//! `axiom.ingest`: sends events to Axiom, in batches, and says of each what became of it.
//!
//! It is at-least-once by design. That Axiom is away, has had enough or is in trouble, or that an answer was lost, is no
//! failure of the action: it is said in the output, and whoever called keeps the events and sends them again at the next
//! poll. What was stored under a lost answer is then there twice, so an event carries an id of its own by which readers
//! tell. A problem is only what sending again cannot mend: a token, a dataset, a request that Axiom does not take. After
//! a first batch that went through even that is said in the output, so that nobody sends that batch again; the next call
//! meets it first.

mod batch;
mod outcome;
mod parts;

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::{
    Action, ActionSpec, Applied, ByHand, Call, Example, Header, Host, HttpRequest, HttpResponse, Method, Outcome,
    Preview, Problem, Reconciled, Timestamp,
};

use crate::describe::{change, input, output};
use crate::names::Segment;
use crate::service::{PATIENCE, Service, THROTTLED, bad_url, limit_ends, until, what_came, with_said};
use batch::Batch;
use outcome::{Rejected, Status};

/// Less than this is left to the step: a batch that is begun now would be cut off.
const TOO_LITTLE: Duration = Duration::from_secs(2);

/// Nobody pastes more than this.
const BY_HAND: usize = 64 << 10;

pub(crate) struct Ingest;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Where Axiom is: `https://api.axiom.co`, or the address of an edge deployment.
    url: String,
    dataset: String,
    /// An API token that may ingest into the dataset. One that may only query is not enough.
    #[schemars(schema_with = "sluice_plugin::schema::secret")]
    token: Value,
    /// The oldest first: they are sent in this order. The time of an event is its `_time`, RFC 3339.
    #[schemars(length(min = 1, max = 10_000))]
    events: Vec<Map<String, Value>>,
}

#[derive(Debug, Default, PartialEq, Serialize, JsonSchema)]
struct Output {
    /// Every event is stored, or named in `rejected`.
    accepted: bool,
    /// How many events Axiom says that it stored.
    ingested: u64,
    /// How many it says that it did not.
    failed: u64,
    /// What it did not store, or perhaps did not.
    rejected: Vec<RejectedEvent>,
    /// Events were sent and nothing came that says what became of them: they may be stored.
    unanswered: bool,
    /// How many events, from the first one on, were sent and answered: whoever keeps events may drop these.
    sent: usize,
    /// After how many seconds Axiom takes events again, where it says so.
    retry_after_s: Option<u64>,
    /// Why not all of it went well.
    why: Option<String>,
    /// What was sent, before it was compressed.
    bytes: u64,
    /// What went over the wire of it.
    compressed_bytes: u64,
}

/// An event that is not stored, with all of it: whoever keeps it has it from here.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct RejectedEvent {
    /// Its place among the events that were given, from 0.
    index: usize,
    /// What Axiom says of it.
    error: String,
    /// False: one of several events is meant, and this may be stored.
    certain: bool,
    item: Map<String, Value>,
}

/// Why the next batch is not sent.
enum Stop {
    /// Nothing of this batch is stored.
    NotTaken { why: String, retry_after_s: Option<u64> },
    /// It was sent, and nobody knows.
    Unanswered { why: String, retry_after_s: Option<u64> },
    /// Sending it again does not help.
    Refused(Problem),
}

/// Where events go.
struct Place<'a> {
    service: Service<'a>,
    dataset: &'a str,
    segment: Segment,
}

#[async_trait]
impl Action for Ingest {
    fn spec(&self) -> ActionSpec {
        let mut spec = change::<Input, Output>("ingest", "Send events to a dataset in Axiom");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let dataset = text("dataset").filter(|dataset| Segment::of(dataset).is_none());
        text("url").and_then(bad_url).into_iter().chain(dataset.map(bad_dataset)).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let place = Place::of(&input)?;
        let mut done = Output::default();
        for batch in batch::all(&input.events) {
            match parts::send(&place, (host, call.deadline), batch, &mut done).await {
                Ok(()) => {}
                Err(Stop::Refused(problem)) if done.sent == 0 => return Err(problem),
                Err(stop) => {
                    done.stopped(stop);
                    break;
                }
            }
        }
        done.accepted = done.sent == input.events.len();
        output(&done).map(Outcome::plain)
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input(&call.with)?;
        Place::of(&input)?;
        let (bytes, sha256) = batch::digest(&input.events);
        let binding =
            json!({ "url": input.url, "dataset": input.dataset, "events": input.events.len(), "sha256": sha256 });
        Ok(Preview::Ready { binding, facts: json!({ "bytes": bytes }) })
    }

    /// What ingests may not query, and events that others sent may hold the same.
    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input(&call.with)?;
        let (_, sha256) = batch::digest(&input.events);
        let evidence = json!({
            "why": "a token that ingests cannot look; ask the dataset for the ids of these events, or send them again: an \
                    event that is there twice is told by its id",
            "url": input.url, "dataset": input.dataset, "events": input.events.len(), "sha256": sha256,
            "first_time": input.events.first().and_then(|event| event.get("_time")),
            "last_time": input.events.last().and_then(|event| event.get("_time")),
        });
        Ok(Reconciled::CannotTell { evidence })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input::<Input>(&call.with) else { return Vec::new() };
        let Ok(place) = Place::of(&input) else { return Vec::new() };
        let body = json!(input.events).to_string();
        if body.len() > BY_HAND {
            return Vec::new();
        }
        let look_for =
            format!("200 at the end, and `failed` 0 and `ingested` {}: 200 alone does not say so", input.events.len());
        vec![place.service.by_hand(None, &place.path(), Some(&body), &look_for)]
    }
}

fn bad_dataset(dataset: &str) -> Problem {
    Problem::bad_input("/dataset", format!("`{dataset}` is no name of a dataset"))
}

impl<'a> Place<'a> {
    fn of(input: &'a Input) -> Result<Self, Problem> {
        if let Some(problem) = bad_url(&input.url) {
            return Err(problem);
        }
        let (url, token, dataset) = (input.url.as_str(), &input.token, input.dataset.as_str());
        let segment = Segment::of(dataset).ok_or_else(|| bad_dataset(dataset))?;
        Ok(Self { service: Service { url, token }, dataset, segment })
    }

    /// Edge deployments have a path of their own.
    fn path(&self) -> String {
        let rest = self.service.url.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split([':', '/']).next().unwrap_or_default().to_ascii_lowercase();
        match host.ends_with(".edge.axiom.co") {
            true => format!("/v1/ingest/{}", self.segment),
            false => format!("/v1/datasets/{}/ingest", self.segment),
        }
    }

    async fn send(
        &self,
        host: &dyn Host,
        deadline: Option<Timestamp>,
        batch: &Batch<'_>,
        done: &mut Output,
    ) -> Result<(), Stop> {
        let left = deadline.map_or(PATIENCE, |deadline| deadline.since(host.now()));
        if left < TOO_LITTLE {
            let why = format!("the time of the step (`timeout`) is over, with {} events not sent", batch.and_behind());
            return Err(Stop::NotTaken { why, retry_after_s: None });
        }
        let request = self.request(host, batch, left).map_err(Stop::Refused)?;
        let compressed = request.body.len() as u64;
        let response = host.http(request).await;
        if !matches!(&response, Err(Problem { applied: Applied::No, .. })) {
            done.bytes += batch.bytes();
            done.compressed_bytes += compressed;
        }
        let response = response.map_err(stopped_by)?;
        let status = self.status(&response, host.now())?;
        done.answered(batch, &status);
        Ok(())
    }

    fn request(&self, host: &dyn Host, batch: &Batch<'_>, left: Duration) -> Result<HttpRequest, Problem> {
        let mut request = self.service.request(host, Method::Post, &self.path())?;
        request.headers.push(Header::plain("content-type", "application/x-ndjson"));
        request.headers.push(Header::plain("content-encoding", "gzip"));
        request.body = batch.compressed()?;
        // Its end has to be seen here, before the step's own is.
        request.timeout = PATIENCE.min(left.saturating_sub(TOO_LITTLE / 2));
        Ok(request)
    }

    fn status(&self, response: &HttpResponse, now: Timestamp) -> Result<Status, Stop> {
        let status = response.status;
        let ends = limit_ends(response, &["ingestlimit", "ratelimit"], now);
        let retry_after_s = ends.map(|at| at.since(now).as_secs());
        match status {
            200..300 => serde_json::from_slice(&response.body).map_err(|error| {
                let why = format!("{} answered with {}", self.service.url, what_came(response, &error, "count"));
                Stop::Unanswered { why, retry_after_s: None }
            }),
            _ if THROTTLED.contains(&status) => {
                let why = format!("Axiom takes no more events for now (HTTP {status}){}", until(ends, now));
                Err(Stop::NotTaken { why: with_said(why, response), retry_after_s })
            }
            // What stands before Axiom may have given up on an answer that was on its way.
            408 | 500.. => {
                let why = with_said(format!("Axiom is in trouble (HTTP {status})"), response);
                Err(Stop::Unanswered { why, retry_after_s })
            }
            _ => Err(Stop::Refused(self.refusal(response))),
        }
    }

    fn refusal(&self, response: &HttpResponse) -> Problem {
        let (status, dataset) = (response.status, self.dataset);
        let no = |code: &str, path: Option<&str>, text: String| Problem {
            path: path.map(str::to_owned),
            ..Problem::not_applied(code, with_said(text, response))
        };
        match status {
            400 => no(
                "bad_events",
                Some("/events"),
                "Axiom cannot read the events (HTTP 400): a value, a field's name or their number is not what it takes"
                    .to_owned(),
            ),
            401 => no(
                "denied",
                Some("/token"),
                "Axiom does not know the token (HTTP 401): it ended, or is of another organization".to_owned(),
            ),
            403 => no(
                "denied",
                Some("/token"),
                format!(
                    "the token may not ingest into the dataset `{dataset}` (HTTP 403): one that may only query is not \
                     enough, and a personal one is not taken; make an API token that may ingest into it"
                ),
            ),
            404 => no(
                "not_found",
                Some("/dataset"),
                format!("Axiom has no dataset `{dataset}` (HTTP 404): make it there, or mend the name or the address"),
            ),
            413 => no(
                "too_large",
                Some("/events"),
                "the events are too large for Axiom or for what stands before it (HTTP 413): send fewer fields"
                    .to_owned(),
            ),
            _ => no(
                "unexpected_answer",
                None,
                format!("{} answered the events with HTTP {status}: is this Axiom?", self.service.url),
            ),
        }
    }
}

/// The host says whether a request can have left.
fn stopped_by(problem: Problem) -> Stop {
    match (problem.applied, problem.code.as_str()) {
        (Applied::Maybe, _) => {
            let why = format!("the answer was lost, and the events may be stored: {}", problem.message);
            Stop::Unanswered { why, retry_after_s: None }
        }
        (Applied::No, "unreachable" | "timeout") => {
            Stop::NotTaken { why: format!("Axiom is away: {}", problem.message), retry_after_s: None }
        }
        (Applied::No, _) => Stop::Refused(problem),
    }
}

impl Output {
    fn answered(&mut self, batch: &Batch<'_>, status: &Status) {
        let rejected = outcome::rejected(batch.events(), status);
        self.ingested += status.ingested;
        self.failed += status.failed;
        self.sent += batch.events().len();
        self.rejected.extend(rejected.into_iter().filter_map(|Rejected { index, error, certain }| {
            let item = batch.events().get(index)?.clone();
            Some(RejectedEvent { index: index + batch.first(), error, certain, item })
        }));
        if let Some(first) = self.rejected.first().filter(|_| self.why.is_none()) {
            self.why = Some(format!("Axiom did not store every event: {}", first.error));
        }
    }

    /// Of one event: Axiom does not read it, so it is not stored.
    fn refused(&mut self, one: &Batch<'_>, why: &str) {
        self.sent += one.events().len();
        self.failed += one.events().len() as u64;
        let rejected = one.events().iter().zip(one.first()..);
        self.rejected.extend(rejected.map(|(item, index)| RejectedEvent {
            index,
            error: why.to_owned(),
            certain: true,
            item: item.clone(),
        }));
        self.why.get_or_insert_with(|| format!("Axiom did not store every event: {why}"));
    }

    fn stopped(&mut self, stop: Stop) {
        let (why, retry_after_s, unanswered) = match stop {
            Stop::NotTaken { why, retry_after_s } => (why, retry_after_s, false),
            Stop::Unanswered { why, retry_after_s } => (why, retry_after_s, true),
            Stop::Refused(problem) => (problem.message, None, false),
        };
        self.why = Some(why);
        self.retry_after_s = retry_after_s;
        self.unanswered = unanswered;
    }
}

fn example() -> Example {
    let event = json!({
        "_time": "2026-11-22T17:54:46.927Z", "id": "i-0new/4711", "cluster": "nats-staging", "node": "nats-staging-node-1",
        "jsz": { "storage": 43_470_843, "api": { "errors": 0 } }, "system": { "cpu_percent": 3.2 },
    });
    Example {
        summary: "a sample of a node".to_owned(),
        with: json!({
            "url": "https://api.axiom.co", "dataset": "nats-logs", "token": { "$secret": "secrets.axiom_ingest_token" },
            "events": [event],
        }),
        output: json!({
            "accepted": true, "ingested": 1, "failed": 0, "rejected": [], "unanswered": false, "sent": 1,
            "retry_after_s": null, "why": null, "bytes": 187, "compressed_bytes": 149,
        }),
    }
}

#[cfg(test)]
mod tests;
