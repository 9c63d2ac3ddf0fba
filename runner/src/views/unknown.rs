//! Acts of which nobody knows whether they happened: what is known of each, and the commands that end the doubt.

use serde_json::Value;
use sluice_engine::diagnostic::visible;

use super::text;
use crate::report::{Report, RunStatus, StepReport};
use crate::screen::{Stream, Tone};
use crate::trust::quoted;

/// Longer evidence is cut here; `--json` has all of it.
const LINES: usize = 12;

/// A paragraph for each such act. Empty when there is none.
pub(super) fn acts(report: &Report, stream: &Stream) -> String {
    // What runs now is not in doubt.
    if report.status == RunStatus::Running {
        return String::new();
    }
    let steps = report.unknown.iter().filter_map(|key| report.step(key));
    steps.map(|step| act(step, stream)).collect()
}

fn act(step: &StepReport, stream: &Stream) -> String {
    let action = step.action.as_deref().unwrap_or("?");
    let head = format!("{}  attempt {} of {action}", visible(&step.key), step.attempts + 1);
    let mut shown = format!("  {}\n", stream.paint(Tone::Strong, &head));
    let mut line = |label: &str, said: &str| {
        for part in text::wrap(&visible(said), stream.width.saturating_sub(16)) {
            shown.push_str(&format!("    {}{part}\n", stream.paint(Tone::Dim, &text::pad(label, 10))));
        }
    };
    match &step.problem {
        Some(problem) => line("came back", &problem.message),
        None => line("came back", "nothing: its process ended over it"),
    }
    for seen in step.evidence.iter().flat_map(seen).take(LINES) {
        line("seen", &seen);
    }
    shown
}

/// Evidence is JSON of the action's own making: its leaves, a line each.
fn seen(evidence: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, lines: &mut Vec<String>) {
        let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| walk(&below(key), value, lines)),
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                items.iter().enumerate().for_each(|(at, item)| walk(&below(&(at + 1).to_string()), item, lines));
            }
            Value::Null => {}
            Value::String(text) => lines.push(format!("{at}: {text}")),
            other => lines.push(format!("{at}: {other}")),
        }
    }
    let mut lines = Vec::new();
    walk("", evidence, &mut lines);
    lines
}

/// A step's address for a shell: some take the brackets of a loop's items for a pattern.
pub(super) fn step(key: &str) -> String {
    if key.contains('[') { format!("'{key}'") } else { quoted(key) }
}

/// What it is for, and what to type.
pub(super) fn commands(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let mut commands = Vec::new();
    for key in &report.unknown {
        let step = step(key);
        let settle = |said: &str| format!("sluice settle {run} {step} {said} --because '...'");
        commands.push(("if it happened", settle("done")));
        commands.push(("if it did not", settle("not-done")));
    }
    let again = if report.unknown.is_empty() { "go on" } else { "look again" };
    commands.push((again, format!("sluice resume {run}")));
    commands.push(("or end it", format!("sluice cancel {run} --because '...'")));
    commands
}
