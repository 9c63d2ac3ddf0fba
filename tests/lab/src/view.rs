//! The lab's answers as text for a person. It knows the shape of the control API's JSON and nothing else.

use serde_json::Value;

use crate::ledger::{Audit, Counts};
use crate::referee::Verdict;

/// `cargo lab status`.
pub(crate) fn status(status: &Value) -> String {
    let text = |value: &Value, key: &str| value.get(key).map(plain).unwrap_or_default();
    let mut out = format!(
        "lab {}: cluster {} on {}.0/24, folder {}\n",
        text(status, "name"),
        text(status, "cluster"),
        text(status, "net"),
        text(status, "folder")
    );
    for node in list(status, "nodes") {
        let stream = node.get("stream").filter(|stream| !stream.is_null());
        let held = stream.map_or("no replica of the stream".into(), |stream| {
            let leads = if stream.get("leader") == Some(&Value::Bool(true)) { ", leads it" } else { "" };
            format!("{} messages, last_seq {}{leads}", text(stream, "messages"), text(stream, "last_seq"))
        });
        let meta = if node.get("meta_leader") == Some(&Value::Bool(true)) { ", meta leader" } else { "" };
        out += &format!(
            "  {} {:<11} {}  pid {}  healthz {}  {held}{meta}  {}\n",
            text(node, "name"),
            text(node, "doing"),
            text(node, "instance"),
            text(node, "pid"),
            text(node, "healthz"),
            text(node, "note")
        );
    }
    for (name, group) in status.get("groups").and_then(Value::as_object).into_iter().flatten() {
        let instances = list(group, "instances").map(|i| format!("{} {}", text(i, "id"), text(i, "state")));
        out += &format!("  {name}: {}\n", instances.collect::<Vec<_>>().join(", "));
    }
    if let Some(load) = status.get("load").and_then(|load| serde_json::from_value(load.clone()).ok()) {
        out += &format!("  {}\n", counts(&load));
    }
    let verdicts = status.get("verdicts").cloned().unwrap_or_default();
    out + &format!("  referee: {} terminations, {} unsafe\n", text(&verdicts, "total"), text(&verdicts, "unsafe"))
}

/// The state of the load in one line.
pub(crate) fn counts(counts: &Counts) -> String {
    let state = if counts.sending { "sending" } else { "not sending" };
    let error = counts.last_error.as_ref().map(|error| format!(", last: {error}")).unwrap_or_default();
    format!(
        "load: {state}, {} sent, {} acknowledged, {} delivered, {} without an answer{error}; longest gap {} ms",
        counts.sent, counts.acked, counts.delivered, counts.refused, counts.longest_gap_ms
    )
}

/// An audit, the finding first.
pub(crate) fn audit(audit: &Audit) -> String {
    let first = if audit.lost == 0 { String::new() } else { format!(", the first: {:?}", audit.first_lost) };
    format!("lost: {}{first}; still in the stream: {}\n{}", audit.lost, audit.in_stream, counts(&audit.counts))
}

/// One verdict with its reasons.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    let word = if verdict.safe { "safe" } else { "UNSAFE" };
    let head = format!("{} {} {} by {}: {word}\n", verdict.at, verdict.node, verdict.instance, verdict.cause);
    verdict.why.iter().fold(head, |text, why| text + "    " + why + "\n")
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
