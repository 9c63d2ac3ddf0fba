//! One run's journal as its owner sees it: the state, the version it was folded from, and appends that keep both true.

use std::sync::Arc;

use serde_json::Value;
use sluice_plugin::Timestamp;

use super::fence::LEASE;
use super::open::index_entry;
use super::{Hosts, RunError, clean};
use crate::ids::{RunId, Sha256};
use crate::journal::chain::{
    Verified, blob_hash, blob_reference, body_of, encode, encode_elsewhere, may_refer, verify, version_of,
};
use crate::journal::{
    AppendError, Beside, Durability, Envelope, Epoch, Event, Found, Record, Ruling, Store, StoreError, Version, Void,
};
use crate::machine::{Illegal, State, apply};
use crate::runbook::checked::Checked;

/// What is above this many bytes is kept as a blob; an event stays under 64 KiB.
const LARGE: usize = 48 * 1024;

/// So often an append that came to nothing is tried again.
const PATIENCE: u32 = 5;

pub(super) struct Log {
    pub(super) run: RunId,
    pub(super) runbook: Arc<Checked>,
    pub(super) state: State,
    version: Version,
    /// The last event that was ever read or written here: it cannot be undone.
    seen: Version,
    /// Up to this ordinal every event was handed out, or waits in `news`.
    told: u64,
    news: Vec<Envelope>,
    /// Appends in a row that were not written, without the store saying so.
    unsure: u32,
    /// What is to be kept with the first event, which names it.
    snapshot: Option<Vec<u8>>,
    /// The end of the journal that the list of runs was written with.
    listed: Option<Version>,
    store: Arc<dyn Store>,
    hosts: Arc<dyn Hosts>,
}

/// What became of an append.
pub(super) enum Appended {
    /// With what others had written before.
    Yes(Vec<Envelope>),
    /// The journal had moved on; the state is now what it says, and the events were not written and come back.
    Moved(Vec<Event>),
    /// The state does not allow one of the events. None was written, and all come back.
    Refused(Illegal, Vec<Event>),
}

impl Log {
    pub(super) fn new(run: RunId, runbook: Arc<Checked>, store: Arc<dyn Store>, hosts: Arc<dyn Hosts>) -> Self {
        let state = State::new(&runbook);
        let (version, seen) = (Version::START, Version::START);
        let (news, snapshot, listed) = (Vec::new(), None, None);
        Self { run, runbook, state, version, seen, told: 0, news, unsure: 0, snapshot, listed, store, hosts }
    }

    /// A journal to begin, with the snapshot that its first event names.
    pub(super) fn beginning(mut self, snapshot: Vec<u8>) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    /// Whether the list of runs, and the lease of this one, were written with the last event.
    pub(super) fn is_listed(&self) -> bool {
        self.listed == Some(self.version)
    }

    pub(super) fn ordinal(&self) -> u64 {
        self.version.ordinal
    }

    /// The end of the journal as it is known here.
    pub(super) fn head(&self) -> Version {
        self.version
    }

    /// Events that nobody was told of yet: others wrote them.
    pub(super) fn take_news(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.news)
    }

    /// Appends all of the events or none. Nothing is written that was not cleaned of secrets here.
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
        while let Some(mut event) = events.next() {
            clean::event(&*self.hosts, &mut event);
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
        let beside = self.beside(version.ordinal, now);
        match self.store.append_beside(&self.run, self.version, &records, durability, &beside).await {
            Ok(version) => {
                self.listed = beside.entry.map(|_| version);
                // It is kept in the store now.
                self.snapshot = None;
                self.is_at(version);
            }
            Err(AppendError::Conflict) => {
                self.reload().await?;
                return Ok(Appended::Moved(events_of(envelopes)));
            }
            Err(AppendError::Ambiguous(why)) => {
                let written = self.is_written(&records).await?;
                if !written {
                    self.unsure += 1;
                    if self.unsure > PATIENCE {
                        return Err(
                            StoreError::Unreachable(format!("it took none of {PATIENCE} appends: {why}")).into()
                        );
                    }
                    self.reload().await?;
                    return Ok(Appended::Moved(events_of(envelopes)));
                }
                self.is_at(version);
            }
            Err(AppendError::Store(error)) => return Err(error.into()),
        }
        self.unsure = 0;
        self.told = self.told.max(self.version.ordinal);
        let mut news = self.take_news();
        news.extend(envelopes);
        Ok(Appended::Yes(news))
    }

    /// Where a run begins and where it ends the list changes with it.
    fn beside(&self, ordinal: u64, now: Timestamp) -> Beside<'_> {
        let begins = self.version == Version::START;
        if !begins && self.state.ended.is_none() {
            return Beside::default();
        }
        Beside {
            blob: self.snapshot.as_deref().filter(|_| begins),
            entry: Some(index_entry(&self.run, &self.state, ordinal)),
            lease: Some(self.state.ended.is_none().then(|| now.plus(LEASE))),
        }
    }

    fn is_at(&mut self, version: Version) {
        self.version = version;
        if version.ordinal >= self.seen.ordinal {
            self.seen = version;
        }
    }

    /// Reads what others appended. True when there was something.
    pub(super) async fn catch_up(&mut self) -> Result<bool, RunError> {
        let records = self.store.read(&self.run, self.version.ordinal).await?;
        if records.is_empty() {
            return Ok(false);
        }
        if self.fold(&records).await.is_err() {
            // What this process believed to be the end is not in the store, or nothing can follow it.
            self.reload().await?;
        }
        Ok(true)
    }

    /// Forgets everything and reads the journal from its start.
    pub(super) async fn reload(&mut self) -> Result<(), RunError> {
        self.state = State::new(&self.runbook);
        self.version = Version::START;
        let records = self.store.read(&self.run, 0).await?;
        self.still_there(&records)?;
        self.fold(&records).await.map(drop)
    }

    /// What happened cannot be gone: going on from an older journal would do things twice.
    fn still_there(&self, records: &[Record]) -> Result<(), RunError> {
        let Some(before) = self.seen.ordinal.checked_sub(1) else { return Ok(()) };
        let found = usize::try_from(before).ok().and_then(|at| records.get(at));
        if found.is_some_and(|record| version_of(record) == self.seen) {
            return Ok(());
        }
        let left = u64::try_from(records.len()).unwrap_or(u64::MAX);
        Err(RunError::Rewritten { run: self.run.clone(), seen: self.seen.ordinal, left })
    }

    /// Adds records that were read, and gives their events as they were meant, large values in place.
    pub(super) async fn fold(&mut self, records: &[Record]) -> Result<Vec<Envelope>, RunError> {
        let mut envelopes = Vec::with_capacity(records.len());
        for (verified, record) in verify(records, self.version)?.into_iter().zip(records) {
            let envelope = self.understood(verified).await?;
            apply(&self.runbook, &mut self.state, &envelope).map_err(|illegal| RunError::Journal {
                run: self.run.clone(),
                ordinal: envelope.ordinal,
                why: illegal.to_string(),
            })?;
            self.is_at(version_of(record));
            if self.told < envelope.ordinal {
                self.told = envelope.ordinal;
                self.news.push(envelope.clone());
            }
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
        if !large && !may_refer(&record.bytes) {
            return Ok(record);
        }
        let mut small = envelope.clone();
        if let Some(value) = large_value(&mut small.event).filter(|value| large || blob_hash(value).is_some()) {
            let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            *value = blob_reference(&self.store.put_blob(&bytes).await?);
        }
        let record = encode(&small, version)?;
        if record.bytes.len() <= LARGE {
            return Ok(record);
        }
        // It is large elsewhere: the items of a loop, for one.
        let body = self.store.put_blob(&body_of(&small.event)?).await?;
        Ok(encode_elsewhere(&small, &body, version)?)
    }

    /// The event of a verified record, with what is kept as blobs in its place.
    async fn understood(&self, verified: Verified) -> Result<Envelope, RunError> {
        Ok(understood(&*self.store, &self.run, verified).await?)
    }
}

/// The event of a verified record of this run, with what is kept as blobs in its place.
pub(super) async fn understood(store: &dyn Store, run: &RunId, verified: Verified) -> Result<Envelope, StoreError> {
    let ordinal = verified.ordinal;
    let verified = match verified.body_elsewhere() {
        Some(hash) => {
            let text = String::from_utf8(blob(store, run, ordinal, &hash).await?);
            verified.with_body(text.map_err(|error| StoreError::Corrupt(error.to_string()))?)
        }
        None => verified,
    };
    let mut envelope = verified.envelope().map_err(StoreError::from)?;
    if let Some(value) = large_value(&mut envelope.event)
        && let Some(hash) = blob_hash(value)
    {
        let bytes = blob(store, run, ordinal, &hash).await?;
        *value = serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    }
    Ok(envelope)
}

async fn blob(store: &dyn Store, run: &RunId, ordinal: u64, hash: &Sha256) -> Result<Vec<u8>, StoreError> {
    let missing = || StoreError::Corrupt(format!("blob {hash}, which event {ordinal} of run {run} names, is missing"));
    store.get_blob(hash).await?.ok_or_else(missing)
}

fn events_of(envelopes: Vec<Envelope>) -> Vec<Event> {
    envelopes.into_iter().map(|envelope| envelope.event).collect()
}

/// The value of an event that is kept by itself when it is large.
pub(crate) fn large_value(event: &mut Event) -> Option<&mut Value> {
    match event {
        // Evidence beside an output goes with the whole event where it is large.
        Event::Reconciled { verdict: Found::Done { output: value }, .. }
        | Event::Settled { verdict: Ruling::Done { output: value }, .. }
        | Event::Reconciled { evidence: value, .. }
        | Event::Started { inputs: value, .. }
        | Event::Done { output: value, .. }
        | Event::Renewed { output: value, .. }
        | Event::Judged { seen: value, .. }
        | Event::Called { inputs: value, .. }
        | Event::Returned { outputs: value, .. }
        | Event::Picked { seen: value, .. }
        | Event::Asked { shown: value, .. }
        | Event::Rejudged { seen: value, .. }
        | Event::Voided { why: Void::GateFailed { seen: value, .. } | Void::Moved { changes: value, .. }, .. } => {
            Some(value)
        }
        Event::Failed { problem, .. } => problem.details.as_mut(),
        Event::Claimed { .. }
        | Event::Locked { .. }
        | Event::Unlocked { .. }
        | Event::LockLost { .. }
        | Event::Entered { .. }
        | Event::Opened { .. }
        | Event::EnteredFinally { .. }
        | Event::Skipped { .. }
        | Event::Waiting { .. }
        | Event::CancelAsked { .. }
        | Event::Intended { .. }
        | Event::Settled { .. }
        | Event::Ruled { .. }
        | Event::Answered { .. }
        | Event::Voided { .. }
        | Event::Rebound { .. }
        | Event::LookedLast { .. }
        | Event::Overridden { .. }
        | Event::Parked
        | Event::Interrupted
        | Event::Ended { .. } => None,
    }
}
