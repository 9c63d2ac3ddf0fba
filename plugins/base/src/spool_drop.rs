//! `base.spool_drop`: takes out of a spool what was delivered, and keeps what nobody would take. To do it twice is to do
//! it once, since places only ever lie behind. Who delivered what is not known here.

use std::path::Path;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Abilities, Action, ActionSpec, Applied, Call, Effect, Host, Outcome, Preview, Problem};

use crate::describe::{example, input, input_of, output, spec};
use crate::file::digest;
use crate::files::{blocking, failed as failed_at};
use crate::lines::{Bounds, append, last_line};
use crate::lock::{Hold, PATIENCE};
use crate::spool::{Folder, Place, Spool, Where, failed};

pub(crate) struct SpoolDrop;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The folder of the spool. On a full disk this works too; only what was rejected may then find no room.
    folder: String,
    /// The place behind the last item that was delivered, as `base.spool_peek` gave it. What is before it goes; one
    /// that was passed already changes nothing.
    upto: String,
    /// Items among them that nobody would take. They go to `rejected.ndjson` in the folder.
    #[serde(default)]
    rejected: Vec<Rejected>,
    /// Before `rejected.ndjson` would become larger it is renamed to `rejected.ndjson.1`, of which there is one.
    #[serde(default = "one_mebibyte")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    max_rejected_bytes: u64,
}

/// Whoever rejected it may say more of it, which is not kept.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Rejected {
    /// Why it was not taken.
    error: String,
    /// The item itself, or what is to be kept of it.
    item: Value,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// How many items wait now.
    left: u64,
    /// What they take on the disk.
    bytes: u64,
    /// How many of the rejected could not be written down because the disk is full: these are lost.
    unrecorded: usize,
}

/// A line of `rejected.ndjson`.
#[derive(Serialize)]
struct Record<'a> {
    upto: &'a str,
    #[serde(flatten)]
    rejected: &'a Rejected,
}

const REJECTED: &str = "rejected.ndjson";

fn one_mebibyte() -> u64 {
    1 << 20
}

#[async_trait]
impl Action for SpoolDrop {
    fn spec(&self) -> ActionSpec {
        let summary = "Take the delivered items out of a spool";
        let mut spec = spec::<Input, Output>("spool_drop", summary, Effect::Change);
        spec.idempotent = true;
        spec.abilities = Abilities { check: true, preview: true, reconcile: false };
        spec.examples = vec![example(
            "all were taken but one",
            json!({
                "folder": "/var/lib/nats-monitor/spool", "upto": "1204-1011-41822-90f1c3d20eab4411",
                "rejected": [{
                    "error": "field limit exceeded",
                    "item": { "id": "nats-staging-node-1/1795370086927", "_time": "2026-11-22T17:54:46.927Z" },
                }],
            }),
            json!({ "left": 0, "bytes": 0, "unrecorded": 0 }),
        )];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        place(&input).err().into_iter().collect()
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || take_out(&input)).await.and_then(|answer| output(&answer)).map(Outcome::plain)
    }

    async fn preview(&self, _host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || foresee(&input)).await
    }
}

fn place(input: &Input) -> Result<Place, Problem> {
    Place::parse(&input.upto).ok_or_else(|| {
        Problem::bad_input("/upto", format!("`{}` is not a place; take `upto` from base.spool_peek", input.upto))
    })
}

fn take_out(input: &Input) -> Result<Output, Problem> {
    let place = place(input)?;
    let Some(folder) = Folder::open(&input.folder, Hold::Alone, PATIENCE)? else { return nothing_there(input, &place) };
    let mut spool = Spool::open(&folder).map_err(|error| failed(&error))?;
    let unrecorded = match spool.find(&place).map_err(|error| failed(&error))? {
        Where::Passed => 0,
        Where::Nowhere => return Err(nowhere(input)),
        Where::Ahead => {
            let path = folder.path().join(REJECTED);
            let mut unrecorded = record(input, &path)?;
            let dropped = spool.drop_before(&place);
            dropped.map_err(|error| Problem { applied: Applied::Maybe, ..failed(&error) })?;
            if unrecorded > 0 {
                // There may be room now.
                unrecorded = record(input, &path).map_err(|problem| Problem { applied: Applied::Maybe, ..problem })?;
            }
            unrecorded
        }
    };
    Ok(Output { left: spool.items(), bytes: spool.bytes(), unrecorded })
}

fn foresee(input: &Input) -> Result<Preview, Problem> {
    let place = place(input)?;
    let Some(folder) = Folder::open(&input.folder, Hold::Beside, PATIENCE)? else {
        return Ok(match nothing_there(input, &place) {
            Ok(answer) => Preview::Already { output: output(&answer)? },
            Err(problem) => Preview::Refused { why: problem.message },
        });
    };
    let spool = Spool::open(&folder).map_err(|error| failed(&error))?;
    let (items, bytes) = (spool.items(), spool.bytes());
    Ok(match spool.find(&place).map_err(|error| failed(&error))? {
        Where::Passed => Preview::Already { output: output(&Output { left: items, bytes, unrecorded: 0 })? },
        Where::Nowhere => Preview::Refused { why: nowhere(input).message },
        Where::Ahead => {
            let binding = json!({
                "folder": folder.path().display().to_string(), "upto": input.upto,
                "rejected": digest(lines(input)?.concat().as_bytes()), "max_rejected_bytes": input.max_rejected_bytes,
            });
            let left = spool.behind(&place);
            let facts = json!({
                "drops": items.saturating_sub(left), "left": left, "bytes_now": bytes, "rejected": input.rejected.len(),
            });
            Preview::Ready { binding, facts }
        }
    })
}

fn nothing_there(input: &Input, place: &Place) -> Result<Output, Problem> {
    if place.is_first() { Ok(Output { left: 0, bytes: 0, unrecorded: 0 }) } else { Err(nowhere(input)) }
}

fn nowhere(input: &Input) -> Problem {
    let Input { upto, folder, .. } = input;
    Problem::bad_input("/upto", format!("`{upto}` is not a place in {folder} any more, or never was; peek again"))
}

/// Each with its end, and the same whenever it is written.
fn lines(input: &Input) -> Result<Vec<String>, Problem> {
    let line = |rejected| serde_json::to_string(&Record { upto: &input.upto, rejected }).map(|line| line + "\n");
    let lines: Result<Vec<String>, _> = input.rejected.iter().map(line).collect();
    lines.map_err(|error| Problem::bad_input("/rejected", error.to_string()))
}

/// Writes down what was rejected, unless a call that died has done it. Gives how many found no room.
fn record(input: &Input, path: &Path) -> Result<usize, Problem> {
    let at_folder = |problem: Problem| Problem { path: Some("/folder".to_owned()), ..problem };
    let lines = lines(input)?;
    let longest = lines.iter().map(String::len).max().unwrap_or(0);
    let last = last_line(path, longest).map_err(|error| at_folder(failed_at("read", path, &error)))?;
    let is_last = |line: &String| last.as_deref() == Some(line.trim_end().as_bytes());
    let written = lines.iter().rposition(is_last).map_or(0, |index| index + 1);
    let rest = lines.get(written..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(0);
    }
    let bounds = Bounds { max_bytes: input.max_rejected_bytes, keep: 1, mode: 0o600 };
    match append(path, rest.concat().as_bytes(), &bounds, PATIENCE) {
        Ok(_) => Ok(0),
        Err(problem) if problem.code == "disk_full" => Ok(rest.len()),
        Err(problem) => Err(at_folder(problem)),
    }
}
