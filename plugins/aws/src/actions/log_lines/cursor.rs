//! Where a reading goes on: a moment, and the lines from then on that were given already.
//!
//! Streams are written beside each other, and a line may come late, so the moment lies a little before the newest line.
//! Times alone would show a line twice or lose one: many lines have the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;

use crate::moment;

/// So late a line may come and is still given.
const LATE: i64 = 60_000;

/// A cursor stands in journals. Where more lines than this came within the time above, it is shorter.
const MOST_SHOWN: usize = 300;

/// Made by an answer; given back as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// RFC 3339.
    from: String,
    /// Ids of events from then on that were given already.
    shown: Vec<String>,
}

impl Cursor {
    pub(super) fn from(&self) -> Result<i64, Problem> {
        let wrong = || Problem::bad_input("/after/from", "`after` is not the `next` of an earlier answer".to_owned());
        moment::read(&self.from).ok_or_else(wrong)
    }

    pub(super) fn has_shown(&self, id: &str) -> bool {
        self.shown.iter().any(|shown| shown == id)
    }

    /// After a reading from `from` on that passed these events (time and id), while others wait from `waiting` on.
    pub(super) fn after(from: i64, mut passed: Vec<(i64, String)>, waiting: Option<i64>) -> Self {
        passed.sort();
        let newest = passed.last().map_or(from, |(at, _)| *at);
        let of_the_most = passed.len().checked_sub(MOST_SHOWN).and_then(|at| passed.get(at)).map(|(at, _)| *at);
        let next = from.max(newest.saturating_sub(LATE)).max(of_the_most.unwrap_or(i64::MIN));
        let next = waiting.map_or(next, |waiting| next.min(waiting));
        let shown = passed.into_iter().filter(|(at, _)| *at >= next).map(|(_, id)| id).collect();
        Self { from: moment::written(next), shown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_a_little_before_the_newest_line() {
        let check = |from: i64, passed: &[(i64, &str)], waiting: Option<i64>, next: i64, shown: &[&str]| {
            let passed = passed.iter().map(|(at, id)| (*at, (*id).to_owned())).collect();
            let found = Cursor::after(from, passed, waiting);
            assert_eq!((found.from().unwrap(), found.shown), (next, shown.iter().map(|id| (*id).to_owned()).collect()));
        };
        check(1_000, &[], None, 1_000, &[]);
        check(1_000, &[(1_500, "a")], None, 1_000, &["a"]);
        check(0, &[(100_000, "b"), (1_000, "a")], None, 40_000, &["b"]);
        check(0, &[(100_000, "b"), (40_000, "a")], None, 40_000, &["a", "b"]);
        check(0, &[(100_000, "b"), (1_000, "a")], Some(2_000), 2_000, &["b"]);
        check(50_000, &[(100_000, "b")], Some(200_000), 50_000, &["b"]);
    }

    #[test]
    fn a_cursor_does_not_grow_and_forgets_no_line_of_one_moment() {
        let each = |at: fn(i64) -> i64| (0..1000).map(|nth| (at(nth), format!("{nth:04}"))).collect::<Vec<_>>();
        let found = Cursor::after(0, each(|nth| nth), None);
        assert_eq!((found.from().unwrap(), found.shown.len()), (700, 300));
        let found = Cursor::after(0, each(|_| 5), None);
        assert_eq!((found.from().unwrap(), found.shown.len()), (5, 1000));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for from in ["", "now", "'; rm -rf /", "2026-11-22"] {
            let problem = Cursor { from: from.to_owned(), shown: Vec::new() }.from().unwrap_err();
            assert_eq!(problem.path.as_deref(), Some("/after/from"), "{problem}");
        }
    }
}
