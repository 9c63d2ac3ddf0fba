//! What a person sees before they say yes to something that does not come back: what dies, what it costs, what was looked
//! at, who asks, and where it all comes from. Everything from outside is escaped.

use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::run::Question;

use super::plan::{identity_of, shown_fields};
use super::sign::Sign;
use super::text;
use crate::report::time;
use crate::screen::{Stream, Tone};

/// What becomes of anything else than the name.
#[derive(Clone, Copy)]
pub(crate) enum Otherwise {
    SaysNo,
    /// The run waits on: from another terminal a slip of the hand ends nothing.
    AnswersNothing,
}

pub(crate) fn show(question: &Question, otherwise: Otherwise, stream: &Stream) -> String {
    let mut shown = String::from("\n");
    let run = stream.paint(Tone::Dim, &format!("run {}", question.run));
    let head = format!("Step {} destroys, and asks for your yes", visible(question.key.as_str()));
    shown.push_str(&format!("{}  {run}\n", stream.paint(Tone::Bad, &head)));
    body(&question.shown, stream, &mut shown);
    let until = format!("answer until {}, in {}", time(question.answer_by), left(question));
    row("", &until, Some(Tone::Dim), stream, &mut shown);
    let typed = stream.paint(Tone::Strong, &question.typed);
    let otherwise = match otherwise {
        Otherwise::SaysNo => "says no",
        Otherwise::AnswersNothing => "answers nothing (`sluice deny` says no)",
    };
    shown.push_str(&format!("Type {typed} to say yes; anything else {otherwise}.\n"));
    shown
}

fn left(question: &Question) -> String {
    use sluice_engine::run::Clock as _;
    text::whole(question.answer_by.since(crate::clock::WallClock.now()))
}

/// What is asked, wherever it is shown.
pub(crate) fn body(asked: &Value, stream: &Stream, shown: &mut String) {
    let list = |name: &str| asked.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(before) = asked.get("before").filter(|before| !before.is_null()) {
        moved(before, stream, shown);
    }
    for act in list("acts") {
        one_act(&act, stream, shown);
    }
    let (passed, judged): (Vec<Value>, Vec<Value>) = list("gates").into_iter().partition(is_overridden);
    for (head, gates) in [
        ("did not pass, and somebody knows better:", passed),
        ("judged again after the yes, right before the act:", judged),
    ] {
        if !gates.is_empty() {
            shown.push_str(&format!("  {}\n", stream.paint(Tone::Dim, head)));
            gates.iter().for_each(|gate| one_gate(gate, stream, shown));
        }
    }
    row("from", &origin(asked), Some(Tone::Dim), stream, shown);
    row("policy", &policy(asked), Some(Tone::Dim), stream, shown);
}

fn one_act(act: &Value, stream: &Stream, shown: &mut String) {
    let binding = act.get("binding").unwrap_or(&Value::Null);
    let text_of = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let title = format!("{}  {}", text_of(act, "step"), text_of(binding, "action"));
    shown.push_str(&format!("  {}\n", stream.paint(Tone::Strong, &visible(&title))));
    if let Some(summary) = act.get("summary").and_then(Value::as_str) {
        row("", &visible(summary), None, stream, shown);
    }
    let identities = || binding.get("identity").and_then(Value::as_array).into_iter().flatten();
    for aws in identities() {
        row("as", &identity_of(aws), None, stream, shown);
    }
    let target = binding.get("target").filter(|target| !target.is_null()).or_else(|| binding.get("with"));
    let said: Vec<&Value> = identities().collect();
    for line in target.map(|target| shown_fields(&unsaid(target, &said))).unwrap_or_default() {
        row("on", &line, Some(Tone::Warn), stream, shown);
    }
    let said: Vec<&Value> = said.into_iter().chain(target).collect();
    for line in act.get("facts").map(|facts| shown_fields(&unsaid(facts, &said))).unwrap_or_default() {
        row("fact", &line, None, stream, shown);
    }
}

/// Without the fields that stand in one of the others with the same value: nobody reads the same account three times.
fn unsaid(value: &Value, others: &[&Value]) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let is_said = |name: &str, value: &Value| others.iter().any(|other| other.get(name) == Some(value));
    Value::Object(
        fields.iter().filter(|(name, value)| !is_said(name, value)).map(|(n, v)| (n.clone(), v.clone())).collect(),
    )
}

fn is_overridden(gate: &Value) -> bool {
    gate.get("overridden").is_some_and(|over| !over.is_null())
}

fn one_gate(gate: &Value, stream: &Stream, shown: &mut String) {
    let text_of = |key: &str| gate.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, why) = (visible(text_of("gate")), visible(text_of("why")));
    let overridden = is_overridden(gate);
    let sign = if overridden { Sign::Stopped } else { Sign::Done };
    let said = if overridden {
        let over = |path: &str| gate.pointer(path).and_then(Value::as_str).unwrap_or("?");
        let (by, reason) = (visible(over("/overridden/by/actor")), visible(over("/overridden/why")));
        format!("{name}  NOT PASSED: {why}; {by} lets it count: {reason}")
    } else {
        format!("{name}  {why}")
    };
    let mut lines = text::wrap(&said, stream.width.saturating_sub(8)).into_iter();
    let first = lines.next().unwrap_or_default();
    shown.push_str(&format!(
        "    {} {}\n",
        sign.on(stream),
        if overridden { stream.paint(Tone::Bad, &first) } else { first }
    ));
    lines.for_each(|line| shown.push_str(&format!("      {line}\n")));
}

/// Why it is asked once more.
fn moved(before: &Value, stream: &Stream, shown: &mut String) {
    let text_of = |key: &str| before.get(key).and_then(Value::as_str).unwrap_or("?");
    match before.get("is").and_then(Value::as_str).unwrap_or_default() {
        "moved" => {}
        "gate_failed" => {
            let said = format!("asked before, and then gate {} did not pass: {}", text_of("gate"), text_of("why"));
            return row("anew", &visible(&said), Some(Tone::Warn), stream, shown);
        }
        _ => return,
    }
    row("anew", "what was confirmed before is not what would be done now", Some(Tone::Warn), stream, shown);
    for line in changes(before.get("changes").unwrap_or(&Value::Null)) {
        row("", &line, Some(Tone::Warn), stream, shown);
    }
}

/// `target.instance: i-0abc is i-0def now`, leaf by leaf.
pub(crate) fn changes(changes: &Value) -> Vec<String> {
    if let Some(problem) = changes.pointer("/problem/message").and_then(Value::as_str) {
        return vec![visible(problem).into_owned()];
    }
    let mut lines = Vec::new();
    let part = |name: &str| changes.get(name).cloned().unwrap_or_default();
    differences("", &part("was"), &part("is"), &mut lines);
    lines
}

fn differences(at: &str, was: &Value, is: &Value, lines: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(one), Value::Object(two)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                let of = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                differences(&below, &of(one), &of(two), lines);
            }
        }
        _ if was == is => {}
        _ => lines.push(visible(&format!("{at}: {} is {} now", plain(was), plain(is))).into_owned()),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => text::cut(&other.to_string(), 80),
    }
}

fn origin(asked: &Value) -> String {
    let runbook = asked.get("runbook").and_then(Value::as_str).unwrap_or("?");
    let inventory = match asked.get("inventory").filter(|inventory| !inventory.is_null()) {
        None => "no inventory".to_owned(),
        Some(found) => {
            let trusted = found.get("trusted").and_then(Value::as_bool).unwrap_or(false);
            let path = found.get("path").and_then(Value::as_str).unwrap_or("?");
            format!("inventory {path} ({})", if trusted { "trusted" } else { "not trusted" })
        }
    };
    visible(&format!("runbook {runbook}, {inventory}")).into_owned()
}

fn policy(asked: &Value) -> String {
    let people = asked.pointer("/policy/people").and_then(Value::as_u64).unwrap_or(1);
    let people = if people == 1 { "one person says yes".to_owned() } else { format!("{people} people say yes") };
    let who = asked.pointer("/requester/actor").and_then(Value::as_str);
    let requester = asked.pointer("/policy/requester").and_then(Value::as_bool).unwrap_or(true);
    let asked_by = who.map(|who| format!("; asked for by {who}")).unwrap_or_default();
    let may = if requester { "" } else { ", who may not be among them" };
    visible(&format!("{people}{asked_by}{may}")).into_owned()
}

fn row(label: &str, said: &str, tone: Option<Tone>, stream: &Stream, shown: &mut String) {
    let room = stream.width.saturating_sub(12).max(16);
    let lines = text::wrap(said, room).into_iter().flat_map(|line| text::broken(&line, room));
    for (at, line) in lines.enumerate() {
        let label = if at == 0 { label } else { "" };
        let line = tone.map_or_else(|| line.clone(), |tone| stream.paint(tone, &line));
        shown.push_str(&format!("    {}{line}\n", stream.paint(Tone::Dim, &text::pad(label, 8))));
    }
}
