//! The place of locks in a build without AWS: it has a name, and nobody gets there.

use std::sync::Arc;

use sluice_engine::journal::store::{Locks, StoreError};
use sluice_engine::run::Place;
use sluice_plugin::inventory::Aws;

/// Nobody sees those of an account.
pub(crate) fn shelf(_: Aws, _: &str) -> Option<Arc<dyn Locks>> {
    None
}

/// What a plan says of it.
pub(super) fn folder(prefix: &str) -> String {
    format!("{prefix} (in AWS)")
}

#[allow(clippy::unused_async, reason = "where there is AWS, it is asked")]
pub(super) async fn opened(_: Aws, _: &str) -> Result<Place, StoreError> {
    Err(StoreError::Unreachable("the lock is kept in AWS, and this build of Sluice, for nodes, has no AWS".to_owned()))
}
