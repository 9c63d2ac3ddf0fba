//! How a run ended and what to do next: the last lines on the screen.

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;

use super::important::plain;
use super::sign::Sign;
use super::text;
use super::{findings, important, log_lines, sections, unknown};
use crate::report::{OverrideReport, Report, RunStatus, StepKind, StepReport};
use crate::screen::{Stream, Tone};
use crate::trust::quoted;

/// What the run found and gave: findings of its steps, then the runbook's outputs. Empty when there is neither.
pub(crate) fn results(report: &Report, stream: &Stream) -> String {
    let mut parts: Vec<String> = Vec::new();
    for step in report.leaves() {
        parts.extend(step.output.as_ref().and_then(|output| findings::show(output, stream)));
    }
    if let Some(outputs) = &report.outputs {
        let shown = outputs.iter().filter(|(name, _)| !report.carried.contains(name));
        let shown: Map<String, Value> = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
        parts.extend((!shown.is_empty()).then(|| outputs_of(&shown, stream)));
    }
    parts.join("\n")
}

/// A line for each output, and a table or a text of its own for each that is more than a line. What is not there is not shown.
pub(crate) fn outputs_of(outputs: &Map<String, Value>, stream: &Stream) -> String {
    let table = |value: &Value| match value {
        Value::Array(rows) => log_lines::show(rows, stream)
            .or_else(|| sections::show(rows, stream))
            .or_else(|| findings::rows_table(rows, stream)),
        Value::String(text) if text.trim_end().contains('\n') => Some(text::quoted(text)),
        _ => None,
    };
    let there = || outputs.iter().filter(|(_, value)| !value.is_null());
    let width = there().filter(|(_, value)| table(value).is_none()).map(|(key, _)| text::width(key));
    let width = width.max().unwrap_or(0);
    let (mut lines, mut tables) = (String::new(), String::new());
    for (name, value) in there() {
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
    let mut shown = told(report, stream);
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

/// The outcome and why.
pub(crate) fn told(report: &Report, stream: &Stream) -> String {
    let sign = Sign::of(report.status.name());
    let said = stream.paint(sign.tone(), &verdict(report));
    let run = stream.paint(Tone::Dim, &format!("run {}", report.run));
    let mut shown = format!("{} {} {said}  {run}\n", sign.on(stream), stream.paint(Tone::Strong, &report.runbook));
    for line in why(report) {
        for line in text::wrap(&visible(&line), stream.width.saturating_sub(2)) {
            shown.push_str(&format!("  {line}\n"));
        }
    }
    shown
}

/// Of a run that goes on from its journal, when nothing outside tells whether that journal is whole.
pub(crate) const ONLY_THE_STORE: &str = "only this store knows what the run has done: if it was put back from a backup, \
     acts since then are missing in it";

fn verdict(report: &Report) -> String {
    let at = report.decided_by.as_deref().unwrap_or("?");
    match report.status {
        RunStatus::Running => "is running".to_owned(),
        RunStatus::Done => "done".to_owned(),
        RunStatus::Failed => format!("failed at step {at}"),
        RunStatus::Stopped if report.ended.is_none() => format!("stopped by gate {at}, and stays open"),
        RunStatus::Stopped => format!("stopped by gate {at}"),
        RunStatus::NotConfirmed => format!("not confirmed at step {at}: nothing was destroyed there"),
        RunStatus::Asking => {
            let steps: Vec<&str> = report.questions.iter().map(|question| question.step.as_str()).collect();
            format!("waits for a yes at step {}", steps.join(", "))
        }
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
    lines.extend(left_by_a_stop(report));
    lines.extend(rounds_done(report));
    lines.extend(lock_left(report).filter(|_| report.status == RunStatus::Asking));
    lines.extend(
        report
            .questions
            .iter()
            .map(|question| format!("somebody has to type {} until {}", question.typed, question.answer_by)),
    );
    let let_pass =
        |over: &OverrideReport| format!("{} let gate {} pass ({}): {}", over.by, over.gate, over.saw, over.why);
    lines.extend(report.overrides.iter().map(let_pass));
    if let Some(cancel) = &report.cancel {
        lines.push(format!("asked by {}: {}", cancel.by, cancel.because));
    }
    let waits = matches!(report.status, RunStatus::Parked | RunStatus::Asking | RunStatus::Stopped);
    let owned = report.ended.is_none() && !waits;
    let dead = report.owner.as_ref().filter(|owner| owner.alive == Some(false) && owned);
    if let Some(owner) = dead {
        lines.push(format!("its process {} on {} is gone; nothing runs", owner.pid, owner.host));
    }
    let far = report.owner.as_ref().filter(|owner| owner.alive.is_none() && owned);
    if let Some(owner) = far {
        lines
            .push(format!("its process {} is on {}; whether it lives cannot be told from here", owner.pid, owner.host));
    }
    lines.extend(lost_lock(report));
    if report.acts_may_be_missing {
        lines.push(ONLY_THE_STORE.to_owned());
    }
    if report.status == RunStatus::Abandoned {
        lines.push("nothing was tidied up: `finally` did not run".to_owned());
    }
    let tidied = report.finally.iter().filter(|step| step.status == "failed");
    lines.extend(tidied.map(|step| format!("in `finally`, {} failed", step.key)));
    lines
}

/// Of a loop that did not come to its end: whoever begins anew gives only the others.
fn rounds_done(report: &Report) -> Option<String> {
    let over = matches!(report.status, RunStatus::Failed | RunStatus::NotConfirmed | RunStatus::Cancelled);
    let loops = report.steps.iter().filter(|step| step.kind == StepKind::Loop && step.status != "done");
    let done = loops.flat_map(|step| &step.steps).filter(|round| round.status == "done");
    let done: Vec<&str> = done.map(|round| round.key.as_str()).collect();
    (over && !done.is_empty()).then(|| format!("done before that: {}", done.join(", ")))
}

/// That of a run which is to go on, and what it means for that.
fn lost_lock(report: &Report) -> Option<String> {
    let lost = report.lock.as_ref()?.lost.as_ref()?;
    match report.status {
        RunStatus::Interrupted => Some(format!(
            "its lock is not its own any more ({lost}): if it has acted, it goes on only while no other run has had the lock"
        )),
        RunStatus::Asking | RunStatus::Stopped if report.ended.is_none() => {
            Some(format!("its lock is not its own any more ({lost}): it asks for it again before it goes on"))
        }
        _ => None,
    }
}

/// What a gate that stopped a run leaves as it is.
fn left_by_a_stop(report: &Report) -> Vec<String> {
    if report.status != RunStatus::Stopped || report.ended.is_some() {
        return Vec::new();
    }
    let acts = report.leaves().into_iter().filter(|step| step.acts && step.status == "done");
    let acts: Vec<&str> = acts.map(|step| step.key.as_str()).collect();
    let done = if acts.is_empty() {
        "nothing was changed so far".to_owned()
    } else {
        format!("done so far: {}", acts.join(", "))
    };
    [Some(done), lock_left(report)].into_iter().flatten().collect()
}

/// Who may take the lock of a run that nobody works on.
fn lock_left(report: &Report) -> Option<String> {
    let lock = report.lock.as_ref()?;
    let name = lock.name.as_ref()?;
    Some(if lock.kept {
        format!("the run keeps the lock {name}, so no other run acts there")
    } else {
        format!("another run may take the lock {name} meanwhile, as this one has begun no act")
    })
}

fn reason(step: &StepReport) -> Option<String> {
    if let Some(problem) = &step.problem {
        return Some(problem.message.clone());
    }
    match (&step.verdict, &step.why) {
        (Some(verdict), Some(why)) => return Some(format!("{verdict}: {why}")),
        (None, Some(why)) if step.status == "not confirmed" => return Some(why.clone()),
        _ => {}
    }
    step.output.as_ref().map(important::line).filter(|line| !line.is_empty())
}

/// What it is for, and what to type.
fn next(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    match report.status {
        RunStatus::Interrupted => {
            let lost = report.lock.as_ref().is_some_and(|lock| lock.lost.is_some());
            let who = lost.then(|| ("see who has its lock", "sluice locks".to_owned()));
            let others = [
                ("go on", format!("sluice resume {run}")),
                ("or end it", format!("sluice cancel {run} --because '...'")),
            ];
            who.into_iter().chain(others).collect()
        }
        RunStatus::Running => vec![
            ("watch it", format!("sluice runs follow {run}")),
            ("or end it", format!("sluice cancel {run} --because '...'")),
        ],
        RunStatus::Asking => vec![
            ("say yes", format!("sluice confirm {run}")),
            ("or say no", format!("sluice deny {run} --because '...'")),
        ],
        RunStatus::Stopped if report.ended.is_none() => {
            let gate = report.decided_by.as_deref().unwrap_or("GATE");
            let over = || format!("sluice override {run} {} --reason '...'", unknown::step(gate));
            let over = report.overridable.then(|| ("if you know better", over()));
            let ways = [
                ("look closer", format!("sluice runs show {run}")),
                ("judge it anew and go on", format!("sluice resume {run}")),
                ("or end it", format!("sluice cancel {run} --because '...'")),
            ];
            ways.into_iter().chain(over).collect()
        }
        RunStatus::NotConfirmed => vec![("run it again", again(report))],
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
    let command: String = report.command.iter().map(|word| format!(" {}", quoted(word))).collect();
    let command = if command.is_empty() { command } else { format!(" --{command}") };
    format!("sluice run {}{}{command}", quoted(runbook), inputs.collect::<String>())
}
