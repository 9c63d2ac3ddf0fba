//! Axiom as far as an operator's tool and the nodes' shippers need it: ingest, APL, monitors, tokens, limits. It answers
//! what Axiom would and refuses what it does not understand; what the nodes send is the shipper's (`ship`).

mod answer;
mod apl;
mod events;
mod ingest;
mod monitors;
mod trouble;
mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::error::{Context, Error, Result};
use crate::http::{self, Reply, Request};
use crate::plan::Plan;
use crate::ship::SHIPPER;
use events::Dataset;
use monitors::Monitors;

pub use ingest::Ingest;
pub(crate) use trouble::{Away, Trouble};

/// Of each kind of request.
const KEPT: usize = 1000;

/// Requests a minute, as it says; it counts none.
const RATE: &str = "1000";

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
    monitors_token: String,
    trouble: Mutex<Trouble>,
    /// Whether connections are refused.
    closed: watch::Sender<bool>,
    datasets: Mutex<BTreeMap<String, Dataset>>,
    monitors: Mutex<Monitors>,
    queries: Mutex<Vec<Query>>,
    ingests: Mutex<Vec<Ingest>>,
}

/// A refusal: status and message.
#[derive(Debug)]
struct Refusal(u16, String);

type Answered = std::result::Result<Value, Refusal>;

impl Axiom {
    /// With one empty dataset, as somebody made it by hand.
    pub(crate) fn new(plan: &Plan, dataset: &str) -> Arc<Self> {
        let empty = Dataset::new(plan.options.axiom_fields);
        Arc::new(Axiom {
            query_token: plan.axiom_token(),
            ingest_token: plan.axiom_ingest_token(),
            monitors_token: plan.axiom_monitors_token(),
            trouble: Mutex::default(),
            closed: watch::Sender::new(false),
            datasets: Mutex::new(BTreeMap::from([(dataset.to_owned(), empty)])),
            monitors: Mutex::default(),
            queries: Mutex::default(),
            ingests: Mutex::default(),
        })
    }

    /// Serves until dropped. While it is away nobody listens at its address.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        let mut closed = self.closed.subscribe();
        let mut listener = Some(listener);
        loop {
            let here = match listener.take() {
                Some(listener) => listener,
                None => listen(address).await,
            };
            let axiom = self.clone();
            let serving = http::serve(here, move |request| {
                let axiom = axiom.clone();
                async move { axiom.answer(&request) }
            });
            // The sender is this one's own, so it is not gone.
            tokio::select! {
                () = serving => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
            let _ = closed.wait_for(|closed| !closed).await;
        }
    }

    /// Changes what is wrong with it.
    pub(crate) fn trouble(&self, change: impl FnOnce(&mut Trouble)) {
        let mut trouble = locked(&self.trouble);
        change(&mut trouble);
        self.closed.send_replace(trouble.away == Some(Away::Refuses));
    }

    pub(crate) fn troubles(&self) -> Vec<String> {
        locked(&self.trouble).told()
    }

    pub(crate) fn queries(&self) -> Vec<Query> {
        locked(&self.queries).clone()
    }

    pub(crate) fn ingests(&self) -> Vec<Ingest> {
        locked(&self.ingests).clone()
    }

    fn answer(&self, request: &Request) -> Reply {
        let trouble = locked(&self.trouble).clone();
        if trouble.away.is_some() {
            return Reply { cut: true, ..Reply::json(503, &Value::Null) };
        }
        let (path, parameters) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let done = match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["v1", "datasets", dataset, "ingest"] | ["v1", "ingest", dataset]) => {
                return self.ingest(request, dataset, &trouble);
            }
            _ if trouble.broken => Err(unavailable()),
            ("POST", ["v1", "datasets" | "query", "_apl"]) => self.query(request, parameters),
            (method, ["v2", "monitors", rest @ ..]) => self.monitors(request, method, rest),
            _ => Err(Refusal(404, "not found".into())),
        };
        let writes = parts.first() == Some(&"v2") && request.method != "GET" && done.is_ok();
        Reply { cut: writes && self.loses_one(), ..reply(done) }
    }

    fn loses_one(&self) -> bool {
        locked(&self.trouble).loses_one()
    }

    /// The token must be there (401), known, and made for this (403); then the rate counts.
    fn admit(&self, request: &Request, needed: &str) -> std::result::Result<(), Refusal> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Refusal(401, "unauthorized: no bearer token".into()))?;
        match (token == needed, locked(&self.trouble).limited) {
            (false, _) => Err(Refusal(403, "forbidden: the token is unknown or not for this".into())),
            (true, true) => Err(Refusal(429, "rate limit exceeded".into())),
            (true, false) => Ok(()),
        }
    }

    fn query(&self, request: &Request, parameters: &str) -> Answered {
        let asked = request.json().unwrap_or_default();
        let apl = asked.get("apl").and_then(Value::as_str).unwrap_or_default().to_owned();
        let done = self.admit(request, &self.query_token).and_then(|()| self.run(&asked, parameters));
        let status = done.as_ref().map_or_else(|Refusal(status, _)| *status, |_| 200);
        keep(&self.queries, Query { at: Timestamp::now().to_string(), apl, status });
        done
    }

    fn run(&self, asked: &Value, parameters: &str) -> Answered {
        let bad = |error: Error| Refusal(400, error.to_string());
        let tabular = format(parameters).map_err(bad)?;
        let now = Timestamp::now();
        let apl = asked.get("apl").and_then(Value::as_str).context("the body has no apl").map_err(bad)?;
        let query = apl::parse(apl, now).map_err(bad)?;
        let datasets = locked(&self.datasets);
        let missing = || Refusal(404, format!("dataset not found: {}", query.dataset));
        let dataset = datasets.get(&query.dataset).ok_or_else(missing)?;
        let time = |key| time(asked, key, now).map_err(bad);
        let (start, end) = (time("startTime")?, time("endTime")?);
        let table = dataset.run(&query, start, end).map_err(bad)?;
        Ok(if tabular { answer::tabular(&query, &table, (start, end)) } else { answer::legacy(&query, &table) })
    }

    fn ingest(&self, request: &Request, dataset: &str, trouble: &Trouble) -> Reply {
        let mut one = Ingest {
            at: Timestamp::now().to_string(),
            dataset: dataset.to_owned(),
            events: 0,
            stored: 0,
            gzip: request.header("content-encoding") == Some("gzip"),
            status: 200,
            answered: true,
        };
        let done = self.store(request, trouble, &mut one);
        let mut reply = reply(done);
        let reset = (Timestamp::now().as_second() + 86_400).to_string();
        let left = [("X-IngestLimit-Limit", "500000000000".into()), ("X-IngestLimit-Remaining", "400000000000".into())];
        reply.headers.extend(left.into_iter().chain([("X-IngestLimit-Reset", reset)]));
        if request.header("user-agent") != Some(SHIPPER) {
            reply.cut = reply.status == 200 && self.loses_one();
            keep(&self.ingests, Ingest { status: reply.status, answered: !reply.cut, ..one });
        }
        reply
    }

    fn store(&self, request: &Request, trouble: &Trouble, one: &mut Ingest) -> Answered {
        if trouble.broken {
            return Err(unavailable());
        }
        self.admit(request, &self.ingest_token)?;
        let events = ingest::batch(request)?;
        one.events = events.len();
        let mut datasets = locked(&self.datasets);
        let missing = || Refusal(404, format!("dataset not found: {}", one.dataset));
        let dataset = datasets.get_mut(&one.dataset).ok_or_else(missing)?;
        let (answer, stored) = ingest::store(dataset, &events, trouble, Timestamp::now());
        one.stored = stored;
        Ok(answer)
    }

    fn monitors(&self, request: &Request, method: &str, rest: &[&str]) -> Answered {
        self.admit(request, &self.monitors_token)?;
        let body = || request.json().map_err(|error| Refusal(400, error.to_string()));
        let mut monitors = locked(&self.monitors);
        match (method, rest) {
            ("GET", []) => Ok(monitors.list()),
            ("POST", []) => monitors.create(&body()?, |apl| self.can_ask(apl)),
            ("GET", [id]) => monitors.get(id),
            ("PUT", [id]) => monitors.update(id, &body()?, |apl| self.can_ask(apl)),
            ("DELETE", [id]) => monitors.delete(id).map(|()| Value::Null),
            _ => Err(Refusal(404, "not found".into())),
        }
    }

    /// Why a monitor cannot ask this.
    fn can_ask(&self, apl: &str) -> std::result::Result<(), String> {
        let query = apl::parse(apl, Timestamp::now()).map_err(|error| error.to_string())?;
        let datasets = locked(&self.datasets);
        let dataset = datasets.get(&query.dataset).ok_or_else(|| format!("dataset not found: {}", query.dataset))?;
        dataset.run(&query, None, None).map(drop).map_err(|error| error.to_string())
    }
}

fn unavailable() -> Refusal {
    Refusal(503, "service unavailable".into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first ones.
fn keep<T>(list: &Mutex<Vec<T>>, one: T) {
    let mut list = locked(list);
    if list.len() < KEPT {
        list.push(one);
    }
}

/// Somebody else may have the address for a moment.
async fn listen(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn reply(done: Answered) -> Reply {
    let mut reply = match done {
        Ok(Value::Null) => Reply { body: String::new(), ..Reply::json(204, &Value::Null) },
        Ok(value) => Reply::json(200, &value),
        Err(Refusal(status, message)) => Reply::json(status, &json!({ "code": status, "message": message })),
    };
    let (reset, left) = (Timestamp::now().as_second() + 60, if reply.status == 429 { "0" } else { "999" });
    let pairs = [("X-RateLimit-Scope", "user".to_owned()), ("X-RateLimit-Limit", RATE.to_owned())];
    reply.headers.extend(pairs);
    reply.headers.extend([("X-RateLimit-Remaining", left.to_owned()), ("X-RateLimit-Reset", reset.to_string())]);
    reply
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

/// A moment, or `now-15m`.
fn time(asked: &Value, key: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    let Some(text) = asked.get(key).and_then(Value::as_str) else { return Ok(None) };
    match text.strip_prefix("now-") {
        Some(back) => now.checked_sub(words::span(back)?).context(key).map(Some),
        None => apl::moment(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::plan::Options;

    const INGEST: &str = "/v1/datasets/nats-logs/ingest";

    struct Served {
        address: SocketAddr,
        axiom: Arc<Axiom>,
        plan: Plan,
    }

    impl Served {
        async fn new() -> Self {
            let options = Options { axiom_fields: 12, ..Options::default() };
            let plan = Plan {
                name: "a".into(),
                options,
                net: [127, 0, 0],
                folder: "/x".into(),
                route_password: "secret".into(),
            };
            let axiom = Axiom::new(&plan, "nats-logs");
            let listener = TcpListener::bind("127.91.7.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axiom.clone().serve(listener));
            Served { address, axiom, plan }
        }

        async fn post(&self, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
            self.send("POST", path, token, &[], body.to_string().as_bytes()).await.unwrap()
        }

        async fn send(
            &self,
            method: &str,
            path: &str,
            token: Option<&str>,
            more: &[(&str, &str)],
            body: &[u8],
        ) -> Result<(u16, Value)> {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = more.to_vec();
            if more.iter().all(|(name, _)| *name != "Content-Type") {
                headers.push(("Content-Type", "application/json"));
            }
            headers.extend(bearer.as_deref().map(|value| ("Authorization", value)));
            let answer = http::send(self.address, method, path, &headers, body, Duration::from_secs(5)).await?;
            Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or_default()))
        }

        async fn ingest(&self, events: Value) -> Result<(u16, Value)> {
            let token = self.plan.axiom_ingest_token();
            self.send("POST", INGEST, Some(&token), &[], events.to_string().as_bytes()).await
        }

        async fn monitors(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
            let (token, path) = (self.plan.axiom_monitors_token(), format!("/v2/monitors{path}"));
            self.send(method, &path, Some(&token), &[], body.to_string().as_bytes()).await
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
        let path = INGEST;
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
        served.axiom.trouble(|trouble| trouble.limited = true);
        assert_eq!(served.ask("['nats-logs'] | take 1", "tabular").await.0, 429);
        served.axiom.trouble(|trouble| *trouble = Trouble::default());
        assert_eq!(served.ask("['nats-logs'] | take 1", "tabular").await.0, 200);
        let statuses: Vec<u16> = served.axiom.queries().iter().map(|query| query.status).collect();
        assert_eq!(statuses, [404, 400, 400, 403, 400, 429, 200]);
    }

    #[tokio::test]
    async fn batches_come_in_every_form() {
        let served = Served::new().await;
        let token = served.plan.axiom_ingest_token();
        let lines = "{\"a\":1}\n\n{\"a\":2}\n";
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let many = Value::Array(vec![json!({ "a": 1 }); 10_001]).to_string();
        let (json, nd) = (("Content-Type", "application/json"), ("Content-Type", "application/x-ndjson"));
        let packed = ("Content-Encoding", "gzip");
        /// Headers and body; the status, and how many are stored.
        type Form<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16, u64);
        let forms: [Form<'_>; 9] = [
            (&[json], b"[{\"a\":1},{\"a\":2}]", 200, 2),
            (&[json], b"{\"a\":1}", 200, 1),
            (&[json], lines.as_bytes(), 200, 2),
            (&[nd], lines.as_bytes(), 200, 2),
            (&[nd, packed], &gzip, 200, 2),
            (&[nd, packed], lines.as_bytes(), 400, 0),
            (&[nd, ("Content-Encoding", "br")], &gzip, 400, 0),
            (&[("Content-Type", "application/msgpack")], b"x", 400, 0),
            (&[json], many.as_bytes(), 400, 0),
        ];
        for (headers, body, status, ingested) in forms {
            let (got, answer) = served.send("POST", INGEST, Some(&token), headers, body).await.unwrap();
            assert_eq!((got, answer["ingested"].as_u64().unwrap_or(0)), (status, ingested), "{headers:?} {answer}");
        }
        let seen = served.axiom.ingests();
        assert_eq!((seen.len(), seen[4].gzip, seen[4].stored, seen[5].status), (9, true, 2, 400));
        let (status, _) = served.post("/v1/ingest/nats-logs", Some(&token), json!({ "a": 1 })).await;
        assert_eq!(status, 200, "as at an edge");
        assert_eq!(served.post("/v1/datasets/other/ingest", Some(&token), json!({ "a": 1 })).await.0, 404);
    }

    #[tokio::test]
    async fn a_failure_is_200_and_says_the_time_of_its_event() {
        let served = Served::new().await;
        served.axiom.trouble(|trouble| trouble.rejects.extend(["jsz.api".into()]));
        let time = "2026-11-22T17:54:46Z";
        let wide: serde_json::Map<String, Value> = (0..20).map(|n| (format!("f{n}"), json!(n))).collect();
        let events = json!([{ "_time": time, "jsz": { "api": { "errors": 1 } } }, { "a": 1 }, wide]);
        let (status, answer) = served.ingest(events).await.unwrap();
        assert_eq!((status, &answer["ingested"], &answer["failed"]), (200, &json!(1), &json!(2)), "{answer}");
        assert_eq!(answer["failures"][0], json!({ "timestamp": time, "error": "field jsz.api is not taken" }));
        assert!(answer["failures"][1]["error"].as_str().unwrap().contains("at most 12"), "{answer}");
    }

    #[tokio::test]
    async fn the_events_of_a_page_are_asked_for() {
        let served = Served::new().await;
        let events: Vec<Value> = (0..5)
            .map(|n| json!({ "_time": format!("2026-11-22T17:54:0{n}Z"), "host": format!("n-{n}"), "jsz": { "n": n } }))
            .collect();
        served.ingest(json!(events)).await.unwrap();
        let apl = "['nats-logs']\n| where ['_time'] >= datetime(\"2026-11-22T17:54:01.000Z\")\n\
                   | where ['_time'] < datetime(\"2026-11-22T17:54:04Z\")\n| where ['host'] in (\"n-0\", \"n-2\", \"n-3\")\n\
                   | where ['host'] contains \"N-\"\n| sort by ['_time'] desc\n| take 5\n| project ['_time'], ['jsz.n']";
        let (status, answer) = served.ask(apl, "tabular").await;
        assert_eq!(status, 200, "{answer}");
        let table = &answer["tables"][0];
        assert_eq!(table["columns"], json!([["2026-11-22T17:54:03Z", "2026-11-22T17:54:02Z"], [3, 2]]));
        let (_, all) = served.ask("['nats-logs'] | take 1", "tabular").await;
        let fields: Vec<&str> = all["tables"][0]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(fields, ["_sysTime", "_time", "host", "jsz.n"], "a table shows no number of a row");
        let (_, rows) = served.ask("['nats-logs'] | take 2", "legacy").await;
        assert_ne!(rows["matches"][0]["_rowId"], rows["matches"][1]["_rowId"]);
        let body = json!({ "apl": "['nats-logs'] | count", "startTime": "now-15m" });
        let (status, count) =
            served.post("/v1/datasets/_apl?format=tabular", Some(&served.plan.axiom_token()), body).await;
        assert_eq!((status, &count["tables"][0]["columns"]), (200, &json!([[0]])), "{count}");
    }

    #[tokio::test]
    async fn monitors_have_a_token_of_their_own_and_queries_that_can_be_asked() {
        let served = Served::new().await;
        served.ingest(json!([{ "host": "n-1", "cpu": 3.5 }])).await.unwrap();
        let monitor = |apl: &str| {
            json!({
                "name": "p: a", "type": "Threshold", "aplQuery": apl, "operator": "Above", "threshold": 80,
                "intervalMinutes": 1, "rangeMinutes": 5,
            })
        };
        for (token, status) in [
            (None, 401),
            (Some(served.plan.axiom_token()), 403),
            (Some(served.plan.axiom_ingest_token()), 403),
            (Some(served.plan.axiom_monitors_token()), 200),
        ] {
            let got = served.send("GET", "/v2/monitors", token.as_deref(), &[], b"").await.unwrap();
            assert_eq!(got.0, status, "{token:?}");
        }
        for (apl, why) in [
            ("['nats-logs'] | summarize max(nothing)", "invalid field: nothing"),
            ("['other'] | count", "dataset not found"),
            ("['nats-logs'] | explode", "unknown operator"),
        ] {
            let (status, said) = served.monitors("POST", "", monitor(apl)).await.unwrap();
            assert!(status == 400 && said["message"].as_str().unwrap().contains(why), "{apl}: {status} {said}");
        }
        let asks = "['nats-logs'] | summarize avg(cpu) by host, bin(_time, 1m)";
        let (status, made) = served.monitors("POST", "", monitor(asks)).await.unwrap();
        assert_eq!(status, 200, "{made}");
        let id = format!("/{}", made["id"].as_str().unwrap());
        assert_eq!(served.monitors("PUT", &id, monitor("['nats-logs'] | count")).await.unwrap().0, 200);
        assert_eq!(served.monitors("GET", &id, json!({})).await.unwrap().1["aplQuery"], "['nats-logs'] | count");
        assert_eq!(served.monitors("DELETE", &id, json!({})).await.unwrap(), (204, Value::Null));
        assert_eq!(served.monitors("DELETE", &id, json!({})).await.unwrap().0, 404);
    }

    #[tokio::test]
    async fn what_is_wrong_with_it_is_until_it_is_taken_back() {
        let served = Served::new().await;
        let (axiom, event) = (&served.axiom, json!({ "host": "n-1" }));
        let count = async || {
            let (_, answer) = served.ask("['nats-logs'] | count", "tabular").await;
            answer["tables"][0]["columns"][0][0].as_u64().unwrap()
        };
        axiom.trouble(|trouble| trouble.broken = true);
        assert_eq!(served.ingest(event.clone()).await.unwrap().0, 503);
        assert_eq!(served.ask("['nats-logs'] | count", "tabular").await.0, 503);
        axiom.trouble(|trouble| *trouble = Trouble { away: Some(Away::Cuts), ..Trouble::default() });
        assert!(served.ingest(event.clone()).await.is_err());
        assert_eq!(axiom.troubles(), ["cuts connections"]);

        axiom.trouble(|trouble| *trouble = Trouble { away: Some(Away::Refuses), ..Trouble::default() });
        let refused = async || tokio::net::TcpStream::connect(served.address).await.is_err();
        while !refused().await {
            tokio::task::yield_now().await;
        }
        axiom.trouble(|trouble| *trouble = Trouble::default());
        while refused().await {
            tokio::task::yield_now().await;
        }
        assert_eq!(count().await, 0);

        axiom.trouble(|trouble| trouble.loses = 2);
        assert!(served.ingest(event.clone()).await.is_err());
        // The nodes' own shippers are left alone.
        let token = served.plan.axiom_ingest_token();
        let shipper = [("User-Agent", SHIPPER)];
        let shipped = served.send("POST", INGEST, Some(&token), &shipper, event.to_string().as_bytes()).await;
        assert_eq!(shipped.unwrap().0, 200);
        let monitor = json!({ "name": "a", "type": "MatchEvent", "aplQuery": "['nats-logs']" });
        assert!(served.monitors("POST", "", monitor).await.is_err());
        assert_eq!(served.ingest(event).await.unwrap().0, 200);
        assert_eq!(count().await, 3, "what was done stays done");
        assert_eq!(served.monitors("GET", "", json!({})).await.unwrap().1.as_array().unwrap().len(), 1);
        let answered: Vec<bool> = axiom.ingests().iter().map(|one| one.answered).collect();
        assert_eq!((answered, axiom.troubles().len()), (vec![true, false, true], 0));
    }
}
