//! Terraform Cloud: where it is, what its answers have in common, and its runs. No action is known here.

mod document;
mod ids;
mod run;
mod service;
mod stage;

pub(crate) use document::{Document, Resource};
pub(crate) use ids::{COMMIT, NAME, Segment, full_commit};
pub(crate) use run::{Run, path};
pub(crate) use service::{Service, address, bad_address, unless_known};
pub(crate) use stage::Stage;
