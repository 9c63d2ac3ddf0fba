//! The alert table judged on samples that were taken before: what is so now, what has been so for a while, what grows. Pure: the
//! same samples at the same moment give the same findings.

mod not_judged;
mod series;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sluice_plugin::thresholds::{Op, Scope, Threshold};
use sluice_plugin::{Timestamp, format_duration};

use crate::health::finding::{Finding, Severity, Subject, SubjectKind};
use crate::health::threshold::finding;

pub(crate) use not_judged::{NotJudged, not_judged};
use series::growth;
pub(crate) use series::{Sample, Series};

/// Growth is looked for in that much where the row does not say.
const USUALLY: Duration = Duration::from_secs(600);

/// The code of what `/healthz` said: the text beside it is for people.
const HEALTH: (&str, &str) = ("health_status", "health_code");

/// The samples of a cluster.
pub(crate) struct Samples {
    pub(crate) cluster: String,
    /// Every node the cluster is configured to have, with what is there of it.
    pub(crate) nodes: Vec<(String, Series)>,
    pub(crate) now: Timestamp,
    /// A sample that is older says nothing of now.
    pub(crate) fresh: Duration,
}

impl Samples {
    /// The nodes of which something is known now.
    fn heard(&self) -> impl Iterator<Item = (&str, &Series, &Sample)> {
        self.nodes.iter().filter_map(|(name, series)| {
            let newest = series.newest().filter(|sample| self.is_fresh(sample.at))?;
            Some((name.as_str(), series, newest))
        })
    }

    /// One from the future is of a clock that is wrong, and would be new for as long as that is ahead.
    fn is_fresh(&self, at: Timestamp) -> bool {
        self.now.since(at) <= self.fresh && at.since(self.now) <= self.fresh
    }

    fn all_heard(&self) -> bool {
        self.heard().count() == self.nodes.len()
    }
}

/// Critical first. A row that can be judged on no node at all is unknown; one that cannot be on some is no finding, and
/// [`not_judged`] tells.
pub(crate) fn judge(samples: &Samples, rows: &[Threshold]) -> Vec<Finding> {
    let mut findings = silent(samples);
    findings.extend(not_judged::everywhere(samples, rows));
    findings.extend(rows.iter().flat_map(|row| of_row(samples, row)));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// No news is not good news.
fn silent(samples: &Samples) -> Vec<Finding> {
    let quiet = |(name, series): &(String, Series)| {
        let seen = match series.newest().map(|sample| sample.at) {
            Some(at) if samples.is_fresh(at) => return None,
            Some(at) if at > samples.now => {
                format!("the newest sample is of {} s from now: its clock is wrong", at.since(samples.now).as_secs())
            }
            Some(at) => format!("the newest sample is {} s old", samples.now.since(at).as_secs()),
            None => "no sample".to_owned(),
        };
        let todo = "look whether its collector runs (`systemctl status sluice-metrics`), and whether the node does";
        let finding = Finding::new(Severity::Unknown, "silent", Subject::node(name));
        let limit = format!("one that is not older than {}", format_duration(samples.fresh));
        Some(finding.seen(seen, limit).told(format!("nobody knows how {name} is"), todo))
    };
    samples.nodes.iter().filter_map(quiet).collect()
}

fn of_row(samples: &Samples, row: &Threshold) -> Vec<Finding> {
    let (Some(limit), Ok(sustained)) = (row.value, row.sustained()) else { return Vec::new() };
    match (row.op, row.scope) {
        (Op::Reference, _) => Vec::new(),
        (Op::Grows, _) => grows(samples, row, limit, sustained).into_iter().collect(),
        (_, Scope::Cluster) => over_all(samples, row, limit).into_iter().collect(),
        (_, Scope::Node) => samples.heard().filter_map(|heard| of_node(row, limit, sustained, heard)).collect(),
    }
}

fn of_node(
    row: &Threshold,
    limit: u64,
    sustained: Option<Duration>,
    (name, series, newest): (&str, &Series, &Sample),
) -> Option<Finding> {
    let crossed = |sample: &Sample| measured(row, sample).map(|seen| crosses(row, seen, limit));
    let window = match sustained {
        Some(time) => series.within(time)?,
        None => std::slice::from_ref(newest),
    };
    // A sample without the figure says neither that it was better nor that it was not.
    if crossed(newest) != Some(true) || window.iter().any(|sample| crossed(sample) == Some(false)) {
        return None;
    }
    let seen = match (measured(row, newest), newest.text(&row.field)) {
        // What it says in words tells more than a code that stands for them.
        (_, Some(text)) => format!("{} {text}", row.field),
        (Some(seen), None) => format!("{} {}", row.field, written(row, seen, newest)),
        (None, None) => row.field.clone(),
    };
    let seen = match sustained {
        Some(time) => format!("{seen}, and no better in {} samples over {}", window.len(), format_duration(time)),
        None => seen,
    };
    Some(finding(row, Subject::node(name), seen, words(row, limit)))
}

/// With one node missing the true sum may be higher: only "too much" can be said.
fn over_all(samples: &Samples, row: &Threshold, limit: u64) -> Option<Finding> {
    if !samples.all_heard() && !matches!(row.op, Op::AtLeast | Op::Above) {
        return None;
    }
    let figures: Vec<f64> = samples.heard().filter_map(|(_, _, newest)| measured(row, newest)).collect();
    if figures.is_empty() || (figures.len() < samples.nodes.len() && !matches!(row.op, Op::AtLeast | Op::Above)) {
        return None;
    }
    let total: f64 = figures.iter().sum();
    let seen = format!("{} {total}, over {} of {} nodes", row.field, figures.len(), samples.nodes.len());
    crosses(row, total, limit).then(|| finding(row, whole(samples), seen, words(row, limit)))
}

/// Over all nodes, as clients go where they like. Sustained: in both halves of the time.
fn grows(samples: &Samples, row: &Threshold, limit: u64, sustained: Option<Duration>) -> Option<Finding> {
    let time = sustained.unwrap_or(USUALLY);
    let (mut total, mut later, mut by_node) = (0.0, 0.0, Vec::new());
    for (name, series, _) in samples.heard() {
        // A young series shows growth as well; that it lasted it cannot show.
        let window = series.within(time).or_else(|| sustained.is_none().then(|| series.all()));
        let Some(grown) = window.and_then(|window| growth(window, &row.field)) else { continue };
        later += series.within(time / 2).and_then(|window| growth(window, &row.field)).unwrap_or(0.0);
        total += grown;
        if grown > 0.0 {
            by_node.push(format!("{name} +{grown}"));
        }
    }
    let limit_f = as_float(limit);
    let lasts = later > limit_f && total - later > limit_f;
    if total <= limit_f || (sustained.is_some() && !lasts) {
        return None;
    }
    let seen = format!("{} +{total} in {} ({})", row.field, format_duration(time), by_node.join(", "));
    Some(finding(row, whole(samples), seen, words(row, limit)))
}

/// The figure that is held against the row's value; of `approaching` the share in percent.
fn measured(row: &Threshold, sample: &Sample) -> Option<f64> {
    let field = if row.field == HEALTH.0 { HEALTH.1 } else { &row.field };
    let seen = sample.figure(field).or_else(|| sample.figure(&row.field))?;
    if row.op != Op::Approaching {
        return Some(seen);
    }
    let whole = sample.figure(row.of.as_deref()?).filter(|whole| *whole > 0.0)?;
    Some(seen * 100.0 / whole)
}

fn crosses(row: &Threshold, seen: f64, limit: u64) -> bool {
    let op = if row.op == Op::Approaching { Op::AtLeast } else { row.op };
    op.crossed(&seen, &as_float(limit))
}

fn written(row: &Threshold, seen: f64, sample: &Sample) -> String {
    match (row.op, row.of.as_deref()) {
        (Op::Approaching, Some(of)) => {
            let figure = |field| sample.figure(field).unwrap_or_default();
            format!("{} of {} ({seen:.1} %)", figure(&row.field), figure(of))
        }
        _ => seen.to_string(),
    }
}

fn words(row: &Threshold, limit: u64) -> String {
    let of = row.of.as_deref().unwrap_or_default();
    let said = match row.op {
        Op::AtLeast => format!("alarm from {limit} on"),
        Op::Above => format!("alarm above {limit}"),
        Op::AtMost => format!("alarm up to {limit}"),
        Op::Below => format!("alarm below {limit}"),
        Op::Equal => format!("alarm at exactly {limit}"),
        Op::NotEqual => format!("alarm at anything but {limit}"),
        Op::Approaching => format!("alarm at {limit} % of {of}"),
        Op::Grows | Op::Reference => format!("grows by at most {limit}"),
    };
    row.sustained.as_ref().map_or_else(|| said.clone(), |time| format!("{said}, for {time}"))
}

fn whole(samples: &Samples) -> Subject {
    Subject::new(SubjectKind::Cluster, samples.cluster.clone())
}

/// Thresholds are small numbers.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn as_float(limit: u64) -> f64 {
    limit as f64
}
