//! From what was typed to a run that could begin: the runbook found and checked, its inputs filled in, and the inventory
//! trusted where the runbook uses it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluice_engine::diagnostic::{Diagnostic, render};
use sluice_engine::inventory::Inventory;
use sluice_engine::runbook::checked::{InputKind, Trigger};
use sluice_engine::runbook::{Checked, Given, load_book, resolve_inputs};
use sluice_plugin::Power;

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::find::{self, Found};
use crate::library::{Files, book};
use crate::{builtin, inventory, paths, safety, trust, views};

/// Everything a run is started from.
pub(crate) struct Prepared {
    pub(crate) runbook: Arc<Checked>,
    pub(crate) origin: String,
    pub(crate) inputs: Value,
}

/// `-i name=value`, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    name: String,
    value: String,
}

/// `10m`, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Duration);

impl Time {
    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        sluice_plugin::parse_duration(text).map(Self)
    }
}

impl Pair {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

impl std::str::FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("an input is given as NAME=VALUE".to_owned()),
        }
    }
}

/// Everything that is wrong is said, and nothing has begun.
pub(crate) fn prepare(context: &Context, wanted: &str, pairs: &[Pair]) -> Result<Prepared> {
    let found = find(context, wanted)?;
    let runbook = check(context, &found)?;
    if !runbook.triggers.contains(&Trigger::Cli) {
        return Err(CommandError::refused(format!("the runbook {} may not be started from here", runbook.name))
            .hint("its `triggers` do not list `cli`"));
    }
    let inventory = match uses_inventory(context, &runbook)? {
        true => trusted(context, &runbook)?,
        false => Inventory::default(),
    };
    let inputs = inputs(context, &runbook, &found, (pairs, &inventory))?;
    secrets(&runbook, &inventory, &inputs)?;
    Ok(Prepared { runbook: Arc::new(runbook), origin: found.origin, inputs })
}

/// For a world that exists in memory only: nothing of the inventory is reached, so it need not be trusted, and no secret has
/// to be there.
#[cfg(feature = "simulate")]
pub(crate) fn prepare_to_simulate(context: &Context, wanted: &str, pairs: &[Pair]) -> Result<Prepared> {
    let found = find(context, wanted)?;
    let runbook = check(context, &found)?;
    let what = format!("a simulation of {}", runbook.name);
    let inventory = context.inventory()?.ok_or_else(|| no_inventory(&what))?;
    let inputs = inputs(context, &runbook, &found, (pairs, &inventory.inventory))?;
    Ok(Prepared { runbook: Arc::new(runbook), origin: found.origin, inputs })
}

fn inputs(
    context: &Context,
    runbook: &Checked,
    found: &Found,
    (pairs, inventory): (&[Pair], &Inventory),
) -> Result<Value> {
    let mut given = given(pairs)?;
    thresholds(context, runbook, found, &mut given)?;
    resolve_inputs(runbook, &given, inventory).map_err(|found| inputs_error(runbook, found))
}

/// The runbook alone, for whoever only reads in it.
#[cfg(feature = "aws")]
pub(crate) fn checked(context: &Context, wanted: &str) -> Result<Checked> {
    check(context, &find(context, wanted)?)
}

/// The runbook of this name or path, safe from others. Says so when it hides one that is built in. A name means a file
/// beside the inventory only when that is trusted: else whoever wrote the folder would decide what is run.
fn find(context: &Context, wanted: &str) -> Result<Found> {
    let inventory = context.inventory()?;
    let folder = inventory.map(inventory::Found::folder);
    if let Some((inventory, file)) = inventory.zip(folder.and_then(|folder| find::file_beside(wanted, folder)))
        && !context.is_trusted(inventory)?
    {
        return instead(context, wanted, inventory, &file);
    }
    let found = find::runbook(wanted, folder)?;
    if let Some(path) = &found.path {
        safe(&format!("the runbook {}", found.source.name()), path)?;
    }
    if found.hides_builtin {
        context.note(&format!("{} is run, and hides the built-in runbook `{wanted}`", found.source.name()));
    }
    Ok(found)
}

/// What a name means when the file it would mean stands beside an inventory that counts for nothing.
fn instead(context: &Context, wanted: &str, inventory: &inventory::Found, file: &Path) -> Result<Found> {
    let file = paths::shown(file);
    if builtin::text(wanted).is_none() {
        let what = format!("the runbook {file}");
        let trusted = trust::require(inventory, &what);
        let error = trusted.err().unwrap_or_else(|| CommandError::refused(what));
        return Err(
            error.hint(format!("to run it without the inventory, name it by its path: {}", trust::quoted(&file)))
        );
    }
    context.note(&format!(
        "{file} stands beside an inventory that is not trusted; the built-in `{wanted}` is run instead"
    ));
    find::runbook(wanted, None)
}

/// Fails when somebody else could have written the file.
pub(crate) fn safe(what: &str, path: &Path) -> Result<()> {
    safety::check_alone(path).map_err(|problem| {
        CommandError::refused(format!("{what} is not safe to use: {problem}"))
            .hint(format!("mend it with `{}`", problem.mend))
    })
}

/// Reads and checks it; warnings are shown.
fn check(context: &Context, found: &Found) -> Result<Checked> {
    let files = Files::of_run(context);
    let loaded = load_book(&book(found), &*context.registry()?, &files)
        .map_err(|diagnostics| CommandError::invalid(&format!("the runbook {}", found.source.name()), diagnostics))?;
    for warning in &loaded.warnings {
        views::err(&(render(warning, context.screen.err.engine_paint()) + "\n"));
    }
    files.notes().iter().for_each(|note| context.note(note));
    Ok(loaded.runbook)
}

/// A run that was begun with the inventory's clusters goes on only under a trusted one, which says what is granted.
pub(crate) fn may_resume(context: &Context, runbook: &Checked, inputs: &Value) -> Result<()> {
    if !uses_inventory(context, runbook)? {
        return Ok(());
    }
    let what = format!("a run of {}", runbook.name);
    let found = context.inventory()?.ok_or_else(|| no_inventory(&what))?;
    trust::require(found, &what)?;
    secrets(runbook, &found.inventory, inputs)
}

/// Whether anything of it is the inventory's to say: clusters (nodes come from them), secrets, and where the plugins
/// connect to that open connections of their own. Those use the user's credentials, and no grant holds them back.
pub(crate) fn uses_inventory(context: &Context, runbook: &Checked) -> Result<bool> {
    let called = runbook.called();
    let mut inputs = runbook.inputs.values().chain(called.iter().flat_map(|call| call.runbook.inputs.values()));
    let cluster = inputs.any(|input| matches!(input.kind, InputKind::Cluster));
    if cluster || !runbook.secrets().is_empty() {
        return Ok(true);
    }
    let registry = context.registry()?;
    let mut actions = runbook.actions.keys().filter_map(|name| registry.action(name));
    Ok(actions.any(|action| action.plugin.powers().iter().any(|power| power.kind == Power::NETWORK)))
}

/// Every secret that the runbook names is there and granted.
fn secrets(runbook: &Checked, inventory: &Inventory, inputs: &Value) -> Result<()> {
    let found = runbook.secret_errors(inventory, inputs);
    let what = || format!("what the runbook {} wants of the inventory", runbook.name);
    if found.is_empty() { Ok(()) } else { Err(CommandError::invalid(&what(), found)) }
}

fn trusted(context: &Context, runbook: &Checked) -> Result<Inventory> {
    let what = format!("the runbook {}", runbook.name);
    let inventory = context.inventory()?.ok_or_else(|| no_inventory(&what))?;
    trust::require(inventory, &what)?;
    Ok(inventory.inventory.clone())
}

fn no_inventory(what: &str) -> CommandError {
    CommandError::usage(format!("{what} needs an inventory, and there is none from here upwards"))
        .hint("write a sluice.yaml beside your runbooks, or name one with --inventory or SLUICE_INVENTORY")
        .hint("three lines are enough: clusters: { NAME: { nodes: 3, aws: { region: REGION } } }")
}

fn given(pairs: &[Pair]) -> Result<BTreeMap<String, Given>> {
    let mut given = BTreeMap::new();
    for pair in pairs {
        if given.insert(pair.name.clone(), Given::Text(pair.value.clone())).is_some() {
            return Err(CommandError::usage(format!("the input `{}` is given twice", pair.name)));
        }
    }
    Ok(given)
}

/// Puts the rows of a threshold file in the place of its path: the one that was given, or the one that counts without.
fn thresholds(context: &Context, runbook: &Checked, found: &Found, given: &mut BTreeMap<String, Given>) -> Result<()> {
    let wanted = runbook.inputs.iter().filter(|(_, input)| matches!(input.kind, InputKind::Thresholds));
    for (name, input) in wanted {
        let rows = match given.get(name) {
            Some(Given::Text(path)) => Files::of_run(context).rows_at(Path::new(path))?,
            Some(Given::Value(_)) => continue,
            None => Files::of_run(context).rows(&book(found), input.default.as_ref().and_then(Value::as_str))?,
        };
        given.insert(name.clone(), Given::Value(rows));
    }
    Ok(())
}

fn inputs_error(runbook: &Checked, diagnostics: Vec<Diagnostic>) -> CommandError {
    CommandError::invalid(&format!("what was given for {}", runbook.name), diagnostics)
}
