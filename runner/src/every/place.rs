//! What a process that ticks leaves on disk: one line that says how it goes, and the last ticks that failed. Both are bounded,
//! and neither is needed: a full disk stops no tick.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;

use crate::error::{CommandError, Result};
use crate::paths;

/// Of failed ticks; twice that with those before.
const FAILED_BYTES: u64 = 256 << 10;

/// Of one failed tick.
pub(super) const FAILED_LINE: usize = 32 << 10;

pub(super) struct Place {
    status: PathBuf,
    failed: PathBuf,
    /// Held for as long as the process lives.
    _alone: Flock<File>,
}

impl Place {
    /// Refuses where another process already ticks there.
    pub(super) fn claim(folder: &Path, name: &str) -> Result<Self> {
        let cannot = |what: &str, error: &dyn std::fmt::Display| {
            CommandError::failed(format!("cannot {what} {}: {error}", paths::shown(folder)))
        };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| cannot("make the folder", &error))?;
        let lock = folder.join(format!("{name}.lock"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let file = file.map_err(|error| cannot("write in", &error))?;
        let status = folder.join(format!("{name}.json"));
        let alone = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => {
                CommandError::refused("another process already runs the same at every interval")
                    .hint(format!("how it goes: {}", paths::shown(&status)))
            }
            other => cannot("lock a file in", &other),
        })?;
        Ok(Self { status, failed: folder.join(format!("{name}.failed.ndjson")), _alone: alone })
    }

    pub(super) fn status(&self) -> &Path {
        &self.status
    }

    pub(super) fn failed(&self) -> &Path {
        &self.failed
    }

    /// Whoever reads it sees the old line or the new one.
    pub(super) fn write(&self, status: &impl Serialize) -> io::Result<()> {
        let new = self.status.with_extension("json.new");
        let line = serde_json::to_string(status).map_err(io::Error::other)? + "\n";
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(line.as_bytes())?;
        fs::rename(&new, &self.status)
    }

    /// Adds a line about a failed tick, whole or not at all.
    pub(super) fn add_failed(&self, line: &str) -> io::Result<()> {
        let line = line.to_owned() + "\n";
        if fs::metadata(&self.failed).is_ok_and(|found| found.len() + line.len() as u64 > FAILED_BYTES) {
            fs::rename(&self.failed, self.failed.with_extension("ndjson.1"))?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.failed)?;
        let before = file.metadata()?.len();
        // Half of a line on a full disk would spoil the next one too.
        file.write_all(line.as_bytes()).inspect_err(|_| drop(file.set_len(before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_no_growth() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::claim(folder.path(), "a").unwrap();
        let refused = Place::claim(folder.path(), "a").err().unwrap();
        assert!(refused.message.contains("already runs"), "{}", refused.message);
        Place::claim(folder.path(), "b").unwrap();
        for count in 0..2_000 {
            place.write(&count).unwrap();
            place.add_failed(&"x".repeat(1_000)).unwrap();
        }
        assert_eq!(fs::read_to_string(place.status()).unwrap(), "1999\n");
        let sizes = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let all: u64 = sizes.sum();
        assert!(all > FAILED_BYTES && all <= 2 * FAILED_BYTES + 1_000, "{all}");
        drop(place);
        Place::claim(folder.path(), "a").unwrap();
    }
}
