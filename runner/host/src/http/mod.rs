//! One HTTP exchange of a plugin: what may be sent where, redirects, caps and time limits, and failures in words.
//!
//! Every address is checked where it is used, in the connector, so nothing can change between check and use. Nothing
//! is ever sent twice. It does not know what is asked or answered.

mod address;
mod clients;
mod exchange;
mod failure;

pub(crate) use clients::Clients;
#[cfg(test)]
pub(crate) use clients::{Leading, Names};
pub(crate) use exchange::Exchange;

#[cfg(test)]
mod tests;
