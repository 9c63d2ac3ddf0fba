//! One query sent and its answer understood: a table, or a problem that says what mends it.
//!
//! It knows Axiom's ways over HTTP and not what is asked.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::by_hand::Word;
use sluice_plugin::{ByHand, Header, Host, HttpRequest, HttpResponse, Method, Problem, SecretRef, Timestamp};

use crate::apl::Query;
use crate::time;

/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answers here are one row.
const LARGEST: usize = 1 << 20;

/// Of what a service says of itself.
const LONGEST: usize = 300;

/// Where it is asked, and as whom.
pub(crate) struct Axiom<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a Value,
    /// For messages; the query has it quoted.
    pub(crate) dataset: &'a str,
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Table(Table),
    /// The query names a field that no event ever had, which Axiom calls an error.
    NoSuchField(String),
}

/// Columns by name, in the order of rows.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Table {
    #[serde(default)]
    name: String,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    columns: Option<Vec<Option<Vec<Value>>>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Field {
    name: String,
}

#[derive(Deserialize)]
struct Tabular {
    status: Status,
    #[serde(default)]
    tables: Option<Vec<Table>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    is_partial: bool,
}

impl Table {
    /// The first row's value in this column; null where there is no row. `None`: there is no such column.
    pub(crate) fn first(&self, column: &str) -> Option<&Value> {
        let at = self.fields.iter().position(|field| field.name == column)?;
        let values = self.columns.as_ref().and_then(|columns| columns.get(at)?.as_ref());
        Some(values.and_then(|values| values.first()).unwrap_or(&Value::Null))
    }
}

impl Axiom<'_> {
    /// Events before `from` are not even looked at.
    pub(crate) async fn ask(
        &self,
        host: &dyn Host,
        query: &Query,
        from: Timestamp,
        fields: &[&str],
    ) -> Result<Answer, Problem> {
        let request = HttpRequest {
            method: Method::Post,
            url: self.endpoint(),
            headers: vec![
                self.bearer(host)?,
                Header::plain("content-type", "application/json"),
                Header::plain("accept", "application/json"),
            ],
            body: body(query, from).into_bytes(),
            timeout: PATIENCE,
            max_body: LARGEST,
        };
        let response = host.http(request).await?;
        match response.status {
            200..300 => self.table(&response).map(Answer::Table),
            400 if names_a_field(&said(&response), fields) => Ok(Answer::NoSuchField(said(&response))),
            _ => Err(self.problem(&response, host.now())),
        }
    }

    pub(crate) fn by_hand(&self, query: &Query, from: Timestamp, look_for: &str) -> ByHand {
        let body = body(query, from);
        let (url, patience) = (self.endpoint(), PATIENCE.as_secs().to_string());
        let json = "content-type: application/json";
        let words = ["-sSg", "--max-time", &patience, "--header", "@-", "--header", json, "--data-binary", &body];
        let words = words.into_iter().chain(["--write-out", "\\n%{http_code}\\n", "--", &url]).map(str::to_owned);
        // A program's arguments can be read by everybody on the machine.
        let header = vec!["authorization: Bearer ".into(), Word::secret(self.token), "\n".into()];
        ByHand::run("curl", words, look_for).with_input(header)
    }

    fn endpoint(&self) -> String {
        format!("{}/v1/datasets/_apl?format=tabular", self.url.trim_end_matches('/'))
    }

    /// A reference is filled in by the host; a plain text is given to it first.
    fn bearer(&self, host: &dyn Host) -> Result<Header, Problem> {
        let reference = match SecretRef::from_json(self.token) {
            Some(reference) => reference,
            None => {
                let sealed = host.seal("/token", host.reveal(self.token)?);
                SecretRef::from_json(&sealed)
                    .ok_or_else(|| Problem::not_applied("internal", "the host gave no reference for the token"))?
            }
        };
        Ok(Header::secret("authorization", "Bearer ", reference))
    }

    fn table(&self, response: &HttpResponse) -> Result<Table, Problem> {
        let answer: Tabular =
            serde_json::from_slice(&response.body).map_err(|error| self.no_answer(response, &error))?;
        if answer.status.is_partial {
            let message = format!(
                "Axiom gave only a part of the answer about dataset `{}`: what is missing in it may be there all the same",
                self.dataset
            );
            return Err(Problem::not_applied("partial", message).retryable());
        }
        let tables = answer.tables.unwrap_or_default();
        Ok(tables.into_iter().find(|table| table.name != "_totals").unwrap_or_default())
    }

    fn no_answer(&self, response: &HttpResponse, error: &serde_json::Error) -> Problem {
        let what = match is_page(response) {
            true => "a web page: a proxy or a log-in stands between, or this is no Axiom".to_owned(),
            false => format!("no table ({error})"),
        };
        let message = format!("{} answered the query with {what}", self.url);
        Problem::not_applied("unexpected_answer", message)
    }

    fn problem(&self, response: &HttpResponse, now: Timestamp) -> Problem {
        let (status, dataset) = (response.status, self.dataset);
        let said = said(response);
        let with = |text: String| if said.is_empty() { text } else { format!("{text} (it says: {said})") };
        let no = |code: &str, text: String| Problem::not_applied(code, with(text));
        match status {
            400 => no("bad_query", "Axiom does not accept the query (HTTP 400)".to_owned()),
            401 => Problem {
                path: Some("/token".to_owned()),
                ..no(
                    "denied",
                    "Axiom does not know the token (HTTP 401): it ended, or is of another organization".to_owned(),
                )
            },
            403 => Problem {
                path: Some("/token".to_owned()),
                ..no(
                    "denied",
                    format!(
                        "the token may not query the dataset `{dataset}` (HTTP 403): one that may only ingest is not \
                         enough, and a personal one needs its organization; make an API token that may query it"
                    ),
                )
            },
            404 => no(
                "not_found",
                format!(
                    "Axiom has no dataset `{dataset}` (HTTP 404): `logs.axiom.dataset` of the cluster names it, \
                     `axiom.url` where it is"
                ),
            ),
            429 => no("throttled", format!("Axiom takes no more queries for now (HTTP 429){}", until(response, now)))
                .retryable(),
            500.. => no("server_error", format!("Axiom is in trouble (HTTP {status})")).retryable(),
            _ => no("unexpected_answer", format!("{} answered the query with HTTP {status}", self.url)),
        }
    }
}

fn body(query: &Query, from: Timestamp) -> String {
    json!({ "apl": query.as_str(), "startTime": time::written(from) }).to_string()
}

/// What the service says of its trouble, as far as anybody reads it; nothing of a page.
fn said(response: &HttpResponse) -> String {
    let parsed: Option<Value> = serde_json::from_slice(&response.body).ok();
    let message = parsed.as_ref().and_then(|body| body.get("message").or_else(|| body.get("error"))?.as_str());
    message.unwrap_or_default().chars().take(LONGEST).collect()
}

fn is_page(response: &HttpResponse) -> bool {
    let html = |(name, value): &(String, String)| name == "content-type" && value.contains("html");
    response.headers.iter().any(html) || response.body.trim_ascii_start().starts_with(b"<")
}

/// Does the complaint name one of the fields that were asked for?
fn names_a_field(said: &str, fields: &[&str]) -> bool {
    let small = said.to_lowercase();
    let about = small.contains("field") || small.contains("column") || small.contains("entity");
    about && fields.iter().any(|field| said.contains(field))
}

/// When the limit ends, in seconds since 1970, as the service says.
fn until(response: &HttpResponse, now: Timestamp) -> String {
    let names = ["x-querylimit-reset", "x-ratelimit-reset"];
    let resets = names.iter().filter_map(|name| response.headers.iter().find(|(header, _)| header == name));
    let times = resets.filter_map(|(_, value)| value.trim().parse::<i64>().ok()?.checked_mul(1000));
    let next = times.map(Timestamp).filter(|at| *at > now).max();
    next.map_or_else(String::new, |at| format!(" before {}, in {} s", time::written(at), at.since(now).as_secs()))
}
