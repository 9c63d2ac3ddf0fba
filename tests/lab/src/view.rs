//! The lab's answers as text for a person. It knows the shape of the control API's JSON and nothing else.

use serde_json::Value;

use crate::ledger::{Audit, Counts};
use crate::referee::Verdict;

/// `cargo lab status`.
pub(crate) fn status(status: &Value) -> String {
    let mut out = format!(
        "lab {}: cluster {} on {}.0/24, folder {}\n",
        text(status, "name"),
        text(status, "cluster"),
        text(status, "net"),
        text(status, "folder")
    );
    list(status, "nodes").for_each(|node| out += &one(node));
    for (name, group) in status.get("groups").and_then(Value::as_object).into_iter().flatten() {
        out += &format!("  {name}: {}\n", members(group));
    }
    if let Some(load) = status.get("load").and_then(|load| serde_json::from_value(load.clone()).ok()) {
        out += &format!("  {}\n", counts(&load));
    }
    let verdicts = status.get("verdicts").cloned().unwrap_or_default();
    out += &format!("  referee: {} terminations, {} unsafe\n", text(&verdicts, "total"), text(&verdicts, "unsafe"));
    let told = told(status);
    out + &if told.is_empty() { String::new() } else { format!("told:\n{told}") }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).map(plain).unwrap_or_default()
}

/// A node, its server and what that holds; then what is odd about it.
fn one(node: &Value) -> String {
    let stream = node.get("stream").filter(|stream| !stream.is_null());
    let held = stream.map_or("no replica of the stream".into(), |stream| {
        let leads = if stream.get("leader") == Some(&Value::Bool(true)) { ", leads it" } else { "" };
        format!("{} messages, last_seq {}{leads}", text(stream, "messages"), text(stream, "last_seq"))
    });
    let meta = if node.get("meta_leader") == Some(&Value::Bool(true)) { ", meta leader" } else { "" };
    let line = format!(
        "  {} {:<11} {}  pid {}  healthz {}  {held}{meta}",
        text(node, "name"),
        text(node, "doing"),
        text(node, "instance"),
        text(node, "pid"),
        text(node, "healthz"),
    );
    let odd = [
        (text(node, "server_name") != text(node, "name"))
            .then(|| format!("its server is called {}", text(node, "server_name"))),
        text(node, "client")
            .split(':')
            .next()
            .filter(|home| *home != text(node, "address"))
            .map(|_| format!("it lives at {}", text(node, "address"))),
        (text(node, "setup") != "whole").then(|| format!("its server is set up {}", text(node, "setup"))),
        Some(text(node, "note")).filter(|note| !note.is_empty()),
    ];
    odd.into_iter().flatten().fold(line + "\n", |all, odd| all + "      " + &odd + "\n")
}

/// A group's instances, or why there are none.
fn members(group: &Value) -> String {
    let instances: Vec<String> =
        list(group, "instances").map(|i| format!("{} {}", text(i, "id"), text(i, "state"))).collect();
    match (instances.is_empty(), group.get("newest").filter(|newest| !newest.is_null())) {
        (true, Some(newest)) => format!("no instance; {}", plain(newest)),
        (true, None) => "no instance".to_owned(),
        (false, _) => instances.join(", "),
    }
}

/// What the lab was told to do wrong and still does, one line each.
fn told(status: &Value) -> String {
    let mut lines = Vec::new();
    for node in list(status, "nodes") {
        let orders = node.get("orders").filter(|orders| orders.as_object().is_some_and(|orders| !orders.is_empty()));
        lines.extend(orders.map(|orders| format!("next instances of {}: {orders}", text(node, "name"))));
    }
    for (name, group) in status.get("groups").and_then(Value::as_object).into_iter().flatten() {
        let failing = group.get("failing").filter(|failing| !failing.is_null());
        lines.extend(failing.map(|message| format!("{name} launches nothing: {}", plain(message))));
        let suspended: Vec<String> = list(group, "suspended").map(plain).collect();
        lines.extend((!suspended.is_empty()).then(|| format!("{name} has suspended: {}", suspended.join(", "))));
    }
    let aws = status.get("aws").cloned().unwrap_or_default();
    lines.extend((aws.get("up") == Some(&Value::Bool(false))).then(|| "AWS refuses connections".to_owned()));
    let faults = aws.get("faults").cloned().unwrap_or_default();
    lines.extend((faults.get("expired") == Some(&Value::Bool(true))).then(|| "AWS credentials are expired".to_owned()));
    lines.extend(list(&faults, "calls").map(|fault| {
        format!("the next {} of {}: {}", text(fault, "times"), text(fault, "operation"), text(fault, "how"))
    }));
    lines.extend(list(&faults, "unregistered").map(|node| format!("Systems Manager does not know {}", plain(node))));
    let lost = faults.get("lost").and_then(Value::as_object).into_iter().flatten();
    lines.extend(lost.map(|(node, _)| format!("Systems Manager hears nothing of {node}")));
    lines.extend(
        (faults.get("log_group_gone") == Some(&Value::Bool(true))).then(|| "the log group is deleted".to_owned()),
    );
    lines
        .extend(list(&faults, "old_boot_lines").map(|node| format!("the boot lines of {} are a day old", plain(node))));
    let refreshes = list(&aws, "refreshes")
        .filter(|refresh| ["Pending", "InProgress", "Cancelling"].contains(&text(refresh, "Status").as_str()));
    lines.extend(refreshes.map(|refresh| {
        format!("a refresh of {} is {}", text(refresh, "AutoScalingGroupName"), text(refresh, "Status"))
    }));
    let axiom = status.get("axiom").cloned().unwrap_or_default();
    lines.extend(list(&axiom, "troubles").map(|trouble| format!("Axiom {}", plain(trouble))));
    let streams: Vec<String> = list(status, "streams").map(plain).collect();
    lines.extend((streams.len() > 1).then(|| format!("streams: {}", streams.join(", "))));
    lines.iter().map(|line| format!("  {line}\n")).collect()
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
    format!(
        "{} of {} messages there, {} lost{first}; {} of them looked for in the stream\n{}",
        audit.there,
        audit.counts.acked,
        audit.lost,
        audit.in_stream,
        counts(&audit.counts)
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_says_what_is_odd_and_what_was_told() {
        let node = |address: &str, orders: Value| {
            json!({ "name": "n-1", "server_name": "n-1", "doing": "running", "instance": "i-1", "pid": 7, "healthz": "200",
                    "client": "127.0.0.1:4222", "address": address, "setup": "whole", "note": "", "orders": orders })
        };
        let of = |node: Value, group: Value, aws: Value| {
            status(
                &json!({ "name": "a", "nodes": [node], "groups": { "g": group }, "aws": aws, "streams": ["pivot_main"] }),
            )
        };
        let full = json!({ "instances": [{ "id": "i-1", "state": "InService" }], "suspended": [] });
        let calm = of(node("127.0.0.1", json!({})), full, json!({ "up": true }));
        assert!(!calm.contains("told:") && !calm.contains("lives at") && calm.contains("g: i-1 InService"), "{calm}");
        let empty =
            json!({ "instances": [], "suspended": ["Launch"], "newest": "Failed: none left", "failing": "none left" });
        let faults = json!({ "expired": true, "calls": [{ "operation": "X", "times": 2, "how": "throttle" }],
            "unregistered": ["n-1"], "lost": { "n-2": null }, "log_group_gone": true, "old_boot_lines": ["n-3"] });
        let aws = json!({ "up": false, "faults": faults, "refreshes": [{ "AutoScalingGroupName": "g", "Status": "Pending" }] });
        let odd = of(node("127.0.0.21", json!({ "no_boot": "crash" })), empty, aws);
        for line in [
            "it lives at 127.0.0.21",
            "g: no instance; Failed: none left",
            "next instances of n-1: {\"no_boot\":\"crash\"}",
            "g launches nothing: none left",
            "g has suspended: Launch",
            "AWS refuses connections",
            "AWS credentials are expired",
            "the next 2 of X: throttle",
            "a refresh of g is Pending",
            "Systems Manager does not know n-1",
            "Systems Manager hears nothing of n-2",
            "the log group is deleted",
            "the boot lines of n-3 are a day old",
        ] {
            assert!(odd.contains(line), "{line} is missing in:\n{odd}");
        }
    }
}
