//! The engine: a runbook's text becomes a checked runbook, a plan, a run, a journal and a report.
//!
//! No I/O but through the traits in [`journal::store`], [`run`] and `sluice-plugin`. No concrete plugin, no terminal, no
//! clock and no environment is known here.

pub mod confirm;
pub mod diagnostic;
pub mod digest;
pub mod evidence;
pub mod expr;
mod fit;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod machine;
pub mod registry;
pub mod run;
pub mod runbook;
pub mod source;
pub mod thresholds;
pub mod yaml;
