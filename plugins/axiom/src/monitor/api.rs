//! Axiom's monitors over HTTP: the list, and one created, updated or deleted, each by one request.
//!
//! Documented and not tried against Axiom itself: that a created or changed monitor comes back in the answer, and that a
//! list holds all there are (no pages are documented). So what was done is read once more at the end.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{Applied, Header, Host, HttpResponse, Method, Problem, Timestamp};

use super::difference::{Change, What};
use super::model::Monitor;
use crate::names::Segment;
use crate::service::{Service, THROTTLED, limit_ends, until, what_came, with_said};

pub(crate) const PATH: &str = "/v2/monitors";

/// Hundreds of monitors with long queries.
const LARGEST: usize = 16 << 20;

pub(crate) struct Monitors<'a> {
    pub(crate) service: Service<'a>,
}

/// A change that did not come to its end.
#[derive(Debug)]
pub(crate) enum Undone {
    /// Axiom refuses this one; others may fare better.
    Refused(Problem),
    /// Nothing more is taken for now, and this one was not.
    NotNow(Problem),
    /// It was sent, and nobody knows.
    Unknown(Problem),
}

impl Monitors<'_> {
    pub(crate) async fn all(&self, host: &dyn Host) -> Result<Vec<Monitor>, Problem> {
        let mut request = self.service.request(host, Method::Get, PATH)?;
        request.max_body = LARGEST;
        let response = host.http(request).await?;
        if !(200..300).contains(&response.status) {
            return Err(self.problem(&response, host.now(), "read the monitors"));
        }
        // An organization without any may answer null.
        let list: Option<Vec<Value>> = serde_json::from_slice(&response.body).map_err(|error| {
            let what = what_came(&response, &error, "list");
            Problem::not_applied("unexpected_answer", format!("{} answered with {what}", self.service.url))
        })?;
        let monitors: Option<Vec<Monitor>> = list.unwrap_or_default().into_iter().map(Monitor::read).collect();
        let strange = || {
            let message = format!("{} answered with a list of something else than monitors", self.service.url);
            Problem::not_applied("unexpected_answer", message)
        };
        monitors.ok_or_else(strange)
    }

    /// One request, whatever comes back. What Axiom answers with is the monitor as it then is.
    pub(crate) async fn apply(
        &self,
        host: &dyn Host,
        change: &Change,
        within: Duration,
    ) -> Result<Option<Monitor>, Undone> {
        let (method, id, body, to) = match &change.what {
            What::Same { .. } => return Ok(None),
            What::Create { body } => (Method::Post, None, Some(body), "create"),
            What::Update { id, body, .. } => (Method::Put, Some(id), Some(body), "update"),
            What::Delete { id, .. } => (Method::Delete, Some(id), None, "delete"),
        };
        let path = match id {
            Some(id) => of_one(id).map_err(Undone::Refused)?,
            None => PATH.to_owned(),
        };
        let mut request = self.service.request(host, method, &path).map_err(Undone::Refused)?;
        request.timeout = within.min(request.timeout);
        if let Some(body) = body {
            request.headers.push(Header::plain("content-type", "application/json"));
            request.body = body.to_string().into_bytes();
        }
        let response = host.http(request).await.map_err(lost)?;
        let gone = method == Method::Delete && response.status == 404;
        if (200..300).contains(&response.status) || gone {
            return Ok(serde_json::from_slice(&response.body).ok().and_then(Monitor::read));
        }
        let problem = self.problem(&response, host.now(), &format!("{to} the monitor `{}`", change.name));
        Err(match response.status {
            // What stands before Axiom may have given up on an answer that was on its way.
            500.. => Undone::Unknown(Problem { applied: Applied::Maybe, ..problem }),
            status if THROTTLED.contains(&status) => Undone::NotNow(problem),
            400..500 => Undone::Refused(problem),
            _ => Undone::Unknown(Problem { applied: Applied::Maybe, ..problem }),
        })
    }

    fn problem(&self, response: &HttpResponse, now: Timestamp, to: &str) -> Problem {
        let status = response.status;
        let no = |code: &str, text: String| Problem::not_applied(code, with_said(text, response));
        let denied = |text: String| Problem { path: Some("/token".to_owned()), ..no("denied", text) };
        match status {
            400 => no(
                "bad_monitor",
                format!(
                    "Axiom does not {to} (HTTP 400): its query may name a field that no event has had yet, or a value is \
                     not what Axiom takes"
                ),
            ),
            401 => {
                denied("Axiom does not know the token (HTTP 401): it ended, or is of another organization".to_owned())
            }
            403 => denied(format!(
                "the token may not {to} (HTTP 403): one that ingests or queries is not enough; make an API token with the \
                 rights to read, create, update and delete monitors"
            )),
            404 => no("not_found", format!("Axiom cannot {to} (HTTP 404): it is gone, or this is not where Axiom is")),
            _ if THROTTLED.contains(&status) => {
                let until = until(limit_ends(response, &["ratelimit", "querylimit"], now), now);
                no("throttled", format!("Axiom does not {to} for now (HTTP {status}){until}")).retryable()
            }
            500.. => no("server_error", format!("Axiom is in trouble (HTTP {status}): it did not {to}")).retryable(),
            _ => no("unexpected_answer", format!("{} answered with HTTP {status}: is this Axiom?", self.service.url)),
        }
    }
}

fn of_one(id: &str) -> Result<String, Problem> {
    let odd = || Problem::not_applied("unexpected_answer", format!("Axiom lists a monitor under the odd id `{id}`"));
    Segment::of(id).map(|id| format!("{PATH}/{id}")).ok_or_else(odd)
}

/// The host says whether a request can have left.
fn lost(problem: Problem) -> Undone {
    match problem.applied {
        Applied::Maybe => Undone::Unknown(problem),
        Applied::No => Undone::NotNow(problem),
    }
}
