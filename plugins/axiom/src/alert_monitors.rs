//! `axiom.alert_monitors`: the monitors that the alert table asks for, in the words of `axiom.sync_monitors`. It reaches nothing.
//!
//! The events are those of `collect-metrics`. What a counter grew by stands in them beside the counter, so that a monitor needs
//! no two samples.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::inventory::{AxiomLogs, Cluster};
use sluice_plugin::thresholds::{self, Level, Op, Scope, Threshold};
use sluice_plugin::{Action, ActionSpec, Call, Example, Host, Outcome, Problem};

use crate::apl::Query;
use crate::describe::{input, output, read};
use crate::fresh_events::cluster;
use crate::monitor::{Operator, Wanted};

/// How far back a monitor looks where the row does not say.
const USUALLY: u32 = 5;
const GROWS_IN: u32 = 10;

/// A node that has sent nothing for so many minutes is silent.
const SILENT_AFTER: u32 = 3;

/// Counters, and what they grew by.
const GROWTH: [(&str, &str); 3] = [
    ("jsz.api.errors", "growth.api_errors"),
    ("varz.slow_consumers", "growth.slow_consumers"),
    ("varz.total_connections", "growth.total_connections"),
];

pub(crate) struct AlertMonitors;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The alert table, `runbooks/thresholds.yaml`.
    thresholds: Vec<Threshold>,
    /// Who is told of what, by the ids of notifiers.
    #[serde(default)]
    notifiers: Notifiers,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Notifiers {
    warning: Vec<String>,
    critical: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    monitors: Vec<Wanted>,
    /// Rows that no monitor can judge.
    left_out: Vec<LeftOut>,
}

#[derive(Serialize, JsonSchema)]
struct LeftOut {
    id: String,
    why: String,
}

#[async_trait]
impl Action for AlertMonitors {
    fn spec(&self) -> ActionSpec {
        let mut spec = read::<Input, Output>("alert_monitors", "Say which monitors the alert table asks for");
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let wrong = |(pointer, row): (String, Threshold)| {
            Some(Problem::bad_input(&format!("{pointer}/sustained"), row.bad_time()?))
        };
        thresholds::given(with).filter_map(wrong).collect()
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input(&call.with)?;
        let logs = input.cluster.logs.as_ref().map(|logs| &logs.axiom);
        let logs = logs.ok_or_else(|| Problem::bad_input("/cluster", "the cluster says nothing of its logs"))?;
        let of = Of { logs, cluster: &input.cluster, notifiers: &input.notifiers };
        let rows = input.thresholds.iter().filter_map(|row| row.for_labels(&input.cluster.labels));
        let mut answer = Output { monitors: of.silent(), left_out: Vec::new() };
        for row in rows.filter(|row| row.op != Op::Reference) {
            match of.row(&row) {
                Ok(monitor) => answer.monitors.push(monitor),
                Err(why) => answer.left_out.push(LeftOut { id: row.id, why }),
            }
        }
        output(&answer).map(Outcome::plain)
    }
}

struct Of<'a> {
    logs: &'a AxiomLogs,
    cluster: &'a Cluster,
    notifiers: &'a Notifiers,
}

/// What a monitor asks, and when it fires.
struct Rule {
    query: Query,
    operator: Operator,
    threshold: f64,
    range: u32,
    /// It has to be over in so many runs, one after the other.
    runs: Option<u32>,
    by_node: bool,
}

impl Of<'_> {
    fn events(&self) -> Query {
        Query::of(&self.logs.dataset).is("kind", "metrics").is("cluster", &self.cluster.name)
    }

    /// No news is not good news, and a node that sends nothing is in no group of a query.
    fn silent(&self) -> Vec<Wanted> {
        let nodes = self.cluster.nodes.iter().filter_map(|node| Some((node, self.logs.node_values.get(&node.name)?)));
        let one = |(node, value): (&sluice_plugin::inventory::Node, &String)| {
            let rule = Rule {
                query: self.events().is(&self.logs.node_field, value).summarized("count()", None),
                operator: Operator::Below,
                threshold: 1.0,
                range: SILENT_AFTER,
                runs: None,
                by_node: false,
            };
            let description = format!("nobody knows how {} is: its collector or the node itself is gone", node.name);
            let monitor = self.wanted(&format!("silent-{}", node.name), description, Level::Critical, rule);
            Wanted { alert_on_no_data: true, ..monitor }
        };
        nodes.map(one).collect()
    }

    fn row(&self, row: &Threshold) -> Result<Wanted, String> {
        let rule = self.rule(row)?;
        let said = [row.wording.as_deref(), row.say.as_deref(), row.todo.as_deref()];
        let summed = row.scope == Scope::Cluster && matches!(row.op, Op::AtMost | Op::Below | Op::Equal);
        let how =
            summed.then_some("(its query takes something of each node's figure, so that a silent node makes no alarm)");
        let description = said.into_iter().flatten().chain(how).collect::<Vec<_>>().join("\n");
        Ok(self.wanted(&row.id, description, row.severity, rule))
    }

    fn wanted(&self, id: &str, description: String, severity: Level, rule: Rule) -> Wanted {
        let notifiers = match severity {
            Level::Warning => &self.notifiers.warning,
            Level::Critical => &self.notifiers.critical,
        };
        Wanted {
            id: id.to_owned(),
            description,
            apl: rule.query.as_str().to_owned(),
            operator: rule.operator,
            threshold: rule.threshold,
            interval_minutes: 1,
            range_minutes: rule.range,
            alert_on_no_data: false,
            notifiers: notifiers.clone(),
            notify_by_group: Some(rule.by_node),
            positive_runs: Some(rule.runs.unwrap_or(1)),
            of_runs: Some(rule.runs.unwrap_or(1)),
        }
    }

    fn rule(&self, row: &Threshold) -> Result<Rule, String> {
        let value = row.value.ok_or("it has no value")?;
        let sustained = row.sustained()?.map(minutes);
        match (row.op, row.scope) {
            (Op::Grows, _) => self.grows(row, value, sustained),
            (op, Scope::Cluster) => self.over_all(row, op, value, sustained),
            (op, Scope::Node) => self.of_nodes(row, op, value, sustained),
        }
    }

    /// Each node by itself. What has to last has to be so in every event of the time.
    fn of_nodes(&self, row: &Threshold, op: Op, value: u64, sustained: Option<u32>) -> Result<Rule, String> {
        let by = Some(self.logs.node_field.as_str());
        let field = if row.field == "health_status" { "health_code" } else { &row.field };
        let (worst, best) = match op {
            Op::AtLeast | Op::Above | Op::Approaching => ("max", "min"),
            _ => ("min", "max"),
        };
        let how = if sustained.is_some() { best } else { worst };
        let (query, operator, threshold) = match op {
            Op::AtLeast => (self.events().summarized_of(how, field, by), Operator::AboveOrEqual, value),
            Op::Above => (self.events().summarized_of(how, field, by), Operator::Above, value),
            Op::AtMost => (self.events().summarized_of(how, field, by), Operator::BelowOrEqual, value),
            Op::Below => (self.events().summarized_of(how, field, by), Operator::Below, value),
            Op::Approaching => {
                let of = row.of.as_deref().ok_or("it does not say of what")?;
                let share = self.events().percent("share", field, of).summarized_of(how, "share", by);
                (share, Operator::AboveOrEqual, value)
            }
            Op::Equal | Op::NotEqual if sustained.is_none() => {
                let counted = self.events().compared(field, op == Op::Equal, value).summarized("count()", by);
                (counted, Operator::Above, 0)
            }
            Op::Equal | Op::NotEqual => return Err("that a figure is one number for a time is not judged".to_owned()),
            Op::Grows | Op::Reference => return Err("it is judged elsewhere".to_owned()),
        };
        let range = sustained.unwrap_or(USUALLY);
        Ok(Rule { query, operator, threshold: as_float(threshold), range, runs: None, by_node: true })
    }

    /// The sum of what the nodes said, each once. Where too little is the alarm, a node that says nothing must not make it:
    /// of each figure so much is taken that the sum of fewer nodes is above any limit.
    fn over_all(&self, row: &Threshold, op: Op, value: u64, sustained: Option<u32>) -> Result<Rule, String> {
        let operator = match (op, value) {
            (Op::AtLeast, _) => Operator::AboveOrEqual,
            (Op::Above, _) => Operator::Above,
            (Op::AtMost, _) | (Op::Equal, 0) => Operator::BelowOrEqual,
            (Op::Below, _) => Operator::Below,
            _ => return Err("a monitor compares a sum, and cannot say that it is exactly that, or not".to_owned()),
        };
        let less = if matches!(op, Op::AtLeast | Op::Above) { 0 } else { value.saturating_add(1) };
        // What else sends events of this cluster is not counted.
        let nodes: Vec<&str> = self.logs.node_values.values().map(String::as_str).collect();
        let query = self.events().among(&self.logs.node_field, &nodes);
        let query = query.summed_over("max", &row.field, &self.logs.node_field, less);
        let all = less.saturating_mul(self.cluster.nodes.len() as u64);
        let (threshold, range) = (as_float(value) - as_float(all), USUALLY);
        Ok(Rule { query, operator, threshold, range, runs: sustained, by_node: false })
    }

    /// In both halves of the time, where it has to last: two runs, each over one half.
    fn grows(&self, row: &Threshold, value: u64, sustained: Option<u32>) -> Result<Rule, String> {
        let growth = GROWTH.iter().find(|(counter, _)| *counter == row.field);
        let (_, growth) = growth.ok_or("what this counter grew by is in no event")?;
        let query = self.events().summarized_of("sum", growth, None);
        let (range, runs) = match sustained {
            Some(time) => (time.div_ceil(2), Some(time.div_ceil(2) + 1)),
            None => (GROWS_IN, None),
        };
        Ok(Rule { query, operator: Operator::Above, threshold: as_float(value), range, runs, by_node: false })
    }
}

/// Monitors count in minutes.
fn minutes(time: Duration) -> u32 {
    u32::try_from(time.as_secs().div_ceil(60)).unwrap_or(u32::MAX).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "thresholds are small numbers")]
fn as_float(value: u64) -> f64 {
    value as f64
}

fn example() -> Example {
    let row =
        json!({ "id": "cpu", "field": "system.cpu_percent", "op": "at_least", "value": 80, "wording": "CPU >= 80%" });
    let with = json!({ "cluster": cluster(), "thresholds": [row] });
    let apl = "['nats-logs']\n| where ['kind'] == \"metrics\"\n| where ['cluster'] == \"nats-staging\"\n| summarize \
               max(['system.cpu_percent']) by ['node']";
    let monitor = json!({
        "id": "cpu", "description": "CPU >= 80%", "apl": apl, "operator": "above_or_equal", "threshold": 80.0,
        "interval_minutes": 1, "range_minutes": 5, "alert_on_no_data": false, "notifiers": [], "notify_by_group": true,
        "positive_runs": 1, "of_runs": 1
    });
    Example {
        summary: "the monitor of one row".to_owned(),
        with,
        output: json!({ "monitors": [monitor], "left_out": [] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, output_of};

    #[derive(Deserialize)]
    struct File {
        thresholds: Vec<Value>,
    }

    fn of(rows: Vec<Value>) -> Value {
        let with = json!({ "cluster": cluster(), "thresholds": rows, "notifiers": { "critical": ["pager"], "warning": ["chat"] } });
        output_of("alert_monitors", &FakeHost::answers(500, &[], ""), with)
    }

    #[test]
    fn every_row_that_ships_has_a_monitor() {
        let text = include_str!("../../../runbooks/thresholds.yaml");
        let rows = serde_saphyr::from_str::<File>(text).unwrap().thresholds;
        let judged = rows.iter().filter(|row| row["op"] != "reference").count();
        let answer = of(rows);
        let ids: Vec<&str> =
            answer["monitors"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), &answer["left_out"]), (judged + 1, &json!([])), "{ids:?}");
        assert!(ids.contains(&"silent-nats-staging-node-1") && ids.contains(&"api_errors"), "{ids:?}");
    }

    #[test]
    fn a_row_is_asked_as_it_is_meant() {
        fn check(row: Value, apl: &str, fires: (&str, f64), (range, runs): (u32, u32)) {
            let mut whole = json!({ "id": "x", "field": "system.cpu_percent", "op": "at_least", "value": 80 });
            whole.as_object_mut().unwrap().extend(row.as_object().unwrap().clone());
            let answer = of(vec![whole.clone()]);
            let monitor = answer["monitors"].as_array().unwrap().last().unwrap();
            let last: Vec<&str> = monitor["apl"].as_str().unwrap().lines().skip(3).collect();
            assert_eq!(last.join(" "), apl, "{whole}");
            assert_eq!(
                (monitor["operator"].as_str().unwrap(), monitor["threshold"].as_f64().unwrap()),
                fires,
                "{whole}"
            );
            let times = (&monitor["range_minutes"], &monitor["positive_runs"], &monitor["of_runs"]);
            assert_eq!(times, (&json!(range), &json!(runs), &json!(runs)), "{whole}");
        }
        let cpu = |how: &str| format!("| summarize {how}(['system.cpu_percent']) by ['node']");
        check(json!({}), &cpu("max"), ("above_or_equal", 80.0), (5, 1));
        check(json!({ "op": "below" }), &cpu("min"), ("below", 80.0), (5, 1));
        check(json!({ "sustained": "10m" }), &cpu("min"), ("above_or_equal", 80.0), (10, 1));
        check(json!({ "op": "at_most", "sustained": "90s" }), &cpu("max"), ("below_or_equal", 80.0), (2, 1));
        let health = json!({ "field": "health_status", "op": "not_equal", "value": 200, "severity": "critical" });
        let counted = "| where ['health_code'] != 200 | summarize count() by ['node']";
        check(health, counted, ("above", 0.0), (5, 1));
        let storage = json!({ "field": "jsz.storage", "op": "approaching", "of": "jsz.config.max_storage" });
        let share = "| extend ['share'] = 100.0 * ['jsz.storage'] / ['jsz.config.max_storage'] | summarize max(['share']) by ['node']";
        check(storage, share, ("above_or_equal", 80.0), (5, 1));
        let none = json!({ "field": "connz.num_connections", "op": "equal", "value": 0, "scope": "cluster" });
        let of = "| where ['node'] in (\"nats-staging-node-1\") | summarize ['figure'] = max(['connz.num_connections']) by ['node']";
        let sum = &format!("{of} | summarize sum(['figure'] - 1)");
        // Every node has none, of the one that there is here.
        check(none, sum, ("below_or_equal", -1.0), (5, 1));
        let many = json!({ "field": "connz.num_connections", "op": "above", "value": 9, "scope": "cluster" });
        let sum = &format!("{of} | summarize sum(['figure'])");
        check(many, sum, ("above", 9.0), (5, 1));
        let errors = json!({ "field": "jsz.api.errors", "op": "grows", "value": 0 });
        check(errors, "| summarize sum(['growth.api_errors'])", ("above", 0.0), (10, 1));
        let lasting = json!({ "field": "jsz.api.errors", "op": "grows", "value": 0, "sustained": "5m" });
        check(lasting, "| summarize sum(['growth.api_errors'])", ("above", 0.0), (3, 4));
    }

    #[test]
    fn who_is_told_depends_on_how_bad_it_is() {
        let row = |severity: &str| json!({ "id": "x", "field": "system.cpu_percent", "op": "above", "value": 1, "severity": severity });
        for (severity, told) in [("warning", "chat"), ("critical", "pager")] {
            let answer = of(vec![row(severity)]);
            assert_eq!(answer["monitors"].as_array().unwrap().last().unwrap()["notifiers"], json!([told]));
        }
        let exact =
            json!({ "id": "x", "field": "connz.num_connections", "op": "equal", "value": 7, "scope": "cluster" });
        let answer = of(vec![exact]);
        assert!(answer["left_out"][0]["why"].as_str().unwrap().contains("exactly"), "{answer}");
    }
}
