//! A plugin of one's own, from an empty folder to a step that passed, by the commands that README shows.
//!
//! These build for WebAssembly, which a plain machine cannot: `.ci/run` brings what it takes, and so does
//! `rustup target add wasm32-unknown-unknown`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::sluice::{SHIPPED, Sluice};

const README: &str = include_str!("../../README.md");

/// The commands of the first block of its section that begin with `sluice`, as they stand there, without comments.
fn commands() -> Vec<&'static str> {
    let section = README.split("## A plugin of your own\n").nth(1).unwrap();
    let block = section.split("```\n").nth(1).unwrap();
    let lines = block.lines().map(|line| line.split(" #").next().unwrap().trim());
    lines.filter(|line| line.starts_with("sluice ")).collect()
}

/// A world in which cargo and npm work as they do here.
fn world() -> Sluice {
    let mut sluice = Sluice::alone();
    let home = std::env::var("HOME").unwrap();
    for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let value = std::env::var(name).unwrap_or_else(|_| format!("{home}/{default}"));
        sluice.set(name, &value);
    }
    // What only the building of plugins is to see, and cargo of these tests is not.
    for (name, value) in std::env::vars() {
        if let Some(name) = name.strip_prefix("GUEST_") {
            sluice.set(name, &value);
        }
    }
    sluice
}

/// Runs one command line of README to its end; where a person would be asked, the digest is given.
fn step(sluice: &Sluice, folder: &Path, line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
    let digest = |arguments: &[&str]| {
        let done = sluice.command(arguments).current_dir(folder).output().unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    if line.starts_with("sluice plugin add") {
        let file = folder.join(words.last().unwrap());
        let sum = Command::new("sha256sum").arg(file).output().unwrap().stdout;
        words.extend(["--digest".to_owned(), String::from_utf8(sum).unwrap()[..64].to_owned()]);
    }
    if line == "sluice trust" {
        words.extend(["--digest".to_owned(), digest(&["trust", "--print-digest"])]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = sluice.command(&words).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{SHIPPED}: {line}: {said}");
    said
}

#[test]
#[ignore = "builds for wasm32-unknown-unknown"]
fn from_an_empty_folder_to_a_step_that_passed() {
    let (sluice, begun) = (world(), Instant::now());
    let folder = sluice.home().join("desk");
    std::fs::create_dir(&folder).unwrap();
    let lines = commands();
    let names: Vec<&str> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(names, ["plugin", "plugin", "plugin", "trust", "run"]);
    let said: Vec<String> = lines.iter().map(|line| step(&sluice, &folder, line)).collect();
    assert!(said[1].contains("✓ acme.greet: Ana"), "{}", said[1]);
    assert!(said[4].contains("hello, Ana"), "{}", said[4]);
    assert!(begun.elapsed() < Duration::from_secs(300), "it took {:?}", begun.elapsed());
}

#[test]
#[ignore = "needs npm, and 400 MB from its registry"]
fn in_javascript() {
    let sluice = world();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/guests/javascript");
    for arguments in [&["install", "--no-audit", "--no-fund"][..], &["run", "build"]] {
        assert!(Command::new("npm").args(arguments).current_dir(&sources).status().unwrap().success());
    }
    let folder = sluice.home().join("desk");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(sources.join("javascript.wasm"), folder.join("javascript.wasm")).unwrap();
    let runbook = "runbook: greet\nsteps:\n  - { id: one, uses: javascript.greet, with: { name: Ana } }\n\
                   outputs: { text: \"{{ steps.one.text }}\" }\n";
    sluice.file("desk/greet.yaml", runbook);
    let tested = step(&sluice, &folder, "sluice plugin test javascript.wasm");
    assert!(tested.contains("✓ javascript.greet: Ana"), "{tested}");
    step(&sluice, &folder, "sluice plugin add javascript.wasm");
    step(&sluice, &folder, "sluice trust");
    let ran = step(&sluice, &folder, "sluice run greet.yaml");
    assert!(ran.contains("hello, Ana"), "{ran}");
}
