//! The runbook that is killed: the shipped one with shorter waits, or as it is; `replace-node`, or one that calls it. It
//! knows words of `replace-node`, and refuses a text in which they no longer stand.
//!
//! What decides before the act is left as it is, to the sample. Behind it samples are taken more often, the data has to
//! be back for 5 s instead of 30 s, and the act has 10 s instead of 2 min, which is how long its outcome is not looked
//! for once its process is gone.

use std::path::Path;

use super::{Because, Outcome};

const SHORTER: [(&str, &str); 4] = [
    ("passes: { for: 30s, every: 5s, within: 2h", "passes: { for: 5s, every: 1s, within: 2h"),
    ("timeout: 2m", "timeout: 10s"),
    ("passes: { consecutive: 1, every: 5s, within: 30m }", "passes: { consecutive: 1, every: 1s, within: 30m }"),
    ("passes: { consecutive: 1, every: 10s, within: 5m }", "passes: { consecutive: 1, every: 2s, within: 5m }"),
];

/// The text of a runbook, and that of `replace-node` where it calls it.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) text: String,
    pub(crate) called: Option<String>,
}

impl Book {
    /// What to give it, so that it replaces this node alone.
    pub(crate) fn input(&self, node: &str) -> String {
        format!("{}={node}", if self.called.is_some() { "nodes" } else { "node" })
    }
}

pub(crate) const REPLACE: &str = "replace-node";

/// A shipped one.
pub(crate) fn shipped(name: &str) -> Outcome<Book> {
    let text = text(name)?;
    let calls = text.lines().any(|line| line.trim() == format!("call: {REPLACE}"));
    let called = if calls { Some(self::text(REPLACE)?) } else { None };
    Ok(Book { text, called })
}

fn text(name: &str) -> Outcome<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks").join(format!("{name}.yaml"));
    std::fs::read_to_string(&path).because(path.display())
}

/// The same with shorter waits.
pub(crate) fn shorter(book: Book) -> Outcome<Book> {
    Ok(match book.called {
        Some(called) => Book { called: Some(shortened(called)?), ..book },
        None => Book { text: shortened(book.text)?, called: None },
    })
}

fn shortened(mut text: String) -> Outcome<String> {
    for (was, is) in SHORTER {
        if !text.contains(was) {
            return Err(format!("the runbook no longer says `{was}`: say in crash/driver/book.rs what it says now"));
        }
        text = text.replace(was, is);
    }
    Ok(text)
}
