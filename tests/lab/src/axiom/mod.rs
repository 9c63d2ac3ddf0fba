//! Axiom as far as an operator's tool and the nodes' shippers need it: ingest, APL, tokens, rate limits. It answers
//! what Axiom would and refuses what it does not understand; what the nodes send is the shipper's (`ship`).

mod answer;
mod apl;
mod events;
mod words;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::{Context, Error, Result};
use crate::http::{self, Reply, Request};
use crate::plan::Plan;
use events::Dataset;

const QUERIES_KEPT: usize = 1000;

/// A query as it was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Query {
    /// When, RFC 3339.
    pub at: String,
    /// The query.
    pub apl: String,
    /// The HTTP status it was answered with.
    pub status: u16,
}

/// The stand-in's state.
pub(crate) struct Axiom {
    query_token: String,
    ingest_token: String,
    limited: AtomicBool,
    datasets: Mutex<BTreeMap<String, Dataset>>,
    queries: Mutex<Vec<Query>>,
}

/// A refusal: status and message.
struct Refusal(u16, String);

impl Axiom {
    /// With one empty dataset, as somebody made it by hand.
    pub(crate) fn new(plan: &Plan, dataset: &str) -> Arc<Self> {
        Arc::new(Axiom {
            query_token: plan.axiom_token(),
            ingest_token: plan.axiom_ingest_token(),
            limited: AtomicBool::new(false),
            datasets: Mutex::new(BTreeMap::from([(dataset.to_owned(), Dataset::default())])),
            queries: Mutex::default(),
        })
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        http::serve(listener, move |request| {
            let axiom = self.clone();
            async move { axiom.answer(&request) }
        })
        .await;
    }

    /// Whether every request is refused for its rate.
    pub(crate) fn limit(&self, limited: bool) {
        self.limited.store(limited, Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    pub(crate) fn queries(&self) -> Vec<Query> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, request: &Request) -> Reply {
        let (path, parameters) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let done = match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["v1", "datasets" | "query", "_apl"]) => self.query(request, parameters),
            ("POST", ["v1", "datasets", dataset, "ingest"] | ["v1", "ingest", dataset]) => {
                self.ingest(request, dataset)
            }
            _ => Err(Refusal(404, "not found".into())),
        };
        done.unwrap_or_else(|Refusal(status, message)| self.refusal(status, &message))
    }

    fn refusal(&self, status: u16, message: &str) -> Reply {
        let mut reply = Reply::json(status, &json!({ "code": status, "message": message }));
        if status == 429 {
            let reset = Timestamp::now().as_second() + 60;
            let pairs = [("X-RateLimit-Scope", "user".into()), ("X-RateLimit-Limit", "1000".into())];
            reply.headers.extend(pairs);
            reply.headers.extend([("X-RateLimit-Remaining", "0".into()), ("X-RateLimit-Reset", reset.to_string())]);
        }
        reply
    }

    /// The token must be there (401), known, and made for this (403); then the rate counts.
    fn admit(&self, request: &Request, needed: &str) -> std::result::Result<(), Refusal> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Refusal(401, "unauthorized: no bearer token".into()))?;
        match (token == needed, self.is_limited()) {
            (false, _) => Err(Refusal(403, "forbidden: the token is unknown or not for this".into())),
            (true, true) => Err(Refusal(429, "rate limit exceeded".into())),
            (true, false) => Ok(()),
        }
    }

    fn query(&self, request: &Request, parameters: &str) -> std::result::Result<Reply, Refusal> {
        let asked = request.json().unwrap_or_default();
        let apl = asked.get("apl").and_then(Value::as_str).unwrap_or_default().to_owned();
        let done = self.admit(request, &self.query_token).and_then(|()| self.run(&asked, parameters));
        let status = done.as_ref().map_or_else(|Refusal(status, _)| *status, |_| 200);
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.len() < QUERIES_KEPT {
            queries.push(Query { at: Timestamp::now().to_string(), apl, status });
        }
        done.map(|value| Reply::json(200, &value))
    }

    fn run(&self, asked: &Value, parameters: &str) -> std::result::Result<Value, Refusal> {
        let bad = |error: Error| Refusal(400, format!("query: {error}"));
        let tabular = format(parameters).map_err(bad)?;
        let apl = asked.get("apl").and_then(Value::as_str).context("the body has no apl").map_err(bad)?;
        let query = apl::parse(apl, Timestamp::now()).map_err(bad)?;
        let datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Refusal(404, format!("dataset not found: {}", query.dataset));
        let dataset = datasets.get(&query.dataset).ok_or_else(missing)?;
        let (start, end) = (time(asked, "startTime").map_err(bad)?, time(asked, "endTime").map_err(bad)?);
        let table = dataset.run(&query, start, end).map_err(bad)?;
        Ok(if tabular { answer::tabular(&query, &table, (start, end)) } else { answer::legacy(&query, &table) })
    }

    fn ingest(&self, request: &Request, dataset: &str) -> std::result::Result<Reply, Refusal> {
        self.admit(request, &self.ingest_token)?;
        let events = batch(request).map_err(|error| Refusal(400, error.to_string()))?;
        let mut datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        let dataset = datasets.get_mut(dataset).ok_or_else(|| Refusal(404, format!("dataset not found: {dataset}")))?;
        let now = Timestamp::now();
        let added = events.iter().map(|event| dataset.add(event, now));
        let failures: Vec<Value> = added
            .filter_map(|added| Some(json!({ "timestamp": now.to_string(), "error": added.err()?.to_string() })))
            .collect();
        // Partly failed is 200 too.
        let answer = json!({
            "ingested": events.len() - failures.len(), "failed": failures.len(), "failures": failures,
            "processedBytes": request.body.len(), "blocksCreated": 0, "walLength": 2,
        });
        Ok(Reply::json(200, &answer))
    }
}

/// `format=tabular`, or `legacy`, which is also meant when nothing is said.
fn format(parameters: &str) -> Result<bool> {
    let mut formats = parameters.split('&').filter_map(|pair| pair.strip_prefix("format="));
    match formats.next_back() {
        Some("tabular") => Ok(true),
        Some("legacy") | None => Ok(false),
        Some(other) => Err(Error::new(format!("unknown format {other}"))),
    }
}

fn time(asked: &Value, key: &str) -> Result<Option<Timestamp>> {
    let text = asked.get(key).and_then(Value::as_str);
    text.map(apl::moment).transpose()
}

/// The events of a body: an array, one object, or one object a line.
fn batch(request: &Request) -> Result<Vec<Value>> {
    if request.header("content-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(Error::new("the lab's Axiom reads no compressed bodies"));
    }
    match request.header("content-type").map(|kind| kind.split(';').next().unwrap_or_default().trim()) {
        Some("application/json") => match request.json()? {
            Value::Array(events) => Ok(events),
            one => Ok(vec![one]),
        },
        Some("application/x-ndjson") => {
            let text = String::from_utf8_lossy(&request.body);
            text.lines()
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_str(line).context("a line"))
                .collect()
        }
        other => Err(Error::new(format!("unsupported content type {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Options;
    use std::time::Duration;

    struct Served {
        address: std::net::SocketAddr,
        axiom: Arc<Axiom>,
        plan: Plan,
    }

    impl Served {
        async fn new() -> Self {
            let plan = Plan {
                name: "a".into(),
                options: Options::default(),
                net: [127, 0, 0],
                folder: "/x".into(),
                route_password: "secret".into(),
            };
            let axiom = Axiom::new(&plan, "nats-logs");
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axiom.clone().serve(listener));
            Served { address, axiom, plan }
        }

        async fn post(&self, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![("Content-Type", "application/json")];
            headers.extend(bearer.as_deref().map(|value| ("Authorization", value)));
            let answer = http::post_with(self.address, path, &headers, &body, Duration::from_secs(5)).await.unwrap();
            (answer.status, serde_json::from_str(&answer.body).unwrap())
        }

        async fn ask(&self, apl: &str, format: &str) -> (u16, Value) {
            let path = format!("/v1/datasets/_apl?format={format}");
            self.post(&path, Some(&self.plan.axiom_token()), json!({ "apl": apl, "startTime": "2026-01-01T00:00:00Z" }))
                .await
        }
    }

    #[tokio::test]
    async fn events_come_in_and_are_found() {
        let served = Served::new().await;
        let (query, ingest) = (served.plan.axiom_token(), served.plan.axiom_ingest_token());
        let events = json!([
            { "_time": "2026-11-22T17:54:46Z", "host": "n-1", "code": 200 },
            { "_time": "2026-11-22T17:54:47Z", "host": "n-2", "code": 200 },
            { "_time": "yesterday", "host": "n-3" },
        ]);
        let path = "/v1/datasets/nats-logs/ingest";
        for (token, status) in [(None, 401), (Some("xaat-other"), 403), (Some(query.as_str()), 403)] {
            assert_eq!(served.post(path, token, events.clone()).await.0, status, "{token:?}");
        }
        let (status, done) = served.post(path, Some(&ingest), events).await;
        assert_eq!((status, &done["ingested"], &done["failed"]), (200, &json!(2), &json!(1)), "{done}");
        let (_, table) = served
            .ask("['nats-logs'] | where host == \"n-1\" | summarize n = count(), last = max(_time)", "tabular")
            .await;
        assert_eq!(table["tables"][0]["columns"], json!([[1], ["2026-11-22T17:54:46Z"]]), "{table}");
        assert_eq!(table["tables"][0]["fields"][1], json!({ "name": "last", "type": "datetime" }));
        let (_, rows) = served.ask("['nats-logs'] | order by _time desc | take 1", "legacy").await;
        assert_eq!(rows["matches"][0]["data"]["host"], "n-2", "{rows}");
        let (_, none) = served.ask("['nats-logs'] | where host == \"n-9\"", "tabular").await;
        assert_eq!(none["tables"][0]["columns"], Value::Null, "{none}");
    }

    #[tokio::test]
    async fn refusals_are_those_of_axiom() {
        let served = Served::new().await;
        for (apl, status, why) in [
            ("['other'] | take 1", 404, "dataset not found"),
            ("['nats-logs'] | where host == \"n-1\"", 400, "invalid field"),
            ("['nats-logs'] | explode", 400, "unknown operator"),
        ] {
            let (got, body) = served.ask(apl, "tabular").await;
            assert!(got == status && body["message"].as_str().unwrap().contains(why), "{apl}: {got} {body}");
        }
        assert_eq!(served.post("/v1/datasets/_apl", Some(&served.plan.axiom_ingest_token()), json!({})).await.0, 403);
        assert_eq!(served.ask("['nats-logs'] | take 1", "csv").await.0, 400);
        served.axiom.limit(true);
        assert_eq!(served.ask("['nats-logs'] | take 1", "tabular").await.0, 429);
        served.axiom.limit(false);
        assert_eq!(served.ask("['nats-logs'] | take 1", "tabular").await.0, 200);
        let statuses: Vec<u16> = served.axiom.queries().iter().map(|query| query.status).collect();
        assert_eq!(statuses, [404, 400, 400, 403, 400, 429, 200]);
    }
}
