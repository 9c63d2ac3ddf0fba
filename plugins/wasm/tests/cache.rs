//! Compiled components on disk: used while they are what was written, and by nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sluice_wasm::{Cache, Home};

use crate::guests::bytes;

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn what_was_compiled_once_is_used_and_what_was_changed_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("plugins");
    let bytes = bytes("attacks");
    // A home of its own each time, as a process has.
    let load = |pinned: &str| {
        let begun = Instant::now();
        let home = Home::new(Some(Cache::open(&folder).unwrap())).unwrap();
        let component = home.load(&bytes, pinned).unwrap();
        (component.described, begun.elapsed())
    };
    let pinned = Home::new(None).unwrap().look(&bytes).unwrap().sha256;
    let (first, compiled) = load(&pinned);
    let kept = fs::read(only_file(&folder)).unwrap();
    let (second, cached) = load(&pinned);
    assert_eq!(first, second);
    assert!(cached * 5 < compiled, "{cached:?} from the cache, {compiled:?} without");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for at in [0, 40, 300, kept.len() - 1] {
        let mut changed = kept.clone();
        changed[at] ^= 1;
        fs::write(only_file(&folder), &changed).unwrap();
        assert_eq!(load(&pinned).0, first, "byte {at}");
        assert_ne!(fs::read(only_file(&folder)).unwrap(), changed, "byte {at}: not written anew");
    }
    for cut in [0, 31, 39, kept.len() / 2] {
        fs::write(only_file(&folder), &kept[..cut]).unwrap();
        assert_eq!(load(&pinned).0, first, "{cut} bytes");
    }
}

#[test]
fn a_folder_that_others_can_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("plugins");
    Cache::open(&folder).unwrap();
    for mode in [0o777, 0o770, 0o701, 0o750] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let refused = Cache::open(&folder).unwrap_err().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(Cache::open(&folder).is_ok());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    assert!(Cache::open(&link).is_err());
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(Cache::open(&file).is_err());
}
