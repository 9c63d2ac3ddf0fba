//! A plan as a person reads it: what would happen, step by step, and what is known of each.

use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::run::{Plan, Planned, What};
use sluice_plugin::{Effect, Verdict};

use super::important;
use super::text;
use crate::screen::{Stream, Tone};

/// `given` are the inputs as typed, `inventory` is where the trusted one was found.
pub(crate) fn show(plan: &Plan, given: &[String], inventory: Option<&str>, stream: &Stream) -> String {
    let from = inventory.map_or_else(|| "no inventory".to_owned(), |path| format!("inventory {path}"));
    let mut shown = format!(
        "{}  {}\n",
        stream.paint(Tone::Strong, &format!("plan of {}", plan.runbook)),
        stream.paint(Tone::Dim, &visible(&format!("{}, {from}", plan.origin)))
    );
    if !given.is_empty() {
        shown.push_str(&format!("{}\n", stream.paint(Tone::Dim, &visible(&given.join(" ")))));
    }
    shown.push('\n');
    let width = plan.steps.iter().map(|step| text::width(step.key.as_str())).max().unwrap_or(0).min(40);
    plan.steps.iter().for_each(|step| shown.push_str(&one(step, width, stream)));
    if plan.session {
        shown.push_str("> then the terminal is handed over, or the command after `--` is run\n");
    }
    shown.push_str(&format!("\n{}\n", counted(plan)));
    shown
}

fn one(step: &Planned, width: usize, stream: &Stream) -> String {
    let (sign, tone) = match (step.gate.is_some(), step.effect) {
        (true, _) => ("#", Tone::Accent),
        (false, Effect::Read) => ("?", Tone::Dim),
        (false, Effect::Change) => ("~", Tone::Warn),
        (false, Effect::Destroy) => ("!", Tone::Bad),
    };
    let (tone_of_text, said) = said(&step.what);
    let said = match tone_of_text {
        Some(tone) => stream.paint(tone, &said),
        None => said,
    };
    let action = step.action.as_ref().map(|action| format!("{action}: ")).unwrap_or_default();
    let mut shown = format!(
        "{} {}  {}{said}\n",
        stream.paint(tone, sign),
        text::pad(step.key.as_str(), width),
        stream.paint(Tone::Dim, &action)
    );
    for (label, value) in details(&step.what) {
        for line in lines(value) {
            shown.push_str(&format!("{:1$}{label} {line}\n", "", width + 4));
        }
    }
    shown
}

fn said(what: &What) -> (Option<Tone>, String) {
    match what {
        What::Loop { items } => {
            (None, visible(&format!("{}: {}", text::many(items.len(), "item"), items.join(", "))).into_owned())
        }
        What::Read { output } => (None, important::line(output)),
        What::Sample { verdict: Verdict::Pass, why, .. } => (Some(Tone::Good), format!("passes now: {}", visible(why))),
        What::Sample { verdict, why, .. } => (Some(Tone::Bad), format!("{verdict} now: {}", visible(why))),
        What::Would { .. } => (None, "would act on".to_owned()),
        What::Already { output } => (Some(Tone::Good), format!("nothing to do: {}", important::line(output))),
        What::Refused { why } => (Some(Tone::Bad), format!("would be refused: {}", visible(why))),
        What::WouldCall { .. } => (None, "would be called with".to_owned()),
        What::Skipped => (Some(Tone::Dim), "would be skipped".to_owned()),
        What::KnownAfter { step } => (Some(Tone::Dim), format!("known after {step}")),
        What::Failed { problem } => (Some(Tone::Bad), visible(&problem.message).into_owned()),
    }
}

/// What a person has to read before an act.
fn details(what: &What) -> Vec<(&'static str, &Value)> {
    match what {
        What::Would { binding, facts } => vec![("binds", binding), ("fact ", facts)],
        What::WouldCall { with } => vec![("with ", with)],
        What::Loop { .. }
        | What::Read { .. }
        | What::Sample { .. }
        | What::Already { .. }
        | What::Refused { .. }
        | What::Skipped
        | What::KnownAfter { .. }
        | What::Failed { .. } => Vec::new(),
    }
}

fn lines(value: &Value) -> Vec<String> {
    let shown = |value: &Value| important::plain(value).unwrap_or_else(|| visible(&value.to_string()).into_owned());
    match value.as_object() {
        Some(fields) => fields.iter().map(|(name, value)| format!("{}: {}", visible(name), shown(value))).collect(),
        None => vec![shown(value)],
    }
}

fn counted(plan: &Plan) -> String {
    let acts =
        plan.steps.iter().filter(|step| matches!(step.what, What::Would { .. } | What::WouldCall { .. })).count();
    match acts {
        0 => "nothing would be changed".to_owned(),
        acts => format!("{} would change something; nothing was changed now", text::many(acts, "step")),
    }
}
