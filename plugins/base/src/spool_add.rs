//! `base.spool_add`: puts items where they wait until somebody takes them away. When there is no room the oldest go.
//!
//! It knows of an item that it is an object and has an id. How a spool keeps them stands in `spool`.

use std::collections::HashSet;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::duration::DURATION_PATTERN;
use sluice_plugin::{
    Abilities, Action, ActionSpec, Applied, Call, Effect, Host, Outcome, Preview, Problem, Reconciled, Timestamp,
    parse_duration,
};

use crate::describe::{example, input, input_of, output, spec};
use crate::file::digest;
use crate::files::blocking;
use crate::lock::{Hold, PATIENCE};
use crate::spool::{Added, Disk, Folder, Item, Limits, Spool, failed};

pub(crate) struct SpoolAdd;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Absolute, or relative to the directory Sluice was started in. It is made if it is not there, for its owner alone;
    /// its own folder has to be there.
    folder: String,
    /// In order. Each has an id that no other item has. Those up to the one that was written last are not added again,
    /// so that a repeated call adds nothing twice. They survive a crash of Sluice; nothing is synced to the disk, so a
    /// machine that loses power may lose those of the last seconds. Not for secrets.
    items: Vec<Map<String, Value>>,
    /// The field of an item that holds its id: a text of up to 256 bytes.
    #[serde(default = "id")]
    id: String,
    /// Of the whole spool: before it would become larger the oldest items are dropped, about a sixty-fourth at a time.
    #[serde(default = "sixty_four_mebibytes")]
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    max_bytes: u64,
    /// Items that have waited for longer are dropped.
    #[serde(default)]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    max_age: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// How many this call has added.
    added: u64,
    /// How many items this call has dropped because they were too many or too old.
    dropped: u64,
    /// How many wait now.
    items: u64,
    /// What they take on the disk.
    bytes: u64,
    /// When the oldest of them was added, in milliseconds since 1970.
    oldest: Option<i64>,
}

/// What an item may take as JSON, where the spool is not smaller.
const ITEM_MOST: u64 = 1_000_000;

/// What its number, time and id may take beside it.
const AROUND: u64 = 2_048;

const ID_MOST: usize = 256;

fn id() -> String {
    "id".to_owned()
}

fn sixty_four_mebibytes() -> u64 {
    64 << 20
}

#[async_trait]
impl Action for SpoolAdd {
    fn spec(&self) -> ActionSpec {
        let summary = "Add items to a spool, where they wait until they are delivered";
        let mut spec = spec::<Input, Output>("spool_add", summary, Effect::Change);
        spec.abilities = Abilities { check: true, preview: true, reconcile: true };
        spec.examples = vec![example(
            "an event for Axiom",
            json!({
                "folder": "/var/lib/nats-monitor/spool",
                "items": [{ "id": "nats-staging-node-1/1795370086927", "_time": "2026-11-22T17:54:46.927Z" }],
                "max_bytes": 67_108_864, "max_age": "2d",
            }),
            json!({ "added": 1, "dropped": 0, "items": 3, "bytes": 6210, "oldest": 1_795_370_026_927_i64 }),
        )];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let Ok(input) = input::<Input>(with) else { return Vec::new() };
        limits(&input, Timestamp(0)).err().into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let (input, now): (Input, _) = (input_of(call)?, host.now());
        let answer = blocking(move || {
            let (limits, items) = (limits(&input, now)?, items(input)?);
            let folder = Folder::make(&items.folder, PATIENCE)?;
            let mut spool = Spool::open(&folder).map_err(|error| failed(&error))?;
            let (added, done) = spool.add(&items.items, now, &limits);
            done.map_err(|error| broken_off(failed(&error), added))?;
            answer(&spool, added).map_err(|problem| broken_off(problem, added))
        });
        answer.await.map(Outcome::plain)
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let (input, now): (Input, _) = (input_of(call)?, host.now());
        blocking(move || {
            let (limits, max_age) = (limits(&input, now)?, input.max_age.clone());
            let given = items(input)?;
            let lines: String =
                given.items.iter().map(|item| format!("{}\n", Value::from(item.content.clone()))).collect();
            let path = Folder::real(&given.folder)?.display().to_string();
            let binding = json!({
                "folder": path, "sha256": digest(lines.as_bytes()), "max_bytes": limits.bytes, "max_age": max_age,
            });
            let count = given.items.len();
            let Some(folder) = Folder::open(&given.folder, Hold::Beside, PATIENCE)? else {
                let facts = json!({ "items": count, "new": count, "items_now": 0, "bytes_now": 0 });
                return Ok(Preview::Ready { binding, facts });
            };
            let spool = Spool::open(&folder).map_err(|error| failed(&error))?;
            let new = spool.fresh(&given.items).len();
            if new == 0 && count > 0 {
                return Ok(Preview::Already { output: answer(&spool, Added::default())? });
            }
            let facts = json!({ "items": count, "new": new, "items_now": spool.items(), "bytes_now": spool.bytes() });
            Ok(Preview::Ready { binding, facts })
        })
        .await
    }

    async fn reconcile(&self, _host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input: Input = input_of(call)?;
        blocking(move || look_back(&items(input)?)).await
    }
}

/// What was given, understood.
struct Given {
    folder: String,
    items: Vec<Item>,
}

fn limits(input: &Input, now: Timestamp) -> Result<Limits, Problem> {
    let age = input.max_age.as_deref().map(parse_duration).transpose();
    let age = age.map_err(|why| Problem::bad_input("/max_age", why))?;
    let ago =
        |age: std::time::Duration| i64::try_from(age.as_millis()).map_or(i64::MIN, |age| now.0.saturating_sub(age));
    let segment = (input.max_bytes / 64).clamp(4 << 10, 1 << 20);
    Ok(Limits { bytes: input.max_bytes, segment, not_before: age.map(|age| Timestamp(ago(age))) })
}

/// All of them are looked at before the first is written.
fn items(input: Input) -> Result<Given, Problem> {
    let most = ITEM_MOST.min(input.max_bytes.saturating_sub(AROUND));
    let (mut items, mut ids) = (Vec::new(), HashSet::new());
    for (index, content) in input.items.into_iter().enumerate() {
        let wrong = |why: String| Problem::bad_input(&format!("/items/{index}"), format!("item {index} {why}"));
        let field = &input.id;
        let id = content.get(field).and_then(Value::as_str).filter(|id| !id.is_empty() && id.len() <= ID_MOST);
        let id =
            id.ok_or_else(|| wrong(format!("has no text of 1 to {ID_MOST} bytes as `{field}`, which is its id")))?;
        let id = id.to_owned();
        if !ids.insert(id.clone()) {
            return Err(wrong(format!("has the id of one before it, `{id}`; each needs its own")));
        }
        let item = Item { id, content };
        let bytes = serde_json::to_vec(&item.content).map_or(u64::MAX, |text| text.len() as u64);
        if bytes > most {
            return Err(wrong(format!("takes {bytes} bytes, and this spool takes items of up to {most}")));
        }
        items.push(item);
    }
    Ok(Given { folder: input.folder, items })
}

/// The id that was written last tells, as long as nobody else adds; else one that waits does.
fn look_back(given: &Given) -> Result<Reconciled, Problem> {
    let Some(folder) = Folder::open(&given.folder, Hold::Beside, PATIENCE)? else {
        return Ok(Reconciled::NotDone { evidence: json!({ "folder": given.folder, "there": false }) });
    };
    let look = |error: std::io::Error| failed(&error);
    let spool = Spool::open(&folder).map_err(look)?;
    let ids: HashSet<&str> = given.items.iter().map(|item| item.id.as_str()).collect();
    let (new, waiting) = (spool.fresh(&given.items).len(), spool.waiting(&ids).map_err(look)?);
    let evidence = json!({
        "folder": folder.path().display().to_string(), "items": given.items.len(), "not_written": new,
        "waiting": waiting.len(),
    });
    let last_waits = given.items.last().is_some_and(|item| waiting.contains(&item.id));
    if new == 0 || last_waits {
        let added = Added { added: given.items.len() as u64, dropped: 0 };
        return Ok(Reconciled::Done { output: answer(&spool, added)?, evidence });
    }
    // Some of them, last of all: a repeated call adds the others.
    let begun = new < given.items.len();
    Ok(if begun || waiting.is_empty() { Reconciled::NotDone { evidence } } else { Reconciled::CannotTell { evidence } })
}

fn answer<D: Disk>(spool: &Spool<'_, D>, done: Added) -> Result<Value, Problem> {
    let Added { added, dropped } = done;
    let oldest = spool.oldest().map_err(|error| failed(&error))?.map(|time| time.0);
    output(&Output { added, dropped, items: spool.items(), bytes: spool.bytes(), oldest })
}

fn broken_off(problem: Problem, done: Added) -> Problem {
    let Added { added, dropped } = done;
    let applied = if done == Added::default() { Applied::No } else { Applied::Maybe };
    Problem { applied, ..problem }.with_details(json!({ "added": added, "dropped": dropped }))
}
