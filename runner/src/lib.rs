//! The command line: from what a person types to a run of the engine, and from its events to a screen.
//!
//! This is the outermost ring: it alone knows the terminal, the environment, the user's folders and, in `plugins`, the
//! concrete plugins. It decides nothing about runs; that is the engine's.

// These panic when nobody reads what they write: `views::out` and `views::err` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod asking;
mod builtin;
mod clock;
#[cfg_attr(not(feature = "wasm"), path = "no_components.rs")]
mod components;
mod confirming;
mod context;
mod doctor;
mod error;
mod every;
mod find;
mod floor;
mod hosts;
mod inventory;
#[cfg(feature = "wasm")]
mod inventory_edit;
#[cfg(feature = "wasm")]
mod kit;
mod known;
mod launch;
mod library;
mod locks;
mod logging;
mod owners;
mod paths;
mod plan_document;
mod plugins;
mod prepare;
mod receipts;
mod report;
mod safety;
mod screen;
mod secrets;
mod session;
mod signals;
#[cfg(feature = "simulate")]
mod simulation;
mod trust;
mod verbs;
mod views;

use std::process::ExitCode;
use std::sync::Arc;

use sluice_engine::journal::Store;

use crate::context::Context;
use crate::error::CommandError;
use crate::screen::Screen;

/// Makes the store that is used of the one that was opened.
pub type AroundStore = fn(Arc<dyn Store>) -> Arc<dyn Store>;

/// The locks below this path of an account's parameter store, for a test to judge.
#[cfg(feature = "aws")]
pub fn parameter_locks(aws: sluice_plugin::inventory::Aws, prefix: &str) -> Arc<dyn sluice_engine::journal::Locks> {
    locks::in_parameters(aws, prefix)
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    main_around(|store| store)
}

/// The same with something around the store: how a program of the tests sees, and disturbs, what is journaled.
pub fn main_around(store: AroundStore) -> ExitCode {
    let command = match verbs::Command::typed() {
        Ok(command) => command,
        Err(error) => return usage(&error),
    };
    let screen = Screen::of_process(command.global.color);
    let context = Context::new(command.global, screen, store);
    logging::start(&context);
    context.sweep_private();
    let done = command.verb.run(&context);
    match done {
        Ok(exit) => ExitCode::from(exit.0),
        Err(error) => {
            error.show(&context.screen.err);
            ExitCode::from(error.exit())
        }
    }
}

/// `--help` and `--version` are answers; everything else is a mistake of whoever typed it.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed terminal is no reason to fail twice.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(CommandError::usage("").exit()) } else { ExitCode::SUCCESS }
}
