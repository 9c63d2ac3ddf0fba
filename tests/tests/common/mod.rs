//! What several modules of tests use.

pub(crate) mod parameters;
pub(crate) mod person;
pub(crate) mod session;
pub(crate) mod sluice;
pub(crate) mod wire;
