//! Which rows of the table could not be judged, on which nodes, and why: what nobody looked at is not well.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sluice_plugin::format_duration;
use sluice_plugin::thresholds::{Op, Scope, Threshold};

use super::series::{Sample, Series, growth};
use super::{Finding, Samples, Severity, USUALLY, measured, whole};

/// A row that was not judged on a node of which there are samples.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct NotJudged {
    /// The id of the row.
    pub(crate) row: String,
    pub(crate) node: String,
    pub(crate) why: String,
}

pub(crate) fn not_judged(samples: &Samples, rows: &[Threshold]) -> Vec<NotJudged> {
    rows.iter().flat_map(|row| of_row(samples, row)).collect()
}

/// A finding for each row that could be judged on no node.
pub(super) fn everywhere(samples: &Samples, rows: &[Threshold]) -> Vec<Finding> {
    let heard = samples.heard().count();
    let unknown = |row: &Threshold| {
        let nowhere = of_row(samples, row);
        // Where too little is the alarm, one that is missing may have enough.
        let all = row.scope == Scope::Cluster && !matches!(row.op, Op::AtLeast | Op::Above | Op::Grows);
        let first = nowhere.first().filter(|_| all || nowhere.len() == heard)?;
        let todo = "look whether the collectors send this figure, and whether `since` reaches back far enough";
        let finding = Finding::new(Severity::Unknown, &row.id, whole(samples));
        Some(
            finding.seen(first.why.clone(), "samples to judge it on".to_owned()).told("it was judged on no node", todo),
        )
    };
    rows.iter().filter_map(unknown).collect()
}

fn of_row(samples: &Samples, row: &Threshold) -> Vec<NotJudged> {
    if row.op == Op::Reference || row.value.is_none() {
        return Vec::new();
    }
    let one = |(name, series, newest): (&str, &Series, &Sample)| {
        let why = why_not(row, series, newest)?;
        Some(NotJudged { row: row.id.clone(), node: name.to_owned(), why })
    };
    samples.heard().filter_map(one).collect()
}

fn why_not(row: &Threshold, series: &Series, newest: &Sample) -> Option<String> {
    let sustained = row.sustained().ok()?;
    if row.op != Op::Grows && measured(row, newest).is_none() {
        let fields = [Some(row.field.as_str()), row.of.as_deref()].into_iter().flatten();
        let missing = fields.clone().find(|field| newest.figure(field).is_none()).or(fields.last())?;
        return Some(format!("the newest sample has no {missing}, or it is 0"));
    }
    match (row.op, row.scope, sustained) {
        (Op::Grows, _, _) => {
            // A young series shows growth as well; that it lasted it cannot show.
            let window = match sustained {
                Some(time) => series.within(time),
                None => Some(series.within(USUALLY).unwrap_or(series.all())),
            };
            let Some(window) = window else { return too_short(series, sustained.unwrap_or(USUALLY)) };
            growth(window, &row.field).is_none().then(|| format!("fewer than two samples have {}", row.field))
        }
        (_, Scope::Node, Some(time)) => too_short(series, time),
        (_, Scope::Cluster, _) | (_, Scope::Node, None) => None,
    }
}

fn too_short(series: &Series, time: Duration) -> Option<String> {
    let [first, .., last] = series.all() else { return Some("there is one sample only".to_owned()) };
    series.within(time).is_none().then(|| {
        let there = format_duration(Duration::from_secs(last.at.since(first.at).as_secs()));
        format!("the samples reach back {there}, and it is judged over {}", format_duration(time))
    })
}
