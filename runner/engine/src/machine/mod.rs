//! The pure core: [`apply`] folds events into a state, [`next`] says what should be in flight.

mod apply;
pub mod path;
pub mod state;

pub use apply::{Illegal, apply};
pub use state::{State, Status};
