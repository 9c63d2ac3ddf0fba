//! Journals of each release, as exported runs: this Sluice reads them, decides them again in the same way, and brings
//! those that were left open to the end that was written down then.
//!
//! `corpus/<release>/<book>.<how it was left>.ndjson`, and beside it `.end`. `BLESS=1 cargo test -p sluice-engine --test
//! main corpus` writes those of this release that are not there yet, and never changes one that is.

mod books;
mod old;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_engine::evidence::{Exporter, File, export, verify};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{
    CancelHow, Durability, Event, Holder, Key, Outcome, Ruling, Snapshot, Store, Trigger, Version,
};
use sluice_engine::machine::State;
use sluice_engine::run::{Engine, OpenError, Order, Reply, Signal};
use sluice_engine::runbook::checked::Checked;
use sluice_engine::runbook::{self, Library, NoBook, load_book};
use sluice_engine::source::Source;
use sluice_plugin::Timestamp;
use sluice_store::MemoryStore;

use crate::run::stores::{Dying, When};
use crate::run::world::World;
use crate::run::{ends, run_id};

use books::{BOOKS, Book, CALLED, Left};
use old::Calls;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn checked(book: &runbook::Book, library: &dyn Library) -> Result<Checked, String> {
    let loaded = load_book(book, &old::registry(&Calls::default()), library);
    loaded.map(|loaded| loaded.runbook).map_err(|errors| format!("{errors:?}"))
}

fn recheck(snapshot: &Snapshot) -> Result<Checked, String> {
    checked(&snapshot.book(), snapshot)
}

/// What can be called while the corpus is written.
struct Called;

impl Library for Called {
    fn book(&self, name: &str, _: &runbook::Book) -> Result<runbook::Book, NoBook> {
        let found = CALLED.iter().find(|(known, _)| *known == name);
        let (name, text) = found.ok_or_else(|| NoBook::Missing { why: format!("no book `{name}`"), help: None })?;
        Ok(book(name, text))
    }

    fn thresholds(&self, _: &runbook::Book, input: &str, _: Option<&str>) -> Result<Value, NoBook> {
        Err(NoBook::Missing { why: format!("no thresholds for `{input}`"), help: None })
    }
}

fn book(name: &str, text: &str) -> runbook::Book {
    let text = format!("runbook: {name}\nsummary: A run of the corpus.{text}");
    runbook::Book { id: name.into(), origin: "corpus".into(), source: Source::new("corpus.yaml", text) }
}

/// Processes over one store, with the toys of old.
struct Machine {
    world: World,
    calls: Calls,
}

impl Machine {
    fn new() -> Self {
        Self { world: World::new(Arc::new(MemoryStore::default())), calls: Calls::default() }
    }

    fn store(&self) -> &dyn Store {
        &*self.world.store
    }

    /// A new process; those before it are dead.
    fn process(&self, pid: u32) -> Engine {
        self.world.dead.lock().unwrap().extend(1..pid);
        Engine { registry: Arc::new(old::registry(&self.calls)), ..self.world.process(pid) }
    }

    fn dying(&self, pid: u32, appends: usize) -> Engine {
        let store = Arc::new(Dying::new(self.world.store.clone(), appends, When::After));
        Engine { store, ..self.process(pid) }
    }

    async fn resume(&self, engine: &Engine, run: &RunId) -> bool {
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        match engine.resume(run, &recheck, &mut signals).await {
            Ok(_) => true,
            Err(OpenError::Run(_)) => false,
            Err(other) => panic!("{run}: {other}"),
        }
    }

    /// The lock of a run that was left open is in no exported run: it is taken again as the journal says.
    async fn give_its_lock(&self, file: &File) {
        let (mut lock, mut last) = (None, None);
        for envelope in file.envelopes().unwrap() {
            match envelope.event {
                Event::Claimed { epoch, owner } => last = Some((epoch, owner)),
                Event::Locked { name, generation, .. } => lock = last.clone().map(|by| (name, generation, by)),
                Event::Unlocked { .. } | Event::LockLost { .. } => lock = None,
                _ => {}
            }
        }
        let Some((name, generation, (epoch, owner))) = lock else { return };
        let holder = Holder {
            run: file.header.run.clone(),
            epoch,
            runbook: "locks".into(),
            person: "p1@here".into(),
            owner,
            since: Timestamp(0),
            lease_until: Timestamp(0),
            effect: true,
            acted: None,
            repairs: None,
        };
        for next in 1..=generation {
            let seen = self.store().look(&name).await.unwrap();
            assert_eq!(self.store().take(&name, seen.as_ref(), &holder).await.unwrap(), Some(next));
        }
    }

    /// Where the run waits for a person, one says yes, lets the gate pass, or says that the act was done.
    async fn settle(&self, engine: &Engine, run: &RunId) {
        let state = engine.load(run, &recheck).await.unwrap().state;
        if !state.parked {
            return;
        }
        if let Some((_, ask)) = state.unanswered().next() {
            say_yes(engine, run, &ask.typed).await;
            assert!(self.resume(engine, run).await);
            return Box::pin(self.settle(engine, run)).await;
        }
        let gate = Key("e".into());
        if engine.override_gate(run, &gate, None, "seen with my own eyes", &recheck).await.is_ok() {
            assert!(self.resume(engine, run).await);
            return Box::pin(self.settle(engine, run)).await;
        }
        let ruling = Ruling::Done { output: json!({ "value": "said" }) };
        engine.settle(run, &Key("act".into()), ruling, "it was seen", &recheck).await.unwrap();
        assert!(self.resume(engine, run).await);
    }

    async fn file(&self, run: &RunId) -> File {
        let by = Exporter {
            program: format!("sluice {}", env!("CARGO_PKG_VERSION")),
            actor: "p@here".into(),
            at: Timestamp(1_790_000_000_000),
        };
        export(self.store(), run, &by).await.unwrap()
    }
}

async fn say_yes(engine: &Engine, run: &RunId, typed: &str) {
    let reply = Reply { yes: true, typed: typed.to_owned(), because: None };
    engine.answer(run, None, reply, &recheck).await.unwrap();
}

/// Runs the book until it is left.
async fn written(book: &Book, left: Left) -> File {
    let machine = Machine::new();
    let engine = match left {
        Left::Ended | Left::Interrupted(_) => machine.process(1),
        Left::Answered | Left::AnsweredAndKilled(_) | Left::Overridden => machine.process(1),
        Left::Killed(appends) | Left::KilledTwice(appends, _) | Left::CancelAsked(appends) => machine.dying(1, appends),
    };
    let order = Order {
        run: run_id(),
        runbook: Arc::new(checked(&self::book(book.name, book.text), &Called).unwrap()),
        origin: "corpus".into(),
        inputs: json!({}),
        trigger: Trigger::Cli,
    };
    let run = order.run.clone();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let interrupts = async {
        if let Left::Interrupted(seconds) = left {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            sender.send(Signal::Interrupt).unwrap();
        }
    };
    let (began, ()) = tokio::join!(engine.start(order, &mut signals), interrupts);
    let killed = matches!(left, Left::Killed(_) | Left::KilledTwice(..) | Left::CancelAsked(_));
    assert_eq!(began.is_err(), killed, "{}: {left:?}", book.name);
    match left {
        Left::Ended | Left::Killed(_) | Left::Interrupted(_) => {}
        Left::KilledTwice(_, appends) => assert!(!machine.resume(&machine.dying(2, appends), &run).await),
        Left::CancelAsked(_) => {
            machine.process(2).ask_cancel(&run, CancelHow::Now, "enough", &recheck).await.unwrap();
        }
        Left::Answered => say_yes(&machine.process(2), &run, "node-2").await,
        Left::AnsweredAndKilled(appends) => {
            say_yes(&machine.process(2), &run, "node-2").await;
            assert!(!machine.resume(&machine.dying(3, appends), &run).await);
        }
        Left::Overridden => {
            let gate = Key("e".into());
            machine.process(2).override_gate(&run, &gate, None, "seen with my own eyes", &recheck).await.unwrap();
        }
    }
    machine.file(&run).await
}

/// Reads the run in a store of its own and brings it to its end, if it has none.
async fn brought_to_its_end(name: &str, file: &File) -> String {
    let machine = Machine::new();
    let run = &file.header.run;
    machine.store().append(run, Version::START, &file.records, Durability::Sync).await.unwrap();
    for blob in &file.blobs {
        assert_eq!(machine.store().put_blob(&blob.bytes).await.unwrap(), blob.hash);
    }
    machine.give_its_lock(file).await;
    let engine = machine.process(9);
    let replayed = engine.replay(file, &recheck).unwrap();
    assert_eq!((replayed.difference, replayed.changed), (None, Vec::new()), "{name}");
    let state = engine.load(run, &recheck).await.unwrap().state;
    if is_open(&state) {
        assert!(machine.resume(&engine, run).await, "{name}");
        machine.settle(&engine, run).await;
        let replayed = engine.replay(&machine.file(run).await, &recheck).unwrap();
        assert_eq!(replayed.difference, None, "{name}");
    }
    let loaded = engine.load(run, &recheck).await.unwrap();
    assert!(!is_open(&loaded.state), "{name}");
    assert!(machine.store().held().await.unwrap().is_empty(), "{name}: its lock is given back");
    let outputs = serde_json::Value::Object(sluice_engine::machine::fill::outputs(&loaded.runbook, &loaded.state));
    let outcome = loaded.state.ended.as_ref().map_or("open", |(outcome, _)| outcome.name());
    let mut calls = machine.calls.lock().unwrap().clone();
    // How often a gate looks is no part of the end.
    calls.dedup_by(|one, before| one == before && one.0 == "gate");
    let calls = calls.into_iter().map(|(_, step)| step).collect::<Vec<_>>().join(", ");
    let ends = ends(&loaded.runbook, &loaded.state);
    format!("outcome: {outcome}\nsteps: {ends}\noutputs: {outputs}\ncalled to get there: {calls}\n")
}

fn is_open(state: &State) -> bool {
    state.ended.as_ref().is_none_or(|(outcome, _)| *outcome == Outcome::Interrupted)
}

#[tokio::test(start_paused = true)]
async fn journals_of_all_releases_come_to_their_ends() {
    if std::env::var_os("BLESS").is_some() {
        write_what_is_missing().await;
    }
    let mut seen = 0;
    for release in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in std::fs::read_dir(&release).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "ndjson") {
                continue;
            }
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            let verdict = verify(&text, None, None);
            assert!(verdict.intact, "{name}: {:?}", verdict.findings);
            let end = brought_to_its_end(&name, &File::read(&text).unwrap()).await;
            let expect = std::fs::read_to_string(path.with_extension("end")).unwrap();
            assert_eq!(end, expect, "{name}");
            seen += 1;
        }
    }
    let all: usize = BOOKS.iter().map(|book| book.left.len()).sum();
    assert!(seen >= all, "only {seen} of {all} are there: BLESS=1 writes the others");
}

async fn write_what_is_missing() {
    let folder = folder().join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(&folder).unwrap();
    for book in BOOKS {
        for (how, left) in book.left {
            let path = folder.join(format!("{}.{how}.ndjson", book.name));
            if path.exists() {
                continue;
            }
            let file = written(book, *left).await;
            std::fs::write(path.with_extension("end"), brought_to_its_end(how, &file).await).unwrap();
            std::fs::write(&path, file.text()).unwrap();
        }
    }
}
