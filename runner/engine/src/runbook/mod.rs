//! Runbooks: from text to what the machine walks. No file is read here and no action is called.

pub mod check;
pub mod checked;
mod given;
mod keys;
mod library;
pub mod model;
mod names;
mod parse;
mod passed;
mod reach;
mod schema;
mod uses;

pub use check::{Actions, Loaded, load, load_book};
pub use checked::Checked;
pub use given::{Given, resolve_inputs};
pub use library::{Book, Empty, Library, NoBook};
pub use model::Model;
pub(crate) use names::is_word;
pub use names::{BadName, RunbookName, StepId};
pub use parse::parse;
pub use reach::Known;
pub use schema::runbook_schema;
pub use uses::SecretUse;
pub(crate) use uses::step_of;
