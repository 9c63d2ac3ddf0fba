//! Thresholds as data: the team's alert table, judged on what the nodes said. Knows no YAML and no file.
//!
//! Counters are judged by their growth between the first round and the last, our own calls taken off: since a server's
//! start they only ever grow, and an alarm on their value would never clear.

use serde_json::Value;
use sluice_plugin::Problem;
use sluice_plugin::thresholds::{self, Level, Op, Scope, Threshold};

use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::sample::Sample;
use crate::monitor::model::Jsz;
use crate::monitor::read::NodeRead;

/// Fields of another action's sample (`nats.cluster_health` sees no CPU, memory or disk).
const ELSEWHERE: &str = "system.";

const FIELDS: [&str; 11] = [
    "jsz.storage",
    "jsz.config.max_storage",
    "jsz.config.max_file_store",
    "jsz.memory",
    "jsz.api.errors",
    "jsz.api.total",
    "connz.num_connections",
    "varz.slow_consumers",
    "varz.mem",
    "varz.cpu",
    HEALTH,
];

/// Always judged, row or no row; a row adds the team's words to it.
const HEALTH: &str = "health_status";

/// True when its field is not to be seen here and the row is only carried.
pub(super) fn is_elsewhere(row: &Threshold) -> bool {
    row.field.starts_with(ELSEWHERE)
}

/// What is wrong with the rows of `thresholds`.
pub(crate) fn check_all(with: &Value) -> Vec<Problem> {
    thresholds::given(with).filter_map(|(pointer, row)| check(&row, &pointer)).collect()
}

/// What is wrong with the row itself.
pub(super) fn check(row: &Threshold, pointer: &str) -> Option<Problem> {
    let bad = |field: &str, message: String| Some(Problem::bad_input(&format!("{pointer}/{field}"), message));
    let known = |field: &str| field.starts_with(ELSEWHERE) || FIELDS.contains(&field);
    let id = &row.id;
    if !known(&row.field) {
        return bad("field", unknown_field(&row.field));
    }
    let softened = || row.overrides.iter().any(|one| one.value.is_some() || one.severity.is_some() || one.off);
    if row.field == HEALTH
        && ((row.op, row.value, row.severity) != (Op::NotEqual, Some(200), Level::Critical) || softened())
    {
        let message =
            "a node that does not say 200 of itself is always critical: op not_equal, value 200, severity critical";
        return bad("field", message.to_owned());
    }
    if row.op == Op::Approaching && row.scope == Scope::Cluster {
        return bad("scope", format!("threshold `{id}` is `approaching`, which is judged node by node"));
    }
    if let Some(why) = row.bad_time() {
        return bad("sustained", format!("threshold `{id}`: {why}"));
    }
    match (row.op, &row.of, row.value) {
        (Op::Reference, _, _) => None,
        (_, _, None) => bad("value", format!("threshold `{id}` needs a value")),
        (Op::Approaching, None, _) => bad("of", format!("threshold `{id}` is `approaching`: say of what")),
        (Op::Approaching, Some(of), _) if !known(of) => bad("of", unknown_field(of)),
        (_, _, Some(_)) => None,
    }
}

fn unknown_field(field: &str) -> String {
    format!("no field `{field}`: there are {} and system.*", FIELDS.join(", "))
}

/// The findings of all rows that can be judged here.
pub(super) fn findings(sample: &Sample, thresholds: &[Threshold]) -> Vec<Finding> {
    thresholds
        .iter()
        .filter(|row| !is_elsewhere(row) && row.field != HEALTH)
        .flat_map(|row| judge(sample, row))
        .collect()
}

/// The team's wording for findings that are made without a row.
pub(super) fn word(findings: &mut [Finding], thresholds: &[Threshold]) {
    let Some(row) = thresholds.iter().find(|row| row.field == HEALTH) else { return };
    for finding in findings.iter_mut().filter(|finding| finding.code == HEALTH) {
        finding.wording.clone_from(&row.wording);
        row.say.iter().for_each(|say| finding.why.clone_from(say));
        row.todo.iter().for_each(|todo| finding.todo.clone_from(todo));
    }
}

fn judge(sample: &Sample, row: &Threshold) -> Vec<Finding> {
    let Some(limit) = row.value else { return vec![] };
    match row.op {
        Op::Reference => vec![],
        Op::Grows => grows(sample, row, limit).into_iter().collect(),
        Op::Approaching => nodes(sample, row, |node, seen| approaching(sample, row, limit, node, seen)),
        Op::AtLeast | Op::Above | Op::AtMost | Op::Below | Op::Equal | Op::NotEqual => match row.scope {
            Scope::Node => nodes(sample, row, |node, seen| {
                row.op.crossed(&seen, &limit).then(|| {
                    finding(row, subject_of(sample, node), format!("{} {seen}", row.field), words(row.op, limit))
                })
            }),
            Scope::Cluster => sum(sample, row, limit).into_iter().collect(),
        },
    }
}

fn nodes(sample: &Sample, row: &Threshold, judge: impl Fn(usize, u64) -> Option<Finding>) -> Vec<Finding> {
    let seen = (0..sample.nodes.len()).filter_map(|node| Some((node, figure(sample.read(node)?, &row.field)?)));
    seen.filter_map(|(node, seen)| judge(node, seen)).collect()
}

fn approaching(sample: &Sample, row: &Threshold, percent: u64, node: usize, seen: u64) -> Option<Finding> {
    let of = row.of.as_deref()?;
    let whole = figure(sample.read(node)?, of).filter(|whole| *whole > 0)?;
    let share = u128::from(seen) * 100 / u128::from(whole);
    let crossed = share >= u128::from(percent);
    crossed.then(|| {
        finding(
            row,
            subject_of(sample, node),
            format!("{} {seen} of {whole} ({share} %)", row.field),
            format!("{percent} % of {of}"),
        )
    })
}

/// The sum over the nodes that answered. With one missing, the true sum may be higher: only "too much" can be said.
fn sum(sample: &Sample, row: &Threshold, limit: u64) -> Option<Finding> {
    let figures: Vec<u64> = (0..sample.nodes.len()).filter_map(|node| figure(sample.read(node)?, &row.field)).collect();
    let complete = figures.len() == sample.nodes.len();
    if !complete && !matches!(row.op, Op::AtLeast | Op::Above) {
        return None;
    }
    let own = if row.field == "connz.num_connections" { sample.own.connections } else { 0 };
    let total = figures.iter().fold(0_u64, |total, one| total.saturating_add(*one)).saturating_sub(own);
    let over = format!("{} {total}, over {} of {} nodes", row.field, figures.len(), sample.nodes.len());
    let subject = Subject::new(SubjectKind::Cluster, sample.cluster.clone());
    row.op.crossed(&total, &limit).then(|| finding(row, subject, over, words(row.op, limit)))
}

fn grows(sample: &Sample, row: &Threshold, limit: u64) -> Option<Finding> {
    let growth: Vec<(usize, u64)> =
        (0..sample.nodes.len()).filter_map(|node| Some((node, growth(sample, node, &row.field)?))).collect();
    let own = if row.field == "jsz.api.errors" { sample.own.api_errors } else { 0 };
    let total = growth.iter().map(|(_, grown)| *grown).fold(0, u64::saturating_add).saturating_sub(own);
    if total <= limit {
        return None;
    }
    let named = growth.iter().filter(|(_, grown)| *grown > 0);
    let by_node: Vec<String> =
        named.map(|(node, grown)| format!("{} +{grown}", subject_of(sample, *node).name)).collect();
    let seen = format!("{} +{total} in {} ms ({})", row.field, sample.window(), by_node.join(", "));
    let subject = Subject::new(SubjectKind::Cluster, sample.cluster.clone());
    Some(finding(row, subject, seen, format!("grows by at most {limit}")))
}

/// How much a node's counter grew, unless the server was started anew in between.
pub(super) fn growth(sample: &Sample, node: usize, field: &str) -> Option<u64> {
    let reads = || sample.rounds.iter().filter_map(|round| round.reads.get(node));
    let last = sample.read(node)?;
    let id = server_id(last)?;
    let first = reads().find(|read| server_id(read) == Some(id) && figure(read, field).is_some())?;
    Some(figure(last, field)?.saturating_sub(figure(first, field)?))
}

fn server_id(read: &NodeRead) -> Option<&str> {
    read.varz.as_ref().ok().map(|varz| varz.server_id.as_str())
}

fn figure(read: &NodeRead, field: &str) -> Option<u64> {
    let jsz = |of: fn(&Jsz) -> u64| read.jsz.as_ref().ok().map(of);
    match field {
        "jsz.storage" => jsz(|jsz| jsz.storage),
        "jsz.config.max_storage" | "jsz.config.max_file_store" => jsz(|jsz| jsz.config.max_storage),
        "jsz.memory" => jsz(|jsz| jsz.memory),
        "jsz.api.errors" => jsz(|jsz| jsz.api.errors),
        "jsz.api.total" => jsz(|jsz| jsz.api.total),
        "connz.num_connections" => read.connz.as_ref().ok().map(|connz| connz.total),
        "varz.slow_consumers" => read.varz.as_ref().ok().map(|varz| varz.slow_consumers),
        "varz.mem" => read.varz.as_ref().ok().map(|varz| varz.mem),
        "varz.cpu" => read.varz.as_ref().ok().map(|varz| whole(varz.cpu)),
        HEALTH => read.health.as_ref().ok().map(|health| u64::from(health.code)),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a percentage is small"
)]
fn whole(float: f64) -> u64 {
    float.max(0.0) as u64
}

fn words(op: Op, limit: u64) -> String {
    let word = match op {
        Op::AtLeast => "at least",
        Op::Above => "above",
        Op::AtMost => "at most",
        Op::Below => "below",
        Op::Equal | Op::Approaching | Op::Grows | Op::Reference => "exactly",
        Op::NotEqual => "anything but",
    };
    format!("alarm at {word} {limit}")
}

fn subject_of(sample: &Sample, node: usize) -> Subject {
    Subject::node(sample.nodes.get(node).map_or("", |node| node.name.as_str()))
}

/// What a row says once its limit is crossed.
pub(crate) fn finding(row: &Threshold, subject: Subject, seen: String, limit: String) -> Finding {
    let severity = match row.severity {
        Level::Warning => Severity::Warning,
        Level::Critical => Severity::Critical,
    };
    let why = row.say.clone().unwrap_or_else(|| format!("{} crossed its threshold", row.field));
    let todo = row.todo.clone().unwrap_or_else(|| "look at the node's dashboards and log".to_owned());
    Finding {
        wording: row.wording.clone(),
        ..Finding::new(severity, &row.id, subject).seen(seen, limit).told(why, todo)
    }
}
