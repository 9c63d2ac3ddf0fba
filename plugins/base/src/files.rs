//! Reading and writing files that a step names: whole files, never half, never through a link, never a private file.
//!
//! Paths are absolute or relative to the directory of the process. What the content means is not known here.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_plugin::{PRIVATE_MARK, Problem};

/// Where a file is to be written: its folder as it really is, and its name there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    /// What is there now.
    pub(crate) found: Option<Metadata>,
}

impl Target {
    /// Refuses a path that leads through a link at its end, to something that is not a file, or into a private folder.
    pub(crate) fn at(path: &str) -> Result<Self, Problem> {
        find(path, Kind::File).map(|(path, found)| Self { path, found })
    }

    /// The permission bits of what is there now.
    pub(crate) fn mode(&self) -> Option<u32> {
        self.found.as_ref().map(|found| found.permissions().mode() & 0o7777)
    }

    /// `None` when there is nothing.
    pub(crate) fn content(&self) -> Result<Option<Vec<u8>>, Problem> {
        if self.found.is_none() {
            return Ok(None);
        }
        std::fs::read(&self.path).map(Some).map_err(|error| failed("read", &self.path, &error))
    }

    /// Whoever reads the file sees the old content or the new one, also after a crash.
    pub(crate) fn write(&self, content: &[u8], mode: u32) -> Result<(), Problem> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.with_file_name(format!(".{name}.{}-{count}", std::process::id()));
        let written = fill(&temporary, content, mode).and_then(|()| std::fs::rename(&temporary, &self.path));
        written.map_err(|error| {
            // What is half written must not stay behind; the first error is the one to hear of.
            let _ = std::fs::remove_file(&temporary);
            failed("write", &self.path, &error)
        })
    }
}

/// What a path has to lead to, if anything is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }

    fn is(self, found: &Metadata) -> bool {
        match self {
            Self::File => found.is_file(),
            Self::Folder => found.is_dir(),
        }
    }
}

/// Where a path leads: with the folder it is in as that really is, and what stands there under its name.
pub(crate) fn find(path: &str, kind: Kind) -> Result<(PathBuf, Option<Metadata>), Problem> {
    let (given, word) = (Path::new(path), kind.word());
    let name = given.file_name().filter(|_| kind == Kind::Folder || !path.ends_with('/'));
    let name = name.ok_or_else(|| bad_path(format!("`{path}` does not name a {word}")))?;
    let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| failed("find the folder of", given, &error))?;
    let path = folder.join(name);
    keep_out(if kind == Kind::Folder { &path } else { &folder })?;
    let found = match path.symlink_metadata() {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("look at", &path, &error)),
    };
    match &found {
        Some(found) if found.is_symlink() => {
            Err(bad_path(format!("{} is a link; name the {word} it leads to", path.display())))
        }
        Some(found) if !kind.is(found) => Err(bad_path(format!("{} is not a {word}", path.display()))),
        Some(_) | None => Ok((path, found)),
    }
}

/// `create_new` follows no link, and leaves alone what is already there.
fn fill(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    // Set, not asked for: the umask would take bits away.
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.sync_all()
}

/// The whole of a file that is not larger than `most` bytes, and the path it really has. Links are followed.
pub(crate) fn read(path: &str, most: u64) -> Result<(PathBuf, Vec<u8>), Problem> {
    let given = Path::new(path);
    let real = given.canonicalize().map_err(|error| failed("find", given, &error))?;
    keep_out(&real)?;
    // Looked at before it is opened: opening a pipe would wait for somebody to write to it.
    let found = real.metadata().map_err(|error| failed("look at", &real, &error))?;
    if !found.is_file() {
        return Err(bad_path(format!("{} is not a file", real.display())));
    }
    let too_large = || bad_path(format!("{} is larger than {most} bytes", real.display()));
    if found.len() > most {
        return Err(too_large());
    }
    let file = File::open(&real).map_err(|error| failed("open", &real, &error))?;
    let mut content = Vec::new();
    // It may grow while it is read, and files of the kernel say that they are empty.
    file.take(most.saturating_add(1)).read_to_end(&mut content).map_err(|error| failed("read", &real, &error))?;
    if content.len() as u64 > most { Err(too_large()) } else { Ok((real, content)) }
}

/// Private files of runs hold secrets: nothing of them may become an output, and nothing else may be put there.
fn keep_out(real: &Path) -> Result<(), Problem> {
    let private = real.ancestors().any(|above| above.join(PRIVATE_MARK).exists());
    if private {
        return Err(bad_path(format!("{} is in the folder of the runs' private files", real.display())));
    }
    Ok(())
}

/// Permission bits as a step writes them, `"0644"`.
pub(crate) fn mode(text: &str) -> Result<u32, Problem> {
    let wrong =
        || Problem::bad_input("/mode", format!("`{text}` is not a mode; write it in octal, in quotes: \"0644\""));
    let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
    if mode <= 0o777 { Ok(mode) } else { Err(wrong()) }
}

pub(crate) fn bad_path(message: String) -> Problem {
    Problem::bad_input("/path", message)
}

/// A call on files that did nothing.
pub(crate) fn failed(verb: &str, path: &Path, error: &io::Error) -> Problem {
    let said = format!("cannot {verb} {}: {error}", path.display());
    Problem { path: Some("/path".to_owned()), ..of_error(&said, error) }
}

/// With room again the same call works; nothing else here mends itself.
pub(crate) fn of_error(said: &str, error: &io::Error) -> Problem {
    match error.kind() {
        kind if is_full(kind) => {
            Problem::not_applied("disk_full", format!("{said}; make room and try again")).retryable()
        }
        io::ErrorKind::NotFound => Problem::not_applied("not_found", said),
        _ => Problem::not_applied("file", said),
    }
}

/// No room on the disk, or none for this user.
pub(crate) fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// For work on files that may take longer than a worker thread should be kept from others.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::maybe_applied("file", "the work on the file broke off")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn writing_replaces_at_once_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let target = Target::at(path.to_str().unwrap()).unwrap();
        target.write(b"one", 0o666).unwrap();
        target.write(b"two", 0o640).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(Target::at(path.to_str().unwrap()).unwrap().mode(), Some(0o640));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn odd_places_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("file"), "text").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(dir.path(), at("here")).unwrap();
        std::fs::create_dir_all(at("private/run-1")).unwrap();
        std::fs::write(at("private/.sluice-private"), "").unwrap();
        std::fs::write(at("private/run-1/creds"), "secret").unwrap();
        symlink(at("private/run-1/creds"), at("sly")).unwrap();
        let check = |path: String, write: Option<&str>, reading: Option<&str>| {
            let contains = |found: Option<Problem>, expect: Option<&str>| match (found, expect) {
                (None, None) => {}
                (Some(problem), Some(expect)) => assert!(problem.message.contains(expect), "{path}: {problem}"),
                (found, expect) => panic!("{path}: {found:?}, not {expect:?}"),
            };
            contains(Target::at(&path).err(), write);
            contains(read(&path, 100).err(), reading);
        };
        check(at("file"), None, None);
        check(at("here/file"), None, None);
        check(at("new"), None, Some("No such file"));
        check(at("link"), Some("is a link"), None);
        check(at("here"), Some("is a link"), Some("is not a file"));
        check(at("private"), Some("is not a file"), Some("private files"));
        check(at("private/run-1/creds"), Some("private files"), Some("private files"));
        check(at("private/run-1/../run-1/new"), Some("private files"), Some("No such file"));
        check(at("sly"), Some("is a link"), Some("private files"));
        check(at("no/such/folder"), Some("No such file"), Some("No such file"));
        check("/dev/null".into(), Some("is not a file"), Some("is not a file"));
        check(String::new(), Some("does not name a file"), Some("No such file"));
        check("..".into(), Some("does not name a file"), Some("is not a file"));
        check(at("file/"), Some("does not name a file"), Some("Not a directory"));
    }

    #[test]
    fn reading_stops_at_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(read(path, 10).unwrap().1, b"0123456789");
        assert!(read(path, 9).unwrap_err().message.contains("larger than 9 bytes"));
        assert!(!read("/proc/self/status", 1 << 20).unwrap().1.is_empty());
        assert!(read("/proc/self/status", 5).is_err());
    }
}
