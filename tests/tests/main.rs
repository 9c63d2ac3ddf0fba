//! Sluice as a whole, judged from outside.

mod house;
