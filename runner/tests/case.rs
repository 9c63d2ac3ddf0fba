//! One case file: notes, files to lay out, and command lines with what they must print.
//!
//! `=== file NAME` and the file's text; `=== $ COMMAND` for the shell and its output, each line marked `out| ` or
//! `err| `, then `exit N`. Everything before the first section is notes.

use std::fmt::Write as _;
use std::path::Path;

use crate::world::World;

enum Section {
    File { name: String, text: String },
    Command { line: String, expect: String },
}

/// Runs the case; the error shows where it differs. With `BLESS` set it rewrites the file instead.
pub(crate) fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (notes, sections) = parse(&text);
    assert!(
        sections.iter().any(|section| matches!(section, Section::Command { .. })),
        "{} runs nothing",
        file.display()
    );
    let world = World::new();
    let mut fresh = notes;
    for section in &sections {
        match section {
            Section::File { name, text } => {
                world.lay(name, text);
                write!(fresh, "=== file {name}\n{text}").unwrap();
            }
            Section::Command { line, .. } => write!(fresh, "=== $ {line}\n{}", world.run(line)).unwrap(),
        }
    }
    if fresh == text {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, fresh).unwrap();
        return Ok(());
    }
    Err(difference(file, &sections, &parse(&fresh).1))
}

fn parse(text: &str) -> (String, Vec<Section>) {
    let (mut notes, mut sections) = (String::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("=== file ") {
            sections.push(Section::File { name: name.trim().to_owned(), text: String::new() });
        } else if let Some(line) = line.strip_prefix("=== $ ") {
            sections.push(Section::Command { line: line.trim_end().to_owned(), expect: String::new() });
        } else {
            match sections.last_mut() {
                None => notes.push_str(line),
                Some(Section::File { text, .. }) => text.push_str(line),
                Some(Section::Command { expect, .. }) => expect.push_str(line),
            }
        }
    }
    (notes, sections)
}

fn difference(file: &Path, expected: &[Section], found: &[Section]) -> String {
    let mut shown = format!("{}:\n", file.file_name().unwrap().to_string_lossy());
    for pair in expected.iter().zip(found) {
        if let (Section::Command { line, expect }, Section::Command { expect: fresh, .. }) = pair
            && expect != fresh
        {
            write!(shown, "$ {line}\nexpected:\n{expect}found:\n{fresh}").unwrap();
        }
    }
    shown
}
