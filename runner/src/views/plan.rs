//! A plan as a person reads it: what would happen, step by step, and what is known of each.
//!
//! Works without colours and in 80 columns. Text from outside is escaped; only what is bound and what is known is shown,
//! the whole of it stands in the document.

use serde_json::{Value, json};
use sluice_engine::diagnostic::visible;
use sluice_engine::run::{Binding, Counts, Plan, Planned, Unbound, What};
use sluice_plugin::inventory::Aws;
use sluice_plugin::{Effect, Verdict};

use super::important;
use super::text;
use crate::plan_document::PlanDocument;
use crate::report::time;
use crate::screen::{Stream, Tone};

/// Longer addresses stand on a line of their own.
const WIDEST_KEY: usize = 24;
/// A value of an argument or a fact.
const LONGEST_VALUE: usize = 160;

pub(crate) fn show(document: &PlanDocument, stream: &Stream) -> String {
    let plan = &document.plan;
    let mut shown = head(document, stream);
    let width = plan.steps.iter().map(|step| text::width(step.key.as_str())).max().unwrap_or(0).min(WIDEST_KEY);
    let (before, finally): (Vec<_>, Vec<_>) = plan.steps.iter().partition(|step| !step.finally);
    before.iter().for_each(|step| one(step, width, stream, &mut shown));
    if plan.session {
        wrapped(
            "> ",
            2,
            "then the terminal is handed over, or the command after `--` is run",
            None,
            stream,
            &mut shown,
        );
    }
    if !finally.is_empty() {
        shown.push_str(&format!("{}\n", stream.paint(Tone::Dim, "finally")));
        finally.iter().for_each(|step| one(step, width, stream, &mut shown));
    }
    shown.push('\n');
    shown.push_str(&end(document, stream));
    shown
}

/// The first line says where everything comes from.
pub(crate) fn origin(plan: &Plan) -> String {
    let inventory = match &plan.sources.inventory {
        None => "no inventory".to_owned(),
        Some(found) => {
            let state = match (found.trusted, found.used) {
                (true, true) => "trusted",
                (true, false) => "trusted, not used",
                (false, _) => "not trusted, not used",
            };
            format!("inventory {} ({state})", found.path)
        }
    };
    visible(&format!("runbook {}, {inventory}", plan.sources.runbook)).into_owned()
}

fn head(document: &PlanDocument, stream: &Stream) -> String {
    let mut shown = String::new();
    let title = format!("plan of {}: ", document.plan.runbook);
    let mut lines = text::wrap(&origin(&document.plan), stream.width.saturating_sub(text::width(&title))).into_iter();
    let first = lines.next().unwrap_or_default();
    shown.push_str(&format!("{}{first}\n", stream.paint(Tone::Strong, &title)));
    lines.for_each(|line| shown.push_str(&format!("{:1$}{line}\n", "", text::width(&title))));
    if !document.given.is_empty() {
        wrapped("", 0, &visible(&document.given.join(" ")), Some(Tone::Dim), stream, &mut shown);
    }
    if let Some(lock) = &document.plan.lock {
        let said = visible(&format!("under the lock {} ({})", lock.name, lock.at)).into_owned();
        wrapped("", 0, &said, Some(Tone::Dim), stream, &mut shown);
    }
    shown + "\n"
}

/// One sign for each effect, and one for what only holds others.
fn sign(step: &Planned) -> (&'static str, Tone) {
    match (&step.what, step.gate, step.effect) {
        (What::Loop { .. } | What::Call { .. }, ..) => ("*", Tone::Dim),
        (_, Some(_), _) => ("#", Tone::Accent),
        (_, None, effect) => sign_of(effect),
    }
}

pub(crate) fn sign_of(effect: Effect) -> (&'static str, Tone) {
    match effect {
        Effect::Read => ("?", Tone::Dim),
        Effect::Change => ("~", Tone::Warn),
        Effect::Destroy => ("!", Tone::Bad),
    }
}

fn one(step: &Planned, width: usize, stream: &Stream, shown: &mut String) {
    let (sign, tone) = sign(step);
    let key = visible(step.key.as_str());
    let start = format!("{} {}", stream.paint(tone, sign), text::pad(&key, width));
    let (tone, said) = said(step);
    let action = step.action.as_ref().map(|action| format!("{action}: ")).unwrap_or_default();
    let indent = width + 4;
    if text::width(&key) > width {
        shown.push_str(&format!("{start}\n"));
        wrapped(&" ".repeat(indent), indent, &format!("{action}{said}"), tone, stream, shown);
    } else {
        wrapped(&format!("{start}  "), indent, &format!("{action}{said}"), tone, stream, shown);
    }
    let asks = step.confirm.iter().map(|typed| ("asks", format!("somebody to type {}", visible(typed))));
    for (label, line) in details(&step.what).into_iter().chain(asks) {
        let start = format!("{:indent$}{} ", "", stream.paint(Tone::Dim, label));
        wrapped(&start, indent + text::width(label) + 1, &line, None, stream, shown);
    }
}

/// Text behind a start of so many columns, broken into lines that stand under its own beginning.
fn wrapped(start: &str, indent: usize, said: &str, tone: Option<Tone>, stream: &Stream, shown: &mut String) {
    let room = stream.width.saturating_sub(indent).max(16);
    let mut lines: Vec<String> = text::wrap(said, room).iter().flat_map(|line| text::broken(line, room)).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    for (at, line) in lines.into_iter().enumerate() {
        let painted = tone.map_or_else(|| line.clone(), |tone| stream.paint(tone, &line));
        let before = if at == 0 { start.to_owned() } else { " ".repeat(indent) };
        shown.push_str(&format!("{before}{painted}\n"));
    }
}

fn said(step: &Planned) -> (Option<Tone>, String) {
    match &step.what {
        What::Loop { items } => {
            (None, visible(&format!("{}: {}", text::many(items.len(), "item"), items.join(", "))).into_owned())
        }
        What::Call { runbook } => (Some(Tone::Dim), format!("calls {}", visible(runbook))),
        What::Read { output } => (None, important::line(output)),
        What::Foreseen { output } => (Some(Tone::Dim), format!("will give: {}", important::line(output))),
        What::MadeInTheRun => (Some(Tone::Dim), "made in the run; a plan writes no private file".to_owned()),
        What::Sample { verdict: Verdict::Pass, why, .. } => (Some(Tone::Good), format!("passes now: {}", visible(why))),
        What::Sample { verdict, why, .. } => {
            (Some(Tone::Bad), format!("does not pass now ({verdict}): {}", visible(why)))
        }
        What::Would { .. } => (None, format!("would {}", step.effect)),
        What::Already { output } => {
            let line = important::line(output);
            let line = if line.is_empty() { line } else { format!(": {line}") };
            (Some(Tone::Good), format!("nothing to do{line}"))
        }
        What::Refused { why } => (Some(Tone::Bad), format!("would be refused: {}", visible(why))),
        What::Skipped => (Some(Tone::Dim), "would be skipped".to_owned()),
        What::KnownAfter { step, .. } => (Some(Tone::Warn), format!("known after {}", visible(step))),
        What::Failed { problem } => (Some(Tone::Bad), visible(&problem.message).into_owned()),
    }
}

/// What a person has to read before an act.
fn details(what: &What) -> Vec<(&'static str, String)> {
    match what {
        What::Would { digest, binding, facts } => {
            let mut lines = bound(binding);
            lines.extend(shown_fields(facts).into_iter().map(|line| ("fact", line)));
            lines.push(("bound", format!("as {}", short(&digest.to_hex()))));
            lines
        }
        What::KnownAfter { acts, .. } if acts.len() > 1 => acts.iter().map(|act| ("act ", unbound(act))).collect(),
        What::Loop { .. }
        | What::Call { .. }
        | What::Read { .. }
        | What::Foreseen { .. }
        | What::MadeInTheRun
        | What::Sample { .. }
        | What::Already { .. }
        | What::Refused { .. }
        | What::Skipped
        | What::KnownAfter { .. }
        | What::Failed { .. } => Vec::new(),
    }
}

fn bound(binding: &Binding) -> Vec<(&'static str, String)> {
    let target = shown_fields(&binding.target);
    let identity = binding.identity.iter().map(|aws| ("as  ", identity(aws)));
    // An argument that the action tells again as its target stands there already.
    let with = shown_fields(&binding.with).into_iter().filter(|line| !target.contains(line)).map(|line| ("with", line));
    let with: Vec<_> = with.collect();
    identity.chain(target.into_iter().map(|line| ("on  ", line))).chain(with).collect()
}

/// The same of one that stands in a document.
pub(crate) fn identity_of(aws: &Value) -> String {
    serde_json::from_value::<Aws>(aws.clone()).map_or_else(|_| String::new(), |aws| identity(&aws))
}

fn identity(aws: &Aws) -> String {
    let named = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!("{what} {value}"));
    let parts = [
        named("account", &aws.account),
        Some(format!("region {}", aws.region)),
        named("profile", &aws.profile),
        named("role", &aws.act_role),
    ];
    visible(&parts.into_iter().flatten().collect::<Vec<_>>().join(", ")).into_owned()
}

fn unbound(act: &Unbound) -> String {
    format!("{} {}: {}", sign_of(act.effect).0, visible(&act.step), act.action)
}

/// `name: value`, a line each.
pub(crate) fn shown_fields(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        // What is not there is not worth a line.
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null() && **value != json!([]));
            there.map(|(name, value)| format!("{}: {}", visible(&name.replace('_', " ")), named(name, value))).collect()
        }
        other => vec![value_of(other)],
    }
}

/// A moment as people write it, where the name says that it is one.
fn named(name: &str, value: &Value) -> String {
    match value.as_i64().filter(|_| name.ends_with("_at")) {
        Some(millis) => time(sluice_plugin::Timestamp(millis)),
        None => value_of(value),
    }
}

/// Whether it is a secret, or made of nothing else.
fn is_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) if fields.contains_key("$secret") => true,
        Value::Object(fields) => !fields.is_empty() && fields.values().all(is_secret),
        _ => false,
    }
}

/// A cluster or a node by its name, something of which there are versions with its own; anything else as it is, cut.
fn value_of(value: &Value) -> String {
    if let Some(name) = value.get("name").and_then(Value::as_str) {
        let version = value.get("version").and_then(Value::as_str).map(|version| format!(", version {version}"));
        return visible(&format!("{name}{}", version.unwrap_or_default())).into_owned();
    }
    if is_secret(value) {
        return "(secret)".to_owned();
    }
    if let Value::Array(items) = value
        && items.iter().all(Value::is_string)
    {
        let items: Vec<String> = items.iter().map(value_of).collect();
        return text::cut(&items.join(", "), LONGEST_VALUE);
    }
    let plain = match value {
        Value::String(text) => text::cut(&visible(text), LONGEST_VALUE),
        other => important::plain(other).unwrap_or_else(|| text::cut(&visible(&other.to_string()), LONGEST_VALUE)),
    };
    if plain.is_empty() { "(empty)".to_owned() } else { plain }
}

pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn end(document: &PlanDocument, stream: &Stream) -> String {
    let plan = &document.plan;
    let mut shown = format!("{}\n", counted(&document.counts, stream));
    let names = |what: &dyn Fn(&What) -> bool| {
        let keys: Vec<_> = plan.steps.iter().filter(|step| what(&step.what)).map(|step| step.key.as_str()).collect();
        visible(&keys.join(", ")).into_owned()
    };
    let mut list = |label: &str, tone: Tone, keys: String| {
        if !keys.is_empty() {
            wrapped("", 2, &format!("{label}: {keys}"), Some(tone), stream, &mut shown);
        }
    };
    let stops = |what: &What| matches!(what, What::Sample { verdict, .. } if *verdict != Verdict::Pass);
    list("would stop now at", Tone::Bad, names(&stops));
    list("cannot be done as things are", Tone::Bad, names(&What::is_bad));
    let unknown = |what: &What| matches!(what, What::KnownAfter { .. } | What::MadeInTheRun);
    list("known only in the run", Tone::Warn, names(&unknown));
    list("skipped", Tone::Dim, names(&|what| matches!(what, What::Skipped)));
    shown.push_str(&format!("{} {}\n", stream.paint(Tone::Dim, "digest"), plan.digest));
    shown
}

/// `? 3 reads, # 1 gate passes, ~ 2 changes, ! 0 destroys`: what the signs mean stands here too.
fn counted(counts: &Counts, stream: &Stream) -> String {
    let part = |(sign, tone): (&str, Tone), said: String| format!("{} {said}", stream.paint(tone, sign));
    let gates = match (counts.gates, counts.passing) {
        (1, 1) => "1 gate passes".to_owned(),
        (1, _) => "1 gate does not pass".to_owned(),
        (gates, passing) if gates == passing => format!("{gates} gates{}", if gates == 0 { "" } else { " pass" }),
        (gates, passing) => format!("{passing} of {gates} gates pass"),
    };
    let of = |effect: Effect, number: usize, thing: &str| part(sign_of(effect), text::many(number, thing));
    [
        of(Effect::Read, counts.reads, "read"),
        part(("#", Tone::Accent), gates),
        of(Effect::Change, counts.changes, "change"),
        of(Effect::Destroy, counts.destroys, "destroy"),
    ]
    .join(", ")
}
