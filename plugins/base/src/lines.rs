//! Lines at the end of a file that another program follows: each in one write, rotated by rename, so that the follower
//! keeps what it has open. What a line says is not known here.
//!
//! Calls of Sluice wait for each other. Whoever else writes to the file has to end its lines by itself.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Deref;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_plugin::{Applied, Problem};

use crate::files::{bad_path, failed};
use crate::lock::{Hold, Locked, busy, hold, is_still};

/// How large a file may become, how many older ones stay beside it, and the mode of those that are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_bytes: u64,
    pub(crate) keep: u32,
    pub(crate) mode: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Of the file, now.
    pub(crate) bytes: u64,
    pub(crate) rotated: bool,
}

/// Appends `text`, which is one line or several with their ends. A text larger than the bound gets a file of its own.
pub(crate) fn append(path: &Path, text: &[u8], bounds: &Bounds, patience: Duration) -> Result<Appended, Problem> {
    let until = Instant::now() + patience;
    let mut open = Open::at(path, bounds.mode, until)?;
    let rotated = open.must_rotate(text.len(), bounds);
    if rotated {
        rotate(path, bounds.keep).map_err(|error| failed("rotate", path, &error))?;
        open = Open::at(path, bounds.mode, until)?;
    }
    let bytes =
        open.append(text).map_err(|(error, applied)| Problem { applied, ..failed("append to", path, &error) })?;
    Ok(Appended { bytes, rotated })
}

/// What an append would come to if it were made now.
pub(crate) fn foresee(path: &Path, length: usize, bounds: &Bounds) -> io::Result<Appended> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Appended { bytes: length as u64, rotated: false });
        }
        Err(error) => return Err(error),
    };
    let open = Open::measured(&file)?;
    let rotated = open.must_rotate(length, bounds);
    Ok(Appended { bytes: if rotated { length as u64 } else { open.after(length) }, rotated })
}

/// The file as it is.
struct Open<F> {
    file: F,
    bytes: u64,
    /// A crash has left its last line without an end.
    torn: bool,
}

impl Open<Locked> {
    fn at(path: &Path, mode: u32, until: Instant) -> Result<Self, Problem> {
        loop {
            let Some(file) = opened(path, mode)? else { continue };
            let file = hold(file, path, Hold::Alone, until)?;
            let look = |error: io::Error| failed("look at", path, &error);
            if is_still(&file, path).map_err(look)? {
                return Self::measured(file).map_err(look);
            }
            // Somebody has rotated it meanwhile; a link comes to the same every time.
            if path.is_symlink() {
                return Err(bad_path(format!("{} has become a link", path.display())));
            }
            if Instant::now() >= until {
                return Err(busy(path));
            }
        }
    }

    /// A torn line is ended in the same write, so that two never become one.
    fn append(&mut self, text: &[u8]) -> Result<u64, (io::Error, Applied)> {
        let after = self.after(text.len());
        if self.torn {
            let ended: Vec<u8> = [b"\n", text].concat();
            put(&mut *self.file, self.bytes, &ended)?;
        } else {
            put(&mut *self.file, self.bytes, text)?;
        }
        Ok(after)
    }
}

impl<F: Deref<Target = File>> Open<F> {
    fn measured(file: F) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        if bytes > 0 {
            file.read_exact_at(&mut last, bytes - 1)?;
        }
        Ok(Self { file, bytes, torn: last != [b'\n'] })
    }

    fn after(&self, length: usize) -> u64 {
        self.bytes.saturating_add(u64::from(self.torn)).saturating_add(length as u64)
    }

    fn must_rotate(&self, length: usize, bounds: &Bounds) -> bool {
        self.bytes > 0 && self.after(length) > bounds.max_bytes
    }
}

/// `None` when it came or went between two looks.
fn opened(path: &Path, mode: u32) -> Result<Option<File>, Problem> {
    let gone = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => return Ok(Some(file)),
        Err(error) => error,
    };
    if gone.kind() != io::ErrorKind::NotFound {
        return Err(failed("open", path, &gone));
    }
    // `create_new` follows no link.
    let made = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path);
    match made.and_then(|file| file.set_permissions(PermissionsExt::from_mode(mode)).map(|()| file)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(failed("make", path, &error)),
    }
}

/// What can be appended to and cut off again.
trait End: Write {
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

impl End for File {
    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// The whole text, or nothing of it: what a full disk has taken of it is cut off again.
fn put(file: &mut impl End, before: u64, text: &[u8]) -> Result<(), (io::Error, Applied)> {
    file.write_all(text).map_err(|error| {
        let undone = file.cut(before).is_ok();
        (error, if undone { Applied::No } else { Applied::Maybe })
    })
}

/// `file.1` becomes `file.2`, and so on, and the file itself `file.1`. Broken off anywhere, it loses nothing.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    for number in (2..=keep).rev() {
        match std::fs::rename(older(path, number - 1), older(path, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::rename(path, older(path, 1))
}

/// Where the rotated files of this one are; the newest is 1.
pub(crate) fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// How many lines stand after the last one that is this one. `None` when it is not there.
pub(crate) fn lines_after(path: &Path, line: &[u8]) -> io::Result<Option<u64>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let most = line.len() as u64 + 1;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        found.clear();
        // Not more than it takes to tell that a line is another one.
        if reader.by_ref().take(most).read_until(b'\n', &mut found)? == 0 {
            return Ok(after);
        }
        let ended = found.pop_if(|last| *last == b'\n').is_some();
        if !ended && found.len() as u64 == most {
            reader.skip_until(b'\n')?;
        }
        after = if found == line { Some(0) } else { after.map(|count| count + 1) };
    }
}

/// The last line that has its end, unless it, or what stands behind it, is longer than `most`.
pub(crate) fn last_line(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (bytes, most) = (file.metadata()?.len(), most as u64);
    let from = bytes.saturating_sub(most.saturating_add(1).saturating_mul(2));
    let mut tail = vec![0; usize::try_from(bytes - from).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut tail, from)?;
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else { return Ok(None) };
    tail.truncate(end);
    let begin = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
    Ok((begin > 0 || from == 0).then(|| tail.split_off(begin)).filter(|line| line.len() as u64 <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { max_bytes: 10, keep: 2, mode: 0o640 };

    fn at_once(path: &Path, text: &str, bounds: &Bounds) -> Result<Appended, Problem> {
        append(path, text.as_bytes(), bounds, Duration::ZERO)
    }

    fn all(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_grows_to_its_bound_and_then_a_new_one_begins() {
        let check = |before: &[(&str, &str)], text: &str, bounds: Bounds, rotates: bool, after: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            for (name, content) in before {
                std::fs::write(dir.path().join(name), content).unwrap();
            }
            let path = dir.path().join("f");
            let foreseen = foresee(&path, text.len(), &bounds).unwrap();
            let done = at_once(&path, text, &bounds).unwrap();
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert_eq!((done, foreseen), (Appended { bytes, rotated: rotates }, done), "{before:?} {text}");
            let owned: Vec<_> = after.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            assert_eq!(all(dir.path()), owned, "{before:?} {text}");
        };
        check(&[], "a\n", BOUNDS, false, &[("f", "a\n")]);
        check(&[("f", "")], "a\n", BOUNDS, false, &[("f", "a\n")]);
        check(&[("f", "a\n")], "b\n", BOUNDS, false, &[("f", "a\nb\n")]);
        check(&[("f", "1234567\n")], "8\n", BOUNDS, false, &[("f", "1234567\n8\n")]);
        check(&[("f", "12345678\n")], "9\n", BOUNDS, true, &[("f", "9\n"), ("f.1", "12345678\n")]);
        let full = [("f", "12345678\n"), ("f.1", "1"), ("f.2", "2")];
        check(&full, "9\n", BOUNDS, true, &[("f", "9\n"), ("f.1", "12345678\n"), ("f.2", "1")]);
        let one = Bounds { keep: 1, ..BOUNDS };
        check(&full, "9\n", one, true, &[("f", "9\n"), ("f.1", "12345678\n"), ("f.2", "2")]);
        let three = Bounds { keep: 3, ..BOUNDS };
        check(&full, "9\n", three, true, &[("f", "9\n"), ("f.1", "12345678\n"), ("f.2", "1"), ("f.3", "2")]);
        // It broke off between two renames.
        check(
            &[("f", "12345678\n"), ("f.2", "2")],
            "9\n",
            BOUNDS,
            true,
            &[("f", "9\n"), ("f.1", "12345678\n"), ("f.2", "2")],
        );
        check(&[("f.1", "1")], "9\n", BOUNDS, false, &[("f", "9\n"), ("f.1", "1")]);
        // A torn line is ended, and its end counts.
        check(&[("f", "to")], "b\n", BOUNDS, false, &[("f", "to\nb\n")]);
        check(&[("f", "1234567")], "8\n", BOUNDS, false, &[("f", "1234567\n8\n")]);
        check(&[("f", "12345678")], "9\n", BOUNDS, true, &[("f", "9\n"), ("f.1", "12345678")]);
        check(&[], "larger than the bound\n", BOUNDS, false, &[("f", "larger than the bound\n")]);
        check(&[("f", "a\n")], "larger than it\n", BOUNDS, true, &[("f", "larger than it\n"), ("f.1", "a\n")]);
    }

    #[test]
    fn a_new_file_has_the_mode_and_one_that_is_there_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        at_once(&path, "12345678\n", &Bounds { mode: 0o666, ..BOUNDS }).unwrap();
        assert_eq!(mode(&path), 0o666);
        at_once(&path, "9\n", &BOUNDS).unwrap();
        assert_eq!((mode(&path), mode(&older(&path, 1))), (0o640, 0o666));
    }

    /// A follower has the file open; what it has not read yet stays where it reads.
    #[test]
    fn who_follows_a_file_reads_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        at_once(&path, "12345678\n", &BOUNDS).unwrap();
        let mut follower = File::open(&path).unwrap();
        at_once(&path, "9\n", &BOUNDS).unwrap();
        let mut read = String::new();
        follower.read_to_string(&mut read).unwrap();
        assert_eq!(read, "12345678\n");
    }

    #[test]
    fn whoever_comes_second_waits_or_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let other = File::create(&path).unwrap();
        other.lock().unwrap();
        let problem = at_once(&path, "a\n", &BOUNDS).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.retryable, problem.applied), ("busy", true, Applied::No));
        // Rotated by the one that has the lock: whoever waited for it writes to the new file.
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || append(&path, b"b\n", &BOUNDS, Duration::from_secs(60)).unwrap()
        });
        while opened_by_us(&path) < 2 {
            std::thread::yield_now();
        }
        std::fs::rename(&path, older(&path, 1)).unwrap();
        drop(other);
        waiting.join().unwrap();
        assert_eq!(all(dir.path()), [("f".to_owned(), "b\n".to_owned()), ("f.1".to_owned(), String::new())]);
    }

    /// How often this process has it open.
    fn opened_by_us(path: &Path) -> usize {
        let opened =
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
        opened.filter(|opened| opened == &path.canonicalize().unwrap()).count()
    }

    /// Takes so many bytes, and then has no room.
    struct Small {
        content: Vec<u8>,
        room: usize,
        cuts: bool,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room - self.content.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl End for Small {
        fn cut(&mut self, bytes: u64) -> io::Result<()> {
            if self.cuts {
                self.content.truncate(bytes as usize);
                return Ok(());
            }
            Err(io::ErrorKind::Other.into())
        }
    }

    #[test]
    fn a_full_disk_leaves_nothing_half_written() {
        for room in 3..=8 {
            for cuts in [true, false] {
                let mut file = Small { content: b"ab\n".to_vec(), room, cuts };
                let done = put(&mut file, 3, b"cdef\n");
                let expect: &[u8] = match (room, cuts) {
                    (8, _) => b"ab\ncdef\n",
                    (_, true) => b"ab\n",
                    (_, false) => &b"ab\ncdef\n"[..room],
                };
                assert_eq!(file.content, expect, "{room} {cuts}");
                let applied = done.err().map(|(error, applied)| (error.kind(), applied));
                let unsure = if cuts { Applied::No } else { Applied::Maybe };
                assert_eq!(applied, (room < 8).then_some((io::ErrorKind::StorageFull, unsure)), "{room} {cuts}");
            }
        }
    }

    #[test]
    fn a_line_is_found_as_a_whole_line_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let check = |content: &str, line: &str, expect: Option<u64>| {
            std::fs::write(&path, content).unwrap();
            assert_eq!(lines_after(&path, line.as_bytes()).unwrap(), expect, "{content:?} {line:?}");
        };
        check("", "a", None);
        check("a\n", "a", Some(0));
        check("a", "a", Some(0));
        check("a\nb\n", "a", Some(1));
        check("a\nb\na\n", "a", Some(0));
        check("a\nb\nlonger than it\nc", "a", Some(3));
        check("ab\n", "a", None);
        check("ab\nabc", "a", None);
        check("xa\n", "a", None);
        check("ab\na\n", "ab", Some(1));
        check("\na\n\n", "a", Some(1));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines_after(&path, b"a").unwrap(), None);
    }

    #[test]
    fn the_last_line_is_the_last_that_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let check = |content: &str, most: usize, expect: Option<&str>| {
            std::fs::write(&path, content).unwrap();
            let found = last_line(&path, most).unwrap().map(|line| String::from_utf8(line).unwrap());
            assert_eq!(found.as_deref(), expect, "{content:?} {most}");
        };
        for (content, expect) in [
            ("", None),
            ("a", None),
            ("a\n", Some("a")),
            ("a\n\n", Some("")),
            ("a\nb\n", Some("b")),
            ("a\nbc\nto", Some("bc")),
        ] {
            check(content, 100, expect);
            check(content, 2, expect);
        }
        check("a\nbc\n", 1, None);
        check("a\nbc\ntorn", 2, None);
        check("abc\n", 2, None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(last_line(&path, 9).unwrap(), None);
    }
}
