//! The pure core: [`apply`] folds events into a state, [`next`] says what should be in flight.
//!
//! No clock, no I/O: time comes in with each event, and answers come in as events.

pub mod acts;
mod apply;
pub mod fill;
mod next;
pub mod path;
pub mod pick;
pub mod scope;
pub mod state;

/// What the journal says of how a run is walked. Raised when `next` or `apply` change their meaning.
///
/// 1: a cancel or interrupt during `finally` changed the outcome, and a failure in `finally` ended it.
pub const SEMANTICS: u16 = 2;

pub use apply::{Illegal, apply};
pub use next::{Command, InFlight, is_act, next, remaining_actions, who_needs};
pub use state::{State, Status};
