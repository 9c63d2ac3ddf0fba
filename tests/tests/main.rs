//! Sluice as a whole, judged from outside.

mod common;
mod crash;
mod health;
mod house;
