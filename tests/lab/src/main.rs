//! `cargo lab`: see `sluice_lab::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluice_lab::cli::main()
}
