//! `sluice check`

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sluice_engine::diagnostic::{Code, Diagnostic, Severity, render, visible};
use sluice_engine::inventory::{Basis, Inventory};
use sluice_engine::runbook::{Checked, load_book};

use crate::context::Context;
use crate::error::{CommandError, Exit, Kind, Result};
use crate::find;
use crate::inventory;
use crate::library::{Files, book};
use crate::screen::Tone;
use crate::views;
use crate::views::table::Table;

const AFTER: &str = "\
Nothing is run and nothing outside is asked. All errors are shown at once; `sluice explain CODE` tells \
more about each. The inventory is checked too, when there is one. Exit code 0: all good, 2: errors.

Examples:
  sluice check health-check
  sluice check runbooks/*.yaml
  sluice check --assumptions          what the inventory leaves to defaults, and which are guesses";

/// Check runbooks and the inventory
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Names or paths; without any, only the inventory is checked
    #[arg(value_name = "RUNBOOK")]
    runbooks: Vec<String>,

    /// List the defaults that the clusters of the inventory rely on
    #[arg(long)]
    assumptions: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document {
    /// False with at least one error; warnings leave it true.
    valid: bool,
    findings: Vec<Finding>,
    /// With `--assumptions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    assumptions: Option<Vec<Assumed>>,
}

#[derive(Serialize, JsonSchema)]
struct Finding {
    /// Durable; `sluice explain CODE` tells more.
    code: &'static str,
    /// `error` or `warning`.
    severity: &'static str,
    message: String,
    file: Option<String>,
    /// Counts from 1, as the column does.
    line: Option<usize>,
    column: Option<usize>,
    help: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Assumed {
    cluster: String,
    /// The key of the cluster that is not written.
    key: &'static str,
    /// What is taken instead.
    value: String,
    /// `documented` or `guess`.
    basis: &'static str,
    why: &'static str,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let (inventory, mut findings) = match context.inventory() {
        Ok(found) => (found, Vec::<Diagnostic>::new()),
        Err(error) if error.kind == Kind::Invalid => (None, error.diagnostics),
        Err(error) => return Err(error),
    };
    if args.runbooks.is_empty() && inventory.is_none() && findings.is_empty() {
        return Err(CommandError::usage("there is nothing to check: no runbook was named and no inventory found"));
    }
    let known = context.registry()?;
    let mut checked: Vec<String> = inventory.iter().map(|found| found.shown()).collect();
    // One that is not valid stands where it stands: its mistakes must not hide the runbooks beside it.
    let place = inventory::place(context.global.inventory.as_deref())?;
    for wanted in &args.runbooks {
        match find::runbook(wanted, place.as_deref().and_then(Path::parent)) {
            Ok(found) => {
                checked.push(found.source.name().to_owned());
                let files = Files::to_look_at(place.as_deref().and_then(Path::parent));
                let found = load_book(&book(&found), &*known, &files).map(|loaded| {
                    checked.extend(calls(&loaded.runbook, "", 1));
                    let secrets = inventory.iter().flat_map(|found| unready(&loaded.runbook, &found.inventory));
                    loaded.warnings.into_iter().chain(secrets).collect()
                });
                // What several call is told once.
                let found = found.unwrap_or_else(|found| found);
                let new: Vec<Diagnostic> = found.into_iter().filter(|one| !findings.contains(one)).collect();
                findings.extend(new);
            }
            Err(error) if error.kind == Kind::Invalid => findings.extend(error.diagnostics),
            Err(error) => findings.push(not_found(&error)),
        }
    }
    let assumptions = args.assumptions.then(|| inventory.map(|found| assumed(&found.inventory)).unwrap_or_default());
    let valid = !findings.iter().any(Diagnostic::is_error);
    if args.json {
        let findings = findings.iter().map(finding).collect();
        views::json(&Document { valid, findings, assumptions })?;
        return Ok(if valid { Exit::DONE } else { Exit(CommandError::new(Kind::Invalid, "").exit()) });
    }
    show(context, &checked, findings, assumptions)
}

/// What a run of it would be refused for here, as long as no input leaves out the steps that want it.
fn unready(runbook: &Checked, inventory: &Inventory) -> Vec<Diagnostic> {
    let errors = runbook.secret_errors(inventory, &Value::Null);
    errors.into_iter().map(|found| Diagnostic { severity: Severity::Warning, ..found }).collect()
}

/// What the runbook calls, by the address of the step, each with what that calls.
fn calls(runbook: &Checked, above: &str, depth: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, call) in runbook.calls_by_key() {
        let key = format!("{above}{key}");
        lines.push(format!("{:1$}{key} calls {2}: {3}", "", depth * 2, call.name, call.origin));
        lines.extend(calls(&call.runbook, &format!("{key}/"), depth + 1));
    }
    lines
}

fn show(
    context: &Context,
    checked: &[String],
    found: Vec<Diagnostic>,
    assumptions: Option<Vec<Assumed>>,
) -> Result<Exit> {
    let err = &context.screen.err;
    if found.iter().any(Diagnostic::is_error) {
        return Err(CommandError::invalid("what was checked", found));
    }
    let warnings: String = found.iter().map(|one| render(one, err.engine_paint()) + "\n").collect();
    // Warnings are for a person; the answer is the exit code.
    views::err(&warnings);
    if let Some(assumptions) = assumptions {
        return show_assumptions(context, &assumptions);
    }
    for name in checked {
        // What is called stands below, by the step that calls it.
        let sign = if name.starts_with(' ') { " ".to_owned() } else { views::sign::Sign::Done.on(&context.screen.out) };
        views::out(&format!("{sign} {}\n", visible(name)))?;
    }
    Ok(Exit::DONE)
}

fn show_assumptions(context: &Context, assumptions: &[Assumed]) -> Result<Exit> {
    let out = &context.screen.out;
    if assumptions.is_empty() {
        views::out("no cluster relies on a default\n")?;
        return Ok(Exit::DONE);
    }
    let cells = |one: &Assumed| {
        vec![one.cluster.clone(), one.key.to_owned(), one.value.clone(), one.basis.to_owned(), one.why.to_owned()]
    };
    let head = ["cluster", "key", "taken instead", "basis", "why"].map(str::to_owned).to_vec();
    let tone = |row: usize, _: usize| assumptions.get(row).filter(|one| one.basis == "guess").map(|_| Tone::Warn);
    views::out(&Table { head, rows: assumptions.iter().map(cells).collect(), tone: &tone }.show(out, 0))?;
    let guesses = assumptions.iter().filter(|one| one.basis == "guess").count();
    if guesses > 0 {
        context.note(&format!(
            "{} in use: write the key into the inventory once you know",
            if guesses == 1 { "1 guess".to_owned() } else { format!("{guesses} guesses") }
        ));
    }
    Ok(Exit::DONE)
}

fn assumed(inventory: &Inventory) -> Vec<Assumed> {
    let one =
        |(cluster, one): (&sluice_engine::inventory::ClusterName, &sluice_engine::inventory::Assumption)| Assumed {
            cluster: cluster.to_string(),
            key: one.key,
            value: one.value.clone(),
            basis: match one.basis {
                Basis::Documented => "documented",
                Basis::Guess => "guess",
            },
            why: one.why,
        };
    inventory.assumptions().map(one).collect()
}

/// A runbook that is not there, or cannot be read.
fn not_found(error: &CommandError) -> Diagnostic {
    let found = Diagnostic::error(Code::NoRunbook, error.message.clone());
    if error.hints.is_empty() { found } else { found.help(error.hints.join("; ")) }
}

fn finding(found: &Diagnostic) -> Finding {
    let place =
        found.source.as_ref().zip(found.labels.first()).map(|(source, label)| source.position(label.span.start));
    Finding {
        code: found.code.as_str(),
        severity: if found.is_error() { "error" } else { "warning" },
        message: found.message.clone(),
        file: found.source.as_ref().map(|source| source.name().to_owned()),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        help: found.help.clone(),
    }
}
