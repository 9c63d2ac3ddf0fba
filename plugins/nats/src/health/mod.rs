//! Judging a cluster from samples: pure functions, no I/O, no clock.
//!
//! `judge` turns what the nodes said into findings and a report. How the sample was taken is not known here.

mod asset;
mod finding;
mod group;
mod meta;
mod node;
mod quorum;
mod report;
pub(crate) mod sample;
mod second;
mod stream;
pub(crate) mod threshold;
pub(crate) mod view;

#[cfg(test)]
mod tests;

pub(crate) use report::{Report, judge};
