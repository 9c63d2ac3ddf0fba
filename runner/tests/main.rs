//! The command line as a person meets it: case files with command lines and what they print.
//!
//! `BLESS=1 cargo test -p sluice --test main` writes what is printed now into the files; look at the difference before
//! you keep it.

// A test may fail by panicking, and so may what only tests use.
#![allow(clippy::unwrap_used)]

mod case;
mod world;

use std::path::Path;
use std::process::Command;

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

/// The schemas in the repository are those that the program prints.
#[test]
fn the_stored_schemas_are_fresh() {
    for what in ["run", "events", "plan"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{what}.schema.json"));
        let printed = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["schema", what]).output().unwrap();
        assert!(printed.status.success());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &printed.stdout).unwrap();
        }
        assert!(std::fs::read(&file).unwrap() == printed.stdout, "{} is stale: BLESS=1 refreshes it", file.display());
    }
}
