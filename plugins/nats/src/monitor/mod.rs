//! The monitoring endpoints of the nodes (port 8222): what they answer, and reading all of them at one time.
//!
//! Nothing here judges: a node that does not answer is a value like any other.

pub(crate) mod figures;
pub(crate) mod model;
mod number;
pub(crate) mod reach;
pub(crate) mod read;
