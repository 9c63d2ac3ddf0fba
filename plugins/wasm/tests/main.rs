//! The sandbox from outside: what components can and cannot do, and that the two homes of a plugin are alike.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod cache;
mod figures;
mod guests;
mod homes;
mod hosts;
mod refused;
