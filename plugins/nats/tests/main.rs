//! The actions against real servers: a lab of three, with faults. Slow (some seconds each), so few and whole.

#[cfg(test)]
mod health;
#[cfg(test)]
mod host;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod with_creds;
