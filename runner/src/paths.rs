//! Where Sluice keeps things of this user: state, trust, private files. Nothing is made here.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{CommandError, Result};

/// `$XDG_STATE_HOME/sluice`, else `~/.local/state/sluice`.
pub(crate) fn state() -> Result<PathBuf> {
    match absolute("XDG_STATE_HOME") {
        Some(base) => Ok(base.join("sluice")),
        None => Ok(home()?.join(".local/state/sluice")),
    }
}

/// `$XDG_CACHE_HOME/sluice`, else `~/.cache/sluice`. All of it can be made again.
#[cfg(feature = "wasm")]
pub(crate) fn cache() -> Result<PathBuf> {
    match absolute("XDG_CACHE_HOME") {
        Some(base) => Ok(base.join("sluice")),
        None => Ok(home()?.join(".cache/sluice")),
    }
}

/// Where runs keep what must not outlive them: in memory where the system offers that, else beside the state.
pub(crate) fn private() -> Result<PathBuf> {
    match runtime_folder() {
        Some(base) => Ok(base.join("sluice")),
        None => beside_state(),
    }
}

/// Everywhere that a run of this user may have kept them: a login has a runtime folder, a job of cron has none.
pub(crate) fn all_private() -> Vec<PathBuf> {
    let of_login = PathBuf::from(format!("/run/user/{}", nix::unistd::geteuid()));
    let mut bases: Vec<PathBuf> =
        runtime_folder().into_iter().chain([of_login]).map(|base| base.join("sluice")).collect();
    bases.extend(beside_state());
    bases.dedup();
    bases
}

fn runtime_folder() -> Option<PathBuf> {
    let mine = |path: &PathBuf| path.metadata().is_ok_and(|found| found.uid() == nix::unistd::geteuid().as_raw());
    absolute("XDG_RUNTIME_DIR").filter(mine)
}

fn beside_state() -> Result<PathBuf> {
    Ok(state()?.join("private"))
}

/// `~` and `~/..` as the shell understands them; what is relative is relative to `base`.
pub(crate) fn expand(text: &str, base: &Path) -> Result<PathBuf> {
    match text.strip_prefix('~') {
        Some("") => home(),
        Some(rest) if rest.starts_with('/') => Ok(home()?.join(rest.trim_start_matches('/'))),
        _ => Ok(base.join(text)),
    }
}

pub(crate) fn home() -> Result<PathBuf> {
    absolute("HOME").ok_or_else(|| {
        CommandError::failed("the environment variable HOME is not set")
            .hint("Sluice keeps its state in XDG_STATE_HOME or below HOME; set one of them")
    })
}

/// How a path is shown: relative to the current folder where it lies in it.
pub(crate) fn shown(path: &Path) -> String {
    let inside = env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    inside.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| path.to_owned()).display().to_string()
}

/// The specification says that a relative path is to be ignored.
fn absolute(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
