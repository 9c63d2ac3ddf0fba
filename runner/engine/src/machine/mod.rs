//! The pure core: [`apply`] folds events into a state, [`next`] says what should be in flight.
//!
//! No clock, no I/O: time comes in with each event, and answers come in as events.

pub mod acts;
mod amend;
mod apply;
pub mod asks;
pub mod fill;
pub mod lock;
mod next;
pub mod overrides;
pub mod path;
pub mod pick;
mod remaining;
pub mod scope;
pub mod state;

/// What the journal says of how a run is walked. Raised when `next` or `apply` change their meaning.
///
/// 1: a cancel or interrupt during `finally` changed the outcome, and a failure in `finally` ended it.
pub const SEMANTICS: u16 = 2;

pub use apply::{Illegal, apply};
pub use next::{Check, Command, InFlight, is_act, next, wanted_in, who_needs};
pub use remaining::{remaining_actions, remaining_steps};
pub use state::{State, Status};
