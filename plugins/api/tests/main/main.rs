//! Checks of the contract as a whole, from outside.

// `cfg(test)` tells clippy that helpers here may panic.
#[cfg(test)]
mod wit;
