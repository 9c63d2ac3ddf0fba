//! Judging a cluster from samples: pure functions, no I/O, no clock.
//!
//! `judge` turns what the nodes said into findings and a report. How the sample was taken is not known here.

pub(crate) mod asset;
pub(crate) mod finding;
pub(crate) mod group;
pub(crate) mod meta;
mod node;
pub(crate) mod quorum;
mod report;
pub(crate) mod sample;
mod second;
pub(crate) mod stream;
pub(crate) mod threshold;
pub(crate) mod view;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use report::{Report, judge};
