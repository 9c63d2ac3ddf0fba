//! How a run ended and what to do next: the last lines on the screen.

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;

use super::important::plain;
use super::sign::Sign;
use super::text;
use super::{findings, important, unknown};
use crate::report::{Report, RunStatus, StepReport};
use crate::screen::{Stream, Tone};
use crate::trust::quoted;

/// What the run found and gave: findings of its steps, then the runbook's outputs. Empty when there is neither.
pub(crate) fn results(report: &Report, stream: &Stream) -> String {
    let mut parts: Vec<String> = Vec::new();
    for step in report.leaves() {
        parts.extend(step.output.as_ref().and_then(|output| findings::show(output, stream)));
    }
    if let Some(outputs) = report.outputs.as_ref().filter(|outputs| !outputs.is_empty()) {
        parts.push(outputs_of(outputs, stream));
    }
    parts.join("\n")
}

/// A line for each output, and a table for each that is a list of objects.
pub(crate) fn outputs_of(outputs: &Map<String, Value>, stream: &Stream) -> String {
    let table = |value: &Value| match value {
        Value::Array(rows) => findings::rows_table(rows, stream),
        _ => None,
    };
    let width = outputs.iter().filter(|(_, value)| table(value).is_none()).map(|(key, _)| text::width(key));
    let width = width.max().unwrap_or(0);
    let (mut lines, mut tables) = (String::new(), String::new());
    for (name, value) in outputs {
        match table(value) {
            Some(table) => {
                tables.push_str(&format!("\n{}\n{table}", stream.paint(Tone::Strong, &name.replace('_', " "))))
            }
            None => {
                let name = stream.paint(Tone::Dim, &text::pad(name, width));
                lines.push_str(&format!("{name}  {}\n", one(value)));
            }
        }
    }
    lines + &tables
}

fn one(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text).into_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        other => plain(other).unwrap_or_else(|| visible(&other.to_string()).into_owned()),
    }
}

/// The outcome in a line, why, and the commands that come next.
pub(crate) fn ending(report: &Report, stream: &Stream) -> String {
    let sign = Sign::of(report.status.name());
    let said = stream.paint(sign.tone(), &verdict(report));
    let run = stream.paint(Tone::Dim, &format!("run {}", report.run));
    let mut shown = format!("{} {} {said}  {run}\n", sign.on(stream), stream.paint(Tone::Strong, &report.runbook));
    for line in why(report) {
        for line in text::wrap(&visible(&line), stream.width.saturating_sub(2)) {
            shown.push_str(&format!("  {line}\n"));
        }
    }
    shown.push_str(&unknown::acts(report, stream));
    // What a run has done may have to be shown later; what it has looked at, seldom.
    if let Some(head) = report.head.as_ref().filter(|_| report.acts) {
        shown.push_str(&format!("  {} {}\n", stream.paint(Tone::Dim, "head:"), head.hash));
    }
    for (what, command) in next(report) {
        shown.push_str(&format!(
            "  {} {}\n",
            stream.paint(Tone::Dim, &format!("{what}:")),
            stream.paint(Tone::Accent, &command)
        ));
    }
    shown
}

fn verdict(report: &Report) -> String {
    let at = report.decided_by.as_deref().unwrap_or("?");
    match report.status {
        RunStatus::Running => "is running".to_owned(),
        RunStatus::Done => "done".to_owned(),
        RunStatus::Failed => format!("failed at step {at}"),
        RunStatus::Stopped => format!("stopped by gate {at}"),
        RunStatus::Cancelled => "cancelled".to_owned(),
        RunStatus::Abandoned if !report.unknown.is_empty() => {
            format!("abandoned, and nobody knows whether {} happened", report.unknown.join(", "))
        }
        RunStatus::Abandoned => "abandoned".to_owned(),
        RunStatus::Parked if report.unknown.is_empty() => "parked, and can go on".to_owned(),
        RunStatus::Parked => format!("parked: nobody knows whether {} happened", report.unknown.join(", ")),
        RunStatus::Interrupted => "interrupted".to_owned(),
    }
}

fn why(report: &Report) -> Vec<String> {
    let decided = report.decided_by.as_deref().and_then(|key| report.step(key));
    // What its findings say at length above is not said again.
    let decided = decided.filter(|step| !step.output.as_ref().is_some_and(findings::has_any));
    let mut lines: Vec<String> = decided.map(reason).into_iter().flatten().collect();
    if let Some(cancel) = &report.cancel {
        lines.push(format!("asked by {}: {}", cancel.by, cancel.because));
    }
    let owned = report.ended.is_none() && report.status != RunStatus::Parked;
    let dead = report.owner.as_ref().filter(|owner| owner.alive == Some(false) && owned);
    if let Some(owner) = dead {
        lines.push(format!("its process {} on {} is gone; nothing runs", owner.pid, owner.host));
    }
    let far = report.owner.as_ref().filter(|owner| owner.alive.is_none() && owned);
    if let Some(owner) = far {
        lines
            .push(format!("its process {} is on {}; whether it lives cannot be told from here", owner.pid, owner.host));
    }
    if report.status == RunStatus::Abandoned {
        lines.push("nothing was tidied up: `finally` did not run".to_owned());
    }
    let tidied = report.finally.iter().filter(|step| step.status == "failed");
    lines.extend(tidied.map(|step| format!("in `finally`, {} failed", step.key)));
    lines
}

fn reason(step: &StepReport) -> Option<String> {
    if let Some(problem) = &step.problem {
        return Some(problem.message.clone());
    }
    if let (Some(verdict), Some(why)) = (&step.verdict, &step.why) {
        return Some(format!("{verdict}: {why}"));
    }
    step.output.as_ref().map(important::line).filter(|line| !line.is_empty())
}

/// What it is for, and what to type.
fn next(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    match report.status {
        RunStatus::Interrupted => vec![
            ("go on", format!("sluice resume {run}")),
            ("or end it", format!("sluice cancel {run} --because '...'")),
        ],
        RunStatus::Running => vec![
            ("watch it", format!("sluice runs follow {run}")),
            ("or end it", format!("sluice cancel {run} --because '...'")),
        ],
        RunStatus::Failed | RunStatus::Stopped => {
            vec![("look closer", format!("sluice runs show {run}")), ("once it is mended, run it again", again(report))]
        }
        RunStatus::Parked => unknown::commands(report),
        RunStatus::Abandoned => vec![("look what was done", format!("sluice runs show {run}"))],
        RunStatus::Done | RunStatus::Cancelled => Vec::new(),
    }
}

/// The command that starts the same run anew. Inputs of the inventory are given by name again.
fn again(report: &Report) -> String {
    let runbook = if report.origin == "built in" { &report.runbook } else { &report.origin };
    let inputs = report.given.iter().map(|pair| format!(" -i {}", quoted(pair)));
    format!("sluice run {}{}", quoted(runbook), inputs.collect::<String>())
}
