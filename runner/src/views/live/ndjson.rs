//! The course of a run for programs: each event of the journal as one line of JSON on standard output.

use std::io::{self, Write as _};

use serde_json::{Value, json};
use sluice_engine::ids::RunId;
use sluice_engine::journal::Envelope;
use sluice_engine::run::Watched;

use super::RunView;
use crate::report::time;
use crate::screen::Stream;

pub(super) struct Ndjson {
    err: Stream,
}

impl Ndjson {
    pub(super) fn new(err: Stream) -> Self {
        Self { err }
    }
}

impl RunView for Ndjson {
    fn event(&self, watched: &Watched<'_>, envelope: &Envelope) {
        // A run goes on without anybody reading along.
        let _ = writeln!(io::stdout(), "{}", line(watched.run, envelope));
    }

    fn say(&self, text: &str) {
        super::say(&self.err, text);
    }
}

/// One event: the run, the circumstances, `kind` and `body` as the journal has them.
pub(crate) fn line(run: &RunId, envelope: &Envelope) -> Value {
    let event = serde_json::to_value(&envelope.event).unwrap_or_default();
    json!({
        "run": run.as_str(),
        "ordinal": envelope.ordinal,
        "at": time(envelope.at),
        "epoch": envelope.epoch,
        "actor": envelope.actor,
        "kind": envelope.event.kind(),
        "body": event.get("body").cloned().unwrap_or(Value::Null),
    })
}
