//! Broken runbooks and inventories, one file each, with all that is said about them beside it.
//! `BLESS=1` writes the expected texts anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_engine::diagnostic::{Diagnostic, Paint, render};
use sluice_engine::{inventory, runbook, yaml};

use crate::clock::Clock;

#[test]
fn every_broken_file_is_told_what_is_wrong_with_it() {
    let cases = files();
    assert!(cases.len() >= 45, "{} cases", cases.len());
    let blessing = std::env::var_os("BLESS").is_some();
    let wrong: Vec<String> = cases.iter().filter_map(|case| compare(case, blessing)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// What is wrong with the case, if anything.
fn compare(case: &Path, blessing: bool) -> Option<String> {
    let name = case.file_name().unwrap().to_str().unwrap();
    let start = Clock::start();
    let found = findings(name, &std::fs::read(case).unwrap());
    let took = start.elapsed();
    let shown: String = found.iter().map(|one| render(one, Paint::Plain)).collect::<Vec<_>>().join("\n");
    let beside = case.with_extension("err");
    if blessing {
        std::fs::write(&beside, &shown).unwrap();
        return None;
    }
    if took > Duration::from_secs(1) {
        return Some(format!("{name} took {took:?}"));
    }
    let expected = std::fs::read_to_string(&beside).unwrap_or_default();
    (shown != expected).then(|| format!("--- {name}: expected\n{expected}\n--- found\n{shown}"))
}

/// Files that start with `inventory` are inventories, the others are runbooks.
pub(crate) fn findings(name: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    let source = match yaml::read(name, bytes) {
        Ok(source) => source,
        Err(error) => return vec![error],
    };
    if name.starts_with("inventory") {
        return inventory::parse(&source).err().unwrap_or_default();
    }
    match runbook::load(&source, &crate::actions::fake()) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors,
    }
}
