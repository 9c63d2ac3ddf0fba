//! `sluice export`

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sluice_engine::evidence::{Exporter, File, export};
use sluice_engine::run::Clock as _;

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::paths;
use crate::verbs::which;
use crate::views::{self, text};

const AFTER: &str = "\
The file holds the events byte for byte as they were stored, with their hashes, and everything they name. \
`sluice verify FILE` says what it shows, `sluice replay FILE` decides everything again. Nobody signs it. \
The format is described in schemas/evidence.md.

Examples:
  sluice export last -o run.ndjson
  sluice export 0198c1f2-7a | sluice verify -";

/// Write everything about a run into one file
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// A new file, for you alone [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let file = context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let program = format!("sluice {}", env!("CARGO_PKG_VERSION"));
        let by = Exporter { program, actor: context.actor(), at: WallClock.now() };
        Result::Ok(export(&*store, &run, &by).await?)
    })??;
    match &args.output {
        None => views::out(&file.text())?,
        Some(path) => {
            write(path, &file.text())?;
            context.note(&told(path, &file));
        }
    }
    Ok(Exit::DONE)
}

fn told(path: &Path, file: &File) -> String {
    let (events, blobs) = (text::many(file.records.len(), "event"), text::many(file.blobs.len(), "blob"));
    format!("{}: run {}, {events}, {blobs}, head {}", paths::shown(path), file.header.run, file.header.head.hash)
}

/// Evidence is not written over, and not left half written.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error: io::Error| {
        let failed = CommandError::failed(format!("cannot write {}: {error}", paths::shown(path)));
        if error.kind() == io::ErrorKind::AlreadyExists { failed.hint("name a new file") } else { failed }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half of it is in nobody's interest; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}
