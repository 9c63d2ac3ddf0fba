//! What is written: without secrets wherever they come from, small enough for any store, told to whoever watches, and
//! never on top of what this Sluice does not understand or what is gone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::chain::{decode, encode, version_of};
use sluice_engine::journal::{CancelHow, Durability, Envelope, Event, Outcome, Record, StoreError, Trigger, Version};
use sluice_engine::run::{
    Ending, Engine, Hosts, Observer, OpenError, Order, RunError, SessionRequest, Sessions, Watched,
};
use sluice_plugin::{ActionName, Call, Host, Problem};
use sluice_store::MemoryStore;

use super::cases::CASES;
use super::stores::{Dying, When};
use super::world::{TestHosts, World};
use super::{check_text, copy_until, file_of, recheck, resume, run_id};

const SECRET: &str = "hunter22";

/// Hosts that know one secret.
#[derive(Default)]
struct Knowing(TestHosts);

impl Hosts for Knowing {
    fn host(&self, action: &ActionName, call: &Call) -> Box<dyn Host> {
        self.0.host(action, call)
    }

    fn redact(&self, value: &mut Value) {
        let text = value.to_string().replace(SECRET, "[redacted]");
        *value = serde_json::from_str(&text).unwrap();
    }

    fn redact_text(&self, text: &mut String) {
        *text = text.replace(SECRET, "[redacted]");
    }
}

/// A session that fails and tells everything.
struct Failing;

#[async_trait]
impl Sessions for Failing {
    async fn run(&self, session: SessionRequest) -> Result<Value, Problem> {
        // What the state holds is clean by now; a person's command line is not.
        let message = format!("`{} {SECRET}` ended with exit code 7", session.command.join(" "));
        Err(Problem::not_applied("session_failed", message).with_details(json!({ "token": SECRET })))
    }
}

fn order(text: &str, inputs: Value) -> Order {
    Order { run: run_id(), runbook: Arc::new(check_text(text)), origin: "a test".into(), inputs, trigger: Trigger::Cli }
}

const TELLING: &str = "
runbook: toy
summary: A toy.
inputs:
  word: { type: string }
steps:
  - { id: a, uses: toy.read, with: { value: '{{ inputs.word }} again' } }
  - { id: b, for_each: ['{{ inputs.word }}', 'y'], uses: toy.read, with: { value: '{{ item }}' } }
  - id: c
    gate: toy.gate
    with: { value: '{{ inputs.word }}' }
    expect: [ { that: 'seen.value == 3', else: 'not {{ seen.value }}' } ]
    on_error: continue
  - { id: d, uses: toy.read, with: { takes: '{{ inputs.word }}', fails: 0, value: { x: '{{ inputs.word }}' } }, when: '(inputs.word | length) == 1' }
  - { id: e, uses: toy.read, with: { value: '{{ steps.a.value | default(inputs.word) }}' } }
  - { id: f, uses: toy.take, with: { value: '{{ inputs.word }}' }, on_error: continue }
session: { command: [login, '{{ inputs.word }}'], env: { WORD: '{{ inputs.word }}' } }
finally:
  - { id: z, uses: toy.change, with: { value: '{{ inputs.word }}' } }
";

#[tokio::test(start_paused = true)]
async fn no_secret_is_written_or_planned() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut engine = world.process(1);
    engine.hosts = Arc::new(Knowing::default());
    engine.sessions = Arc::new(Failing);
    let order = order(TELLING, json!({ "word": SECRET }));
    let run = order.run.clone();
    let plan = engine.plan(&order.runbook, "a test", order.inputs.clone()).await;
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let ended = engine.start(order, &mut signals).await;
    let (_, state) = ended.unwrap();
    assert!(format!("{:?}", state.session.status).contains("[redacted]"), "{:?}", state.session.status);
    assert!(!format!("{state:?}").contains(SECRET), "{state:?}");
    let file = file_of(&*world.store, &run).await;
    let text = file.text();
    assert!(text.matches("[redacted]").count() >= 8, "{text}");
    // The runbook itself names no secret, so nothing does.
    assert!(!text.contains(SECRET), "{text}");
    let plan = serde_json::to_string(&plan).unwrap();
    assert!(plan.contains("[redacted]") && !plan.contains(SECRET), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn what_people_write_is_cleaned_and_cut() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let case = &CASES[1];
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 1, When::After));
    let (run, died) = super::begin(&first, case).await;
    assert!(died.is_err());
    let mut engine = world.process(2);
    engine.hosts = Arc::new(Knowing::default());
    let why = format!("{SECRET} {}", "ä".repeat(50_000));
    let state = engine.ask_cancel(&run, CancelHow::AfterStep, &why, &recheck).await.unwrap();
    let why = state.cancel.unwrap().why;
    assert!(why.starts_with("[redacted] ää") && why.ends_with("ä ... (cut; it had 100011 bytes)"), "{why}");
    assert!(why.len() <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_loop_over_many_items_fits_into_any_store() {
    const MANY: &str = "
runbook: toy
summary: A toy.
inputs:
  names: { type: array }
steps:
  - { id: a, for_each: inputs.names, max_parallel: 64, uses: toy.read, with: { value: '{{ item }}' } }
  - { id: b, uses: toy.read, with: { value: '{{ steps.a | length }}' } }
";
    let world = World::new(Arc::new(MemoryStore::default()));
    let names: Vec<String> = (0..9000).map(|number| format!("node-{number}")).collect();
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 3, When::After));
    let many = order(MANY, json!({ "names": names }));
    let run = many.run.clone();
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    assert!(first.start(many, &mut signals).await.is_err());
    let records = world.store.read(&run, 0).await.unwrap();
    assert!(records.iter().all(|record| record.bytes.len() < 64 * 1024));
    let opened = records.iter().find(|record| String::from_utf8_lossy(&record.bytes).contains("opened")).unwrap();
    assert!(String::from_utf8_lossy(&opened.bytes).contains("$blob"));
    world.dead.lock().unwrap().push(1);
    let loaded = world.process(2).load(&run, &recheck).await.unwrap();
    let Event::Opened { items, .. } =
        loaded.envelopes.iter().map(|envelope| &envelope.event).find(|event| event.kind() == "opened").unwrap()
    else {
        panic!()
    };
    assert_eq!((items.len(), items[8999].key.as_str()), (9000, "node-8999"));
}

/// Remembers the ordinals it was told of.
#[derive(Default)]
struct Watching(Mutex<Vec<(u64, &'static str)>>);

impl Observer for Watching {
    fn event(&self, _: &Watched<'_>, envelope: &Envelope) {
        self.0.lock().unwrap().push((envelope.ordinal, envelope.event.kind()));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_what_others_wrote() {
    const SLOW: &str = "
runbook: toy
summary: A toy.
steps:
  - { id: a, uses: toy.read, with: { takes: 10s } }
  - { id: b, uses: toy.read, with: { takes: 10s } }
";
    let check = async |how: CancelHow, takes_over: bool, expect: &[&str]| {
        let world = World::new(Arc::new(MemoryStore::default()));
        let mut engine = world.process(1);
        let watching = Arc::new(Watching::default());
        engine.observer = watching.clone();
        let other = world.process(2);
        let order = order(SLOW, json!({}));
        let run = order.run.clone();
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let others = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            other.ask_cancel(&run, how, "enough", &recheck).await.unwrap();
            if takes_over {
                world.dead.lock().unwrap().push(1);
                resume(&other, &run).await.unwrap();
            }
        };
        let (ended, ()) = tokio::join!(engine.start(order, &mut signals), others);
        ended.unwrap();
        let told = watching.0.lock().unwrap().clone();
        let kinds: Vec<&str> = told.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, expect);
        let ordinals: Vec<u64> = told.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(ordinals, (1..=u64::try_from(told.len()).unwrap()).collect::<Vec<_>>());
    };
    check(CancelHow::Now, false, &["started", "claimed", "cancel_asked", "entered", "ended"]).await;
    check(CancelHow::AfterStep, false, &["started", "claimed", "cancel_asked", "done", "entered", "ended"]).await;
    check(CancelHow::Now, true, &["started", "claimed", "cancel_asked", "claimed", "entered", "ended"]).await;
}

/// A run that ended in the middle, and then an event put behind it.
async fn continued(change: impl Fn(&[Record]) -> Record) -> (World, RunId) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 2, When::After));
    let (run, died) = super::begin(&first, &CASES[1]).await;
    assert!(died.is_err());
    world.dead.lock().unwrap().push(1);
    let records = world.store.read(&run, 0).await.unwrap();
    let version = version_of(records.last().unwrap());
    world.store.append(&run, version, &[change(&records)], Durability::Sync).await.unwrap();
    (world, run)
}

fn is_too_new<T>(result: Result<T, OpenError>) -> String {
    match result {
        Err(OpenError::Run(RunError::Store(StoreError::TooNew(why)))) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

async fn nothing_opens(world: &World, run: &RunId, expect: &str) {
    let before = world.store.read(run, 0).await.unwrap();
    let engine = world.process(2);
    for why in [
        is_too_new(engine.load(run, &recheck).await),
        is_too_new(resume(&engine, run).await),
        is_too_new(engine.ask_cancel(run, CancelHow::Abandon, "it is stuck", &recheck).await),
    ] {
        assert!(why.contains(expect), "{why}");
    }
    assert_eq!(world.store.read(run, 0).await.unwrap(), before);
    assert_eq!(world.diary.changes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_newer_journal_is_refused_as_such_and_left_alone() {
    for (from, to, expect) in [
        (r#""kind":"interrupted""#, r#""kind":"teleported","body":{"to":"mars"}"#, "(teleported, version 1)"),
        (r#""v":1"#, r#""v":2"#, "(interrupted, version 2)"),
    ] {
        let (world, run) = continued(|records| {
            let last = records.last().unwrap();
            let mut envelope = decode(records, Version::START).unwrap().pop().unwrap();
            (envelope.ordinal, envelope.event) = (last.ordinal + 1, Event::Interrupted);
            let bytes = encode(&envelope, version_of(last)).unwrap().bytes;
            let bytes = String::from_utf8(bytes).unwrap().replace(from, to).into_bytes();
            Record { ordinal: last.ordinal + 1, hash: Sha256::of(&bytes), bytes }
        })
        .await;
        nothing_opens(&world, &run, expect).await;
    }
}

/// A run whose first event was written as told.
async fn begun_as(change: impl Fn(&mut Event)) -> (World, RunId) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = world.process(1);
    let (run, ended) = super::begin(&engine, &CASES[0]).await;
    ended.unwrap();
    let file = file_of(&*world.store, &run).await;
    let other = World::new(copy_until(&*world.store, &run, 0).await);
    let mut version = Version::START;
    for mut envelope in decode(&file.records[..2], Version::START).unwrap() {
        change(&mut envelope.event);
        let record = encode(&envelope, version).unwrap();
        version = other.store.append(&run, version, &[record], Durability::Sync).await.unwrap();
    }
    other.dead.lock().unwrap().push(1);
    (other, run)
}

#[tokio::test(start_paused = true)]
async fn higher_semantics_are_refused() {
    let (world, run) = begun_as(|event| {
        if let Event::Started { semantics, .. } = event {
            *semantics += 1;
        }
    })
    .await;
    let known = sluice_engine::machine::SEMANTICS;
    nothing_opens(&world, &run, &format!("semantics {}, this Sluice knows up to {known}", known + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn the_journal_of_another_run_is_refused() {
    let other = run_id();
    let (world, run) = begun_as(|event| {
        if let Event::Started { run, .. } = event {
            assert!(run.is_some());
            *run = Some(other.clone());
        }
    })
    .await;
    let refused = resume(&world.process(2), &run).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("the journal of run {run} is that of run {other}")), "{refused}");
    // Journals of the first release do not name their run.
    let (world, run) = begun_as(|event| {
        if let Event::Started { run, .. } = event {
            *run = None;
        }
    })
    .await;
    assert_eq!(resume(&world.process(2), &run).await.unwrap().0, Ending::Ended(Outcome::Done));
}

/// The store is restored from yesterday while a run goes on: it stops, and does nothing a second time.
#[tokio::test(start_paused = true)]
async fn a_run_stops_when_its_past_is_gone() {
    for kept in [0, 1, 2] {
        let text = "
runbook: toy
summary: A toy.
steps:
  - { id: a, uses: toy.change, with: { value: 1 } }
  - { id: b, uses: toy.change, with: { takes: 10s, value: 2 } }
  - { id: c, uses: toy.change, with: { value: 3 } }
";
        let inner = Arc::new(MemoryStore::default());
        let world = World::new(inner.clone());
        let restored = Arc::new(super::stores::Restored::new(inner));
        let mut engine: Engine = world.process(1);
        engine.store = restored.clone();
        let order = order(text, json!({}));
        let run = order.run.clone();
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let yesterday = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            restored.restore(copy_until(&*restored, &run, kept).await);
        };
        let (ended, ()) = tokio::join!(engine.start(order, &mut signals), yesterday);
        let error = ended.unwrap_err();
        assert!(matches!(error, RunError::Rewritten { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("restored from a backup") && said.contains("acts may be missing"), "{said}");
        assert_eq!(world.diary.changes(), ["a 1", "b 2"], "{kept} events kept");
        assert_eq!(restored.read_now(&run).await, kept);
    }
}
