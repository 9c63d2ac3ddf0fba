//! `sluice verify`

use std::fs;
use std::io::{self, Read as _};

use schemars::JsonSchema;
use serde::Serialize;
use sluice_engine::diagnostic::visible;
use sluice_engine::evidence::{About, Noted, Verdict, verify};
use sluice_engine::ids::{RunId, Sha256};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::report::time;
use crate::screen::{Stream, Tone};
use crate::views::{self, text};

const AFTER: &str = "\
Intact: every hash is right and every event follows the one before. Complete: from `started` to `ended`, \
with everything the events name. Neither says who wrote it; a head noted earlier says since when nothing \
was changed. `sluice runs show RUN` and the end of a run that acts print it. \
Exit code 0: intact and complete, 1: not.

Examples:
  sluice verify run.ndjson
  sluice verify run.ndjson --head 3f7a... --run 0198c1f2-7a00-7000-8000-000000000001";

/// Say what the file of an exported run shows, and what it cannot show
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// What `sluice export` wrote; `-` for standard input
    #[arg(value_name = "FILE")]
    file: String,

    /// The head of the run's journal, as it was noted earlier: all 64 digits
    #[arg(long, value_name = "HASH")]
    head: Option<String>,

    /// The run that it should be: the whole id
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    file: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let head = args.head.as_deref().map(hash).transpose()?;
    let run = args.run.as_deref().map(run_id).transpose()?;
    let text = read(&args.file)?;
    let verdict = verify(&text, run.as_ref(), head.as_ref());
    if verdict.written_by.is_empty() && verdict.events == 0 && verdict.blobs == 0 {
        return Err(CommandError::failed(format!("{} is no exported run", visible(&args.file)))
            .hint("`sluice export RUN -o FILE` writes one"));
    }
    if args.json {
        views::json(&Document { file: &args.file, verdict: &verdict })?;
    } else {
        views::out(&human(&verdict, &context.screen.out))?;
    }
    Ok(if verdict.intact && verdict.complete { Exit::DONE } else { Exit::FOUND })
}

/// The text of an exported run.
pub(super) fn read(file: &str) -> Result<String> {
    let read = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| CommandError::failed(format!("cannot read {}: {error}", visible(file))))
}

fn hash(text: &str) -> Result<Sha256> {
    let bad = || CommandError::usage(format!("`{text}` is no hash")).hint("a head has 64 hexadecimal digits");
    Sha256::from_hex(text).ok_or_else(bad)
}

fn run_id(text: &str) -> Result<RunId> {
    let bad = || CommandError::usage(format!("`{text}` is no run")).hint("give the whole id");
    RunId::parse(text).ok_or_else(bad)
}

fn human(verdict: &Verdict, out: &Stream) -> String {
    let mut shown = String::new();
    let mut line = |label: &str, said: &str| {
        let label = text::pad(label, 11);
        for (at, part) in text::wrap(&visible(said), out.width.saturating_sub(12)).iter().enumerate() {
            let label = if at == 0 { out.paint(Tone::Dim, &label) } else { " ".repeat(11) };
            shown.push_str(&format!("{label} {part}\n"));
        }
    };
    let by = verdict.by.as_deref().unwrap_or("?");
    line("run", &format!("{} ({})", verdict.run, verdict.runbook.as_deref().unwrap_or("?")));
    if let Some(started) = verdict.started {
        line("started", &format!("{} by {by}", time(started)));
    }
    line("intact", &answer(verdict, About::Intact));
    line("complete", &answer(verdict, About::Complete));
    if let Some(head) = verdict.head {
        line("head", &format!("{} (event {})", head.hash, head.ordinal));
    }
    line("noted", &noted(verdict.noted));
    line("signed", no(verdict.signed));
    line("anchored", no(verdict.anchored));
    for finding in &verdict.findings {
        let what = match finding.about {
            About::Intact => "altered",
            About::Complete => "missing",
        };
        line(what, &format!("line {}: {}", finding.line, finding.what));
    }
    for left in &verdict.cannot_tell {
        line("cannot tell", left);
    }
    shown
}

fn answer(verdict: &Verdict, about: About) -> String {
    let many = |count: u64, thing| text::many(usize::try_from(count).unwrap_or(usize::MAX), thing);
    let (events, blobs) = (many(verdict.events, "event"), many(verdict.blobs, "blob"));
    let found = verdict.findings.iter().filter(|finding| finding.about == about).count();
    match (about, found) {
        (About::Intact, 0) => format!("yes: {events} and {blobs} match their hashes and their chain"),
        (About::Complete, 0) => {
            let outcome = verdict.outcome.as_ref().map_or("?", |outcome| outcome.name());
            format!("yes: from `started` to `ended` ({outcome})")
        }
        (_, found) => format!("no: {}", text::many(found, "finding")),
    }
}

fn noted(noted: Noted) -> String {
    match noted {
        Noted::NotGiven => "no head was given".to_owned(),
        Noted::Found { event } => format!("the head given is event {event}: up to there nothing was changed since"),
        Noted::Missing => "the head given is none of its events".to_owned(),
    }
}

fn no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
