//! The suite on both stores, and what only a file shared by processes can suffer.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod child;
mod compliance;
mod crash;
mod mutants;
mod processes;
mod trouble;
