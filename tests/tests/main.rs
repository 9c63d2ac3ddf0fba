//! Sluice as a whole, judged from outside.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod connect;
mod crash;
mod doctor;
mod health;
mod house;
mod readme;
mod secrets;
