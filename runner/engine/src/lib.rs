//! The engine.

pub mod diagnostic;
pub mod expr;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod runbook;
pub mod source;
pub mod yaml;
