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

use serde_json::Value;

use self::world::World;

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

/// The documents that have a schema.
const WHAT: [&str; 10] =
    ["run", "events", "plan", "simulate", "check", "doctor", "runs", "actions", "verify", "replay"];

/// The schemas in the repository are those that the program prints.
#[test]
fn the_stored_schemas_are_fresh() {
    for what in WHAT {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{what}.schema.json"));
        let printed = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["schema", what]).output().unwrap();
        assert!(printed.status.success());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &printed.stdout).unwrap();
        }
        assert!(std::fs::read(&file).unwrap() == printed.stdout, "{} is stale: BLESS=1 refreshes it", file.display());
    }
}

/// And what is printed is as they say.
#[test]
fn every_document_fits_its_schema() {
    let world = World::new();
    world.lay("bad.yaml", "runbook: bad\nsteps: [{ id: a, uses: base.ehco }]\n");
    world.lay("sluice.yaml", "clusters: { a: { nodes: 1, aws: { region: us-east-2 } }, b: { nodes: 3, aws: { account: '123456789012', region: us-east-2 } } }\n");
    let check = |what: &str, arguments: &str| {
        let printed = world.output(&format!("sluice {arguments}")).stdout;
        let schema: Value = serde_json::from_slice(&world.output(&format!("sluice schema {what}")).stdout).unwrap();
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        // One document, or one a line.
        let documents: Vec<Value> =
            serde_json::Deserializer::from_slice(&printed).into_iter().map(Result::unwrap).collect();
        assert!(!documents.is_empty(), "{arguments} prints nothing");
        for document in documents {
            let errors: Vec<_> = schema.iter_errors(&document).map(|error| format!("{error}")).collect();
            assert_eq!(errors, Vec::<String>::new(), "{arguments}: {document:#}");
        }
    };
    check("run", "run hello --json");
    check("events", "run hello --json=events");
    check("plan", "plan hello --json");
    check("simulate", "simulate replace-node -i cluster=b -i node=1 --json");
    check("check", "check bad.yaml hello nowhere --assumptions --json");
    check("doctor", "doctor --json");
    check("doctor", "doctor -i cluster=a --json");
    check("runs", "runs --json");
    check("actions", "actions --json");
    world.output("sluice export last --output run.ndjson");
    check("verify", "verify run.ndjson --json");
    check("replay", "replay run.ndjson --json");
    // With findings.
    check("verify", &format!("verify run.ndjson --head {} --json", "0".repeat(64)));
}
