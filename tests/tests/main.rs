//! Sluice as a whole, judged from outside.

mod common;
mod house;
