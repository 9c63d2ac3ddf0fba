//! The sandbox from outside: what components can and cannot do, and that the two homes of a plugin are alike.

mod attacks;
mod cache;
mod guests;
mod homes;
mod hosts;
mod refused;
