//! Sluice as a whole, judged from outside.

mod common;
mod connect;
mod crash;
mod health;
mod house;
