//! Runs under the worst of luck: a process killed at every point, a step made to fail, in one process and in simulated
//! time. A trial knows how to begin a run anew; what must come out alike is told by its uninterrupted end.
//!
//! It knows no runbook and no plugin of the product: both are given.

mod end;
mod life;
mod mortal;
mod trial;

pub use end::End;
pub use life::Life;
pub use mortal::{MortalPlugin, MortalStore, Ward};
pub use trial::{Crashed, Failed, Trial};
