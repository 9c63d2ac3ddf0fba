//! The actions against real servers: a lab of three, with faults. Slow (some seconds each), so few and whole.

mod health;
mod host;
mod with_creds;
