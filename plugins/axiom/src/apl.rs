//! The one builder of APL, Axiom's query language: names and texts from outside are quoted here and never become code.
//!
//! It knows how a query is written, not what is asked or answered.

use std::fmt::Write as _;
use std::time::Duration;

use sluice_plugin::{Timestamp, format_duration};

use sluice_plugin::time;

/// A query, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query(String);

impl Query {
    /// Everything in this dataset.
    pub(crate) fn of(dataset: &str) -> Self {
        Self(name(dataset))
    }

    #[must_use]
    pub(crate) fn since(self, field: &str, at: Timestamp) -> Self {
        let at = text(&time::written(at));
        self.and(&format!("where {} >= datetime({at})", name(field)))
    }

    /// The same so far back from whenever it is asked: `15m`. That has to be a duration as runbooks write it.
    #[must_use]
    pub(crate) fn since_ago(self, field: &str, back: Duration) -> Self {
        self.and(&format!("where {} >= ago({})", name(field), format_duration(back)))
    }

    #[must_use]
    pub(crate) fn before(self, field: &str, at: Timestamp) -> Self {
        let at = text(&time::written(at));
        self.and(&format!("where {} < datetime({at})", name(field)))
    }

    #[must_use]
    pub(crate) fn before_ago(self, field: &str, back: Duration) -> Self {
        self.and(&format!("where {} < ago({})", name(field), format_duration(back)))
    }

    #[must_use]
    pub(crate) fn is(self, field: &str, value: &str) -> Self {
        self.and(&format!("where {} == {}", name(field), text(value)))
    }

    #[must_use]
    pub(crate) fn among(self, field: &str, values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|value| text(value)).collect();
        self.and(&format!("where {} in ({})", name(field), values.join(", ")))
    }

    /// In any writing.
    #[must_use]
    pub(crate) fn contains(self, field: &str, part: &str) -> Self {
        self.and(&format!("where {} contains {}", name(field), text(part)))
    }

    #[must_use]
    pub(crate) fn sorted(self, field: &str, descends: bool) -> Self {
        self.and(&format!("sort by {} {}", name(field), if descends { "desc" } else { "asc" }))
    }

    #[must_use]
    pub(crate) fn take(self, rows: usize) -> Self {
        self.and(&format!("take {rows}"))
    }

    #[must_use]
    pub(crate) fn only(self, fields: &[&str]) -> Self {
        let fields: Vec<String> = fields.iter().map(|field| name(field)).collect();
        self.and(&format!("project {}", fields.join(", ")))
    }

    /// A new field: what the one is of the other, in percent.
    #[must_use]
    pub(crate) fn percent(self, called: &str, part: &str, whole: &str) -> Self {
        self.and(&format!("extend {} = 100.0 * {} / {}", name(called), name(part), name(whole)))
    }

    /// A number that is exactly this, or anything else.
    #[must_use]
    pub(crate) fn compared(self, field: &str, equal: bool, value: u64) -> Self {
        self.and(&format!("where {} {} {value}", name(field), if equal { "==" } else { "!=" }))
    }

    /// `how` is a function of APL, as `count()`.
    #[must_use]
    pub(crate) fn summarized(self, how: &'static str, by: Option<&str>) -> Self {
        let by = by.map(|by| format!(" by {}", name(by))).unwrap_or_default();
        self.and(&format!("summarize {how}{by}"))
    }

    /// `how` is the name of a function of APL, as `max`.
    #[must_use]
    pub(crate) fn summarized_of(self, how: &'static str, field: &str, by: Option<&str>) -> Self {
        let by = by.map(|by| format!(" by {}", name(by))).unwrap_or_default();
        self.and(&format!("summarize {how}({}){by}", name(field)))
    }

    /// One figure of each group, and the sum of what each is more than this.
    #[must_use]
    pub(crate) fn summed_over(self, how: &'static str, field: &str, by: &str, less: u64) -> Self {
        let each = self.and(&format!("summarize {} = {how}({}) by {}", name("figure"), name(field), name(by)));
        let less = if less > 0 { format!(" - {less}") } else { String::new() };
        each.and(&format!("summarize sum({}{less})", name("figure")))
    }

    /// Events that have this field.
    #[must_use]
    pub(crate) fn has(self, field: &str) -> Self {
        self.and(&format!("where isnotnull({})", name(field)))
    }

    /// How many there are and the last of them: columns `events` and `newest`.
    #[must_use]
    pub(crate) fn count_and_newest(self, field: &str) -> Self {
        self.and(&format!("summarize events = count(), newest = max({})", name(field)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn and(mut self, stage: &str) -> Self {
        self.0.push_str("\n| ");
        self.0.push_str(stage);
        self
    }
}

/// A dataset or a field, whatever characters it has.
fn name(name: &str) -> String {
    format!("['{}']", escaped(name))
}

/// A text, whatever characters it has.
fn text(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Both quotes are escaped in both, so that no place depends on which one stands around it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '"' | '\'' => escaped.extend(['\\', char]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // Writing to a string does not fail. What separates lines elsewhere does not do so here either.
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(char));
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_as_somebody_would_write_it() {
        let query = Query::of("nats-logs")
            .since("_time", Timestamp(1_790_000_000_000))
            .is("node", "nats-staging-node-1")
            .count_and_newest("_time");
        assert_eq!(
            query.as_str(),
            "['nats-logs']\n| where ['_time'] >= datetime(\"2026-09-21T14:13:20.000Z\")\n| where ['node'] == \
             \"nats-staging-node-1\"\n| summarize events = count(), newest = max(['_time'])"
        );
    }

    #[test]
    fn events_are_asked_for_one_by_one() {
        let query = Query::of("nats-logs")
            .since_ago("_time", Duration::from_secs(900))
            .before("_time", Timestamp(1_790_000_000_000))
            .before_ago("_time", Duration::from_secs(3600))
            .among("host", &["n-1", "n\"2"])
            .contains("message", "a'b")
            .sorted("_time", true)
            .take(201)
            .only(&["_time", "jsz.api.errors"])
            .sorted("_time", false);
        assert_eq!(
            query.as_str(),
            "['nats-logs']\n| where ['_time'] >= ago(15m)\n| where ['_time'] < datetime(\"2026-09-21T14:13:20.000Z\")\n\
             | where ['_time'] < ago(1h)\n| where ['host'] in (\"n-1\", \"n\\\"2\")\n| where ['message'] contains \"a\\'b\"\n\
             | sort by ['_time'] desc\n| take 201\n| project ['_time'], ['jsz.api.errors']\n| sort by ['_time'] asc"
        );
    }

    /// What stands between quotes, read as the language does: a backslash takes the next character with it.
    fn read_back(query: &str, quote: char) -> Option<(String, &str)> {
        let mut chars = query.char_indices();
        let mut text = String::new();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'u' => {
                        let code: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                    }
                    other => text.push(other),
                },
                char if char == quote => return Some((text, &query[at + 1..])),
                // A line's end ends a text as well.
                char if char.is_control() => return None,
                char => text.push(char),
            }
        }
        None
    }

    #[test]
    fn text_never_becomes_code() {
        let nasty = [
            "",
            "\"",
            "'",
            "\\",
            "\\\"",
            "\\'",
            "'] | limit 1 //",
            "\" or 1 == 1 or \"a\" == \"",
            "a\n| take 1",
            "a\r\n",
            "\t",
            "\0",
            "\u{7f}\u{85}",
            "\u{2028}| take 1",
            "größe/💧",
            "\\u0041",
            "//",
            "/* */",
        ];
        for nasty in nasty {
            let query = Query::of(nasty).is(nasty, nasty);
            assert_eq!(query.as_str().lines().count(), 2, "{query:?}");
            let (dataset, rest) = read_back(query.as_str().strip_prefix("['").unwrap(), '\'').unwrap();
            let (field, rest) = read_back(rest.strip_prefix("]\n| where ['").unwrap(), '\'').unwrap();
            let (value, rest) = read_back(rest.strip_prefix("] == \"").unwrap(), '"').unwrap();
            assert_eq!((dataset.as_str(), field.as_str(), value.as_str(), rest), (nasty, nasty, nasty, ""));
        }
    }
}
