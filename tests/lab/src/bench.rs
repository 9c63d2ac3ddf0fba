//! `cargo lab bench` and `cargo lab weigh`: build the product and the program that measures it, for release, install what it is
//! compared with, and measure. They know cargo and where things are; not what is measured.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::cli::teller;
use crate::error::{Context, Error, Result};
use crate::programs;

/// One command for both, so that what they share is built once.
const BUILD: [&str; 11] = [
    "build",
    "--release",
    "--locked",
    "--package",
    "sluice",
    "--bin",
    "sluice",
    "--package",
    "acceptance",
    "--example",
    "speed",
];

/// `arguments` are those of the measuring program.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let tell = teller();
    let just = programs::just(&tell)?;
    tell("building for release; the first time takes some minutes");
    let built = built_by(&BUILD)?;
    let path = |name: &str| built_path(&built, name).context(format!("cargo built no {name}"));
    let (sluice, speed) = (path("sluice")?, path("speed")?);
    let mut command = Command::new(&speed);
    measured(command.arg("--sluice").arg(sluice).arg("--just").arg(just).args(arguments)).context(speed.display())
}

/// The product as nodes have it; the program that weighs it is another build, as it may use what tests may.
const NODE: [&str; 11] = [
    "build",
    "--profile",
    "node",
    "--locked",
    "--package",
    "sluice",
    "--bin",
    "sluice",
    "--no-default-features",
    "--features",
    "node",
];
const WEIGH: [&str; 6] = ["build", "--locked", "--package", "acceptance", "--example", "weigh"];

/// `arguments` are those of the weighing program.
pub(crate) fn weigh(arguments: &[String]) -> Result<ExitCode> {
    let tell = teller();
    programs::ensure(&tell)?;
    tell("building for nodes, for release; the first time takes some minutes");
    let path = |built: &str, name: &str| built_path(built, name).context(format!("cargo built no {name}"));
    // With symbols, for who wants to see what it runs.
    let symbols = arguments.iter().any(|word| word == "--order");
    let with: &[&str] = if symbols { &["--config", "profile.node.strip=false"] } else { &[] };
    let sluice = path(&built_by(&[&NODE, with].concat())?, "sluice")?;
    let weigh = path(&built_by(&WEIGH)?, "weigh")?;
    let mut command = Command::new(&weigh);
    measured(command.arg("--sluice").arg(sluice).args(arguments)).context(weigh.display())
}

/// Its exit code.
fn measured(command: &mut Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What cargo says it built, one JSON document in a line.
pub(crate) fn built_by(build: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(build).arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let output = command.spawn().context("cargo")?.wait_with_output().context("cargo")?;
    if !output.status.success() {
        return Err(Error::new("the product does not build; see above"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(crate) fn built_path(messages: &str, name: &str) -> Option<PathBuf> {
    let text = |document: &Value, pointer| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let documents = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut named = documents.filter(|document| text(document, "/target/name").as_deref() == Some(name));
    named.find_map(|document| text(&document, "/executable")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_what_cargo_built() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"sluice"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"sluice"},"executable":"/t/sluice"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(built_path(messages, "sluice"), Some(PathBuf::from("/t/sluice")));
        assert_eq!(built_path(messages, "speed"), None);
    }
}
