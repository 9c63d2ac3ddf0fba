//! The home of plugins in a sandbox: components that import `sluice:plugin` and nothing else.
//!
//! A component is code of strangers. It gets memory, time and words up to a bound, and reaches the world only through the
//! [`sluice_plugin::Host`] of the call it is in, which knows what it was granted. Each call has an instance of its own. What
//! goes wrong in there is a [`sluice_plugin::Problem`] of that call, and everything else goes on.
//!
//! This knows no inventory and no terminal, and nothing of any plugin.

mod bounds;
mod bridge;
mod cache;
mod componentize;
mod description;
mod home;
mod instance;
mod plugin;
mod questions;
mod refused;
mod ticker;
mod wit;

pub use bounds::Bounds;
pub use cache::{Cache, UnsafeCache};
pub use componentize::componentize;
pub use description::{Asks, Described, HttpAsk, SecretAsk};
pub use home::{Component, Home, LARGEST};
pub use plugin::{Raised, WasmPlugin};
pub use refused::Refused;
