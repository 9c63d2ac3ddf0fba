//! What servers say of themselves and of each other, in the words of nats-server: the monitoring endpoints and the
//! JetStream API. This is what lies: it is made from the truth in `state`, early and from one side.

mod api;
mod connz;
mod group;
mod healthz;
mod jsz;
mod routez;
mod varz;

pub(crate) use api::{Refused, ask, ping};

use serde_json::{Value, json};

use crate::state::State;
use crate::state::node::{Server, Slot};
use crate::truth::Said;

/// An answer of a monitoring endpoint: HTTP status and body.
pub(crate) fn monitoring(state: &State, server: &Server, path: &str) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match path {
        "/healthz" => healthz::answer(state, server),
        "/routez" => (200, routez::answer(state, server)),
        "/varz" => (200, varz::answer(state, server)),
        "/jsz" => (200, jsz::answer(state, server, asks(query, "accounts"))),
        "/connz" => (200, connz::answer(state, server, number(query, "limit", 1024), number(query, "offset", 0))),
        _ => (404, json!({ "error": "404 page not found" })),
    }
}

/// What something says that is no server and knows what a healthy one would say: the node's last, still there and with all
/// the data.
pub(crate) fn impostor(state: &State, slot: &Slot, server: &Server, path: &str) -> (u16, Value) {
    let mut dream = state.clone();
    dream.silent.remove(&server.name);
    for stream in dream.streams.iter_mut().filter(|stream| stream.raft.peers.contains(&server.name)) {
        stream.stores.insert(server.name.clone(), stream.reaches());
    }
    if let Some(dreamt) = dream.slot(&slot.name) {
        (dreamt.instance, dreamt.server) = (slot.instance.clone(), Some(server.clone()));
    }
    monitoring(&dream, server, path)
}

/// What every configured node would say now. One that does not answer is not healthy.
pub(crate) fn said(state: &State) -> Vec<Said> {
    let of = |slot: &Slot| {
        let Some(server) = slot.running() else {
            return Said { server: slot.server_name.clone(), healthy: false, calls_all_current: None };
        };
        let led = state.streams.iter().filter(|stream| group::named_leader(state, &stream.raft) == Some(&server.name));
        let words: Vec<bool> = led.map(|stream| group::all_current(state, stream)).collect();
        let calls_all_current = (!words.is_empty()).then(|| words.iter().all(|word| *word));
        Said { server: server.name.clone(), healthy: healthz::answer(state, server).0 == 200, calls_all_current }
    };
    state.slots.iter().map(of).collect()
}

/// The slot that is reached under this host and port.
pub(crate) fn at_monitor<'a>(state: &'a State, host: &str, port: u16) -> Option<&'a Slot> {
    state.slots.iter().find(|slot| slot.host == host && slot.monitor_port == port)
}

fn asks(query: &str, key: &str) -> bool {
    value(query, key).is_some_and(|value| matches!(value, "1" | "true"))
}

fn number(query: &str, key: &str, default: usize) -> usize {
    value(query, key).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Milliseconds since the world began as nats-server writes a time.
pub(crate) fn rfc3339(moment: i64) -> String {
    let millis = crate::clock::EPOCH.0 + moment;
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", of_day % 1_000)
}

/// The moment that was written so, in milliseconds since the world began. Nothing else is read.
pub(crate) fn moment(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = (number(0, 4)? - 1970) * 365 + (number(0, 4)? - 1969).div_euclid(4);
    let (month, day) = (number(5, 7)?, number(8, 10)?);
    let near = days + (month - 1) * 28 + day - 1;
    let day =
        (near..near + 45).find(|day| date(*day) == (number(0, 4).unwrap_or(0), month, number(8, 10).unwrap_or(0)))?;
    let of_day = ((number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?) * 1_000 + number(20, 23)?;
    let moment = day * 86_400_000 + of_day - crate::clock::EPOCH.0;
    (rfc3339(moment) == text).then_some(moment)
}

/// Year, month and day of a day counted from 1970, by the rule of the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_server_writes_them() {
        let at = |millis: i64| rfc3339(millis - crate::clock::EPOCH.0);
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(at(1_790_000_000_000), "2026-09-21T14:13:20.000Z");
        assert_eq!(at(1_798_761_599_999), "2026-12-31T23:59:59.999Z");
        for millis in [951_782_400_123, 1_790_000_000_000, 1_798_761_599_999, 1_709_164_800_000] {
            assert_eq!(moment(&at(millis)), Some(millis - crate::clock::EPOCH.0));
        }
        assert!(moment("2026-02-30T00:00:00.000Z").is_none() && moment("yesterday").is_none());
    }

    #[test]
    fn a_query_is_read() {
        assert!(asks("accounts=1&limit=3", "accounts") && !asks("limit=3", "accounts"));
        assert_eq!((number("auth=1&limit=3", "limit", 9), number("", "limit", 9)), (3, 9));
    }
}
