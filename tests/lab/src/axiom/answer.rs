//! A query's answer in Axiom's two shapes: `tabular`, which stands column by column, and `legacy`.
//! It knows shapes only.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::apl::Query;
use super::events::{ROW_ID, Row, Table, as_json, kind};

/// Column by column; no rows are no columns (null).
pub(super) fn tabular(query: &Query, table: &Table, (start, end): (Option<Timestamp>, Option<Timestamp>)) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let column = |name: &String| table.rows.iter().map(|row| row.get(name).map_or(Value::Null, as_json)).collect();
    let columns: Vec<Value> = table.columns.iter().map(column).collect();
    let type_of = |name: &String| table.rows.iter().find_map(|row| row.get(name)).map_or("string", kind);
    let fields: Vec<Value> = table.columns.iter().map(|name| json!({ "name": name, "type": type_of(name) })).collect();
    json!({
        "format": "tabular",
        "status": status(table),
        "tables": [{
            "name": "0", "sources": [{ "name": query.dataset }], "fields": fields, "order": [], "groups": [],
            "range": { "field": "_time", "start": time(start), "end": time(end) },
            "columns": if table.rows.is_empty() { Value::Null } else { json!(columns) },
        }],
        "datasetNames": [query.dataset],
        "fieldsMetaMap": {},
    })
}

/// Events as matches, aggregates as totals.
pub(super) fn legacy(query: &Query, table: &Table) -> Value {
    let matches: Vec<Value> = table.rows.iter().filter(|_| table.events).map(one).collect();
    let total = |row: &Row| {
        let values = row.iter().map(|(op, value)| json!({ "op": op, "value": as_json(value) }));
        json!({ "group": {}, "aggregations": values.collect::<Vec<_>>() })
    };
    let totals: Vec<Value> = table.rows.iter().filter(|_| !table.events).map(total).collect();
    json!({
        "status": status(table), "matches": matches, "buckets": { "series": [], "totals": totals },
        "datasetNames": [query.dataset],
    })
}

fn one(row: &Row) -> Value {
    let at = |name: &str| row.get(name).map_or(Value::Null, as_json);
    let data: Map<String, Value> = row
        .iter()
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(name, value)| (name.clone(), as_json(value)))
        .collect();
    json!({ "_time": at("_time"), "_sysTime": at("_sysTime"), "_rowId": at(ROW_ID), "data": data })
}

fn status(table: &Table) -> Value {
    json!({
        "elapsedTime": 1000, "rowsExamined": table.examined, "rowsMatched": table.rows.len(), "numGroups": 0,
        "isPartial": false,
    })
}
