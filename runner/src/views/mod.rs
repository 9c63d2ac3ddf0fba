//! What people and programs read: each screen twice, for a person and as JSON. Nothing here decides or fetches.

pub(crate) mod ask;
pub(crate) mod by_hand;
pub(crate) mod changes;
pub(crate) mod diff;
pub(crate) mod findings;
pub(crate) mod important;
pub(crate) mod live;
mod log_lines;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod question;
pub(crate) mod schema;
mod sections;
pub(crate) mod sign;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod tree;
mod unknown;

use std::io::{self, Write as _};

use serde::Serialize;

/// Data for whoever reads standard output.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Words for the person who watches. That nobody does (the terminal hung up, the other end of the pipe is gone) is no
/// reason to stop what is being done, so it never fails.
pub(crate) fn err(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// One JSON document, indented.
pub(crate) fn json(document: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
    out(&(text + "\n"))
}
