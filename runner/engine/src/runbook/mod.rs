//! Runbooks: from text to what the machine walks. No file is read here and no action is called.

pub mod check;
pub mod checked;
mod given;
mod keys;
pub mod model;
mod names;
mod parse;
mod schema;
mod uses;

pub use check::{Actions, Loaded, check, load};
pub use checked::Checked;
pub use given::{Given, resolve_inputs};
pub use model::Model;
pub(crate) use names::is_word;
pub use names::{BadName, RunbookName, StepId};
pub use parse::parse;
pub use schema::runbook_schema;
pub use uses::SecretUse;
