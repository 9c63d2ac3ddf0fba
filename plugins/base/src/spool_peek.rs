//! `base.spool_peek`: the oldest items of a spool, which stay there. It writes nowhere, and knows nothing of items.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Problem};

use crate::describe::{example, input_of, output, spec};
use crate::files::blocking;
use crate::lock::{Hold, PATIENCE};
use crate::spool::{Folder, Peeked, Spool, failed};

pub(crate) struct SpoolPeek;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A folder that is not there is a spool in which nothing waits.
    folder: String,
    /// How many items at most.
    #[serde(default = "one_thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    most: u64,
    /// What they may take on the disk. One that takes more comes alone.
    #[serde(default = "two_mebibytes")]
    #[schemars(range(min = 1, max = 67_108_864))]
    most_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Oldest first.
    items: Vec<Map<String, Value>>,
    /// The place behind the last of them, for `base.spool_drop` when they are delivered.
    upto: String,
    /// How many wait behind it.
    left: u64,
    /// Damaged lines that were passed over.
    torn: u64,
}

fn one_thousand() -> u64 {
    1_000
}

fn two_mebibytes() -> u64 {
    2 << 20
}

#[async_trait]
impl Action for SpoolPeek {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("spool_peek", "Read the oldest items of a spool", Effect::Read);
        spec.idempotent = true;
        spec.examples = vec![example(
            "what to send next",
            json!({ "folder": "/var/lib/nats-monitor/spool", "most": 100 }),
            json!({
                "items": [{ "id": "nats-staging-node-1/1795370086927", "_time": "2026-11-22T17:54:46.927Z" }],
                "upto": "1204-1011-41822-90f1c3d20eab4411", "left": 0, "torn": 0,
            }),
        )];
        spec
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let Peeked { items, upto, left, torn } = blocking(move || peek(&input)).await?;
        output(&Output { items, upto: upto.to_string(), left, torn }).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(input) = input_of::<Input>(call) else { return Vec::new() };
        let script = r#"cat -- "$1"/[0-9]*.ndjson | head -n "$2""#;
        let words =
            ["-c".to_owned(), script.to_owned(), "peek".to_owned(), input.folder.clone(), input.most.to_string()];
        vec![
            ByHand::run("ls", ["-l".to_owned(), "--".to_owned(), input.folder], "the number in the name of the cursor"),
            ByHand::run("sh", words, "a line for each item, oldest first; one whose n is below that number is gone"),
        ]
    }
}

fn peek(input: &Input) -> Result<Peeked, Problem> {
    let Some(folder) = Folder::open(&input.folder, Hold::Beside, PATIENCE)? else { return Ok(Peeked::default()) };
    let spool = Spool::open(&folder).map_err(|error| failed(&error))?;
    spool.peek(input.most, input.most_bytes).map_err(|error| failed(&error))
}
