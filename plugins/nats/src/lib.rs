//! The native plugin `nats`: what is true of a NATS JetStream cluster, told by its monitoring endpoints and its API.
//!
//! Reading (`monitor`, `link`) and judging (`health`) are kept apart: judging is pure and takes recorded samples.
//! It knows no runbook, no store and no other plugin; everything it is told comes in `with`.

mod actions;
mod alerts;
mod by_hand;
mod data;
mod health;
mod link;
mod look;
mod monitor;
mod names;
mod overview;
mod quorum;
mod reasons;
mod report;
mod span;
mod step_down;

pub use actions::{plugin, plugin_over};
pub use link::wire::{Line, NoLine, NoReply, Opened, Target, Wire};
