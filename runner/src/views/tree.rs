//! All steps of a run with how they are: the body of `sluice runs show`.

use sluice_engine::diagnostic::visible;

use super::important;
use super::sign::Sign;
use super::text;
use crate::report::{Report, RunStatus, StepReport};
use crate::screen::{Stream, Tone};

/// Rounds of one loop shown at most when all of them are well.
const ROUNDS: usize = 20;

pub(crate) fn steps(report: &Report, stream: &Stream) -> String {
    let mut shown = String::new();
    let width = widest(&report.steps, 0).max(widest(&report.finally, 0)).min(40);
    let live = report.status == RunStatus::Running;
    let add = |step: &StepReport, shown: &mut String| show(step, 0, (width, live), stream, shown);
    report.steps.iter().for_each(|step| add(step, &mut shown));
    report.session.iter().for_each(|step| add(step, &mut shown));
    if !report.finally.is_empty() {
        shown.push_str(&format!("{}\n", stream.paint(Tone::Dim, "finally")));
        report.finally.iter().for_each(|step| add(step, &mut shown));
    }
    shown
}

fn show(step: &StepReport, depth: usize, (width, live): (usize, bool), stream: &Stream, shown: &mut String) {
    let name = name(step);
    let text = said(step);
    // Nothing waits in a run that nobody runs.
    let sign = match Sign::of(&step.status) {
        Sign::Running | Sign::Again if !live => Sign::Pending,
        sign => sign,
    };
    let word = if matches!(sign, Sign::Done) { String::new() } else { stream.paint(sign.tone(), &step.status) };
    let gap = if word.is_empty() || text.is_empty() { "" } else { ": " };
    let line =
        format!("{:depth$}{} {}  {word}{gap}{text}", "", sign.on(stream), text::pad(name, width.saturating_sub(depth)));
    shown.push_str(line.trim_end());
    shown.push('\n');
    let calm = step.steps.iter().all(|inner| inner.status == "done");
    let most = if calm { ROUNDS } else { usize::MAX };
    step.steps.iter().take(most).for_each(|inner| self::show(inner, depth + 2, (width, live), stream, shown));
    if step.steps.len() > most {
        shown.push_str(&format!("{:depth$}    and {} more, all done\n", "", step.steps.len() - most));
    }
}

/// The last part of the address: what is above stands above.
fn name(step: &StepReport) -> &str {
    // An item's key has no slash.
    step.key.rsplit('/').next().unwrap_or(&step.key)
}

fn said(step: &StepReport) -> String {
    if let Some(problem) = &step.problem {
        return visible(&problem.message).into_owned();
    }
    if let Some(why) = &step.why {
        return visible(why).into_owned();
    }
    step.output.as_ref().map(important::line).unwrap_or_default()
}

fn widest(steps: &[StepReport], depth: usize) -> usize {
    steps.iter().map(|step| (text::width(name(step)) + depth).max(widest(&step.steps, depth + 2))).max().unwrap_or(0)
}

/// What was run, with what, by whom and when.
pub(crate) fn head(report: &Report, stream: &Stream) -> String {
    let mut shown = format!(
        "{}  {}\n",
        stream.paint(Tone::Strong, &report.runbook),
        stream.paint(Tone::Dim, &visible(&report.origin))
    );
    let mut line = |label: &str, text: String| {
        shown.push_str(&format!("{}{}\n", stream.paint(Tone::Dim, &text::pad(label, 9)), visible(&text)));
    };
    line("run", report.run.clone());
    if !report.given.is_empty() {
        line("inputs", report.given.join(" "));
    }
    line("started", format!("{} by {} ({})", report.started.as_deref().unwrap_or("?"), report.by, report.trigger));
    for resumed in &report.resumed {
        line("resumed", format!("{} by {}", resumed.at, resumed.by));
    }
    if let Some(lock) = &report.lock {
        let held = lock.name.as_ref().zip(lock.generation).zip(lock.at.as_ref());
        let parts = [
            held.map(|((name, generation), at)| format!("{name}, generation {generation} ({at})")),
            lock.after.as_ref().map(|after| format!("taken {after}")),
            lock.lost.as_ref().map(|lost| format!("lost: {lost}")),
            lock.caller.as_ref().map(|caller| format!("as {caller}")),
        ];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        if !said.is_empty() {
            line("lock", said.join("; "));
        }
    }
    if let Some(ended) = &report.ended {
        line("ended", ended.clone());
    }
    // The last lines have it where it matters most.
    if let Some(head) = report.head.as_ref().filter(|_| !report.acts) {
        line("head", format!("{} (event {})", head.hash, head.event));
    }
    shown
}
