//! Log lines of the program and its libraries: to standard error, when SLUICE_LOG asks, through the redactor.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;

use sluice_host::Redactor;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::context::Context;

/// Costs nothing where SLUICE_LOG is not set.
pub(crate) fn start(context: &Context) {
    let Some(wanted) = env::var("SLUICE_LOG").ok().filter(|wanted| !wanted.is_empty()) else { return };
    let filter = match EnvFilter::try_new(&wanted) {
        Ok(filter) => filter,
        Err(error) => {
            context
                .note(&format!("SLUICE_LOG is not understood and ignored: {error}; `SLUICE_LOG=sluice=debug` works"));
            return;
        }
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(context.screen.err.color)
        .with_writer(Redacted { redactor: context.redactor.clone() });
    // Fails only when somebody has set one before, which nobody does in this program.
    let _ = lines.try_init();
}

/// Each line is written whole, so it can be redacted whole.
#[derive(Clone)]
struct Redacted {
    redactor: Arc<Redactor>,
}

impl Write for Redacted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The subscriber would report a failure on the stream that fails, and panic.
        let _ = io::stderr().write_all(&self.redactor.bytes(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
