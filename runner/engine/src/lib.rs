//! The engine.

pub mod ids;
pub mod journal;
pub mod registry;
