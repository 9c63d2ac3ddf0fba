//! Runbooks: from text to what the machine walks. No file is read here and no action is called.

pub mod checked;
mod keys;
pub mod model;
mod names;
mod parse;

pub use checked::Checked;
pub use model::Model;
pub(crate) use names::is_word;
pub use names::{BadName, RunbookName, StepId};
pub use parse::parse;
