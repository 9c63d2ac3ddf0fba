//! What Axiom says of a batch, and which of its events that means.
//!
//! A failure names no event but its time. Where several events may be meant, all of them are named, as uncertain: nobody
//! may take an event for stored because it was not named.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sluice_plugin::Timestamp;

use super::batch::Event;
use sluice_plugin::time;

/// Of an error, as far as anybody reads it.
const LONGEST: usize = 200;

/// Axiom's answer. A status of 200 says nothing yet.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) ingested: u64,
    pub(super) failed: u64,
    #[serde(default)]
    failures: Option<Vec<Failure>>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    timestamp: Value,
    #[serde(default)]
    error: String,
}

/// An event that is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its place among the events of the batch, from 0.
    pub(super) index: usize,
    /// What Axiom says of it.
    pub(super) error: String,
    /// False: one of several events is meant, and this may be stored.
    pub(super) certain: bool,
}

/// What is not stored of these events, by their place among them.
pub(super) fn rejected(events: &[Event], status: &Status) -> Vec<Rejected> {
    let failures = status.failures.as_deref().unwrap_or_default();
    let mut named: BTreeMap<usize, Rejected> = BTreeMap::new();
    let mut unplaced = Vec::new();
    for (at, errors) in by_time(failures) {
        let here = places(events, at);
        let certain = here.len() <= errors.len();
        // More failures than events of that time: some are of others.
        unplaced.extend(errors.get(here.len()..).unwrap_or_default().iter().copied());
        let error = joined(&errors);
        named.extend(here.into_iter().map(|index| (index, Rejected { index, error: error.clone(), certain })));
    }
    let whole = events.len() as u64;
    let untold = status.failed.saturating_sub(failures.len() as u64);
    let uncounted = whole.saturating_sub(status.ingested.saturating_add(status.failed));
    if untold > 0 {
        unplaced.push("Axiom gives no reason");
    }
    let counted = format!("of {whole} events Axiom counts {} as stored and {} as not", status.ingested, status.failed);
    if uncounted > 0 {
        unplaced.push(&counted);
    }
    if !unplaced.is_empty() {
        let (error, certain) = (joined(&unplaced), status.ingested == 0 && status.failed >= whole);
        for index in 0..events.len() {
            named.entry(index).or_insert_with(|| Rejected { index, error: error.clone(), certain });
        }
    }
    named.into_values().collect()
}

/// The errors of each moment; of those without one, under none.
fn by_time(failures: &[Failure]) -> BTreeMap<Option<Timestamp>, Vec<&str>> {
    let mut by_time: BTreeMap<Option<Timestamp>, Vec<&str>> = BTreeMap::new();
    for failure in failures {
        by_time.entry(moment(&failure.timestamp)).or_default().push(&failure.error);
    }
    by_time
}

fn places(events: &[Event], at: Option<Timestamp>) -> Vec<usize> {
    let same = |event: &Event| at.is_some() && event.get("_time").and_then(moment) == at;
    events.iter().enumerate().filter(|(_, event)| same(event)).map(|(index, _)| index).collect()
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(time::read)
}

/// Each once.
fn joined(errors: &[&str]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for error in errors {
        if !once.contains(error) {
            once.push(error);
        }
    }
    once.join("; ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Events by the second of their time; each failure by its second, and an error.
    fn check(
        events: &[Option<u32>],
        counts: (u64, u64),
        failures: &[(Option<u32>, &str)],
        expect: &[(usize, &str, bool)],
    ) {
        let time = |second: u32| format!("2026-11-22T17:54:{second:02}.5Z");
        let event = |second: &Option<u32>| match second {
            Some(second) => json!({ "_time": time(*second) }).as_object().unwrap().clone(),
            None => Event::new(),
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        let failure = |(second, error): &(Option<u32>, &str)| {
            // It writes times in its own way.
            let timestamp = second.map(|second| format!("2026-11-22T18:54:{second:02}.500000000+01:00"));
            json!({ "timestamp": timestamp, "error": error })
        };
        let failures: Vec<Value> = failures.iter().map(failure).collect();
        let status = json!({ "ingested": counts.0, "failed": counts.1, "failures": failures });
        let status: Status = serde_json::from_value(status).unwrap();
        let found = rejected(&events, &status);
        let found: Vec<(usize, &str, bool)> =
            found.iter().map(|one| (one.index, one.error.as_str(), one.certain)).collect();
        assert_eq!(found, expect, "{events:?}");
    }

    #[test]
    fn a_failure_is_of_an_event() {
        let three = [Some(1), Some(2), Some(3)];
        check(&three, (3, 0), &[], &[]);
        check(&three, (2, 1), &[(Some(2), "bad")], &[(1, "bad", true)]);
        check(&three, (1, 2), &[(Some(3), "bad"), (Some(1), "worse")], &[(0, "worse", true), (2, "bad", true)]);
        check(
            &three,
            (0, 3),
            &[(Some(1), "a"), (Some(2), "a"), (Some(3), "a")],
            &[(0, "a", true), (1, "a", true), (2, "a", true)],
        );
        // All of one moment failed.
        check(
            &[Some(1), Some(1), Some(2)],
            (1, 2),
            &[(Some(1), "a"), (Some(1), "b")],
            &[(0, "a; b", true), (1, "a; b", true)],
        );
    }

    #[test]
    fn where_several_may_be_meant_all_are_named() {
        check(&[Some(1), Some(1), Some(2)], (2, 1), &[(Some(1), "bad")], &[(0, "bad", false), (1, "bad", false)]);
        // A time that no event has, or none.
        check(&[Some(1), Some(2)], (1, 1), &[(Some(9), "bad")], &[(0, "bad", false), (1, "bad", false)]);
        check(&[Some(1), None], (1, 1), &[(None, "bad")], &[(0, "bad", false), (1, "bad", false)]);
        // One more than there are events of that time.
        check(&[Some(1), Some(2)], (0, 2), &[(Some(1), "a"), (Some(1), "b")], &[(0, "a; b", true), (1, "b", true)]);
        check(
            &[Some(1), Some(2), Some(3)],
            (1, 2),
            &[(Some(1), "a"), (Some(1), "b")],
            &[(0, "a; b", true), (1, "b", false), (2, "b", false)],
        );
    }

    #[test]
    fn what_is_not_told_is_in_doubt() {
        check(
            &[Some(1), Some(2)],
            (1, 1),
            &[],
            &[(0, "Axiom gives no reason", false), (1, "Axiom gives no reason", false)],
        );
        check(
            &[Some(1), Some(2)],
            (0, 2),
            &[],
            &[(0, "Axiom gives no reason", true), (1, "Axiom gives no reason", true)],
        );
        check(&[Some(1), Some(2)], (1, 1), &[(Some(2), "bad")], &[(1, "bad", true)]);
        let counted = "of 2 events Axiom counts 1 as stored and 0 as not";
        check(&[Some(1), Some(2)], (1, 0), &[], &[(0, counted, false), (1, counted, false)]);
        // More than were sent are all of them, and more.
        check(&[Some(1), Some(2)], (3, 0), &[], &[]);
    }
}
