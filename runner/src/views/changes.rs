//! What differs between a saved plan and one made now, as a person reads it: what is bound first, what is known after.

use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::run::{Change, Changes};

use super::plan::short;
use super::text;
use crate::screen::{Stream, Tone};

/// Facts of one plan shown at most; the document has all.
const FACTS: usize = 40;
const LONGEST: usize = 60;

/// `saved` is when the plan before was made.
pub(crate) fn show(changes: &Changes, saved: &str, stream: &Stream) -> String {
    let mut shown = match changes.is_another_plan() {
        false => {
            format!("{} as the plan of {saved}: nothing that is bound has changed\n", stream.paint(Tone::Good, "same"))
        }
        true => {
            let digests = format!("{} is now {}", short(&changes.was.to_hex()), short(&changes.is.to_hex()));
            format!("{} plan than that of {saved}: {digests}\n", stream.paint(Tone::Bad, "another"))
        }
    };
    section("made from", &changes.made_from, usize::MAX, stream, &mut shown);
    section("bound", &changes.bindings, usize::MAX, stream, &mut shown);
    section("facts", &changes.facts, FACTS, stream, &mut shown);
    shown
}

fn section(title: &str, changes: &[Change], most: usize, stream: &Stream, shown: &mut String) {
    if changes.is_empty() {
        return;
    }
    shown.push_str(&format!("{}\n", stream.paint(Tone::Strong, title)));
    for change in changes.iter().take(most) {
        let step = change.step.as_ref().map(|step| format!("{step} ")).unwrap_or_default();
        shown.push_str(&format!("  {}\n", visible(&format!("{step}{}", change.at)).trim_end()));
        line("-", Tone::Bad, change.was.as_ref(), stream, shown);
        line("+", Tone::Good, change.is.as_ref(), stream, shown);
    }
    if changes.len() > most {
        shown.push_str(&format!("  and {} more; --json has all\n", changes.len() - most));
    }
}

fn line(sign: &str, tone: Tone, value: Option<&Value>, stream: &Stream, shown: &mut String) {
    let Some(value) = value else { return };
    let said = match value {
        Value::String(text) => visible(text).into_owned(),
        other => visible(&other.to_string()).into_owned(),
    };
    let said = text::cut(&said, LONGEST.max(stream.width.saturating_sub(6)));
    shown.push_str(&format!("    {}\n", stream.paint(tone, &format!("{sign} {said}"))));
}
