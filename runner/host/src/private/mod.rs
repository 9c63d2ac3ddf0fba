//! A run's private files: 0600, in a 0700 folder that no other user can reach and that goes when the run ends.
//!
//! The folder's owner is whoever holds its lock: the kernel lets go of it when the process dies, however it dies, so
//! [`sweep`] can tell what a killed process left behind from what a living one needs. No process id is guessed at.
//! It does not know what the files are for.

mod base;
mod name;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

pub use name::BadFileName;

/// The folder of one run in one process. Removed by [`PrivateFolder::remove`] and when dropped.
pub struct PrivateFolder {
    path: PathBuf,
    /// Open and locked as long as the folder is in use. `None` once it was removed.
    lock: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    #[error("{}: {why}", path.display())]
    Unsafe { path: PathBuf, why: String },
    #[error(transparent)]
    Name(#[from] BadFileName),
    #[error("the run has ended and its private files are gone")]
    Ended,
    #[error("{}: cannot {verb}: {source}", path.display())]
    Io { verb: &'static str, path: PathBuf, source: io::Error },
}

/// Two folders or files made at the same time get different names.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl PrivateFolder {
    /// Makes the folder of a run under `base`, which is made when it is not there. `base` must belong to this user,
    /// and nobody else may be able to write in it or to any folder above it.
    pub fn create(base: &Path, run: &str) -> Result<Self, PrivateError> {
        base::ensure(base)?;
        let run = name::component(run)?;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("{run}-{}-{count}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                // Left by a dead process that had our id: the next number is free.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(source) => return Err(failed("make the private folder", &path, source)),
            }
            if let Some(lock) = locked(&path)? {
                return Ok(Self { path, lock: Some(lock) });
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only this user can read. One of the same name is replaced at once, never half.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, PrivateError> {
        let parts = name::parts(name)?;
        let path = self.path.join(name);
        let lock = self.lock.as_ref().ok_or(PrivateError::Ended)?;
        place(lock, &parts, content).map_err(|source| failed("write", &path, source))?;
        Ok(path)
    }

    /// Removes the folder and everything in it. Doing it again does nothing.
    pub fn remove(&mut self) -> Result<(), PrivateError> {
        // The lock is held until the folder is gone, so that no sweep comes between.
        let Some(_lock) = self.lock.take() else { return Ok(()) };
        remove_tree(&self.path).map_err(|source| failed("remove", &self.path, source))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next sweep.
        let _ = self.remove();
    }
}

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Folders that are no more, in order.
    pub gone: Vec<PathBuf>,
    /// Those that could not be removed, or not wholly. One stubborn folder keeps no other.
    pub left: Vec<PrivateError>,
}

/// Removes the folders of processes that are no more; leaves those of living ones. A base that is not there is as good
/// as an empty one.
pub fn sweep(base: &Path) -> Result<Swept, PrivateError> {
    let mut swept = Swept::default();
    if !base.exists() {
        return Ok(swept);
    }
    base::ensure(base)?;
    for entry in std::fs::read_dir(base).map_err(|source| failed("read", base, source))? {
        let path = entry.map_err(|source| failed("read", base, source))?.path();
        // Only folders are runs; the mark and whatever a person put there stay. A link is never followed.
        let Ok(lock) = open_folder(&path) else { continue };
        if lock.try_lock().is_ok() {
            match remove_tree(&path) {
                Ok(()) => swept.gone.push(path),
                Err(source) => swept.left.push(failed("remove", &path, source)),
            }
        }
    }
    swept.gone.sort();
    Ok(swept)
}

/// The folder and everything in it. Where something in it cannot be removed, everything else is all the same.
fn remove_tree(path: &Path) -> io::Result<()> {
    if gone(std::fs::remove_dir_all(path)).is_ok() {
        return Ok(());
    }
    empty(path);
    gone(std::fs::remove_dir_all(path))
}

/// As far as it goes. A folder that a program of the session closed is opened first; a link is removed and not followed.
fn empty(folder: &Path) {
    let _ = std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            empty(&path);
            let _ = std::fs::remove_dir(&path);
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// `None` when a sweep of another process came between making and locking, and takes the folder away.
fn locked(path: &Path) -> Result<Option<File>, PrivateError> {
    let lock = match open_folder(path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("open", path, source)),
    };
    let mine = lock.metadata().map_err(|source| failed("look at", path, source))?.ino();
    // Looked at after locking: from then on no sweep removes it.
    let held = lock.try_lock().is_ok() && path.symlink_metadata().is_ok_and(|found| found.ino() == mine);
    Ok(held.then_some(lock))
}

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Every step starts from the open folder before it, so that no link put there meanwhile leads elsewhere.
fn place(folder: &File, parts: &[&str], content: &[u8]) -> io::Result<()> {
    let (last, folders) = parts.split_last().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut here: OwnedFd = folder.as_fd().try_clone_to_owned()?;
    for part in folders {
        here = enter(&here, part)?;
    }
    let temporary = format!(".{}.new", COUNT.fetch_add(1, Ordering::Relaxed));
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(&here, temporary.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    let written = file.write_all(content).and_then(|()| Ok(renameat(&here, temporary.as_str(), &here, *last)?));
    if written.is_err() {
        // What is half written must not stay behind; the first error is the one to hear of.
        let _ = unlinkat(&here, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    written
}

fn enter(here: &OwnedFd, part: &str) -> io::Result<OwnedFd> {
    match mkdirat(here, part, Mode::S_IRWXU) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(here, part, flags, Mode::empty())?)
}

/// Somebody else having removed it is as good as having removed it.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> PrivateError {
    PrivateError::Io { verb, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
