//! The loop with the pure core, over toy runbooks: plain, crashed at every event, raced.

mod acts;
mod called;
mod cases;
mod changed;
mod confirm;
mod confirm_again;
mod confirm_ways;
mod crash;
mod destroys;
mod evidence;
mod forged;
mod gates;
mod locks;
mod locks_broken;
mod login;
mod overrides;
mod picks;
mod plans;
mod race;
mod receipts;
mod replay;
pub(super) mod stores;
mod trouble;
mod ways;
pub(super) mod world;
mod written;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sluice_engine::evidence::{Exporter, File, Replayed, export, verify};
use sluice_engine::ids::RunId;
use sluice_engine::inventory::Inventory;
use sluice_engine::journal::{Durability, Snapshot, Store, Trigger, Version};
use sluice_engine::machine::State;
use sluice_engine::machine::state::{Inside, List, Slot};
use sluice_engine::run::{Ending, Engine, OpenError, Order, RunError};
use sluice_engine::runbook::checked::{Checked, Kind, Step};
use sluice_engine::runbook::{Book, Library, load_book, resolve_inputs};
use sluice_engine::source::Source;
use sluice_plugin::Timestamp;
use sluice_store::MemoryStore;

use cases::{CASES, Case};
use world::World;

/// Each text is checked once: most tests run the same few a thousand times.
fn check_text(text: &str) -> Checked {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Checked>> = RefCell::default();
    }
    if let Some(known) = KNOWN.with_borrow(|known| known.get(text).cloned()) {
        return known;
    }
    let book = Book { id: "toy".into(), origin: "a test".into(), source: Source::new("toy.yaml", text) };
    let checked = check_book(&book, &called::Shelf);
    KNOWN.with_borrow_mut(|known| known.insert(text.to_owned(), checked.clone()));
    checked
}

fn check_book(book: &Book, library: &dyn Library) -> Checked {
    let diary = world::Diary::default();
    let text = book.source.text();
    match load_book(book, &world::registry(&diary), library) {
        Ok(loaded) => loaded.runbook,
        Err(errors) => panic!("{text}\n{}", errors.iter().map(|error| format!("{error:?}\n")).collect::<String>()),
    }
}

fn text_of(case: &Case) -> String {
    text("toy", case.steps)
}

fn text(name: &str, steps: &str) -> String {
    let lines: Vec<&str> = steps.lines().filter(|line| !line.trim().is_empty()).collect();
    let indent = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let body: String = lines.iter().map(|line| format!("{}\n", &line[indent..])).collect();
    format!("runbook: {name}\nsummary: A toy.\n{body}")
}

pub(super) fn run_id() -> RunId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number);
    RunId::new(1_790_000_000_000, random)
}

type Ended = Result<(Ending, State), RunError>;

fn order_of(case: &Case) -> Order {
    let runbook = Arc::new(check_text(&text_of(case)));
    Order {
        run: run_id(),
        origin: "a test".into(),
        inputs: resolve_inputs(&runbook, &BTreeMap::new(), &Inventory::default()).unwrap(),
        runbook,
        trigger: Trigger::Cli,
    }
}

async fn begin(engine: &Engine, case: &Case) -> (RunId, Ended) {
    let order = order_of(case);
    let run = order.run.clone();
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let ended = engine.start(order, &mut signals).await;
    (run, ended)
}

async fn resume(engine: &Engine, run: &RunId) -> Result<(Ending, State), OpenError> {
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    engine.resume(run, &recheck, &mut signals).await
}

fn recheck(snapshot: &Snapshot) -> Result<Checked, String> {
    Ok(check_book(&snapshot.book(), snapshot))
}

async fn file_of(store: &dyn Store, run: &RunId) -> File {
    let by = Exporter { program: "a test".into(), actor: "p@here".into(), at: Timestamp(0) };
    export(store, run, &by).await.unwrap()
}

/// A copy of a run as it was after so many events.
async fn copy_until(store: &dyn Store, run: &RunId, events: usize) -> Arc<MemoryStore> {
    let locks = store.held().await.unwrap();
    let file = file_of(store, run).await;
    let copy = Arc::new(MemoryStore::default());
    let store: &dyn Store = &*copy;
    store.append(run, Version::START, &file.records[..events], Durability::Sync).await.unwrap();
    for blob in &file.blobs {
        store.put_blob(&blob.bytes).await.unwrap();
    }
    // A lock is written before the event that tells of it.
    for lock in locks.iter().filter(|_| events > 0) {
        store.take(&lock.name, None, lock.holder().unwrap()).await.unwrap();
    }
    copy
}

/// Whatever became of a run: its journal verifies, and it is decided in the same way again.
async fn comes_out_the_same(engine: &Engine, run: &RunId) -> Replayed {
    let file = file_of(&*engine.store, run).await;
    let verdict = verify(&file.text(), Some(run), None);
    assert!(verdict.intact, "{:?}", verdict.findings);
    let replayed = engine.replay(&file, &recheck).unwrap();
    assert_eq!(replayed.difference, None, "{}", file.text());
    assert_eq!(replayed.events, verdict.events);
    replayed
}

/// Everything a run came to: outcome, each step's status and output, read from the journal.
async fn end_of(engine: &Engine, run: &RunId) -> String {
    let loaded = engine.load(run, &recheck).await.unwrap();
    let outcome = loaded.state.ended.as_ref().map_or("open", |(outcome, _)| outcome.name());
    let mut text = format!("{outcome}: {}", ends(&loaded.runbook, &loaded.state));
    for step in &loaded.runbook.steps {
        let at = loaded.runbook.steps.iter().position(|other| other.id == step.id).unwrap();
        text.push_str(&format!("; {} = {}", step.id, loaded.state.steps.slots[at].output(step)));
    }
    text
}

pub(super) fn ends(runbook: &Checked, state: &State) -> String {
    let mut lines = Vec::new();
    list_ends(&runbook.steps, &state.steps, "", &mut lines);
    list_ends(&runbook.finally, &state.finally, "", &mut lines);
    lines.join(", ")
}

fn list_ends(steps: &[Step], list: &List, prefix: &str, lines: &mut Vec<String>) {
    for (step, slot) in steps.iter().zip(&list.slots) {
        let key = format!("{prefix}{}", step.id);
        lines.push(format!("{key} {}", slot.status.name()));
        match &slot.inside {
            Inside::Rounds(rounds) => {
                for round in &rounds.rounds {
                    let key = format!("{key}[{}]", round.key);
                    lines.push(format!("{key} {}", round.slot.status.name()));
                    inside_ends(step, &round.slot, &key, lines);
                }
            }
            _ => inside_ends(step, slot, &key, lines),
        }
    }
}

fn inside_ends(step: &Step, slot: &Slot, key: &str, lines: &mut Vec<String>) {
    let key = format!("{key}/");
    match (&step.kind, &slot.inside) {
        (_, Inside::List(inner)) => list_ends(step.children(), inner, &key, lines),
        (Kind::Call(call), Inside::Call(called)) if called.inputs.is_some() => {
            list_ends(&call.runbook.steps, &called.steps, &key, lines);
            list_ends(&call.runbook.finally, &called.finally, &key, lines);
        }
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn toys_end_as_they_should() {
    for case in CASES {
        let world = World::new(Arc::new(MemoryStore::default()));
        let engine = world.process(1);
        let (run, ended) = begin(&engine, case).await;
        let (ending, state) = ended.unwrap();
        comes_out_the_same(&engine, &run).await;
        let Ending::Ended(outcome) = ending else { panic!("{}: {ending:?}", case.name) };
        assert_eq!(outcome.name(), case.outcome, "{}", case.name);
        assert_eq!(ends(&check_text(&text_of(case)), &state), case.ends, "{}", case.name);
    }
}
