//! Where a secret must never stand, and what must not stay: one scan of files, of processes and of what was printed.
//!
//! A secret is searched for as it is and in the forms other programs give it. Which secrets those are is told to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Larger files are not of a run.
const LARGEST: u64 = 64 << 20;

/// What to search for.
#[derive(Clone)]
pub(super) struct Secrets {
    /// By needle.
    names: Vec<String>,
    search: AhoCorasick,
}

impl Secrets {
    /// Each with a name for messages. Of a JWT, claims and signature are searched for by themselves too.
    pub(super) fn new(named: &[(&str, &str)]) -> Self {
        let (mut names, mut needles) = (Vec::new(), Vec::new());
        for (name, value) in named {
            let parts = value.split('.').filter(|part| part.len() > 50 && !part.starts_with("eyJ0eXAi"));
            for piece in parts.chain([*value]).collect::<BTreeSet<_>>() {
                needles.extend(forms(piece));
                names.resize(needles.len(), (*name).to_owned());
            }
        }
        Self { names, search: AhoCorasick::new(needles).unwrap() }
    }

    /// The names of those that stand in the bytes.
    pub(super) fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<String> {
        self.search.find_overlapping_iter(bytes).map(|found| self.names[found.pattern().as_usize()].clone()).collect()
    }
}

/// As it is; escaped for a URL with every byte and with the usual ones; in base64 at each of the three alignments,
/// without the ends that neighbours have a share in; in hexadecimal; escaped for JSON byte by byte.
fn forms(value: &str) -> Vec<String> {
    let every = |byte: u8| format!("%{byte:02X}");
    let usual = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { every(byte) };
    let mut forms = vec![
        value.to_owned(),
        value.bytes().map(every).collect(),
        value.bytes().map(usual).collect(),
        value.bytes().map(usual).collect::<String>().to_lowercase(),
        value.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], value.as_bytes()].concat();
        let whole = |encoded: String| encoded[(shift * 8).div_ceil(6)..shifted.len() * 8 / 6].to_owned();
        forms.extend([whole(STANDARD_NO_PAD.encode(&shifted)), whole(URL_SAFE_NO_PAD.encode(&shifted))]);
    }
    forms
}

/// Every file below these folders with a secret in it, as `path: names`.
pub(super) fn in_files(secrets: &Secrets, folders: &[&Path]) -> Vec<String> {
    let files = folders.iter().flat_map(|folder| files(folder));
    let found = files.filter_map(|path| {
        let names = secrets.in_bytes(path.to_string_lossy().as_bytes());
        let inside = fs::read(&path).map(|bytes| secrets.in_bytes(&bytes)).unwrap_or_default();
        let names: Vec<_> = names.union(&inside).cloned().collect();
        (!names.is_empty()).then(|| format!("{}: {}", path.display(), names.join(", ")))
    });
    found.collect()
}

/// Files of this user that were written in shared folders since then.
pub(super) fn new_in_shared_folders(since: SystemTime) -> Vec<PathBuf> {
    let mine = |path: &PathBuf| {
        use std::os::unix::fs::MetadataExt as _;
        path.symlink_metadata().is_ok_and(|found| {
            found.is_file()
                && found.len() < LARGEST
                && found.uid() == nix::unistd::geteuid().as_raw()
                && found.modified().is_ok_and(|at| at >= since)
        })
    };
    let shared = ["/tmp", "/var/tmp", "/dev/shm"].into_iter().flat_map(entries);
    shared.filter(mine).collect()
}

fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Regular files, links not followed.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => found.extend(files(&path)),
            Ok(meta) if meta.is_file() && meta.len() < LARGEST => found.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    found
}

/// Every process whose arguments or environment hold a secret. `but`: whose environment is not looked at.
pub(super) fn in_processes(secrets: &Secrets, but: &[u32]) -> Vec<String> {
    let pids = entries("/proc").into_iter().filter_map(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    let look = |pid: u32, what: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let names = secrets.in_bytes(&bytes);
        let shown = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (!names.is_empty()).then(|| format!("{what} of process {pid} ({}): {names:?}", shown().trim()))
    };
    pids.flat_map(|pid| {
        let environ = if but.contains(&pid) { None } else { look(pid, "environ") };
        [look(pid, "cmdline"), environ].into_iter().flatten().collect::<Vec<_>>()
    })
    .collect()
}

/// Looks at all processes again and again until it is asked what it found.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub(super) fn begin(secrets: &Secrets) -> Self {
        let (secrets, over) = (secrets.clone(), Arc::new(AtomicBool::new(false)));
        let asked = over.clone();
        let thread = thread::spawn(move || {
            let mut found = BTreeSet::new();
            while !asked.load(Ordering::Relaxed) {
                found.extend(in_processes(&secrets, &[]));
                thread::sleep(Duration::from_millis(20));
            }
            found
        });
        Self { over, thread }
    }

    pub(super) fn end(self) -> BTreeSet<String> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
