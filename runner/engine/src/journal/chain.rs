//! Events to stored bytes and back. Each record holds the hash of the one before, over the bytes as stored.
//!
//! The bytes are the truth: reading verifies them first and only then understands them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_plugin::Timestamp;

use super::event::{Envelope, Epoch, Event};
use super::store::{Record, StoreError, Version};
use crate::ids::Sha256;

/// The version of every event's body written today.
const BODY_VERSION: u16 = 1;

#[derive(Serialize)]
struct Stored<'a> {
    ordinal: u64,
    at: Timestamp,
    epoch: Option<Epoch>,
    actor: &'a str,
    v: u16,
    prev: Sha256,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Loaded<'a> {
    ordinal: u64,
    at: Timestamp,
    epoch: Option<Epoch>,
    actor: String,
    v: u16,
    prev: Sha256,
    kind: String,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// The record that follows `version`.
pub fn encode(envelope: &Envelope, version: Version) -> Result<Record, StoreError> {
    let stored = Stored {
        ordinal: envelope.ordinal,
        at: envelope.at,
        epoch: envelope.epoch,
        actor: &envelope.actor,
        v: BODY_VERSION,
        prev: version.hash,
        event: &envelope.event,
    };
    let bytes = serde_json::to_vec(&stored)
        .map_err(|error| StoreError::Corrupt(format!("an event does not fit into JSON: {error}")))?;
    Ok(Record { ordinal: envelope.ordinal, hash: Sha256::of(&bytes), bytes })
}

/// The version of a journal that ends with this record.
pub fn version_of(record: &Record) -> Version {
    Version { ordinal: record.ordinal, hash: record.hash }
}

/// Verifies and reads the records that follow `version`.
pub fn decode(records: &[Record], mut version: Version) -> Result<Vec<Envelope>, StoreError> {
    let mut envelopes = Vec::with_capacity(records.len());
    for record in records {
        envelopes.push(decode_one(record, version)?);
        version = version_of(record);
    }
    Ok(envelopes)
}

fn decode_one(record: &Record, before: Version) -> Result<Envelope, StoreError> {
    let damaged = |what: &str| StoreError::Corrupt(format!("event {} of the journal {what}", record.ordinal));
    if record.ordinal != before.ordinal + 1 {
        return Err(damaged(&format!("stands where event {} should be", before.ordinal + 1)));
    }
    if Sha256::of(&record.bytes) != record.hash {
        return Err(damaged("was altered: its bytes do not match its hash"));
    }
    let loaded: Loaded<'_> =
        serde_json::from_slice(&record.bytes).map_err(|error| damaged(&format!("cannot be read: {error}")))?;
    if loaded.prev != before.hash {
        return Err(damaged("does not follow the event before it: the chain is broken"));
    }
    if loaded.ordinal != record.ordinal {
        return Err(damaged(&format!("says that it is event {}", loaded.ordinal)));
    }
    let event = read_event(&loaded).map_err(|what| damaged(&what))?;
    Ok(Envelope { ordinal: loaded.ordinal, at: loaded.at, epoch: loaded.epoch, actor: loaded.actor, event })
}

/// The one place that knows old versions of bodies. There is only one version so far.
fn read_event(loaded: &Loaded<'_>) -> Result<Event, String> {
    if loaded.v != BODY_VERSION {
        return Err(format!("was written by a newer Sluice ({} version {})", loaded.kind, loaded.v));
    }
    let body = loaded.body.map_or("null", RawValue::get);
    let text = if body == "null" {
        format!(r#"{{"kind":{:?}}}"#, loaded.kind)
    } else {
        format!(r#"{{"kind":{:?},"body":{body}}}"#, loaded.kind)
    };
    serde_json::from_str(&text).map_err(|error| format!("cannot be understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::event::{CancelHow, Key};

    fn two() -> Vec<Record> {
        let envelope = |ordinal, event| Envelope {
            ordinal,
            at: Timestamp(1_700_000_000_000),
            epoch: Some(Epoch(1)),
            actor: "ana@laptop".into(),
            event,
        };
        let first = encode(&envelope(1, Event::Skipped { key: Key("a".into()) }), Version::START).unwrap();
        let second = encode(&envelope(2, Event::Interrupted), version_of(&first)).unwrap();
        vec![first, second]
    }

    #[test]
    fn what_was_written_is_read() {
        let read = decode(&two(), Version::START).unwrap();
        assert_eq!(read[0].event, Event::Skipped { key: Key("a".into()) });
        assert_eq!(read[1].event, Event::Interrupted);
        assert_eq!(read[1].actor, "ana@laptop");
    }

    /// The bytes are a format: other releases read them. A change here needs a new body version.
    #[test]
    fn the_bytes_are_these() {
        let text = String::from_utf8(two().remove(0).bytes).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"ordinal":1,"at":1700000000000,"epoch":1,"actor":"ana@laptop","v":1,"#,
                r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","#,
                r#""kind":"skipped","body":{"key":"a"}}"#
            )
        );
    }

    #[test]
    fn every_alteration_is_seen() {
        let check = |alter: fn(&mut Vec<Record>), expect: &str| {
            let mut records = two();
            alter(&mut records);
            let error = decode(&records, Version::START).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(|records| records[0].bytes[70] ^= 1, "do not match its hash");
        check(|records| drop(records.remove(0)), "stands where event 1 should be");
        check(|records| records.swap(0, 1), "stands where event 1 should be");
        check(
            |records| {
                let other = Event::CancelAsked { how: CancelHow::Now, why: String::new() };
                let envelope =
                    Envelope { ordinal: 1, at: Timestamp(0), epoch: None, actor: String::new(), event: other };
                records[0] = encode(&envelope, Version::START).unwrap();
            },
            "chain is broken",
        );
    }
}
