//! The engine.

pub mod ids;
pub mod journal;
