//! The engine from outside: broken texts as data, and what is built from good ones.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod actions;
mod calls;
mod cases;
mod checked;
mod clock;
mod core;
mod corpus;
mod hostile;
mod inputs;
mod inventory;
mod run;
mod schemas;
