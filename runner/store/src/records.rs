//! What is checked of records alike in every store: their numbers when they come in, their hashes when they go out.
//! It does not know how records are kept.

use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::store::{Record, StoreError, Version};

/// Refuses records that do not follow `expected` one by one: they could never be read again.
pub(crate) fn numbered(run: &RunId, expected: Version, records: &[Record]) -> Result<(), StoreError> {
    let mut last = expected.ordinal;
    for record in records {
        if last.checked_add(1) != Some(record.ordinal) {
            return Err(StoreError::Corrupt(format!(
                "run {run}: record {} was to follow record {last}, so nothing of this append was written; \
                 this is a mistake in sluice itself, please report it",
                record.ordinal
            )));
        }
        last = record.ordinal;
    }
    Ok(())
}

/// Passes the records on if they follow `after` without a gap and each matches its hash.
///
/// `place` names the store in the error.
pub(crate) fn intact(place: &str, run: &RunId, after: u64, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
    let mut last = after;
    for record in &records {
        if last.checked_add(1) != Some(record.ordinal) {
            return Err(damaged(place, run, &format!("record {} follows record {last}", record.ordinal)));
        }
        if Sha256::of(&record.bytes) != record.hash {
            return Err(damaged(place, run, &format!("record {} does not match its hash", record.ordinal)));
        }
        last = record.ordinal;
    }
    Ok(records)
}

/// The end of a journal after `records` were appended to `expected`.
pub(crate) fn end(expected: Version, records: &[Record]) -> Version {
    records.last().map_or(expected, |last| Version { ordinal: last.ordinal, hash: last.hash })
}

fn damaged(place: &str, run: &RunId, what: &str) -> StoreError {
    StoreError::Corrupt(format!(
        "{place}: in the journal of run {run}, {what}; keep a copy of the store, then restore a backup, and look at the \
         cluster before you start the run anew"
    ))
}
