//! Where called runbooks come from: the engine asks, whoever uses it answers. Nothing is read here.
//!
//! A run that is opened again asks its snapshot, so that what it calls is what it called when it was begun.

use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::journal::Snapshot;
use crate::source::Source;

/// A runbook's text, and what tells it from all others.
#[derive(Clone, Debug)]
pub struct Book {
    /// The same for the same file, whatever it was called by.
    pub id: String,
    /// For people: a path, or `built in`.
    pub origin: String,
    pub source: Source,
}

/// Finds what a runbook names in another file.
pub trait Library {
    /// The runbook that `name` (a name or a path) means in a step of `caller`.
    fn book(&self, name: &str, caller: &Book) -> Result<Book, NoBook>;

    /// Rows for an input of type `thresholds` that a call does not give. `default` is the path that the runbook names.
    fn thresholds(&self, book: &Book, input: &str, default: Option<&str>) -> Result<Value, NoBook>;
}

/// Why something is not to be had.
#[derive(Clone, Debug)]
pub enum NoBook {
    /// It is not there: what was looked for, and what could be meant.
    Missing { why: String, help: Option<String> },
    /// It is there and no text, or no table.
    Unreadable(Box<Diagnostic>),
}

/// Has no runbooks: what is checked with it can call none.
pub struct Empty;

impl Library for Empty {
    fn book(&self, name: &str, _: &Book) -> Result<Book, NoBook> {
        Err(missing(format!("there is no runbook `{name}`")))
    }

    fn thresholds(&self, _: &Book, input: &str, _: Option<&str>) -> Result<Value, NoBook> {
        Err(missing(format!("there is no threshold file for `{input}`")))
    }
}

/// What a run called when it was begun.
impl Library for Snapshot {
    fn book(&self, name: &str, caller: &Book) -> Result<Book, NoBook> {
        let calls = self.called.get(&caller.id).map_or(&self.calls, |called| &called.calls);
        let found = calls.get(name).and_then(|id| self.called.get_key_value(id));
        let (id, called) = found.ok_or_else(|| missing(format!("the run's snapshot has no runbook `{name}`")))?;
        let source = Source::new(format!("{name}: {} (as it was)", called.origin), called.runbook.as_str());
        Ok(Book { id: id.clone(), origin: called.origin.clone(), source })
    }

    fn thresholds(&self, book: &Book, input: &str, _: Option<&str>) -> Result<Value, NoBook> {
        let rows = self.called.get(&book.id).and_then(|called| called.thresholds.get(input));
        rows.cloned().ok_or_else(|| missing(format!("the run's snapshot has no thresholds for `{input}`")))
    }
}

impl Snapshot {
    /// The run's own runbook, as it was. No called one has its id.
    pub fn book(&self) -> Book {
        let source = Source::new(format!("{} (as it was)", self.origin), self.runbook.as_str());
        Book { id: String::new(), origin: self.origin.clone(), source }
    }
}

fn missing(why: String) -> NoBook {
    NoBook::Missing { why, help: None }
}
