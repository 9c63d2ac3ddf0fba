//! Actions of `base` in real runs: the engine, the host's HTTP and a store in this process, and a server on loopback that
//! misbehaves.

// A test may fail by panicking, and so may what only tests use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod sends;
mod server;
mod world;
