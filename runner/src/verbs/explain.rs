//! `sluice explain`

use sluice_engine::diagnostic::{Code, did_you_mean};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::screen::{Stream, Tone};
use crate::views;

const AFTER: &str = "\
Examples:
  sluice explain unknown-action
  sluice explain                 the list of all codes";

/// Explain the code of an error: what happened, likely causes, what to do
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// What stands in brackets: error[unknown-action]
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let out = &context.screen.out;
    let Some(wanted) = args.code else {
        let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
        let line = |code: &Code| format!("{:width$}  {}\n", code.as_str(), first_sentence(code.page()));
        views::out(&Code::ALL.iter().map(line).collect::<String>())?;
        return Ok(Exit::DONE);
    };
    let name = wanted.trim_start_matches("error").trim_start_matches("warning").trim_matches(['[', ']']);
    let Some(code) = Code::parse(name) else {
        let error = CommandError::usage(format!("there is no code `{name}`"));
        let error = match did_you_mean(name, Code::ALL.iter().map(|code| code.as_str())) {
            Some(meant) => error.hint(meant),
            None => error,
        };
        return Err(error.hint("`sluice explain` lists them all"));
    };
    views::out(&painted(code.page(), out))?;
    Ok(Exit::DONE)
}

/// Of the first part, whose lines are broken anywhere.
fn first_sentence(page: &str) -> String {
    let text = page.lines().skip_while(|line| line.is_empty() || line.starts_with('#'));
    let part = text.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let end = part.find(". ").unwrap_or(part.len());
    part[..end].trim_end_matches('.').to_owned()
}

/// Markdown is readable as it is; only titles stand out.
fn painted(page: &str, out: &Stream) -> String {
    let line = |line: &str| match line.strip_prefix("# ").or_else(|| line.strip_prefix("## ")) {
        Some(title) => format!("{}\n", out.paint(Tone::Strong, title)),
        None => format!("{line}\n"),
    };
    page.lines().map(line).collect()
}
