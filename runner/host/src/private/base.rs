//! The folder under which all runs of this user keep their private files, and whether it is safe to do so.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sluice_plugin::PRIVATE_MARK;

use super::{PrivateError, failed};

/// Makes the base when it is not there, and refuses one that another user can reach.
pub(super) fn ensure(base: &Path) -> Result<(), PrivateError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(base)
        .map_err(|source| failed("make the folder for private files", base, source))?;
    let found = base.symlink_metadata().map_err(|source| failed("look at", base, source))?;
    if let Some(why) = unsafe_base(&found) {
        return Err(PrivateError::Unsafe { path: base.to_owned(), why });
    }
    let real = base.canonicalize().map_err(|source| failed("look at", base, source))?;
    for above in real.ancestors().skip(1) {
        let found = above.symlink_metadata().map_err(|source| failed("look at", above, source))?;
        if let Some(why) = unsafe_above(&found) {
            return Err(PrivateError::Unsafe { path: above.to_owned(), why });
        }
    }
    mark(base).map_err(|source| failed("mark", base, source))
}

fn unsafe_base(found: &Metadata) -> Option<String> {
    if !found.is_dir() {
        return Some("private files need a folder here, and this is something else; remove it".to_owned());
    }
    if found.uid() != geteuid().as_raw() {
        return Some(format!("private files need a folder of this user, and it belongs to user {}", found.uid()));
    }
    let open = found.mode() & 0o077 != 0;
    open.then(|| format!("other users can reach it (mode {:o}); `chmod 700` it", found.mode() & 0o777))
}

/// Who can write in a folder above could put another one in our place, unless it is sticky, as /tmp is.
fn unsafe_above(found: &Metadata) -> Option<String> {
    let ours = found.uid() == geteuid().as_raw() || found.uid() == 0;
    if !ours {
        return Some(format!("it is above the private files and belongs to user {}", found.uid()));
    }
    let writable = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
    writable
        .then(|| format!("it is above the private files and others can write in it (mode {:o})", found.mode() & 0o777))
}

/// Tells plugins that deal with files to keep out.
fn mark(base: &Path) -> io::Result<()> {
    let path: PathBuf = base.join(OsStr::new(PRIVATE_MARK));
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
