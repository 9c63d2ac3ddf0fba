//! One query sent and its answer understood: a table, or a problem that says what mends it.
//!
//! It knows Axiom's answers to queries and not what is asked.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_plugin::{ByHand, Header, Host, HttpResponse, Method, Problem, Timestamp};

use crate::apl::Query;
use crate::service::{Service, THROTTLED, limit_ends, said, until, what_came, with_said};
use sluice_plugin::time;

const PATH: &str = "/v1/datasets/_apl?format=tabular";

/// Where it is asked, and as whom.
pub(crate) struct Axiom<'a> {
    pub(crate) service: Service<'a>,
    /// For messages; the query has it quoted.
    pub(crate) dataset: &'a str,
}

/// A query and the events that are looked at for it.
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a Query,
    /// Events before this are not even looked at.
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    /// What it names, so that a complaint about one of them is understood.
    pub(crate) fields: &'a [&'a str],
    /// Bytes; a larger answer is none.
    pub(crate) largest: usize,
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Table(Table),
    /// The query names fields that no event ever had, which Axiom calls an error.
    NoSuchField {
        said: String,
        fields: Vec<String>,
    },
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
    /// Something is missing in it, and may be there all the same.
    #[serde(skip)]
    pub(crate) partial: bool,
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
        Some(self.column(at).first().unwrap_or(&Value::Null))
    }

    /// Each row with the fields it has; `first` stands first in it.
    pub(crate) fn rows(&self, first: &str) -> Vec<Map<String, Value>> {
        let mut columns: Vec<(&str, &[Value])> =
            self.fields.iter().enumerate().map(|(at, field)| (field.name.as_str(), self.column(at))).collect();
        columns.sort_by_key(|(name, _)| *name != first);
        let rows = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let row = |row: usize| {
            let fields = columns.iter().filter_map(|(name, values)| Some((*name, values.get(row)?)));
            fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value.clone())).collect()
        };
        (0..rows).map(row).collect()
    }

    /// Whoever judges by it needs all of it.
    pub(crate) fn whole(self, dataset: &str) -> Result<Self, Problem> {
        if !self.partial {
            return Ok(self);
        }
        let message = format!(
            "Axiom gave only a part of the answer about dataset `{dataset}`: what is missing in it may be there all the same"
        );
        Err(Problem::not_applied("partial", message).retryable())
    }

    fn column(&self, at: usize) -> &[Value] {
        let columns = self.columns.as_ref().and_then(|columns| columns.get(at)?.as_deref());
        columns.unwrap_or_default()
    }
}

impl Axiom<'_> {
    pub(crate) async fn ask(&self, host: &dyn Host, asked: &Asked<'_>) -> Result<Answer, Problem> {
        let mut request = self.service.request(host, Method::Post, PATH)?;
        request.headers.push(Header::plain("content-type", "application/json"));
        request.body = body(asked).into_bytes();
        request.max_body = asked.largest;
        let response = host.http(request).await?;
        match response.status {
            200..300 => self.table(&response).map(Answer::Table),
            400 => Ok(match named(&said(&response), asked.fields) {
                fields if fields.is_empty() => return Err(self.problem(&response, host.now())),
                fields => Answer::NoSuchField { said: said(&response), fields },
            }),
            _ => Err(self.problem(&response, host.now())),
        }
    }

    /// `since` as Axiom takes it: a moment, or `now-15m`.
    pub(crate) fn by_hand(&self, query: &Query, since: &str, look_for: &str) -> ByHand {
        let body = json!({ "apl": query.as_str(), "startTime": since }).to_string();
        self.service.by_hand(None, PATH, Some(&body), look_for)
    }

    fn table(&self, response: &HttpResponse) -> Result<Table, Problem> {
        let answer: Tabular =
            serde_json::from_slice(&response.body).map_err(|error| self.no_answer(response, &error))?;
        let mut tables = answer.tables.unwrap_or_default().into_iter();
        let table = tables.find(|table| table.name != "_totals").unwrap_or_default();
        Ok(Table { partial: answer.status.is_partial, ..table })
    }

    fn no_answer(&self, response: &HttpResponse, error: &serde_json::Error) -> Problem {
        let message = format!("{} answered the query with {}", self.service.url, what_came(response, error, "table"));
        Problem::not_applied("unexpected_answer", message)
    }

    fn problem(&self, response: &HttpResponse, now: Timestamp) -> Problem {
        let (status, dataset) = (response.status, self.dataset);
        let no = |code: &str, text: String| Problem::not_applied(code, with_said(text, response));
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
            _ if THROTTLED.contains(&status) => {
                let until = until(limit_ends(response, &["querylimit", "ratelimit"], now), now);
                no("throttled", format!("Axiom takes no more queries for now (HTTP {status}){until}")).retryable()
            }
            500.. => no("server_error", format!("Axiom is in trouble (HTTP {status})")).retryable(),
            _ => no("unexpected_answer", format!("{} answered the query with HTTP {status}", self.service.url)),
        }
    }
}

fn body(asked: &Asked<'_>) -> String {
    let mut body = json!({ "apl": asked.query.as_str(), "startTime": time::written(asked.from) });
    if let (Some(until), Some(fields)) = (asked.until, body.as_object_mut()) {
        fields.insert("endTime".to_owned(), json!(time::written(until)));
    }
    body.to_string()
}

/// Those of the fields that a complaint names as such that there are not. Axiom writes `invalid field: "name"`; what else
/// it may write is not documented.
fn named(said: &str, fields: &[&str]) -> Vec<String> {
    let small = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| small.contains(word));
    let about = says(&["field", "column", "entit"])
        && says(&["invalid", "unknown", "not found", "no such", "not exist", "undefined", "missing"]);
    fields.iter().filter(|field| about && is_word_of(said, field)).map(|field| (*field).to_owned()).collect()
}

/// `node` is no word of `jsz.node`, and one of `no node.`
fn is_word_of(text: &str, word: &str) -> bool {
    let part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let mut after = text.get(at + word.len()..).unwrap_or_default().chars();
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(part),
            next => !next.is_some_and(part),
        };
        !word.is_empty() && ends && !before.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_a_field() {
        let check = |said: &str, expect: &[&str]| {
            let fields = ["host", "jsz.api.errors", "api", "instance_id", "_time", ""];
            assert_eq!(named(said, &fields), expect, "{said}");
        };
        check("invalid field: \"jsz.api.errors\"", &["jsz.api.errors"]);
        check("invalid field: instance_id", &["instance_id"]);
        check("no such column: host.", &["host"]);
        check("entities `host` and `api` were not found as a field", &["host", "api"]);
        check("invalid field: hosts", &[]);
        check("invalid field: my_host", &[]);
        check("invalid field: api.errors", &[]);
        check("the field host is no text", &[]);
        check("parse error near host", &[]);
        check("invalid field", &[]);
    }

    #[test]
    fn a_table_is_read_row_by_row() {
        let table = |columns: Value| -> Table {
            let fields = json!([{ "name": "host" }, { "name": "_time" }, { "name": "code" }]);
            serde_json::from_value(json!({ "name": "0", "fields": fields, "columns": columns })).unwrap()
        };
        let rows = table(json!([["n-1", "n-2"], ["t1", "t2"], [null, 200]])).rows("_time");
        assert_eq!(
            json!(rows),
            json!([{ "_time": "t1", "host": "n-1" }, { "_time": "t2", "host": "n-2", "code": 200 }])
        );
        assert_eq!(rows[1].keys().next().unwrap(), "_time");
        // Whatever a service leaves out, no row is made up and none is lost.
        assert_eq!(
            json!(table(json!([["n-1", "n-2"], ["t1"]])).rows("_time")),
            json!([{ "_time": "t1", "host": "n-1" }, { "host": "n-2" }])
        );
        for none in [json!(null), json!([]), json!([[], [], []]), json!([null, null, null])] {
            assert!(table(none).rows("_time").is_empty());
        }
    }
}
