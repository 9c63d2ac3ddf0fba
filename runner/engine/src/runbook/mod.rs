//! Runbooks: from text to what the machine walks.

pub mod checked;
mod names;
mod standin;

pub use checked::Checked;
pub use names::{BadName, RunbookName, StepId};
