//! The course of a run for programs: each event of the journal as one line of JSON on standard output.

use std::io::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
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

/// One event of a run, as `--json=events` prints it on a line.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct EventLine {
    /// The run's id.
    run: String,
    /// Counts from 1 within the run.
    ordinal: u64,
    /// RFC 3339, UTC.
    at: String,
    /// Raised each time another process takes the run over; null for what came from outside (`cancel_asked`,
    /// `settled`).
    epoch: Option<u32>,
    /// Who: `ana@laptop`. The machine's word, no proof of identity.
    actor: String,
    /// `started`, `claimed`, `entered`, `opened`, `picked`, `called`, `entered_finally`, `returned`, `skipped`, `waiting`,
    /// `done`, `renewed`, `failed`, `judged`, `intended`, `reconciled`, `settled`, `parked`, `cancel_asked`,
    /// `interrupted`, `ended`, `locked`, `unlocked` or `lock_lost`.
    kind: String,
    /// What belongs to this kind; null when nothing does. Most have the step's address as `key`.
    body: Value,
}

/// The line for one event, `kind` and `body` as the journal has them.
pub(crate) fn line(run: &RunId, envelope: &Envelope) -> String {
    let event = serde_json::to_value(&envelope.event).unwrap_or_default();
    let line = EventLine {
        run: run.to_string(),
        ordinal: envelope.ordinal,
        at: time(envelope.at),
        epoch: envelope.epoch.map(|epoch| epoch.0),
        actor: envelope.actor.clone(),
        kind: envelope.event.kind().to_owned(),
        body: event.get("body").cloned().unwrap_or(Value::Null),
    };
    serde_json::to_string(&line).unwrap_or_default()
}
