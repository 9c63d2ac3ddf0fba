//! The engine.

pub mod expr;
pub mod ids;
pub mod journal;
