//! The events of a dataset, flat as Axiom keeps them, and a query's run over them. It knows neither HTTP nor tokens.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::apl::{Aggregate, Calc, Comparison, Expr, Group, Operand, Query, Scalar, Stage, TIMES, moment};
use super::trouble::Trouble;
use crate::error::{Context, Error, Result};

const KEPT: usize = 20_000;

/// Bytes of a field's name.
const NAME: usize = 200;

/// Bytes of a text; a longer one is replaced.
const TEXT: usize = 1_000_000;

/// Names of its own, which an event's field cannot have.
const RESERVED: [&str; 5] = ["_blockInfo", "_cursor", "_rowID", "_source", "_sysTime"];

/// The number of a row. A query cannot name it, and a table does not show it.
pub(super) const ROW_ID: &str = "_rowID";

/// One event: field by field.
pub(super) type Row = BTreeMap<String, Scalar>;

/// What a query found: its columns in order, and rows that have them.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Whether the rows are events (and not aggregates).
    pub(super) events: bool,
    pub(super) examined: usize,
}

/// A dataset.
pub(super) struct Dataset {
    rows: VecDeque<Row>,
    /// Every field an event ever had: a query for another one is an error.
    fields: BTreeSet<String>,
    /// How many there may be.
    most: usize,
    added: u64,
}

impl Dataset {
    pub(super) fn new(most: usize) -> Self {
        Dataset { rows: VecDeque::new(), fields: BTreeSet::new(), most, added: 0 }
    }

    /// Takes an event in; why not, when it cannot be.
    pub(super) fn add(&mut self, event: &Value, trouble: &Trouble, now: Timestamp) -> Result<()> {
        let mut row = Row::new();
        flatten("", event.as_object().context("an event is an object")?, &mut row);
        if let Some(field) = trouble.rejected(row.keys()) {
            return Err(Error::new(format!("field {field} is not taken")));
        }
        row.remove("_time");
        let time = event.get("_time").map_or(Ok(now), time_of)?;
        if let Some(long) = row.keys().find(|name| name.len() > NAME) {
            return Err(Error::new(format!("a field's name has {} bytes, at most {NAME}", long.len())));
        }
        let new = row.keys().filter(|name| !self.fields.contains(*name)).count();
        if self.fields.len() + new > self.most {
            return Err(Error::new(format!(
                "the dataset has {} fields and takes at most {}",
                self.fields.len(),
                self.most
            )));
        }
        row.extend(TIMES.map(str::to_owned).into_iter().zip([Scalar::Time(time), Scalar::Time(now)]));
        self.fields.extend(row.keys().cloned());
        self.added += 1;
        row.insert(ROW_ID.to_owned(), Scalar::Text(format!("lab-{}", self.added)));
        if self.rows.len() == KEPT {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        Ok(())
    }

    /// Runs a query over the events from `start` to `end`.
    pub(super) fn run(&self, query: &Query, start: Option<Timestamp>, end: Option<Timestamp>) -> Result<Table> {
        let inside = |row: &&Row| match row.get("_time") {
            Some(Scalar::Time(time)) => start.is_none_or(|s| *time >= s) && end.is_none_or(|e| *time < e),
            _ => false,
        };
        let rows: Vec<Row> = self.rows.iter().filter(inside).cloned().collect();
        let examined = rows.len();
        let mut table = Table { columns: self.fields.iter().cloned().collect(), rows, events: true, examined };
        for stage in &query.stages {
            table = table.then(stage)?;
        }
        Ok(table)
    }
}

/// A text or a number of seconds, or of smaller parts of them, as its size tells.
pub(super) fn time_of(value: &Value) -> Result<Timestamp> {
    match value {
        Value::String(text) => moment(text),
        Value::Number(number) => {
            let number = number.as_f64().context("_time")?;
            let parts = [1e11, 1e14, 1e17].into_iter().filter(|bound| number.abs() >= *bound).count();
            let seconds = [1.0, 1e3, 1e6, 1e9].get(parts).map(|part| number / part).context("_time")?;
            Timestamp::from_millisecond((seconds * 1e3) as i64).context("_time")
        }
        other => Err(Error::new(format!("{other} is not a time"))),
    }
}

fn flatten(prefix: &str, object: &Map<String, Value>, row: &mut Row) {
    for (key, value) in object {
        let key =
            if prefix.is_empty() && RESERVED.contains(&key.as_str()) { format!("_user{key}") } else { key.clone() };
        let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, row),
            Value::Null => {}
            Value::Bool(value) => drop(row.insert(name, Scalar::Bool(*value))),
            Value::Number(value) => drop(row.insert(name, Scalar::Number(value.as_f64().unwrap_or(f64::NAN)))),
            Value::String(value) if value.len() > TEXT => {
                row.insert(name, Scalar::Text("<invalid string: too long>".to_owned()));
            }
            Value::String(value) => drop(row.insert(name, Scalar::Text(value.clone()))),
            Value::Array(_) => drop(row.insert(name, Scalar::Text(value.to_string()))),
        }
    }
}

impl Table {
    fn then(mut self, stage: &Stage) -> Result<Table> {
        match stage {
            Stage::Where(expr) => {
                self.know(fields(expr))?;
                self.rows.retain(|row| holds(expr, row));
            }
            Stage::Take(n) => self.rows.truncate(*n),
            Stage::Order(by) => {
                self.know(by.iter().map(|(field, _)| field.as_str()))?;
                self.rows.sort_by(|a, b| ordered(by, a, b));
            }
            Stage::Project(columns) => {
                self.know(columns.iter().map(|(_, field)| field.as_str()))?;
                self.project(columns);
            }
            Stage::Extend(columns) => {
                for (name, calc) in columns {
                    self.know(calc_fields(calc))?;
                    self.rows.iter_mut().for_each(|row| drop(row.insert(name.clone(), calculated(calc, row))));
                    if !self.columns.contains(name) {
                        self.columns.push(name.clone());
                    }
                }
            }
            Stage::Summarize { columns, by } => return self.summarize(columns, by),
            Stage::Schema => return Ok(self.schema()),
        }
        Ok(self)
    }

    fn know<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        match names.into_iter().find(|name| !self.columns.iter().any(|column| column == name)) {
            Some(name) => Err(Error::new(format!("invalid field: {name} is in no event of the dataset"))),
            None => Ok(()),
        }
    }

    fn project(&mut self, columns: &[(String, String)]) {
        let pick = |row: &Row| -> Row {
            columns.iter().filter_map(|(name, field)| Some((name.clone(), row.get(field)?.clone()))).collect()
        };
        self.rows = self.rows.iter().map(pick).collect();
        self.columns = columns.iter().map(|(name, _)| name.clone()).collect();
    }

    fn summarize(self, columns: &[(String, Aggregate)], by: &[Group]) -> Result<Table> {
        self.know(by.iter().map(|group| group.field.as_str()))?;
        for (_, aggregate) in columns {
            self.know(aggregate_fields(aggregate))?;
        }
        let mut groups: Vec<(Vec<Scalar>, Vec<&Row>)> = Vec::new();
        if by.is_empty() {
            // Without groups there is always one row, also over nothing.
            groups.push((Vec::new(), Vec::new()));
        }
        for row in &self.rows {
            let key: Vec<Scalar> = by.iter().map(|group| group.of(row)).collect();
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        let rows = groups.into_iter().map(|(key, rows)| {
            let keys = by.iter().map(|group| group.field.clone()).zip(key);
            let values = columns.iter().map(|(name, aggregate)| (name.clone(), aggregated(aggregate, &rows)));
            keys.chain(values).collect()
        });
        let keys = by.iter().map(|group| &group.field);
        let names = keys.chain(columns.iter().map(|(name, _)| name)).cloned().collect();
        Ok(Table { rows: rows.collect(), columns: names, events: false, examined: self.examined })
    }

    fn schema(self) -> Table {
        let row = |name: &String| {
            let kind = self.rows.iter().find_map(|row| row.get(name)).map_or("string", kind);
            let text = |text: &str| Scalar::Text(text.to_owned());
            Row::from([("ColumnName".to_owned(), text(name)), ("ColumnType".to_owned(), text(kind))])
        };
        let rows = self.columns.iter().map(row).collect();
        let columns = vec!["ColumnName".to_owned(), "ColumnType".to_owned()];
        Table { rows, columns, events: false, examined: self.examined }
    }
}

fn get<'a>(row: &'a Row, field: &str) -> &'a Scalar {
    row.get(field).unwrap_or(&Scalar::Null)
}

fn fields(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().flat_map(fields).collect(),
        Expr::Not(inner) => fields(inner),
        Expr::In(field, _) | Expr::Empty(field) | Expr::Null(field) => vec![field],
        Expr::Compare(left, _, right) => [left, right].into_iter().filter_map(field).collect(),
    }
}

fn field(operand: &Operand) -> Option<&str> {
    match operand {
        Operand::Field(name) => Some(name),
        Operand::Value(_) => None,
    }
}

fn aggregate_fields(aggregate: &Aggregate) -> Vec<&str> {
    match aggregate {
        Aggregate::Count => Vec::new(),
        Aggregate::CountIf(expr) => fields(expr),
        Aggregate::Max(of) | Aggregate::Min(of) | Aggregate::Avg(of) | Aggregate::Sum(of) | Aggregate::Distinct(of) => {
            calc_fields(of)
        }
    }
}

fn calc_fields(calc: &Calc) -> Vec<&str> {
    match calc {
        Calc::Field(field) => vec![field],
        Calc::Number(_) => Vec::new(),
        Calc::Of(left, _, right) => calc_fields(left).into_iter().chain(calc_fields(right)).collect(),
    }
}

/// Nothing where one of them is no number.
fn calculated(calc: &Calc, row: &Row) -> Scalar {
    match calc {
        Calc::Field(field) => get(row, field).clone(),
        Calc::Number(number) => Scalar::Number(*number),
        Calc::Of(left, sign, right) => match (calculated(left, row), sign, calculated(right, row)) {
            (Scalar::Number(left), '+', Scalar::Number(right)) => Scalar::Number(left + right),
            (Scalar::Number(left), '-', Scalar::Number(right)) => Scalar::Number(left - right),
            (Scalar::Number(left), '*', Scalar::Number(right)) => Scalar::Number(left * right),
            (Scalar::Number(left), '/', Scalar::Number(right)) if right != 0.0 => Scalar::Number(left / right),
            _ => Scalar::Null,
        },
    }
}

impl Group {
    fn of(&self, row: &Row) -> Scalar {
        match (get(row, &self.field), self.bin) {
            (Scalar::Time(time), Some(bin)) => {
                let span = bin.as_nanos();
                let start = time.as_nanosecond().div_euclid(span) * span;
                Timestamp::from_nanosecond(start).map_or(Scalar::Null, Scalar::Time)
            }
            (value, _) => value.clone(),
        }
    }
}

fn aggregated(aggregate: &Aggregate, rows: &[&Row]) -> Scalar {
    let count = |n: usize| Scalar::Number(n as f64);
    let values =
        |of: &Calc| rows.iter().map(|row| calculated(of, row)).filter(|v| *v != Scalar::Null).collect::<Vec<_>>();
    let most = |of: &Calc, wanted: Ordering| {
        let better = |a: Scalar, b: Scalar| if compare(&b, &a) == Some(wanted) { b } else { a };
        values(of).into_iter().reduce(better).unwrap_or(Scalar::Null)
    };
    let numbers = |of: &Calc| -> Vec<f64> {
        let number = |value| if let Scalar::Number(number) = value { Some(number) } else { None };
        values(of).into_iter().filter_map(number).collect()
    };
    match aggregate {
        Aggregate::Count => count(rows.len()),
        Aggregate::CountIf(expr) => count(rows.iter().filter(|row| holds(expr, row)).count()),
        Aggregate::Max(of) => most(of, Ordering::Greater),
        Aggregate::Min(of) => most(of, Ordering::Less),
        Aggregate::Sum(of) => Scalar::Number(numbers(of).iter().sum()),
        Aggregate::Avg(of) => match numbers(of).as_slice() {
            [] => Scalar::Null,
            all => Scalar::Number(all.iter().sum::<f64>() / all.len() as f64),
        },
        Aggregate::Distinct(of) => {
            let mut seen: Vec<Scalar> = Vec::new();
            values(of).into_iter().for_each(|v| {
                if !seen.contains(&v) {
                    seen.push(v)
                }
            });
            count(seen.len())
        }
    }
}

fn holds(expr: &Expr, row: &Row) -> bool {
    match expr {
        Expr::Or(parts) => parts.iter().any(|part| holds(part, row)),
        Expr::And(parts) => parts.iter().all(|part| holds(part, row)),
        Expr::Not(inner) => !holds(inner, row),
        Expr::In(field, values) => values.contains(get(row, field)),
        Expr::Null(field) => *get(row, field) == Scalar::Null,
        Expr::Empty(field) => {
            matches!(get(row, field), Scalar::Null) || *get(row, field) == Scalar::Text(String::new())
        }
        Expr::Compare(left, comparison, right) => {
            let value = |operand: &Operand| match operand {
                Operand::Field(name) => get(row, name).clone(),
                Operand::Value(value) => value.clone(),
            };
            compares(&value(left), *comparison, &value(right))
        }
    }
}

fn compares(left: &Scalar, comparison: Comparison, right: &Scalar) -> bool {
    let order = || compare(left, right);
    let (Scalar::Text(text), Scalar::Text(part)) = (left, right) else {
        return match comparison {
            Comparison::Equal => left == right,
            Comparison::Less => order() == Some(Ordering::Less),
            Comparison::LessEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            _ => false,
        };
    };
    let (low, low_part) = (text.to_lowercase(), part.to_lowercase());
    match comparison {
        Comparison::Equal => text == part,
        Comparison::EqualFolded => low == low_part,
        Comparison::Less => text < part,
        Comparison::LessEqual => text <= part,
        Comparison::Contains => low.contains(&low_part),
        Comparison::ContainsCased => text.contains(part.as_str()),
        Comparison::StartsWith => low.starts_with(&low_part),
        Comparison::EndsWith => low.ends_with(&low_part),
        Comparison::Has => low.split(|c: char| !c.is_alphanumeric()).any(|term| term == low_part),
    }
}

/// Values of one type only: others have no order.
fn compare(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        (Scalar::Time(a), Scalar::Time(b)) => Some(a.cmp(b)),
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn ordered(by: &[(String, bool)], a: &Row, b: &Row) -> Ordering {
    let one = |(field, descends): &(String, bool)| {
        let order = compare(get(a, field), get(b, field)).unwrap_or(Ordering::Equal);
        if *descends { order.reverse() } else { order }
    };
    by.iter().map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Axiom's name of a value's type.
pub(super) fn kind(value: &Scalar) -> &'static str {
    match value {
        Scalar::Null | Scalar::Text(_) => "string",
        Scalar::Bool(_) => "boolean",
        Scalar::Number(n) if n.fract() == 0.0 => "integer",
        Scalar::Number(_) => "float",
        Scalar::Time(_) => "datetime",
    }
}

pub(super) fn as_json(value: &Scalar) -> Value {
    match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => json!(value),
        Scalar::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => json!(*n as i64),
        Scalar::Number(n) => json!(n),
        Scalar::Text(text) => json!(text),
        Scalar::Time(time) => json!(time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::apl::parse;
    use super::*;

    fn run(text: &str) -> Result<Table> {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut dataset = Dataset::new(256);
        for (second, host, code) in [(100, "n-1", 200), (200, "n-1", 503), (300, "n-2", 200)] {
            let event = json!({ "_time": at(second).to_string(), "host": host, "health": { "code": code }, "message": "Axiom ingest check" });
            dataset.add(&event, &Trouble::default(), at(400)).unwrap();
        }
        dataset.run(&parse(text, at(400)).unwrap(), Some(at(50)), None)
    }

    fn cell(text: &str, column: &str) -> Value {
        as_json(get(&run(text).unwrap().rows[0], column))
    }

    #[test]
    fn counts_and_last_times() {
        let of = |host| {
            format!(
                "['d'] | where ['host'] == \"{host}\" and _time > datetime(\"1970-01-01T00:02:00Z\") | summarize n = count(), max(_time)"
            )
        };
        assert_eq!((cell(&of("n-1"), "n"), cell(&of("n-1"), "max__time")), (json!(1), json!("1970-01-01T00:03:20Z")));
        assert_eq!(
            (cell(&of("n-9"), "n"), cell(&of("n-9"), "max__time")),
            (json!(0), Value::Null),
            "one row, over nothing too"
        );
        assert_eq!(run("d | where host == \"n-9\" | summarize count() by host").unwrap().rows, []);
        assert_eq!(cell("d | summarize n = count() by host | order by n desc", "host"), "n-1");
    }

    #[test]
    fn filters_orders_and_takes() {
        for (condition, rows) in [
            ("health.code != 200", 1),
            ("['health.code'] >= 200", 3),
            ("message contains \"INGEST\"", 3),
            ("message contains_cs \"INGEST\"", 0),
            ("message !contains \"ingest\"", 0),
            ("message has \"ing\"", 0),
            ("host in (\"n-1\", \"n-9\") or health.code == 503", 2),
            ("_time > ago(150s)", 1),
            ("isnotempty(host) and not(host == \"n-1\")", 1),
            ("isnull(health.code) or isnotnull(host)", 3),
            ("host !in (\"n-1\")", 1),
            ("message contains \"\\u0041xiom\"", 3),
        ] {
            assert_eq!(run(&format!("d | where {condition}")).unwrap().rows.len(), rows, "{condition}");
        }
        assert_eq!(cell("d | order by _time desc | take 1 | project at = _time, host", "host"), "n-2");
        assert_eq!(run("d | take 1 | project h = host").unwrap().columns, ["h"]);
        assert!(run("d | where node == \"n-1\"").unwrap_err().to_string().starts_with("invalid field: node"));
    }

    #[test]
    fn calculates_and_groups_by_time() {
        let of = |what: &str| format!("d | summarize x = {what}");
        assert_eq!(cell(&of("avg(health.code)"), "x"), json!(301));
        assert_eq!(cell(&of("sum(['health.code'] - 200)"), "x"), json!(303));
        assert_eq!(cell(&of("max(100 * health.code / (200 + 200))"), "x"), json!(125.75));
        assert_eq!(cell("d | extend x = health.code / 2 | where x > 200 | project x", "x"), json!(251.5));
        let binned = run("d | summarize n = count() by bin(_time, 3m) | order by _time asc").unwrap();
        assert_eq!(binned.rows.len(), 2);
        assert_eq!(cell("d | summarize n = count() by bin(_time, 3m), host | order by _time desc", "host"), "n-1");
        assert!(run("d | extend x = nothing + 1").unwrap_err().to_string().starts_with("invalid field: nothing"));
    }

    #[test]
    fn limits_are_those_of_axiom() {
        let now = Timestamp::from_second(400).unwrap();
        let mut dataset = Dataset::new(4);
        let mut add = |event: Value| dataset.add(&event, &Trouble::default(), now).map_err(|error| error.to_string());
        let long = "x".repeat(NAME + 1);
        assert!(add(json!({ "a": 1, "_time": 1_790_000_000 })).is_ok());
        assert!(add(json!({ "b": { "c": 1 } })).is_ok());
        assert!(add(json!({ "d": 1 })).unwrap_err().contains("4 fields and takes at most 4"));
        assert!(add(json!({ (long): 1 })).unwrap_err().contains("201 bytes"));
        assert!(add(json!({ "a": 1, "_time": true })).unwrap_err().contains("not a time"));
        assert!(add(json!({ "a": "x".repeat(TEXT + 1) })).is_ok());
        assert!(add(json!([])).is_err());
        let rows = dataset.run(&parse("d", now).unwrap(), None, None).unwrap().rows;
        assert_eq!(as_json(get(&rows[2], "a")), "<invalid string: too long>");
        assert_eq!(as_json(get(&rows[0], "_time")), "2026-09-21T14:13:20Z");
        let mut other = Dataset::new(10);
        other.add(&json!({ "_sysTime": "mine", "a": { "_cursor": 1 } }), &Trouble::default(), now).unwrap();
        let kept: Vec<&String> = other.fields.iter().collect();
        assert_eq!(kept, ["_sysTime", "_time", "_user_sysTime", "a._cursor"]);
    }

    #[test]
    fn a_time_may_be_a_number() {
        for number in [json!(1_790_000_000), json!(1_790_000_000_000_i64), json!(1.79e15), json!(1.79e18)] {
            assert_eq!(time_of(&number).unwrap().to_string(), "2026-09-21T14:13:20Z", "{number}");
        }
    }
}
