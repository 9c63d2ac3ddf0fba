//! The runbook that is killed: the shipped one with shorter waits, or as it is. It knows words of `replace-node`, and
//! refuses a text in which they no longer stand.
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

/// The text of a shipped runbook.
pub(crate) fn shipped(name: &str) -> Outcome<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks").join(format!("{name}.yaml"));
    std::fs::read_to_string(&path).because(path.display())
}

/// The same with shorter waits.
pub(crate) fn shorter(mut text: String) -> Outcome<String> {
    for (was, is) in SHORTER {
        if !text.contains(was) {
            return Err(format!("the runbook no longer says `{was}`: say in crash/driver/book.rs what it says now"));
        }
        text = text.replace(was, is);
    }
    Ok(text)
}
