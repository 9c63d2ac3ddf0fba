//! Sluice as a whole, judged from outside.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod collect;
mod common;
mod connect;
mod crash;
mod doctor;
#[path = "../crash/driver/mod.rs"]
mod driver;
mod evidence;
mod health;
mod house;
mod inside;
mod locks;
mod logs;
mod node;
mod once;
mod plugin;
mod readme;
mod replace;
mod replace_crash;
mod roll;
mod secrets;
mod terraform;
mod words;
