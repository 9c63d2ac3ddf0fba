//! Which events of an answer are new, and from where to go on so that none is given twice and none is lost.
//!
//! Time alone does not tell: several events have the same one, and some arrive later than younger ones. So the next call
//! looks a little further back than the newest event, and what was given of that stretch is known by its rows. It knows
//! rows with a time and neither queries nor nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use sluice_plugin::{Problem, Timestamp};

use sluice_plugin::time;

type Event = Map<String, Value>;

/// Events of the stretch that is looked at again; with more of them it becomes shorter.
const MOST: usize = 2000;

/// Where an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// From when on is looked again. RFC 3339.
    time: String,
    /// What was given already of the events from then on.
    seen: Vec<String>,
}

/// What an answer is judged by.
pub(super) struct Page<'a> {
    /// From when on was looked.
    pub(super) from: Timestamp,
    pub(super) after: Option<&'a Cursor>,
    pub(super) time_field: &'a str,
    pub(super) id_field: Option<&'a str>,
    pub(super) limit: usize,
    pub(super) oldest_first: bool,
    pub(super) partial: bool,
    pub(super) now: Timestamp,
    /// How late an event may arrive.
    pub(super) late: Duration,
}

pub(super) struct Found {
    pub(super) events: Vec<Event>,
    pub(super) more: bool,
    pub(super) newest: Option<String>,
    pub(super) next: Cursor,
}

/// A row, when it was, and what it is known by.
struct Row {
    at: Timestamp,
    key: String,
    event: Event,
}

impl Cursor {
    pub(super) fn time(&self) -> Result<Timestamp, Problem> {
        let bad =
            || Problem::bad_input("/after/time", format!("`{}` is no moment; give a `next` as it came", self.time));
        time::read(&self.time).ok_or_else(bad)
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }
}

impl Page<'_> {
    pub(super) fn of(&self, rows: Vec<Event>) -> Result<Found, Problem> {
        let rows = rows.into_iter().map(|event| self.row(event)).collect::<Result<Vec<Row>, Problem>>()?;
        let mut given: Vec<(Timestamp, String)> = Vec::new();
        let (mut fresh, gone) = self.sifted(rows, &mut given);
        let more = fresh.len() > self.limit;
        fresh.truncate(self.limit);
        given.extend(fresh.iter().map(|row| (row.at, row.key.clone())));
        let newest = fresh.iter().max_by_key(|row| row.at).and_then(|row| row.event.get(self.time_field)?.as_str());
        let newest = newest.map(str::to_owned);
        let start = self.start(&fresh, &given, more);
        // Where the answer did not hold all there is, what was given and is not in it may lie behind its end.
        let unmet = if more || self.partial { gone } else { Vec::new() };
        let next = cursor(start, given, unmet);
        Ok(Found { events: fresh.into_iter().map(|row| row.event).collect(), more, newest, next })
    }

    fn row(&self, event: Event) -> Result<Row, Problem> {
        let at = event.get(self.time_field).and_then(Value::as_str).and_then(time::read).ok_or_else(|| {
            let message = format!("Axiom answered with an event whose time (`{}`) cannot be read", self.time_field);
            Problem::not_applied("unexpected_answer", message)
        })?;
        Ok(Row { at, key: self.key(&event), event })
    }

    /// By its id, or Axiom's number of the row, or all that it holds.
    fn key(&self, event: &Event) -> String {
        let id = self.id_field.and_then(|field| event.get(field));
        let id = id.or_else(|| event.get("_rowID")).or_else(|| event.get("_rowId"));
        let text = match id {
            Some(id) => id.to_string(),
            None => format!("{:?}", event.iter().collect::<BTreeMap<_, _>>()),
        };
        Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Those that were not given yet; and of those that were, the keys that are not in this answer. Two events that hold
    /// the same are two, as often as there are; two with the same id are one.
    fn sifted(&self, rows: Vec<Row>, given: &mut Vec<(Timestamp, String)>) -> (Vec<Row>, Vec<String>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for key in self.after.iter().flat_map(|cursor| &cursor.seen) {
            *seen.entry(key).or_default() += 1;
        }
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let mut fresh = Vec::new();
        for row in rows {
            let has_id = self.id_field.is_some_and(|field| row.event.contains_key(field));
            if has_id && !ids.insert(row.key.clone()) {
                continue;
            }
            match seen.get_mut(row.key.as_str()).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    given.push((row.at, row.key));
                }
                None => fresh.push(row),
            }
        }
        let gone = seen.into_iter().flat_map(|(key, left)| std::iter::repeat_n(key.to_owned(), left)).collect();
        (fresh, gone)
    }

    /// From when on the next call has to look.
    fn start(&self, fresh: &[Row], given: &[(Timestamp, String)], more: bool) -> Timestamp {
        let Some(newest) = given.iter().map(|(at, _)| *at).max().filter(|_| !self.partial) else { return self.from };
        // An event from the future says nothing of when the others come.
        let start = time::before(newest.min(self.now), self.late).max(self.from);
        let oldest = fresh.iter().map(|row| row.at).min();
        match oldest.filter(|_| more && !self.oldest_first) {
            // Older ones were left out on purpose, and are not to come after younger ones.
            Some(oldest) => start.max(oldest),
            None => start,
        }
    }
}

fn cursor(start: Timestamp, mut given: Vec<(Timestamp, String)>, unmet: Vec<String>) -> Cursor {
    given.retain(|(at, _)| *at >= start);
    given.sort();
    // Of one moment all are kept, however many.
    let start = given.len().checked_sub(MOST).and_then(|at| given.get(at)).map_or(start, |(at, _)| *at);
    let keys = given.into_iter().filter(|(at, _)| *at >= start).map(|(_, key)| key);
    Cursor { time: time::written(start), seen: keys.chain(unmet).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LATE: Duration = Duration::from_secs(60);

    /// What is stored: second, arrival, and what it is.
    struct Store(Vec<(i64, i64, Value)>);

    impl Store {
        /// What a query from the cursor on finds at `now`, as the action asks it.
        fn ask(&self, after: Option<&Cursor>, from: i64, now: i64, limit: usize, newest: bool) -> Found {
            let from = after.map_or(Timestamp(from * 1000), |cursor| cursor.time().unwrap());
            let oldest_first = after.is_some() || !newest;
            let mut rows: Vec<(i64, Event)> = Vec::new();
            for (second, arrived, what) in &self.0 {
                if *arrived <= now && second * 1000 >= from.0 {
                    let event = json!({ "_time": time::written(Timestamp(second * 1000)), "what": what });
                    rows.push((*second, event.as_object().unwrap().clone()));
                }
            }
            rows.sort_by_key(|(second, _)| if oldest_first { *second } else { -second });
            rows.truncate(limit + after.map_or(0, Cursor::seen) + 1);
            let rows = rows.into_iter().map(|(_, event)| event).collect();
            let (time_field, id_field) = ("_time", None);
            let now = Timestamp(now * 1000);
            let page = Page { from, after, time_field, id_field, limit, oldest_first, partial: false, now, late: LATE };
            page.of(rows).unwrap()
        }

        /// What one sees who follows from `from` on, asking at each of these moments until there is no more.
        fn follow(&self, from: i64, moments: &[i64], limit: usize) -> Vec<Value> {
            let mut shown = Vec::new();
            let mut cursor: Option<Cursor> = None;
            for now in moments {
                loop {
                    let found = self.ask(cursor.as_ref(), from, *now, limit, cursor.is_none());
                    let first = cursor.is_none();
                    let mut events: Vec<Value> = found.events.iter().map(|event| event["what"].clone()).collect();
                    if first {
                        events.reverse();
                    }
                    shown.extend(events);
                    cursor = Some(found.next);
                    if !found.more || first {
                        break;
                    }
                }
            }
            shown
        }
    }

    fn store(events: &[(i64, i64, &str)]) -> Store {
        Store(events.iter().map(|(second, arrived, what)| (*second, *arrived, json!(what))).collect())
    }

    #[test]
    fn who_follows_sees_each_event_once() {
        let check = |events: &[(i64, i64, &str)], moments: &[i64], limit: usize, expect: &[&str]| {
            assert_eq!(store(events).follow(1000, moments, limit), expect, "{events:?}");
        };
        check(&[(1010, 1011, "a"), (1020, 1021, "b")], &[1030, 1040], 10, &["a", "b"]);
        check(&[(1010, 1011, "a"), (1040, 1041, "b")], &[1030, 1050], 10, &["a", "b"]);
        // Nothing at first, and then something.
        check(&[(1040, 1041, "a")], &[1030, 1050, 1060], 10, &["a"]);
        // At the same moment as one that was seen, and hold the same.
        check(&[(1010, 1011, "a"), (1010, 1035, "b"), (1010, 1045, "a")], &[1030, 1040, 1050], 10, &["a", "b", "a"]);
        // Later than a younger one.
        check(&[(1040, 1041, "b"), (1030, 1060, "a"), (1070, 1071, "c")], &[1050, 1080], 10, &["b", "a", "c"]);
        // From the future: those of now still come.
        check(&[(9000, 1020, "far"), (1040, 1041, "a")], &[1030, 1050], 10, &["far", "a"]);
        // A page at a time, also of one moment.
        let many = [(1040, 1041, "a"), (1040, 1041, "b"), (1040, 1041, "c"), (1041, 1041, "d"), (1042, 1042, "e")];
        check(&many, &[1030, 1050], 2, &["a", "b", "c", "d", "e"]);
        check(&many, &[1030, 1050], 1, &["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn the_newest_are_where_one_begins() {
        let events: Vec<(i64, i64, String)> = (1000..1100).map(|at| (at, at, format!("e{at}"))).collect();
        let store = Store(events.iter().map(|(second, arrived, what)| (*second, *arrived, json!(what))).collect());
        let found = store.ask(None, 1000, 1200, 10, true);
        assert!(found.more && found.events.len() == 10);
        assert_eq!(found.newest.as_deref(), Some("1970-01-01T00:18:19.000Z"));
        // What was left out on purpose does not come afterwards.
        let after = store.ask(Some(&found.next), 0, 1200, 10, true);
        assert_eq!((after.events.len(), after.more), (0, false));
    }

    #[test]
    fn no_schedule_loses_an_event() {
        // A small generator, so that a failure can be repeated.
        let mut seed = 7u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..2000 {
            let count = 1 + next(12);
            let events: Vec<(i64, i64, Value)> = (0..count)
                .map(|_| {
                    let at = 1000 + i64::try_from(next(100)).unwrap();
                    let late = i64::try_from(next(59)).unwrap();
                    (at, at + late, json!(next(3)))
                })
                .collect();
            let moments: Vec<i64> = (0..6).map(|n| 1001 + n * 40).collect();
            let limit = 1 + usize::try_from(next(4)).unwrap();
            let store = Store(events.clone());
            // The first look takes only the newest; with nothing there yet it leaves nothing out.
            let mut shown = store.follow(1000, &[&[999], moments.as_slice()].concat(), limit);
            let mut all: Vec<Value> = events.into_iter().map(|(_, _, what)| what).collect();
            let by = |a: &Value, b: &Value| a.as_u64().cmp(&b.as_u64());
            shown.sort_by(by);
            all.sort_by(by);
            assert_eq!(shown, all);
        }
    }

    #[test]
    fn what_is_known_of_an_event_is_its_id() {
        let event = |id: Option<&str>, what: u32| -> Event {
            let mut event = json!({ "_time": "2026-11-22T17:54:46Z", "what": what });
            if let Some(id) = id {
                event["id"] = json!(id);
            }
            event.as_object().unwrap().clone()
        };
        let page = Page {
            from: Timestamp(0),
            after: None,
            time_field: "_time",
            id_field: Some("id"),
            limit: 10,
            oldest_first: true,
            partial: false,
            now: Timestamp(i64::MAX),
            late: LATE,
        };
        let rows =
            || vec![event(Some("a"), 1), event(Some("a"), 1), event(Some("b"), 1), event(None, 1), event(None, 1)];
        let found = page.of(rows()).unwrap();
        assert_eq!(found.events.len(), 4, "an event that was sent twice is one");
        let again = Page { after: Some(&found.next), ..page }.of(rows()).unwrap();
        assert_eq!(again.events.len(), 0);
    }

    #[test]
    fn a_part_of_the_answer_moves_nothing_on() {
        let rows = |seconds: &[i64]| -> Vec<Event> {
            let one = |second: &i64| json!({ "_time": time::written(Timestamp(second * 1000)) });
            seconds.iter().map(|second| one(second).as_object().unwrap().clone()).collect()
        };
        let page = |after, partial| Page {
            from: Timestamp(0),
            after,
            time_field: "_time",
            id_field: None,
            limit: 10,
            oldest_first: true,
            partial,
            now: Timestamp(i64::MAX),
            late: LATE,
        };
        let first = page(None, true).of(rows(&[5, 9])).unwrap();
        assert_eq!((first.next.time.as_str(), first.next.seen.len()), ("1970-01-01T00:00:00.000Z", 2));
        let second = page(Some(&first.next), true).of(rows(&[7])).unwrap();
        assert_eq!(second.next.seen.len(), 3, "what is not in a part is still known");
        let whole = page(Some(&second.next), false).of(rows(&[3, 5, 7, 9])).unwrap();
        assert_eq!((whole.events.len(), whole.next.seen.len()), (1, 4));
    }

    #[test]
    fn the_stretch_that_is_looked_at_again_has_an_end() {
        let at = |n: i64| (Timestamp(n), format!("{n:016x}"));
        let made = cursor(Timestamp(0), (0..5000).map(at).collect(), vec![]);
        assert_eq!((made.time.as_str(), made.seen.len()), ("1970-01-01T00:00:03.000Z", MOST));
        let of_one = cursor(Timestamp(0), (0..5000).map(|n| (Timestamp(7), at(n).1)).collect(), vec![]);
        assert_eq!((of_one.time.as_str(), of_one.seen.len()), ("1970-01-01T00:00:00.007Z", 5000));
    }
}
