//! Locks on open files and folders, so that two calls do not write into each other's work. They end with the process,
//! whatever ends it. Who writes there without asking for one is not known here.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_plugin::Problem;

use crate::files::failed;

/// For how long it is tried: whoever has one needs milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody else has it meanwhile.
    Alone,
    /// Beside others who only read.
    Beside,
}

/// An open file or folder that is ours until this is dropped. It is given back then, not only closed: a process that is being
/// started somewhere else in here has it open too for a moment.
pub(crate) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

pub(crate) fn hold(file: File, path: &Path, hold: Hold, until: Instant) -> Result<Locked, Problem> {
    loop {
        let tried = match hold {
            Hold::Alone => file.try_lock(),
            Hold::Beside => file.try_lock_shared(),
        };
        match tried {
            Ok(()) => return Ok(Locked(file)),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path, &error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Err(busy(path)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}

/// False when something else, or nothing, has come under the name since the file was opened.
pub(crate) fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let opened = file.metadata()?;
    Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino()))
}

pub(crate) fn busy(path: &Path) -> Problem {
    let message = format!("another call keeps {} locked; look for a second collector, or try again", path.display());
    Problem { path: Some("/path".to_owned()), ..Problem::not_applied("busy", message).retryable() }
}
