//! What one line of a node's start says of how it went, by the words of the inventory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Bootstrap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Says {
    Ok,
    Failed,
    Unclear,
}

/// A word of failure counts, whatever else the line says.
pub(super) fn says(line: &str, bootstrap: &Bootstrap) -> Says {
    let rest = line.replace(&bootstrap.phrase, " ").to_lowercase();
    let any = |words: &[String]| words.iter().any(|word| holds(&rest, &word.to_lowercase()));
    match (any(&bootstrap.failed), any(&bootstrap.ok)) {
        (true, _) => Says::Failed,
        (false, true) => Says::Ok,
        (false, false) => Says::Unclear,
    }
}

/// As whole words: "ok" is not in "token".
fn holds(text: &str, word: &str) -> bool {
    let beside = |one: Option<char>| one.is_some_and(char::is_alphanumeric);
    !word.is_empty()
        && text.match_indices(word).any(|(at, found)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
            !beside(before) && !beside(after)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_whole_words_and_failure_counts_first() {
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let bootstrap = Bootstrap {
            phrase: "Axiom ingest check".to_owned(),
            ok: texts(&["ok", "passed"]),
            failed: texts(&["failed", "not ok", "Timed Out", ""]),
        };
        let check = |line: &str, expect: Says| assert_eq!(says(line, &bootstrap), expect, "{line}");
        check("[bootstrap] Axiom ingest check: OK (HTTP 200)", Says::Ok);
        check("Axiom ingest check passed", Says::Ok);
        check("Axiom ingest check=ok", Says::Ok);
        check("Axiom ingest check: FAILED (HTTP 403)", Says::Failed);
        check("Axiom ingest check: failed, curl exited with 0 OK", Says::Failed);
        check("Axiom ingest check: not ok", Says::Failed);
        check("Axiom ingest check timed out", Says::Failed);
        check("Axiom ingest check: token sent", Says::Unclear);
        check("Axiom ingest check started", Says::Unclear);
        check("Axiom ingest check: überpassed", Says::Unclear);
        check("", Says::Unclear);
    }
}
