//! `base.append_line`: one JSON line at the end of a file that a log shipper follows.
//!
//! An equal line may have been there before: whoever wants to be told after a crash whether this one is there puts a
//! time into it. Who follows the file, and how, is not known here.

use std::path::Path;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::by_hand::ByHand;
use sluice_plugin::{Abilities, Action, ActionSpec, Call, Effect, Host, Outcome, Preview, Problem, Reconciled};

use crate::describe::{example, input, input_of, output, spec};
use crate::file::digest;
use crate::files::{Target, blocking, failed, mode};
use crate::lines::{Bounds, append, foresee, lines_after, older};
use crate::lock::PATIENCE;

pub(crate) struct AppendLine;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Absolute, or relative to the directory Sluice was started in. Its folder has to be there.
    path: String,
    /// Written as JSON without spaces, in one line and one write. Nothing is synced to the disk: a machine that loses
    /// power may lose the last seconds. Not for secrets.
    line: Value,
    /// Before the file would become larger it is renamed to `PATH.1`, and a new one begins.
    #[serde(default = "eight_mebibytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    max_bytes: u64,
    /// How many renamed files stay; what was in the oldest is gone with the next.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 100))]
    keep: u32,
    /// Permission bits of a file that is made, `"0640"`.
    #[serde(default = "group_may_read")]
    #[schemars(regex(pattern = r"^0?[0-7]{3}$"))]
    mode: String,
    /// A line that with its end takes as many bytes is refused: Fluent Bit skips it, by its default (`Buffer_Max_Size`).
    #[serde(default = "as_fluent_bit_reads")]
    #[schemars(range(min = 1, max = 16_777_216))]
    max_line: u64,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Where it really is.
    path: String,
    /// Of the file, now.
    bytes: u64,
    /// True when a new file was begun for this line.
    rotated: bool,
}

fn eight_mebibytes() -> u64 {
    8 << 20
}

fn two() -> u32 {
    2
}

fn group_may_read() -> String {
    "0640".to_owned()
}

fn as_fluent_bit_reads() -> u64 {
    32 << 10
}

#[async_trait]
impl Action for AppendLine {
    fn spec(&self) -> ActionSpec {
        let summary = "Append a line to a file that a log shipper follows";
        let mut spec = spec::<Input, Output>("append_line", summary, Effect::Change);
        spec.abilities = Abilities { check: true, preview: true, reconcile: true };
        spec.examples = vec![example(
            "an event for Fluent Bit",
            json!({
                "path": "/var/log/nats-monitor.jsonl",
                "line": { "_time": "2026-11-22T17:54:46.927Z", "node": "nats-staging-node-1", "health_code": 200 },
            }),
            json!({ "path": "/var/log/nats-monitor.jsonl", "bytes": 4182, "rotated": false }),
        )];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        mode(&input.mode).err().into_iter().collect()
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let answer = blocking(move || {
            let (path, line, bounds) = (Target::at(&input.path)?.path, line(&input)?, bounds(&input)?);
            let done = append(&path, &line, &bounds, PATIENCE)?;
            answer(&path, done.bytes, done.rotated)
        });
        answer.await.map(Outcome::plain)
    }

    async fn preview(&self, _host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || {
            let (target, line, bounds) = (Target::at(&input.path)?, line(&input)?, bounds(&input)?);
            let look = |error| failed("look at", &target.path, &error);
            let foreseen = foresee(&target.path, line.len(), &bounds).map_err(look)?;
            let binding = json!({
                "path": target.path.display().to_string(), "sha256": digest(&line), "mode": format!("{:04o}", bounds.mode),
                "max_bytes": bounds.max_bytes, "keep": bounds.keep,
            });
            let now = target.found.as_ref().map(std::fs::Metadata::len);
            let facts = json!({ "bytes": line.len(), "bytes_now": now, "rotates": foreseen.rotated });
            Ok(Preview::Ready { binding, facts })
        })
        .await
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        let words =
            |words: &[&str]| [words, &["--", &input.path]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let line = input.line.to_string();
        let size = format!("fewer than {} bytes with this line; else rename it first", input.max_bytes);
        let write = ByHand::run("tee", words(&["-a"]), "the line").with_input(vec![format!("{line}\n").into()]);
        vec![
            ByHand::run("wc", words(&["-c"]), &size),
            write,
            ByHand::run("tail", words(&["-n", "1"]), &format!("this line alone: {line}")),
        ]
    }

    async fn reconcile(&self, _host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || look_back(&Target::at(&input.path)?, line(&input)?.trim_ascii_end())).await
    }
}

/// As it will stand in the file, with its end.
fn line(input: &Input) -> Result<Vec<u8>, Problem> {
    let line = format!("{}\n", input.line).into_bytes();
    let bytes = line.len() as u64;
    let refused = |why: String| Err(Problem::bad_input("/line", format!("the line takes {bytes} bytes, {why}")));
    if bytes >= input.max_line {
        return refused(format!("and has to take fewer than {}: leave something out", input.max_line));
    }
    if bytes > input.max_bytes {
        return refused(format!("and the file may have {}: raise `max_bytes`", input.max_bytes));
    }
    Ok(line)
}

fn bounds(input: &Input) -> Result<Bounds, Problem> {
    Ok(Bounds { max_bytes: input.max_bytes, keep: input.keep, mode: mode(&input.mode)? })
}

/// The last line tells. One further up may be an older one that is equal, so it tells nothing.
fn look_back(target: &Target, line: &[u8]) -> Result<Reconciled, Problem> {
    let path = &target.path;
    let look = |path: &Path| lines_after(path, line).map_err(|error| failed("look through", path, &error));
    let (now, before) = (look(path)?, look(&older(path, 1))?);
    let bytes = target.found.as_ref().map_or(0, std::fs::Metadata::len);
    // Rotated behind it, it is the last of all as long as nothing came into the new file.
    let last = now == Some(0) || (bytes == 0 && before == Some(0));
    let evidence = json!({
        "path": path.display().to_string(), "bytes": bytes,
        "lines_after": now, "lines_after_in_the_rotated_file": before,
    });
    if last {
        let alone = bytes <= line.len() as u64 + 1 && older(path, 1).exists();
        return Ok(Reconciled::Done { output: answer(path, bytes, now.is_some() && alone)?, evidence });
    }
    Ok(if now.or(before).is_some() { Reconciled::CannotTell { evidence } } else { Reconciled::NotDone { evidence } })
}

fn answer(path: &Path, bytes: u64, rotated: bool) -> Result<Value, Problem> {
    output(&Output { path: path.display().to_string(), bytes, rotated })
}
