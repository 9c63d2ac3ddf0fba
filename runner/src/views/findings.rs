//! The screen of a check: verdict, what was looked at, and each finding with what to do about it.
//!
//! It knows the shape only: an output with `findings`, and perhaps `summary` and `nodes`. Which action gave it, and what
//! the findings mean, is not known here. All texts are from outside and escaped.

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;

use super::important::{bare_name, measured, plain};
use super::table::Table;
use super::text;
use crate::screen::{Stream, Tone};

/// Columns of a table of nodes at most; what follows is in `--json`.
const COLUMNS: usize = 9;

/// True when there is at least one finding to show.
pub(crate) fn has_any(output: &Value) -> bool {
    output.get("findings").and_then(Value::as_array).is_some_and(|findings| !findings.is_empty())
}

/// `None` when the output has no findings to show, not even an empty list of them.
pub(crate) fn show(output: &Value, stream: &Stream) -> Option<String> {
    let object = output.as_object()?;
    let findings = object.get("findings")?.as_array()?;
    let mut shown = String::new();
    if let Some(summary) = object.get("summary").and_then(Value::as_str) {
        let tone = worst(findings);
        text::wrap(&visible(summary), stream.width).iter().for_each(|line| {
            shown.push_str(&format!("{}\n", stream.paint(tone, line)));
        });
    }
    if let Some(table) = object.get("nodes").and_then(Value::as_array).and_then(|rows| rows_table(rows, stream)) {
        shown.push('\n');
        shown.push_str(&table);
    }
    for finding in findings {
        shown.push('\n');
        shown.push_str(&one(finding, stream));
    }
    Some(shown)
}

/// That of the gravest finding; without any all is well.
fn worst(findings: &[Value]) -> Tone {
    let tones: Vec<Tone> = findings.iter().map(|one| tone(severity(one))).collect();
    [Tone::Bad, Tone::Warn, Tone::Accent].into_iter().find(|tone| tones.contains(tone)).unwrap_or(Tone::Good)
}

fn severity(finding: &Value) -> &str {
    finding.get("severity").and_then(Value::as_str).unwrap_or("finding")
}

fn tone(severity: &str) -> Tone {
    match severity {
        "critical" | "error" => Tone::Bad,
        "warning" | "unknown" => Tone::Warn,
        _ => Tone::Accent,
    }
}

fn one(finding: &Value, stream: &Stream) -> String {
    let word = severity(finding);
    let field = |name: &str| finding.get(name).and_then(said).filter(|text| !text.is_empty());
    let mut shown = stream.paint(tone(word), &format!("{:<8}", visible(word)));
    shown.push_str(&format!("  {}\n", stream.paint(Tone::Strong, &field("subject").unwrap_or_default())));
    let label_width = 10;
    for (label, name) in
        [("seen", "seen"), ("expected", "threshold"), ("why", "why"), ("do", "todo"), ("page", "wording")]
    {
        let Some(text) = field(name) else { continue };
        let room = stream.width.saturating_sub(label_width + 12).max(20);
        for (at, line) in text::wrap(&text, room).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = stream.paint(Tone::Dim, &text::pad(label, label_width));
            let line = if name == "todo" { stream.paint(Tone::Accent, line) } else { line.clone() };
            shown.push_str(&format!("{:10}{label}{line}\n", ""));
        }
    }
    shown
}

/// Text, a number, or what an object with `kind` and `name` is about.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(visible(text).into_owned()),
        Value::Object(object) => {
            let part = |name: &str| object.get(name).and_then(Value::as_str);
            let text = [part("kind"), part("name")].into_iter().flatten().collect::<Vec<_>>().join(" ");
            Some(visible(&text).into_owned())
        }
        Value::Array(items) => Some(items.iter().filter_map(said).collect::<Vec<_>>().join(", ")),
        other => plain(other),
    }
}

/// A table of flat objects: their plain fields, as many as there is room for.
pub(super) fn rows_table(rows: &[Value], stream: &Stream) -> Option<String> {
    let objects: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    let first = objects.first()?;
    let worth = |name: &&String| {
        let told = |row: &&Map<String, Value>| row.get(*name).and_then(|value| measured(name, value));
        let news =
            |row: &&Map<String, Value>| told(row).is_some() && (*name == "name" || row.get(*name) != row.get("name"));
        !name.ends_with("_id") && objects.iter().any(news)
    };
    let mut columns: Vec<&String> = first.keys().filter(worth).take(COLUMNS).collect();
    let table = |columns: &[&String]| {
        let value = |row: &&Map<String, Value>, name: &&String| {
            row.get(*name).and_then(|value| measured(name, value)).unwrap_or_else(|| "-".to_owned())
        };
        (
            columns.iter().map(|name| bare_name(name)).collect::<Vec<_>>(),
            objects
                .iter()
                .map(|row| columns.iter().map(|name| value(row, name)).collect::<Vec<_>>())
                .collect::<Vec<_>>(),
        )
    };
    while columns.len() > 2 && natural_width(&table(&columns)) > stream.width {
        columns.pop();
    }
    let (head, rows) = table(&columns);
    let good = |at: usize| {
        let flag = |name: &str| objects.get(at).and_then(|row| row.get(name)).and_then(Value::as_bool);
        flag("reachable").or_else(|| flag("ok")).unwrap_or(true)
    };
    let tone = |row: usize, _: usize| if good(row) { None } else { Some(Tone::Bad) };
    Some(Table { head, rows, tone: &tone }.show(stream, 0))
}

fn natural_width((head, rows): &(Vec<String>, Vec<Vec<String>>)) -> usize {
    let column = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).chain(head.get(at));
        cells.map(|cell| text::width(cell)).max().unwrap_or(0) + 2
    };
    (0..head.len()).map(column).sum::<usize>().saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(output: &Value) -> String {
        show(output, &Stream { terminal: false, color: false, unicode: true, width: 80 }).unwrap()
    }

    #[test]
    fn findings_say_what_was_seen_and_what_to_do() {
        let output = json!({
            "summary": "nats-staging: not healthy: 1 critical, 0 unknown",
            "nodes": [
                { "name": "node-1", "reachable": true, "uptime_seconds": 7500, "mem_bytes": 52_000_000, "server_name": "node-1" },
                { "name": "node-2", "reachable": false, "uptime_seconds": null, "mem_bytes": null, "server_name": null },
            ],
            "findings": [{
                "severity": "critical", "code": "node_down", "subject": { "kind": "node", "name": "node-2" },
                "seen": "no answer", "threshold": "an answer within 2 s", "why": "the node does not answer",
                "todo": "look whether it runs", "wording": null,
            }],
        });
        assert_eq!(
            shown(&output),
            concat!(
                "nats-staging: not healthy: 1 critical, 0 unknown\n",
                "\n",
                "name    reachable  uptime     mem\n",
                "node-1  yes        2 h 5 min  52.0 MB\n",
                "node-2  no         -          -\n",
                "\n",
                "critical  node node-2\n",
                "          seen      no answer\n",
                "          expected  an answer within 2 s\n",
                "          why       the node does not answer\n",
                "          do        look whether it runs\n",
            )
        );
    }

    #[test]
    fn the_gravest_finding_gives_the_colour() {
        let check = |severities: &[&str], expect: Tone| {
            let findings: Vec<Value> = severities.iter().map(|word| json!({ "severity": word })).collect();
            assert_eq!(worst(&findings), expect, "{severities:?}");
        };
        check(&[], Tone::Good);
        check(&["hint"], Tone::Accent);
        check(&["warning", "hint"], Tone::Warn);
        check(&["critical", "unknown"], Tone::Bad);
        check(&["unknown", "critical", "warning"], Tone::Bad);
        check(&["warning", "error"], Tone::Bad);
    }

    #[test]
    fn a_healthy_output_is_its_summary() {
        assert_eq!(shown(&json!({ "summary": "healthy", "findings": [] })), "healthy\n");
        let stream = Stream { terminal: false, color: false, unicode: true, width: 80 };
        assert_eq!(show(&json!({ "summary": "healthy" }), &stream), None);
        assert_eq!(show(&json!(1), &stream), None);
    }
}
