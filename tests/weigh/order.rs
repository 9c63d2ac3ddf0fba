//! Which functions polls run, as a script for the linker: together they take a third of the program, and the kernel maps what
//! lies around each of them. Found with valgrind, in a program with symbols; `cargo lab weigh --order` builds that.
//!
//! Names are kept without what changes with every version of a compiler or of a crate, so the list ages slowly. A name that
//! is not there any more does nothing, and one that is missing lies where it would lie without the list.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use regex::Regex;
use sluice_lab::Lab;

use crate::gauge::{self, Outcome};
use crate::ways::Way;

/// Of each way; the first ones read what later ones know.
const POLLS: u64 = 20;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runner/polled.ld");

pub(crate) fn write(lab: &Lab, sluice: &Path, folder: &Path) -> Outcome {
    let traces = folder.join("traces");
    fs::create_dir(&traces)?;
    let traced = traced(sluice, folder, &traces)?;
    for way in [Way::Sluice, Way::Delivering] {
        let started = way.start(lab, &traced, folder)?.ok_or("it does not start")?;
        gauge::watch(started, POLLS)?;
    }
    let mut names = BTreeSet::new();
    for trace in fs::read_dir(&traces)? {
        names.extend(run(&fs::read_to_string(trace?.path())?)?);
    }
    if names.len() < 1000 {
        return Err(format!("only {} functions were seen: has {} no symbols?", names.len(), sluice.display()).into());
    }
    fs::write(SCRIPT, script(&names))?;
    println!("{} names in {SCRIPT}", names.len());
    Ok(())
}

/// A program that runs the other under valgrind.
fn traced(sluice: &Path, folder: &Path, traces: &Path) -> Outcome<PathBuf> {
    let file = folder.join("traced");
    let text = format!(
        "#!/bin/sh\nexec valgrind -q --tool=callgrind --demangle=no --compress-strings=no --callgrind-out-file='{}/%p' '{}' \"$@\"\n",
        traces.display(),
        sluice.display(),
    );
    fs::write(&file, text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    Ok(file)
}

/// Names of the functions in what callgrind wrote.
fn run(trace: &str) -> Outcome<BTreeSet<String>> {
    let [hash, version, number] = [r"17h[0-9a-f]{16}E.*$", r"Cs[0-9A-Za-z]+_", r"(\.llvm)?\.[0-9]+$"].map(Regex::new);
    let (hash, version, number) = (hash?, version?, number?);
    let names = trace.lines().filter_map(|line| line.strip_prefix("fn="));
    // One that calls itself is numbered.
    let names = names.map(|name| name.split('\'').next().unwrap_or(name));
    let ours = names.filter(|name| name.starts_with("_ZN") || name.starts_with("_R"));
    Ok(ours
        .map(|name| match name.starts_with("_R") {
            true => number.replace(&version.replace_all(name, "Cs*_"), "*").into_owned(),
            false => hash.replace(name, "17h*").into_owned(),
        })
        .collect())
}

fn script(names: &BTreeSet<String>) -> String {
    let mut text =
        "/* Written by `cargo lab weigh --order`: functions that polls run, to lie together. */\n".to_owned();
    text.push_str("SECTIONS {\n  .text.polled : {\n");
    names.iter().for_each(|name| text.push_str(&format!("    *(.text.{name})\n")));
    text.push_str("  }\n}\nINSERT BEFORE .text;\n");
    text
}
