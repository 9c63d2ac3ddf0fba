//! Monitors: the queries that Axiom asks by itself, and the thresholds at which it tells somebody.
//!
//! `model` says what one is and what it should be, `difference` compares, `api` reads and writes them one by one. Which
//! thresholds a cluster has is not known here, nor how they become APL.

pub(crate) mod api;
pub(crate) mod difference;
pub(crate) mod model;

pub(crate) use api::Monitors;
pub(crate) use model::{Monitor, Operator, Prefix, Wanted};
