//! `sluice plugin build`: from sources to a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sluice_wasm::{Component, componentize};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::{components, paths, views};

const TARGET: &str = "wasm32-unknown-unknown";

const AFTER: &str = "\
Runs cargo for the target wasm32-unknown-unknown, makes a component of what comes out, and looks whether this Sluice would \
take it. It prints the file and its SHA-256.

Examples:
  rustup target add wasm32-unknown-unknown     once
  sluice plugin build acme
  sluice plugin build acme --out plugins";

/// Build a plugin from its sources
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The folder with its Cargo.toml
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// The folder it is written to [default: that of its sources]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(crate) fn run(_: &Context, args: Args) -> Result<Exit> {
    let (file, component) = build(&args.folder, args.out.as_deref())?;
    views::out(&format!("{}  {}\n", component.sha256, paths::shown(&file)))?;
    Ok(Exit::DONE)
}

/// Builds it, and gives where it is.
pub(super) fn build(folder: &Path, out: Option<&Path>) -> Result<(PathBuf, Component)> {
    let module = compiled(folder)?;
    let cannot = |verb: &str, file: &Path, error: std::io::Error| {
        CommandError::failed(format!("cannot {verb} {}: {error}", paths::shown(file)))
    };
    let bytes = fs::read(&module).map_err(|error| cannot("read", &module, error))?;
    let made = componentize(&bytes).map_err(|refused| {
        CommandError::failed(format!("no component can be made of {}: {refused}", paths::shown(&module)))
            .hint("does it end with `sluice_sdk::export!(plugin);`?")
    })?;
    // Under its own name, which only the component knows.
    let out = out.unwrap_or(folder);
    let new = out.join("new.wasm");
    fs::create_dir_all(out).map_err(|error| cannot("make", out, error))?;
    fs::write(&new, &made).map_err(|error| cannot("write", &new, error))?;
    match components::look(&new) {
        Ok((_, component)) => {
            let file = out.join(format!("{}.wasm", component.described.spec.name));
            fs::rename(&new, &file).map_err(|error| cannot("write", &file, error))?;
            Ok((file, component))
        }
        Err(error) => {
            let _ = fs::remove_file(&new);
            Err(error)
        }
    }
}

const FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Those of whoever builds, and no word in the component of where on this machine the sources of its dependencies lie: what is
/// built elsewhere is the same to the byte. Its own are named relatively.
fn flags() -> String {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(paths::home().ok()?.join(".cargo")));
    let remapped = cargo.map(|cargo| format!("--remap-path-prefix={}=cargo", cargo.display()));
    remapped.into_iter().chain(std::env::var(FLAGS).ok()).collect::<Vec<_>>().join(" ")
}

/// The core module that cargo makes.
fn compiled(folder: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    command.env(FLAGS, flags());
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let done = command.spawn().and_then(std::process::Child::wait_with_output);
    let done = done.map_err(|error| {
        CommandError::failed(format!("cannot run cargo in {}: {error}", paths::shown(folder)))
            .hint("plugins are built with Rust: https://rustup.rs")
    })?;
    if !done.status.success() {
        let error = CommandError::failed(format!("cargo could not build {}", paths::shown(folder)));
        return Err(error.hint(format!("if it found no `core`, the target is missing: rustup target add {TARGET}")));
    }
    let text = String::from_utf8_lossy(&done.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // Dependencies come first, the plugin itself last.
    let mut modules = messages.filter_map(|message| {
        let files = message.get("filenames")?.as_array()?.clone();
        files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
    });
    modules.next_back().ok_or_else(|| {
        CommandError::failed(format!("cargo built no WebAssembly in {}", paths::shown(folder)))
            .hint("its Cargo.toml needs: [lib] crate-type = [\"cdylib\", \"rlib\"]")
    })
}
