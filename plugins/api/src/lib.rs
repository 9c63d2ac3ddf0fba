//! The contract between Sluice and its plugins: types and traits, and no I/O at all.
//!
//! These types are frozen: `schemas/plugin.wit` says the same to WASM guests, where a changed record breaks every
//! component ever built. New abilities are new optional things beside these, never new fields inside them.
//! Nothing here knows the engine, a store, a terminal or a concrete plugin.

mod action;
pub mod by_hand;
mod call;
pub mod duration;
mod host;
mod http;
pub mod inventory;
mod outcome;
mod plugin;
mod problem;
pub mod schema;
mod secret;
pub mod thresholds;
pub mod time;
pub mod typed;
pub mod wit;

pub use action::{Abilities, ActionName, ActionSpec, BadName, Effect, Example, GateClass, Permission, PluginName};
pub use by_hand::ByHand;
pub use call::{Attempt, Call, Purpose};
pub use duration::{format_duration, parse_duration};
pub use host::{Host, Level, ONLY_IN_A_RUN, PRIVATE_MARK, Progress, Timestamp};
pub use http::{Header, HttpBody, HttpRequest, HttpResponse, Method};
pub use outcome::{Judgement, Outcome, Preview, Reconciled, Verdict};
pub use plugin::{Action, Listed, NativePlugin, Plugin, PluginSpec, Power};
pub use problem::{Applied, Problem};
pub use secret::{SECRET_KEY, Secret, SecretRef};
