//! A plan as a document: what `sluice plan --json` prints and `--save` writes, and how a saved one is read back.
//!
//! A saved plan is the user's own file and unsigned. Its digests are recomputed, so that one that was damaged says so; who
//! altered it on purpose can recompute them too, so a file that others can write is not read at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_engine::run::{Changes, Clock as _, Counts, Plan};

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::prepare::Prepared;
use crate::report::{given, time};
use crate::{paths, trust};

/// The form of the document that is written. A reader refuses a higher one.
const FORM: u32 = 1;

/// What a run would do, with where and when it was planned. `digest` covers what is bound and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PlanDocument {
    /// The form of this document: 1.
    pub(crate) sluice_plan: u32,
    /// The version of Sluice that made it.
    pub(crate) sluice: String,
    /// When it was made: RFC 3339, UTC.
    pub(crate) made: String,
    /// Who made it: `ana@laptop`.
    pub(crate) by: String,
    /// What has to be typed to give the same inputs again.
    pub(crate) given: Vec<String>,
    pub(crate) counts: Counts,
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// With `--against`: what differs from the saved plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Changes>,
}

impl PlanDocument {
    pub(crate) fn new(context: &Context, prepared: &Prepared, plan: Plan) -> Self {
        Self {
            sluice_plan: FORM,
            sluice: env!("CARGO_PKG_VERSION").to_owned(),
            made: time(WallClock.now()),
            by: context.actor(),
            given: given(&prepared.runbook, &plan.inputs),
            counts: plan.counts(),
            plan,
            against: None,
        }
    }

    /// Reads a saved plan and recomputes its digests.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = paths::shown(path);
        let text =
            read_private(path).map_err(|why| CommandError::usage(format!("cannot read the plan {name}: {why}")))?;
        let no_plan = |why: String| {
            CommandError::refused(format!("{name} is not a saved plan: {why}"))
                .hint("a plan is saved with `sluice plan RUNBOOK --save FILE`")
        };
        let value: Value = serde_json::from_str(&text).map_err(|error| no_plan(error.to_string()))?;
        match value.get("sluice_plan").and_then(Value::as_u64) {
            Some(form) if form == u64::from(FORM) => {}
            Some(form) => {
                let message = format!("the plan {name} has form {form}, and this Sluice reads form {FORM}");
                return Err(CommandError::refused(message).hint("make the plan again with this version"));
            }
            None => return Err(no_plan("it has no `sluice_plan`".to_owned())),
        }
        let document = Self::deserialize(value).map_err(|error| no_plan(error.to_string()))?;
        document.plan.verify().map_err(|altered| {
            CommandError::refused(format!("the plan {name} was altered after it was saved: {altered}"))
                .hint("make the plan again")
        })?;
        Ok(document)
    }

    /// Writes it for its owner alone. A file that is there stays, unless `overwrite` says otherwise.
    pub(crate) fn save(&self, path: &Path, overwrite: bool) -> Result<()> {
        let name = paths::shown(path);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| CommandError::failed(format!("the plan cannot be written as JSON: {error}")))?;
        write(path, text + "\n", overwrite).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CommandError::refused(format!("{name} is there already"))
                .hint("name another file, or overwrite it with --overwrite"),
            _ => CommandError::failed(format!("cannot write the plan to {name}: {error}")),
        })
    }
}

/// The text of a file that is the user's own.
pub(crate) fn read_private(path: &Path) -> std::result::Result<String, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    let me = nix::unistd::geteuid().as_raw();
    if !found.is_file() {
        return Err("it is no file".to_owned());
    }
    if found.uid() != me && found.uid() != 0 {
        return Err("it belongs to another user, who may have altered it".to_owned());
    }
    if found.mode() & 0o022 != 0 {
        let mend = trust::quoted(&path.display().to_string());
        return Err(format!("other users can write it, so it may have been altered; `chmod go-w {mend}`"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Writes something for its owner alone, where nothing is yet.
pub(crate) fn write_private(path: &Path, text: String, what: &str) -> Result<()> {
    let name = paths::shown(path);
    write(path, text, false).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::refused(format!("{name} is there already")).hint("name another file")
        }
        _ => CommandError::failed(format!("cannot write {what} to {name}: {error}")),
    })
}

/// Whole or not at all.
fn write(path: &Path, text: String, overwrite: bool) -> io::Result<()> {
    let new = beside(path);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link is made only where nothing is, at one stroke; a rename takes the place of what is there.
        if overwrite { fs::rename(&new, path) } else { fs::hard_link(&new, path) }
    })();
    // After a rename it is gone already.
    let _ = fs::remove_file(&new);
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.plan");
        write(&path, "one".into(), false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = write(&path, "two".into(), false).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_private(&path).unwrap(), "one");
        write(&path, "two".into(), true).unwrap();
        assert_eq!(read_private(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert_eq!(write(&link, "x".into(), false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn what_others_can_write_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.plan");
        write(&path, "{}".into(), false).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o620)).unwrap();
        assert!(read_private(&path).unwrap_err().contains("chmod go-w"));
        assert_eq!(read_private(folder.path()).unwrap_err(), "it is no file");
        assert!(read_private(&folder.path().join("none")).is_err());
    }
}
