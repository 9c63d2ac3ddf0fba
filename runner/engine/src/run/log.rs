//! One run's journal as its owner sees it: the state, the version it was folded from, and appends that keep both true.

use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::Timestamp;

use super::RunError;
use crate::ids::{RunId, Sha256};
use crate::journal::chain::{decode, encode, version_of};
use crate::journal::{
    AppendError, Durability, Envelope, Epoch, Event, Found, Record, Ruling, Store, StoreError, Version,
};
use crate::machine::{Illegal, State, apply};
use crate::runbook::checked::Checked;

/// Values above this many bytes are kept as blobs; an event stays under 64 KiB.
const LARGE: usize = 48 * 1024;
const BLOB_KEY: &str = "$blob";

pub(super) struct Log {
    pub(super) run: RunId,
    pub(super) runbook: Arc<Checked>,
    pub(super) state: State,
    version: Version,
    store: Arc<dyn Store>,
}

/// What became of an append.
pub(super) enum Appended {
    Yes(Vec<Envelope>),
    /// The journal had moved on; the state is now what it says, and the events were not written and come back.
    Moved(Vec<Event>),
    /// The state does not allow one of the events. None was written, and all come back.
    Refused(Illegal, Vec<Event>),
}

impl Log {
    pub(super) fn new(run: RunId, runbook: Arc<Checked>, store: Arc<dyn Store>) -> Self {
        let state = State::new(&runbook);
        Self { run, runbook, state, version: Version::START, store }
    }

    pub(super) fn ordinal(&self) -> u64 {
        self.version.ordinal
    }

    /// Appends all of the events or none.
    pub(super) async fn append(
        &mut self,
        events: Vec<Event>,
        epoch: Option<Epoch>,
        actor: &str,
        now: Timestamp,
        durability: Durability,
    ) -> Result<Appended, RunError> {
        let mut records = Vec::with_capacity(events.len());
        let mut envelopes = Vec::with_capacity(events.len());
        let mut version = self.version;
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            let ordinal = version.ordinal + 1;
            let envelope = Envelope { ordinal, at: now, epoch, actor: actor.to_owned(), event };
            if let Err(illegal) = apply(&self.runbook, &mut self.state, &envelope) {
                if !envelopes.is_empty() {
                    self.reload().await?;
                }
                envelopes.push(envelope);
                let back = events_of(envelopes).into_iter().chain(events).collect();
                return Ok(Appended::Refused(illegal, back));
            }
            let record = self.record(&envelope, version).await?;
            version = version_of(&record);
            records.push(record);
            envelopes.push(envelope);
        }
        match self.store.append(&self.run, self.version, &records, durability).await {
            Ok(version) => self.version = version,
            Err(AppendError::Conflict) => {
                self.reload().await?;
                return Ok(Appended::Moved(events_of(envelopes)));
            }
            Err(AppendError::Ambiguous(_)) => {
                let written = self.is_written(&records).await?;
                if !written {
                    self.reload().await?;
                    return Ok(Appended::Moved(events_of(envelopes)));
                }
                self.version = version;
            }
            Err(AppendError::Store(error)) => return Err(error.into()),
        }
        Ok(Appended::Yes(envelopes))
    }

    /// Reads what others appended. True when there was something.
    pub(super) async fn catch_up(&mut self) -> Result<bool, RunError> {
        let records = self.store.read(&self.run, self.version.ordinal).await?;
        if records.is_empty() {
            return Ok(false);
        }
        match decode(&records, self.version) {
            Ok(_) => drop(self.fold(&records).await?),
            // What this process believed to be the end is not in the store: only the store is right.
            Err(_) => self.reload().await?,
        }
        Ok(true)
    }

    /// Forgets everything and reads the journal from its start.
    pub(super) async fn reload(&mut self) -> Result<(), RunError> {
        self.state = State::new(&self.runbook);
        self.version = Version::START;
        let records = self.store.read(&self.run, 0).await?;
        self.fold(&records).await.map(drop)
    }

    /// Adds records that were read, and gives their events as they were meant, large values in place.
    pub(super) async fn fold(&mut self, records: &[Record]) -> Result<Vec<Envelope>, RunError> {
        let mut envelopes = Vec::with_capacity(records.len());
        for (mut envelope, record) in decode(records, self.version)?.into_iter().zip(records) {
            self.expand(&mut envelope.event).await?;
            apply(&self.runbook, &mut self.state, &envelope).map_err(|illegal| RunError::Journal {
                run: self.run.clone(),
                ordinal: envelope.ordinal,
                why: illegal.to_string(),
            })?;
            self.version = version_of(record);
            envelopes.push(envelope);
        }
        Ok(envelopes)
    }

    async fn is_written(&self, records: &[Record]) -> Result<bool, RunError> {
        let written = self.store.read(&self.run, self.version.ordinal).await?;
        Ok(written.get(..records.len()).is_some_and(|found| found == records))
    }

    async fn record(&self, envelope: &Envelope, version: Version) -> Result<Record, RunError> {
        let record = encode(envelope, version)?;
        let large = record.bytes.len() > LARGE;
        // A value that looks like a reference would be read as one: it is kept as a blob, whatever its size.
        let key = BLOB_KEY.as_bytes();
        if !large && !record.bytes.windows(key.len()).any(|bytes| bytes == key) {
            return Ok(record);
        }
        let mut small = envelope.clone();
        for value in large_values(&mut small.event).into_iter().flatten() {
            if !large && blob_hash(value).is_none() {
                continue;
            }
            let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let hash = self.store.put_blob(&bytes).await?;
            *value = serde_json::json!({ BLOB_KEY: hash });
        }
        Ok(encode(&small, version)?)
    }

    async fn expand(&self, event: &mut Event) -> Result<(), RunError> {
        for value in large_values(event).into_iter().flatten() {
            let Some(hash) = blob_hash(value) else { continue };
            let bytes = self.store.get_blob(&hash).await?;
            let missing = || StoreError::Corrupt(format!("blob {hash} of run {} is missing", self.run));
            *value = serde_json::from_slice(&bytes.ok_or_else(missing)?)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        }
        Ok(())
    }
}

fn events_of(envelopes: Vec<Envelope>) -> Vec<Event> {
    envelopes.into_iter().map(|envelope| envelope.event).collect()
}

/// The values of an event that can be large.
fn large_values(event: &mut Event) -> [Option<&mut Value>; 2] {
    let one = match event {
        Event::Reconciled { verdict: Found::Done { output }, evidence, .. } => return [Some(output), Some(evidence)],
        Event::Reconciled { evidence: value, .. } => Some(value),
        Event::Settled { verdict: Ruling::Done { output }, .. } => Some(output),
        Event::Started { inputs: value, .. }
        | Event::Done { output: value, .. }
        | Event::Renewed { output: value, .. }
        | Event::Judged { seen: value, .. } => Some(value),
        Event::Failed { problem, .. } => problem.details.as_mut(),
        Event::Claimed { .. }
        | Event::Entered { .. }
        | Event::Opened { .. }
        | Event::Skipped { .. }
        | Event::Waiting { .. }
        | Event::CancelAsked { .. }
        | Event::Intended { .. }
        | Event::Settled { .. }
        | Event::Parked
        | Event::Interrupted
        | Event::Ended { .. } => None,
    };
    [one, None]
}

fn blob_hash(value: &Value) -> Option<Sha256> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    Sha256::from_hex(object.get(BLOB_KEY)?.as_str()?)
}
