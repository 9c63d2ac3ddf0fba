//! Lines of logs on a screen: one line each, the time first. It knows their shape only: objects with a time and a text.

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;

use super::important::plain;
use crate::screen::{Stream, Tone};

const TIMES: [&str; 2] = ["time", "_time"];

/// `None` where a row is no line of a log.
pub(crate) fn show(rows: &[Value], stream: &Stream) -> Option<String> {
    let lines: Option<Vec<String>> = rows.iter().map(|row| line(row.as_object()?, stream)).collect();
    lines.filter(|lines| !lines.is_empty()).map(|lines| lines.concat())
}

fn line(row: &Map<String, Value>, stream: &Stream) -> Option<String> {
    let time = TIMES.iter().find_map(|name| row.get(*name)?.as_str())?;
    let message = row.get("message")?.as_str()?;
    let others = row.iter().filter(|(name, _)| *name != "message" && !TIMES.contains(&name.as_str()));
    let others = others.filter_map(|(_, value)| plain(value));
    let from = others.collect::<Vec<_>>().join(" ");
    let head = stream.paint(Tone::Dim, &format!("{} {from}", visible(time)));
    Some(format!("{} {}\n", head.trim_end(), visible(message)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_is_one_line() {
        let stream = Stream { terminal: false, color: false, unicode: true, width: 80 };
        let check = |rows: Value, expect: Option<&str>| {
            assert_eq!(show(rows.as_array().unwrap(), &stream).as_deref(), expect, "{rows}");
        };
        let line = json!({ "_time": "2026-11-22T17:54:46.927Z", "host": "n-1", "message": "one\ntwo\u{1b}[31m" });
        check(json!([line]), Some("2026-11-22T17:54:46.927Z n-1 one\\ntwo\\u{1b}[31m\n"));
        check(json!([{ "time": "t", "message": "m" }, { "message": "m", "time": "u" }]), Some("t m\nu m\n"));
        check(json!([{ "time": "t", "message": "m" }, { "name": "n" }]), None);
        check(json!([]), None);
        check(json!([1]), None);
    }
}
