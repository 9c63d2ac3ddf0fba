//! What several modules of tests use.

pub(crate) mod parameters;
pub(crate) mod person;
pub(crate) mod sluice;
