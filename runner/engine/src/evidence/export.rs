//! A run taken out of a store: its records as they are, and every blob that they name.

use std::collections::BTreeMap;

use super::blobs_of;
use super::file::{Blob, Exporter, File, Header, VERSION};
use crate::ids::{RunId, Sha256};
use crate::journal::chain::{Verified, verify, version_of};
use crate::journal::{Store, StoreError, Version};
use crate::run::OpenError;

/// Everything of the run that the store has. Refuses what is damaged: evidence of it would be none.
pub async fn export(store: &dyn Store, run: &RunId, by: &Exporter) -> Result<File, OpenError> {
    let records = store.read(run, 0).await?;
    let Some(last) = records.last() else { return Err(OpenError::NoRun(run.clone())) };
    let head = version_of(last);
    let mut found = Found { store, run, blobs: BTreeMap::new(), order: Vec::new() };
    for verified in verify(&records, Version::START)? {
        found.named_by(verified).await?;
    }
    let blobs = found.in_order();
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let header = Header {
        version: VERSION,
        run: run.clone(),
        written_by: by.program.clone(),
        exported_by: by.actor.clone(),
        exported_at: by.at,
        records: count(records.len()),
        blobs: count(blobs.len()),
        head,
    };
    Ok(File { header, records, blobs })
}

struct Found<'a> {
    store: &'a dyn Store,
    run: &'a RunId,
    blobs: BTreeMap<Sha256, Vec<u8>>,
    order: Vec<Sha256>,
}

impl Found<'_> {
    async fn named_by(&mut self, verified: Verified) -> Result<(), OpenError> {
        let ordinal = verified.ordinal;
        let verified = match verified.body_elsewhere() {
            Some(hash) => {
                let bytes = self.fetch(ordinal, hash).await?;
                let text = String::from_utf8(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                verified.with_body(text)
            }
            None => verified,
        };
        let mut envelope = verified.envelope().map_err(StoreError::from)?;
        for hash in blobs_of(&mut envelope.event) {
            self.fetch(ordinal, hash).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, ordinal: u64, hash: Sha256) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.blobs.get(&hash) {
            return Ok(bytes.clone());
        }
        let missing =
            || StoreError::Corrupt(format!("blob {hash}, which event {ordinal} of run {} names, is missing", self.run));
        let bytes = self.store.get_blob(&hash).await?.ok_or_else(missing)?;
        self.order.push(hash);
        self.blobs.insert(hash, bytes.clone());
        Ok(bytes)
    }

    /// As the events name them.
    fn in_order(mut self) -> Vec<Blob> {
        let blob = |hash: Sha256| Some(Blob { hash, bytes: self.blobs.remove(&hash)? });
        self.order.into_iter().filter_map(blob).collect()
    }
}
