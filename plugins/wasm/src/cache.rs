//! Compiled components and what they say of themselves, kept so that the next process need not compile and ask again.
//!
//! What is kept is native code: whoever writes here runs as this user. So the folder must be this user's alone, and a file
//! counts only while it is, byte for byte, what was written under its name. Losing any of it costs time and nothing else.

use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A folder of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A folder that others could write, or that cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("the cache of compiled plugins, {}, is not used: {why}", folder.display())]
pub struct UnsafeCache {
    pub folder: PathBuf,
    pub why: String,
}

/// What is to be kept of one component.
pub(crate) struct Kept {
    pub(crate) code: Vec<u8>,
    /// What it says of itself, as JSON.
    pub(crate) description: Vec<u8>,
}

/// What was kept of one, as it was read: it is large, and copied nowhere.
pub(crate) struct Found {
    bytes: Vec<u8>,
    description: Range<usize>,
}

impl Found {
    pub(crate) fn code(&self) -> &[u8] {
        self.bytes.get(self.description.end..).unwrap_or_default()
    }

    pub(crate) fn description(&self) -> &[u8] {
        self.bytes.get(self.description.clone()).unwrap_or_default()
    }
}

const DIGEST: usize = 32;

const LENGTH: usize = size_of::<u64>();

/// Components that are kept: more than anybody uses at a time.
const MOST: usize = 64;

impl Cache {
    /// Makes the folder if there is none. One that anybody else could write is refused: with `chmod 700` it is taken again.
    pub fn open(folder: &Path) -> Result<Self, UnsafeCache> {
        let refused = |why: String| UnsafeCache { folder: folder.to_owned(), why };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| refused(error.to_string()))?;
        let found = fs::symlink_metadata(folder).map_err(|error| refused(error.to_string()))?;
        let me = nix::unistd::geteuid().as_raw();
        if !found.is_dir() {
            return Err(refused("it is no folder".to_owned()));
        }
        if found.uid() != me {
            return Err(refused(format!("it belongs to the user {}", found.uid())));
        }
        if found.mode() & 0o077 != 0 {
            return Err(refused(format!("others may use it; mend it with `chmod 700 {}`", folder.display())));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// What was kept under this key, if it is whole.
    pub(crate) fn find(&self, key: &str) -> Option<Found> {
        whole(fs::read(self.file(key)).ok()?)
    }

    /// Keeps it, if that can be done: without it everything works, and takes longer.
    pub(crate) fn keep(&self, key: &str, kept: &Kept) {
        let _ = self.write(key, kept);
        let _ = self.sweep();
    }

    /// What older versions left would stay for ever: the newest are kept.
    fn sweep(&self) -> io::Result<()> {
        let written = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let ours = |path: &Path| path.extension().is_some_and(|extension| extension == "cwasm");
        let found = fs::read_dir(&self.folder)?.filter_map(|entry| written(entry.ok()?));
        let mut found: Vec<_> = found.filter(|(_, path)| ours(path)).collect();
        found.sort_by(|a, b| b.cmp(a));
        found.iter().skip(MOST).try_for_each(|(_, path)| fs::remove_file(path))
    }

    fn write(&self, key: &str, kept: &Kept) -> io::Result<()> {
        // Under a name of its own first: two processes may do this at once, and a third may read.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        let length = u64::try_from(kept.description.len()).unwrap_or(u64::MAX).to_le_bytes();
        let parts = [length.as_slice(), &kept.description, &kept.code];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize();
        file.write_all(&digest)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.persist(self.file(key)).map_err(|error| error.error)?;
        Ok(())
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.cwasm"))
    }
}

/// Digest of all that follows, length of the description, description, code.
fn whole(bytes: Vec<u8>) -> Option<Found> {
    let (digest, rest) = bytes.split_at_checked(DIGEST)?;
    if Sha256::digest(rest).as_slice() != digest {
        return None;
    }
    let (length, rest) = rest.split_at_checked(LENGTH)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    rest.split_at_checked(length)?;
    let begins = DIGEST + LENGTH;
    Some(Found { bytes, description: begins..begins + length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        fs::write(cache.folder.join("of somebody else"), "").unwrap();
        let kept = Kept { code: b"code".to_vec(), description: b"{}".to_vec() };
        let day = |number: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * number);
        for number in 0..MOST + 3 {
            cache.write(&format!("k{number}"), &kept).unwrap();
            let file = fs::File::open(cache.file(&format!("k{number}"))).unwrap();
            file.set_modified(day(number as u64)).unwrap();
        }
        cache.keep("new", &kept);
        let there = |key: &str| cache.find(key).is_some();
        assert_eq!(["k0", "k3", "k4", "k66", "new"].map(there), [false, false, true, true, true]);
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), MOST + 1);
    }
}
