//! The shipped runbooks over the simulated world, with the real engine and the real plugins but for AWS.

// The workspace allows these in tests; clippy does not see that helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acts;
mod books;
mod cloud;
mod crash;
mod gates;
mod health;
mod refresh;
mod replace;
mod replaced;
mod roll;
mod toys;
// What `sluice simulate` is made of is what is tried here.
#[path = "../../src/simulation/users.rs"]
mod users;
#[path = "../../src/simulation/wire.rs"]
mod wire;
