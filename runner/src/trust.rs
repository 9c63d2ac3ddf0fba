//! Which inventories this user trusts: their digests, pinned in the state folder together with the text that was shown.
//!
//! An inventory says where secrets are, what plugins may reach and which account is acted in. So one that merely lies
//! in a folder somebody works in counts for nothing until a person has looked at it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sluice_engine::ids::Sha256;
pub(crate) use sluice_plugin::by_hand::quoted;

use crate::error::{CommandError, Result};
use crate::inventory::Found;
use crate::{paths, safety};

/// What is known of one inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Trusted,
    /// Nobody ever looked at it.
    New,
    /// It is not what somebody looked at; this is the text they saw.
    Changed {
        before: String,
    },
}

/// What is written down of a trusted inventory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    path: PathBuf,
    sha256: Sha256,
    /// Whole, so that a change can be shown. An inventory holds no secrets.
    text: String,
}

/// Fails unless the inventory is trusted as it is now, and safe from others. `what` is what needs it.
pub(crate) fn require(found: &Found, what: &str) -> Result<()> {
    safe(found)?;
    let (state, look) = match state(found)? {
        Trust::Trusted => return Ok(()),
        Trust::New => ("is not trusted", "look at what it asks and trust it"),
        Trust::Changed { .. } => ("has changed since it was trusted", "look at the change and trust it"),
    };
    Err(CommandError::refused(format!("{what} needs the inventory {}, which {state}", found.shown()))
        .hint(format!("{look}: {}", command(found)))
        .hint(format!("without a terminal, after reading the file: {} --digest {}", command(found), found.digest)))
}

/// Fails when somebody else could have written it.
pub(crate) fn safe(found: &Found) -> Result<()> {
    safety::check(&found.path).map_err(|problem| {
        CommandError::refused(format!("the inventory {} is not safe to use: {problem}", found.shown()))
            .hint(format!("mend it with `{}`", problem.mend))
    })
}

pub(crate) fn state(found: &Found) -> Result<Trust> {
    let file = pin_file(found)?;
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Trust::New),
        Err(error) => return Err(cannot("read", &file, &error)),
    };
    // One that cannot be understood trusts nothing.
    let Ok(pin) = serde_json::from_str::<Pin>(&text) else { return Ok(Trust::New) };
    Ok(if pin.path != found.path {
        Trust::New
    } else if pin.sha256 == found.digest {
        Trust::Trusted
    } else {
        Trust::Changed { before: pin.text }
    })
}

/// Writes down that a person looked at exactly this inventory.
pub(crate) fn pin(found: &Found) -> Result<()> {
    let file = pin_file(found)?;
    let pin = Pin { path: found.path.clone(), sha256: found.digest, text: found.source.text().to_owned() };
    let text = serde_json::to_vec_pretty(&pin)
        .map_err(|error| CommandError::failed(format!("the inventory's path cannot be written down: {error}")))?;
    let folder = folder()?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| cannot("make", &folder, &error))?;
    let new = file.with_extension("new");
    let write = || {
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&new, &file)
    };
    write().map_err(|error| cannot("write", &file, &error))
}

/// What to type to have it shown and trusted.
pub(crate) fn command(found: &Found) -> String {
    format!("sluice trust --inventory {}", quoted(&found.path.display().to_string()))
}

fn folder() -> Result<PathBuf> {
    Ok(paths::state()?.join("trust"))
}

fn pin_file(found: &Found) -> Result<PathBuf> {
    let name = Sha256::of(found.path.as_os_str().as_encoded_bytes());
    Ok(folder()?.join(format!("{name}.json")))
}

fn cannot(verb: &str, path: &std::path::Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("cannot {verb} {}: {error}", path.display()))
}
