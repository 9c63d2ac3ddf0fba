//! Events to stored bytes and back. Each record holds the hash of the one before, over the bytes as stored.
//!
//! The bytes are the truth: reading verifies them first and only then understands them. What is intact and yet not
//! understood was written by a newer Sluice, and is no damage.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sluice_plugin::Timestamp;

use super::event::{Envelope, Epoch, Event};
use super::store::{Record, StoreError, Version};
use super::upcast;
use crate::ids::Sha256;

/// In the place of a value, or of a whole body, that is kept as a blob.
const BLOB_KEY: &str = "$blob";

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

/// The same with its body elsewhere.
#[derive(Serialize)]
struct StoredElsewhere<'a> {
    ordinal: u64,
    at: Timestamp,
    epoch: Option<Epoch>,
    actor: &'a str,
    v: u16,
    prev: Sha256,
    kind: &'a str,
    body: Value,
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

/// What is looked at before anything else is believed to be as it is today.
#[derive(Deserialize)]
struct Glance {
    v: u16,
    kind: String,
}

/// A record whose hash, place and chain are right. Whether its event is understood is another matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub ordinal: u64,
    pub at: Timestamp,
    pub epoch: Option<Epoch>,
    pub actor: String,
    pub kind: String,
    v: u16,
    body: String,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    TooNew(String),
}

/// The record that follows `version`.
pub fn encode(envelope: &Envelope, version: Version) -> Result<Record, StoreError> {
    let stored = Stored {
        ordinal: envelope.ordinal,
        at: envelope.at,
        epoch: envelope.epoch,
        actor: &envelope.actor,
        v: upcast::newest(envelope.event.kind()),
        prev: version.hash,
        event: &envelope.event,
    };
    record(envelope.ordinal, &stored)
}

/// The record that follows `version` and names the blob with its event's body.
pub fn encode_elsewhere(envelope: &Envelope, body: &Sha256, version: Version) -> Result<Record, StoreError> {
    let kind = envelope.event.kind();
    let stored = StoredElsewhere {
        ordinal: envelope.ordinal,
        at: envelope.at,
        epoch: envelope.epoch,
        actor: &envelope.actor,
        v: upcast::newest(kind),
        prev: version.hash,
        kind,
        body: blob_reference(body),
    };
    record(envelope.ordinal, &stored)
}

fn record(ordinal: u64, stored: &impl Serialize) -> Result<Record, StoreError> {
    let bytes = serde_json::to_vec(stored).map_err(|error| does_not_fit(&error))?;
    Ok(Record { ordinal, hash: Sha256::of(&bytes), bytes })
}

/// The body of an event as it would stand in its record.
pub fn body_of(event: &Event) -> Result<Vec<u8>, StoreError> {
    let mut whole = serde_json::to_value(event).map_err(|error| does_not_fit(&error))?;
    let body = whole.get_mut("body").map(Value::take).unwrap_or_default();
    serde_json::to_vec(&body).map_err(|error| does_not_fit(&error))
}

fn does_not_fit(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("an event does not fit into JSON: {error}"))
}

/// Stands for what is kept as this blob.
pub fn blob_reference(hash: &Sha256) -> Value {
    serde_json::json!({ BLOB_KEY: hash })
}

/// The blob that this value stands for.
pub fn blob_hash(value: &Value) -> Option<Sha256> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    Sha256::from_hex(object.get(BLOB_KEY)?.as_str()?)
}

/// Whether these bytes could hold a reference, or something that looks like one.
pub fn may_refer(bytes: &[u8]) -> bool {
    // Its first sign alone is seldom there, and is found much faster.
    bytes.contains(&b'$') && bytes.windows(BLOB_KEY.len()).any(|window| window == BLOB_KEY.as_bytes())
}

/// The version of a journal that ends with this record.
pub fn version_of(record: &Record) -> Version {
    Version { ordinal: record.ordinal, hash: record.hash }
}

/// Verifies and reads the records that follow `version`. For journals without bodies in blobs.
pub fn decode(records: &[Record], version: Version) -> Result<Vec<Envelope>, StoreError> {
    verify(records, version)?.into_iter().map(|verified| Ok(verified.envelope()?)).collect()
}

/// Verifies the records that follow `version`.
pub fn verify(records: &[Record], mut version: Version) -> Result<Vec<Verified>, StoreError> {
    let mut verified = Vec::with_capacity(records.len());
    for record in records {
        verified.push(verify_one(record, version)?);
        version = version_of(record);
    }
    Ok(verified)
}

/// Verifies the record that follows `before`.
pub fn verify_one(record: &Record, before: Version) -> Result<Verified, Fault> {
    let damaged = |what: &str| Fault::Damaged(format!("event {} of the journal {what}", record.ordinal));
    if record.ordinal != before.ordinal + 1 {
        return Err(damaged(&format!("stands where event {} should be", before.ordinal + 1)));
    }
    if Sha256::of(&record.bytes) != record.hash {
        return Err(damaged("was altered: its bytes do not match its hash"));
    }
    let unreadable = |error| damaged(&format!("cannot be read: {error}"));
    let loaded: Loaded<'_> = match serde_json::from_slice(&record.bytes) {
        Ok(loaded) => loaded,
        Err(error) => match serde_json::from_slice::<Glance>(&record.bytes) {
            Ok(glance) if glance.v > upcast::newest(&glance.kind) => {
                return Err(too_new(record.ordinal, &glance.kind, glance.v));
            }
            Ok(_) | Err(_) => return Err(unreadable(error)),
        },
    };
    if loaded.prev != before.hash {
        return Err(damaged("does not follow the event before it: the chain is broken"));
    }
    if loaded.ordinal != record.ordinal {
        return Err(damaged(&format!("says that it is event {}", loaded.ordinal)));
    }
    let body = loaded.body.map_or("null", RawValue::get).to_owned();
    let Loaded { ordinal, at, epoch, actor, kind, v, .. } = loaded;
    Ok(Verified { ordinal, at, epoch, actor, kind, v, body })
}

impl Verified {
    /// The blob that the whole body is in.
    pub fn body_elsewhere(&self) -> Option<Sha256> {
        let may_be = self.body.len() < 100 && may_refer(self.body.as_bytes());
        may_be.then(|| serde_json::from_str(&self.body).ok().and_then(|body| blob_hash(&body))).flatten()
    }

    /// The same with the body that was elsewhere.
    #[must_use]
    pub fn with_body(self, body: String) -> Self {
        Self { body, ..self }
    }

    /// What happened, in the words of today.
    pub fn envelope(self) -> Result<Envelope, Fault> {
        let event = self.event()?;
        let Self { ordinal, at, epoch, actor, .. } = self;
        Ok(Envelope { ordinal, at, epoch, actor, event })
    }

    fn event(&self) -> Result<Event, Fault> {
        if self.v == upcast::newest(&self.kind) {
            return self.understood(&self.kind, &self.body);
        }
        let body = serde_json::from_str(&self.body).map_err(|error| self.strange(&error))?;
        match upcast::today(&self.kind, self.v, body) {
            Some((kind, body)) => self.understood(&kind, &body.to_string()),
            None => Err(too_new(self.ordinal, &self.kind, self.v)),
        }
    }

    fn understood(&self, kind: &str, body: &str) -> Result<Event, Fault> {
        let text = if body == "null" {
            format!(r#"{{"kind":{kind:?}}}"#)
        } else {
            format!(r#"{{"kind":{kind:?},"body":{body}}}"#)
        };
        serde_json::from_str(&text).map_err(|error| self.strange(&error))
    }

    /// A word that this Sluice does not know is a newer one's.
    fn strange(&self, error: &serde_json::Error) -> Fault {
        if error.to_string().starts_with("unknown variant") {
            return too_new(self.ordinal, &self.kind, self.v);
        }
        Fault::Damaged(format!("event {} of the journal cannot be understood: {error}", self.ordinal))
    }
}

fn too_new(ordinal: u64, kind: &str, v: u16) -> Fault {
    Fault::TooNew(format!(
        "event {ordinal} of the journal ({kind}, version {v}); use that version of Sluice for this run"
    ))
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(what) => Self::Corrupt(what),
            Fault::TooNew(what) => Self::TooNew(what),
        }
    }
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

    /// What only a newer Sluice can have written is told from damage.
    #[test]
    fn what_is_newer_is_no_damage() {
        let check = |from: &str, to: &str, expect: &str| {
            let text = String::from_utf8(two().remove(0).bytes).unwrap();
            assert!(text.contains(from));
            let bytes = text.replace(from, to).into_bytes();
            let record = Record { ordinal: 1, hash: Sha256::of(&bytes), bytes };
            let error = decode(&[record], Version::START).unwrap_err();
            assert_eq!(matches!(error, StoreError::TooNew(_)), !expect.is_empty(), "{to}: {error}");
            assert!(error.to_string().contains(expect), "{error}");
        };
        check(r#""v":1"#, r#""v":2"#, "event 1 of the journal (skipped, version 2)");
        check("skipped", "teleported", "(teleported, version 1)");
        check(r#""skipped","body":{"key":"a"}"#, r#""entered","body":{"phase":"purgatory"}"#, "(entered, version 1)");
        check(r#""actor":"ana@laptop","v":1"#, r#""actor":{"name":"ana"},"v":2"#, "(skipped, version 2)");
        check(r#"{"key":"a"}"#, "{}", "");
        check(r#""actor":"ana@laptop""#, r#""actor":7"#, "");
        // More than is known is nothing to stumble over.
        let text = String::from_utf8(two().remove(0).bytes).unwrap();
        let bytes = text.replace(r#"{"key":"a"}"#, r#"{"key":"a","because":"new"}"#).into_bytes();
        let record = Record { ordinal: 1, hash: Sha256::of(&bytes), bytes };
        assert!(decode(&[record], Version::START).is_ok());
    }
}
