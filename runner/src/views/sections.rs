//! What commands printed on machines, on a screen: each machine with its sections, each section with its text. It knows their
//! shape only: objects with a name and a list of `sections`.

use serde_json::{Map, Value};
use sluice_engine::diagnostic::visible;

use super::text::quoted;
use crate::screen::{Stream, Tone};

/// `None` where a row is no machine with sections.
pub(crate) fn show(rows: &[Value], stream: &Stream) -> Option<String> {
    let machines: Option<Vec<String>> =
        rows.iter().filter(|row| !row.is_null()).map(|row| machine(row.as_object()?, stream)).collect();
    machines.filter(|machines| !machines.is_empty()).map(|machines| machines.join("\n"))
}

fn machine(row: &Map<String, Value>, stream: &Stream) -> Option<String> {
    let sections = row.get("sections")?.as_array()?;
    let said = ["summary", "node", "name"].into_iter().find_map(|name| row.get(name)?.as_str())?;
    let mut shown = stream.paint(Tone::Strong, &visible(said)) + "\n";
    for section in sections.iter().filter_map(Value::as_object) {
        let text = |name: &str| section.get(name).and_then(Value::as_str).unwrap_or_default();
        let exit = section.get("exit").and_then(Value::as_i64).filter(|exit| *exit != 0);
        let exit = exit.map(|exit| format!(", exit {exit}")).unwrap_or_default();
        let cut = section.get("cut").and_then(Value::as_bool) == Some(true);
        let cut = if cut { ", its end: asked for alone it is given whole" } else { "" };
        shown.push_str(&stream.paint(Tone::Dim, &format!("{}{exit}{cut}", visible(text("name")))));
        shown.push('\n');
        shown.push_str(&quoted(text("text")));
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_section_stands_under_its_machine() {
        let stream = Stream { terminal: false, color: false, unicode: true, width: 80 };
        let check = |rows: Value, expect: Option<&str>| {
            assert_eq!(show(rows.as_array().unwrap(), &stream).as_deref(), expect, "{rows}");
        };
        let services = json!({ "name": "services", "exit": 0, "text": "nats active\n\u{1b}[31mred\n", "cut": false });
        let logs = json!({ "name": "logs/nats", "exit": 1, "text": "no entries", "cut": true });
        let machine = json!({ "node": "n-1", "summary": "n-1: well", "sections": [services, logs] });
        let shown = "n-1: well\nservices\n│ nats active\n│ \\u{1b}[31mred\nlogs/nats, exit 1, its end: asked for alone it is \
                     given whole\n│ no entries\n";
        check(json!([machine]), Some(shown));
        check(json!([null, { "node": "n-2", "sections": [] }]), Some("n-2\n"));
        check(json!([{ "node": "n-2" }]), None);
        check(json!([null]), None);
        check(json!([]), None);
    }
}
