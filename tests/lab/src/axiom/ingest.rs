//! Taking events in: the forms in which a batch may come, what becomes of each event, and the answer, which is 200 also
//! where some or all of them failed. Tokens are not checked here.

use std::io::Read;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Refusal;
use super::events::Dataset;
use super::trouble::Trouble;
use crate::error::{Context, Error, Result};
use crate::http::Request;

/// Events in one request.
const BATCH: usize = 10_000;

/// Of a body, once it is no longer compressed.
const LARGEST: u64 = 64 << 20;

/// A request with events, as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ingest {
    /// When, RFC 3339.
    pub at: String,
    /// The dataset.
    pub dataset: String,
    /// How many events were in it, where it could be read.
    pub events: usize,
    /// How many of them were stored.
    pub stored: usize,
    /// Whether it was compressed.
    pub gzip: bool,
    /// The HTTP status it was answered with.
    pub status: u16,
    /// Whether the answer got out.
    pub answered: bool,
}

/// The events of a body: an array, one object, or one object a line.
pub(super) fn batch(request: &Request) -> std::result::Result<Vec<Value>, Refusal> {
    let events = read(request).map_err(|error| Refusal(400, error.to_string()))?;
    if events.len() > BATCH {
        return Err(Refusal(400, format!("{} events in one request, at most {BATCH}", events.len())));
    }
    Ok(events)
}

/// Takes them in one by one; the answer, and how many are stored.
pub(super) fn store(dataset: &mut Dataset, events: &[Value], trouble: &Trouble, now: Timestamp) -> (Value, usize) {
    let mut failures = Vec::new();
    for event in events {
        if let Err(error) = dataset.add(event, trouble, now) {
            // A failure says the time of its event, and nothing else of it.
            let time = event.get("_time").and_then(|time| super::events::time_of(time).ok()).unwrap_or(now);
            failures.push(json!({ "timestamp": time.to_string(), "error": error.to_string() }));
        }
    }
    let stored = events.len() - failures.len();
    let answer = json!({
        "ingested": stored, "failed": failures.len(), "failures": failures,
        "processedBytes": events.iter().map(|event| event.to_string().len()).sum::<usize>(), "blocksCreated": 0,
        "walLength": 2,
    });
    (answer, stored)
}

fn read(request: &Request) -> Result<Vec<Value>> {
    let body = plain(request)?;
    match request.header("content-type").map(|kind| kind.split(';').next().unwrap_or_default().trim()) {
        Some("application/json") => match serde_json::from_slice(&body) {
            Ok(Value::Array(events)) => Ok(events),
            Ok(one) => Ok(vec![one]),
            // It takes lines under this name too.
            Err(_) => lines(&body),
        },
        Some("application/x-ndjson") => lines(&body),
        other => Err(Error::new(format!("unsupported content type {other:?}"))),
    }
}

fn plain(request: &Request) -> Result<Vec<u8>> {
    match request.header("content-encoding") {
        None | Some("identity") => Ok(request.body.clone()),
        Some("gzip") => {
            let mut plain = Vec::new();
            let read = GzDecoder::new(request.body.as_slice()).take(LARGEST + 1).read_to_end(&mut plain);
            read.context("the body is no gzip")?;
            if plain.len() as u64 > LARGEST { Err(Error::new("the body is too large")) } else { Ok(plain) }
        }
        Some(other) => Err(Error::new(format!("unsupported content encoding {other}"))),
    }
}

fn lines(body: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(body).context("the body is no text")?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).context("a line")).collect()
}
