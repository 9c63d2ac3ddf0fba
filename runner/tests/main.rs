//! The command line as a person meets it: case files with command lines and what they print.
//!
//! `BLESS=1 cargo test -p sluice --test main` writes what is printed now into the files; look at the difference before
//! you keep it.

mod case;
mod world;

use std::path::Path;

/// All files are looked at before anything fails, so that one run shows every difference.
#[test]
fn every_case_prints_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let checks: Vec<_> = files.into_iter().map(|file| std::thread::spawn(move || case::check(&file))).collect();
    let wrong: Vec<String> = checks.into_iter().filter_map(|check| check.join().unwrap().err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
