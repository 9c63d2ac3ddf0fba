//! A spool's folder on a real disk, locked for one call. Only its owner can look into it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_plugin::Problem;

use super::disk::Disk;
use crate::files::{Kind, failed, find};
use crate::lock::{Hold, Locked, busy, hold, is_still};

pub(crate) struct Folder {
    path: PathBuf,
    _open: Locked,
}

impl Folder {
    /// Makes it if it is not there. Its own folder has to be there.
    pub(crate) fn make(path: &str, patience: Duration) -> Result<Self, Problem> {
        at_folder(|| {
            let (path, found) = find(path, Kind::Folder)?;
            if found.is_none() {
                make(&path).map_err(|error| failed("make", &path, &error))?;
            }
            Self::locked(path, Hold::Alone, patience)
        })
    }

    /// Where it really is, or would be.
    pub(crate) fn real(path: &str) -> Result<PathBuf, Problem> {
        at_folder(|| find(path, Kind::Folder).map(|(path, _)| path))
    }

    /// `None` when there is no such folder.
    pub(crate) fn open(path: &str, how: Hold, patience: Duration) -> Result<Option<Self>, Problem> {
        at_folder(|| {
            let (path, found) = find(path, Kind::Folder)?;
            found.map(|_| Self::locked(path, how, patience)).transpose()
        })
    }

    /// The folder itself is what is locked: there is no file of a lock that a look would have to write.
    fn locked(path: PathBuf, how: Hold, patience: Duration) -> Result<Self, Problem> {
        let until = Instant::now() + patience;
        let open = File::open(&path).map_err(|error| failed("open", &path, &error))?;
        let open = hold(open, &path, how, until)?;
        // Removed meanwhile, and perhaps made again: whoever has the new one would not wait for us.
        match is_still(&open, &path) {
            Ok(true) => Ok(Self { path, _open: open }),
            Ok(false) => Err(busy(&path)),
            Err(error) => Err(failed("look at", &path, &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn tried<T>(&self, verb: &str, name: &str, done: io::Result<T>) -> io::Result<T> {
        let path = self.path.join(name);
        done.map_err(|error| io::Error::new(error.kind(), format!("cannot {verb} {}: {error}", path.display())))
    }
}

/// What was made by somebody else between two looks is as good.
fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn at_folder<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    work().map_err(|problem| Problem { path: Some("/folder".to_owned()), ..problem })
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let listed = std::fs::read_dir(&self.path).and_then(|entries| {
            let mut files = Vec::new();
            for entry in entries {
                let entry = entry?;
                // Not what a link leads to.
                let found = entry.metadata()?;
                if let (true, Ok(name)) = (found.is_file(), entry.file_name().into_string()) {
                    files.push((name, found.len()));
                }
            }
            Ok(files)
        });
        self.tried("list", "", listed)
    }

    fn read(&self, name: &str, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let read = File::open(self.path.join(name)).and_then(|file| {
            let left = file.metadata()?.len().saturating_sub(from);
            let mut bytes = vec![0; usize::try_from(left).map_or(most, |left| left.min(most))];
            file.read_exact_at(&mut bytes, from)?;
            Ok(bytes)
        });
        self.tried("read", name, read)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path.join(name));
        self.tried("write", name, opened.and_then(|mut file| file.write_all(bytes)))
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        let opened = OpenOptions::new().write(true).open(self.path.join(name));
        self.tried("cut", name, opened.and_then(|file| file.set_len(bytes)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.tried("rename", from, std::fs::rename(self.path.join(from), self.path.join(to)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.tried("remove", name, std::fs::remove_file(self.path.join(name)))
    }
}
