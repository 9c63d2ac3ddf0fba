//! A simulated world: a cluster, its cloud and its clock, deterministic from a seed, for `test`, `simulate` and tests.
//!
//! It serves what is *collected*: monitoring answers, the JetStream API, what AWS lists. What plugins make of that runs
//! for real, so no judgement stands here a second time. Nothing here opens a connection, reads a file or waits in real
//! time, and no concrete plugin is known.

pub mod aws;
mod axiom;
mod clock;
mod fault;
pub mod harness;
mod hosts;
mod network;
mod process;
mod random;
mod serve;
mod setup;
mod state;
pub mod toy;
mod truth;
mod world;

pub use clock::{EPOCH, SimClock};
pub use fault::{AwsFault, AwsTrouble, BootLine, Fault, When};
pub use hosts::SimHosts;
pub use network::{Connection, NoAnswer, NoConnection};
pub use process::{Process, Processes};
pub use setup::{Caller, Lies, Parameter, Setup, Times, Traffic, User};
pub use truth::{Said, StreamTruth, Termination, Truth};
pub use world::{Called, World};
