//! Axiom over the events of the world's nodes: one query language, as far as anybody here speaks it, and one table.
//!
//! The real plugin asks; what it does not ask is a bad query here, as a query is that Axiom does not understand.

use serde_json::{Value, json};
use sluice_plugin::inventory::AxiomLogs;
use sluice_plugin::{HttpRequest, HttpResponse, Method};

use crate::serve::{moment, rfc3339};
use crate::state::State;
use crate::world::World;

/// The secret of the inventory that its plugin comes with.
pub(crate) const TOKEN: &str = "axiom_token";

/// A query, and only one of this shape: conditions, then how many events there are and when the last was.
#[derive(Debug, Default, PartialEq)]
struct Query {
    dataset: String,
    since: Option<i64>,
    /// Field and value.
    equals: Vec<(String, String)>,
    fields: Vec<String>,
}

impl World {
    /// The answer to a request that goes to Axiom; nothing to any other.
    pub(crate) async fn axiom(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let what = format!("{} {}", request.method.as_str(), request.url);
        let logs = self.logs()?;
        let path = request.url.strip_prefix(&logs.url)?.to_owned();
        let (status, body) = self.call(what, |state| answer(state, &logs, request, &path)).await;
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Some(HttpResponse { status, headers, body: body.to_string().into_bytes() })
    }
}

fn answer(state: &State, logs: &AxiomLogs, request: &HttpRequest, path: &str) -> (u16, Value) {
    let said = |status: u16, message: &str| (status, json!({ "message": message }));
    if state.axiom_down {
        return said(503, "service unavailable");
    }
    if request.method != Method::Post || path != "/v1/datasets/_apl?format=tabular" {
        return said(404, "not found");
    }
    let bearer = state.setup.secrets.get(TOKEN).map(|token| format!("Bearer {token}"));
    let given = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("authorization"));
    if bearer.is_none() || given.map(|header| &header.value) != bearer.as_ref() {
        return said(401, "unauthenticated");
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(query) = body.get("apl").and_then(Value::as_str).and_then(read) else {
        return said(400, "the query cannot be parsed");
    };
    if query.dataset != logs.dataset {
        return said(404, "dataset not found");
    }
    let known = [&logs.node_field, &logs.instance_field, &logs.time_field];
    if let Some(strange) = query.fields.iter().find(|field| !known.contains(field)) {
        return said(400, &format!("invalid field: {strange}"));
    }
    (200, table(state, logs, &query))
}

fn table(state: &State, logs: &AxiomLogs, query: &Query) -> Value {
    let asked = |field: &str, value: &str| {
        query.equals.iter().filter(|(known, _)| known == field).all(|(_, wanted)| wanted == value)
    };
    let of_node = |node: &str| logs.node_values.get(node).is_some_and(|value| asked(&logs.node_field, value));
    let asked = state.shippers.iter().filter(|one| of_node(&one.node) && asked(&logs.instance_field, &one.instance));
    let found = asked.map(|one| one.found(query.since.unwrap_or(i64::MIN / 2), state.signed()));
    let (count, newest) =
        found.fold((0, None), |(count, newest), (more, last): (i64, Option<i64>)| (count + more, newest.max(last)));
    json!({
        "format": "tabular", "status": { "elapsedTime": 260, "isPartial": false, "rowsMatched": count },
        "tables": [{
            "name": "0", "sources": [{ "name": query.dataset }],
            "fields": [{ "name": "events", "type": "integer" }, { "name": "newest", "type": "datetime" }],
            "columns": [[count], [newest.map(rfc3339)]],
        }],
        "datasetNames": [query.dataset],
    })
}

fn read(apl: &str) -> Option<Query> {
    let mut stages = apl.split("\n| ");
    let mut query = Query { dataset: quoted(stages.next()?, '[', ']')?, ..Query::default() };
    let mut counted = false;
    for stage in stages {
        if counted {
            return None;
        }
        if let Some(condition) = stage.strip_prefix("where ") {
            query.condition(condition)?;
        } else {
            let field = stage.strip_prefix("summarize events = count(), newest = max(")?.strip_suffix(')')?;
            query.fields.push(quoted(field, '[', ']')?);
            counted = true;
        }
    }
    counted.then_some(query)
}

impl Query {
    fn condition(&mut self, condition: &str) -> Option<()> {
        if let Some((field, value)) = condition.split_once(" == ") {
            let field = quoted(field, '[', ']')?;
            self.equals.push((field.clone(), text(value)?));
            self.fields.push(field);
        } else {
            let (field, value) = condition.split_once(" >= ")?;
            self.fields.push(quoted(field, '[', ']')?);
            self.since = Some(moment(&text(value.strip_prefix("datetime(")?.strip_suffix(')')?)?)?);
        }
        Some(())
    }
}

/// `['name']`.
fn quoted(text: &str, open: char, close: char) -> Option<String> {
    unescaped(text.strip_prefix(open)?.strip_suffix(close)?.strip_prefix('\'')?.strip_suffix('\'')?)
}

/// `"text"`.
fn text(text: &str) -> Option<String> {
    unescaped(text.strip_prefix('"')?.strip_suffix('"')?)
}

/// Nothing where a quote stands in it as it is.
fn unescaped(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let mut read = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => read.push(chars.next()?),
            '"' | '\'' => return None,
            other => read.push(other),
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_any_other_is_not() {
        let apl = "['nats-logs']\n| where ['_time'] >= datetime(\"2026-09-21T14:13:20.000Z\")\n| where ['node'] == \
                   \"n\\\"1\"\n| summarize events = count(), newest = max(['_time'])";
        let query = read(apl).unwrap();
        assert_eq!((query.dataset.as_str(), query.since), ("nats-logs", Some(0)));
        assert_eq!(query.equals, [("node".to_owned(), "n\"1".to_owned())]);
        let bad =
            ["['nats-logs']", "['a']\n| where node == \"x\"", "['a\n| where ['b'] == \"c\"", "['a']\n| limit 1", ""];
        for apl in bad {
            assert_eq!(read(apl), None, "{apl}");
        }
    }
}
