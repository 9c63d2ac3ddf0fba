//! `sluice replay`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sluice_engine::diagnostic::visible;
use sluice_engine::evidence::{About, File, Replayed, verify};
use sluice_store::MemoryStore;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::screen::{Stream, Tone};
use crate::verbs::verify::read;
use crate::views::live::Json;
use crate::views::{self, text};

const AFTER: &str = "\
Nothing is called and nothing is written. What actions and people answered is taken from the recording, at \
the times it happened; what Sluice itself decided is decided again by this version and compared: which step \
came next, what was skipped, what a loop went over, whether a gate's conditions held for what it saw last, \
how the run ended. Gates keep only their last sample: how those before it were judged is not seen again. \
Exit code 0: everything comes out the same, 1: not.

Examples:
  sluice replay run.ndjson
  sluice export last | sluice replay -";

/// Decide an exported run again, and name the first difference
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// What `sluice export` wrote; `-` for standard input
    #[arg(value_name = "FILE")]
    file: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    file: &'a str,
    same: bool,
    #[serde(flatten)]
    replayed: &'a Replayed,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let file = intact(&args.file)?;
    let store = Arc::new(MemoryStore::default());
    let engine = Launch::new(context, store, &file.header.run, Some(Json::Document), Vec::new())?.engine;
    let replayed = engine.replay(&file, &AsItWas);
    let replayed = replayed.map_err(|error| cannot(&args.file, &error.to_string()))?;
    let same = replayed.difference.is_none();
    if args.json {
        views::json(&Document { file: &args.file, same, replayed: &replayed })?;
    } else {
        views::out(&human(&replayed, &context.screen.out))?;
    }
    Ok(if same { Exit::DONE } else { Exit::FOUND })
}

/// A file that was altered says nothing about decisions. One that was cut says something about those in it.
fn intact(name: &str) -> Result<File> {
    let text = read(name)?;
    let verdict = verify(&text, None, None);
    if let Some(finding) = verdict.findings.iter().find(|finding| finding.about == About::Intact) {
        return Err(cannot(name, &format!("line {}: {}", finding.line, finding.what)));
    }
    File::read(&text).map_err(|why| cannot(name, &why))
}

fn cannot(name: &str, why: &str) -> CommandError {
    let name = visible(name);
    CommandError::failed(format!("{name} cannot be replayed: {why}")).hint("`sluice verify` tells what the file shows")
}

fn human(replayed: &Replayed, out: &Stream) -> String {
    let mut shown = String::new();
    let mut line = |label: &str, said: &str| {
        let label = text::pad(label, 9);
        for (at, part) in text::wrap(&visible(said), out.width.saturating_sub(10)).iter().enumerate() {
            let label = if at == 0 { out.paint(Tone::Dim, &label) } else { " ".repeat(9) };
            shown.push_str(&format!("{label} {part}\n"));
        }
    };
    line("run", replayed.run.as_str());
    let counted = format!(
        "{} come out the same; {} of actions and {} from outside were taken from the recording",
        many(replayed.decisions, "decision"),
        many(replayed.answers, "answer"),
        many(replayed.given, "event"),
    );
    match &replayed.difference {
        None => line("same", &format!("yes: {counted}")),
        Some(difference) => {
            line("same", &format!("no: event {} differs; before it {counted}", difference.ordinal));
            line("why", &difference.why);
            line("recorded", &event(&difference.recorded));
            line("now", &difference.instead.as_ref().map_or_else(|| "no event".to_owned(), event));
        }
    }
    for action in &replayed.changed {
        line("note", &format!("the action {action} is another than it was when the run was started"));
    }
    shown
}

fn many(count: u64, thing: &str) -> String {
    text::many(usize::try_from(count).unwrap_or(usize::MAX), thing)
}

/// One event in a line: what it is, and its body as far as anybody reads it.
fn event(event: &Value) -> String {
    const LONGEST: usize = 400;
    let kind = event.get("kind").and_then(Value::as_str).unwrap_or("?");
    match event.get("body") {
        Some(body) => text::cut(&format!("{kind} {body}"), LONGEST),
        None => kind.to_owned(),
    }
}
