//! Which runbook a person means: a path, a name beside the inventory, or one that is built in.
//!
//! Whether what stands beside an inventory may be run is not known here.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_engine::diagnostic::{did_you_mean, visible};
use sluice_engine::runbook::RunbookName;
use sluice_engine::source::Source;
use sluice_engine::yaml;

use crate::builtin;
use crate::error::{CommandError, Result};
use crate::paths;

/// A runbook's text and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) source: Source,
    /// For people and for the journal: a path, or `built in`.
    pub(crate) origin: String,
    /// `None` of a built-in one.
    pub(crate) path: Option<PathBuf>,
    /// It stands where a built-in one of the same name would have been found.
    pub(crate) hides_builtin: bool,
}

/// Looks for `wanted`: with a slash or `.yaml` it is a path, else a name. `beside` is the inventory's folder.
pub(crate) fn runbook(wanted: &str, beside: Option<&Path>) -> Result<Found> {
    if is_path(wanted) {
        return file(Path::new(wanted));
    }
    if let Err(error) = RunbookName::parse(wanted) {
        return Err(
            CommandError::usage(error.to_string()).hint("a runbook in a file is named by its path, with `.yaml`")
        );
    }
    let file = beside.and_then(|folder| file_beside(wanted, folder));
    match (file, builtin::text(wanted)) {
        (Some(file), builtin) => Ok(Found { hides_builtin: builtin.is_some(), ..self::file(&file)? }),
        (None, Some(text)) => Ok(Found {
            source: Source::new(format!("{wanted}.yaml (built in)"), text),
            origin: "built in".to_owned(),
            path: None,
            hides_builtin: false,
        }),
        (None, None) => Err(unknown(wanted, beside)),
    }
}

/// The file that this name would mean beside an inventory in `folder`.
pub(crate) fn file_beside(wanted: &str, folder: &Path) -> Option<PathBuf> {
    let named = !is_path(wanted) && RunbookName::parse(wanted).is_ok();
    candidates(folder, wanted).into_iter().find(|path| named && path.is_file())
}

/// Whether this names a file, and not a runbook.
pub(crate) fn is_path(wanted: &str) -> bool {
    wanted.contains('/') || wanted.ends_with(".yaml") || wanted.ends_with(".yml")
}

/// The names that can be run from here, for lists and suggestions.
pub(crate) fn names(beside: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = builtin::names().map(str::to_owned).collect();
    let folders = beside.map(|folder| [folder.join("runbooks"), folder.to_owned()]).into_iter().flatten();
    for entry in folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let file = entry.file_name();
        let stem = file.to_str().and_then(|file| file.strip_suffix(".yaml"));
        let named = stem.filter(|stem| *stem != "sluice" && RunbookName::parse(stem).is_ok());
        names.extend(named.map(str::to_owned));
    }
    names.sort();
    names.dedup();
    names
}

fn candidates(folder: &Path, name: &str) -> [PathBuf; 2] {
    let file = format!("{name}.yaml");
    [folder.join("runbooks").join(&file), folder.join(file)]
}

/// The runbook in this file.
pub(crate) fn file(path: &Path) -> Result<Found> {
    file_from(path, "the current folder")
}

/// The same for a path that was written from somewhere else, as an error says.
pub(crate) fn file_from(path: &Path, from: &str) -> Result<Found> {
    let name = paths::shown(path);
    // What is looked at, and later judged by its owner and mode, is what is read: no link is followed twice.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let bytes = fs::read(path).map_err(|error| {
        let error = CommandError::usage(format!("cannot read the runbook {}: {error}", visible(&name)));
        if Path::new(&name).is_absolute() { error } else { error.hint(format!("the path is relative to {from}")) }
    })?;
    let source = yaml::read(&name, &bytes)
        .map_err(|found| CommandError::invalid(&format!("the runbook {name}"), vec![found]))?;
    Ok(Found { source, origin: path.display().to_string(), path: Some(path.clone()), hides_builtin: false })
}

fn unknown(wanted: &str, beside: Option<&Path>) -> CommandError {
    let names = names(beside);
    let error = CommandError::usage(format!("there is no runbook `{wanted}`"));
    let error = match did_you_mean(wanted, names.iter().map(String::as_str)) {
        Some(meant) => error.hint(meant),
        None => error,
    };
    let places = match beside {
        Some(folder) => {
            let folder = paths::shown(folder);
            format!("looked for runbooks/{wanted}.yaml and {wanted}.yaml in {folder}, then among the built-in ones")
        }
        None => {
            "no inventory was found from here upwards, so only built-in runbooks have names; give a path".to_owned()
        }
    };
    error.hint(places).hint(format!("there are: {}", names.join(", ")))
}
