//! `cargo lab crash`: builds the product, the same dying around an append, and the program that kills it, and becomes that
//! program. It knows cargo and where things are; not what is killed.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::bench::{built_by, built_path};
use crate::cli::teller;
use crate::error::{Context, Result};
use crate::programs;

const BUILD: [&str; 10] = [
    "build",
    "--locked",
    "--package",
    "acceptance",
    "--bin",
    "sluice-as-shipped",
    "--bin",
    "sluice-dying",
    "--example",
    "crash",
];

/// `arguments` are those of the killing program. Returns only when it cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let tell = teller();
    programs::ensure(&tell)?;
    tell("building");
    let built = built_by(&BUILD)?;
    let path = |name: &str| built_path(&built, name).context(format!("cargo built no {name}"));
    let (shipped, dying, crash) = (path("sluice-as-shipped")?, path("sluice-dying")?, path("crash")?);
    let mut command = Command::new(&crash);
    command.arg("--sluice").arg(shipped).arg("--dying").arg(dying).args(arguments);
    // Replaces this process, so that Ctrl-C is for the one that has something to clean up.
    Err(command.exec()).context(crash.display())
}
