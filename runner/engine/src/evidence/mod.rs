//! Evidence of a run: everything its journal names in one file, what that file shows, and what it cannot show.
//!
//! Works on texts and on the store's traits. It signs nothing and knows no keys: a file that verifies was not altered
//! since its last hash was noted somewhere else, and no more than that.

mod export;
mod file;
mod verify;

pub use crate::run::{Difference, Replayed};
pub use export::export;
pub use file::{Blob, Exporter, File, Header, VERSION};
pub use verify::{About, Finding, Noted, Verdict, verify};

use crate::ids::Sha256;
use crate::journal::Event;
use crate::journal::chain::blob_hash;
use crate::run::large_value;

/// The blobs that an event names, as it stands in its record.
fn blobs_of(event: &mut Event) -> Vec<Sha256> {
    let snapshot = match event {
        Event::Started { snapshot, .. } => Some(*snapshot),
        _ => None,
    };
    let value = large_value(event).and_then(|value| blob_hash(value));
    snapshot.into_iter().chain(value).collect()
}
