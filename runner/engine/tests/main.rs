//! The engine from outside: broken texts as data, and what is built from good ones.

mod actions;
mod cases;
mod checked;
mod core;
mod hostile;
mod inputs;
mod inventory;
mod run;
mod schemas;
