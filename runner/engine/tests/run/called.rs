//! Toy runbooks that others call, by name, and what runs of their callers come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_engine::diagnostic::Code;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Event, Key, Outcome, Ruling, Snapshot, Trigger};
use sluice_engine::machine::Status;
use sluice_engine::run::{Ending, Order, Signal, What};
use sluice_engine::runbook::{Book, Given, Library, NoBook, load_book, resolve_inputs};
use sluice_engine::source::Source;
use sluice_store::MemoryStore;

use super::cases::Case;
use super::stores::{Dying, When};
use super::world::{self, Diary, World};
use super::{begin, check_text, ends, order_of, recheck, resume, run_id, text, text_of};

const BOOKS: &[(&str, &str)] = &[
    (
        "ends",
        "
            inputs: { value: { type: integer }, verdicts: { type: string, default: p } }
            lock: it
            steps:
              - { id: d, gate: toy.gate }
              - { id: g, gate: toy.gate, class: evidence, with: { verdicts: '{{ inputs.verdicts }}' } }
              - id: a
                uses: toy.destroy
                with: { value: '{{ inputs.value }}' }
                needs: [d, g]
                confirm: { typed: 'node-{{ inputs.value }}' }
            finally:
              - { id: clean, uses: toy.change, with: { value: 'clean {{ inputs.value }}' } }
            outputs: { value: '{{ steps.a.value }}' }",
    ),
    (
        "one",
        "
            inputs: { value: {  type: integer, default: 5 }, fails: { type: integer, default: 0 } }
            steps:
              - { id: a, uses: toy.change, with: { value: '{{ inputs.value }}', fails: '{{ inputs.fails }}' } }
              - { id: b, uses: toy.read, with: { value: '{{ steps.a.value + 1 }}' } }
            finally:
              - { id: clean, uses: toy.change, with: { value: 'clean {{ inputs.value }}' } }
            outputs: { sum: '{{ steps.b.value }}', text: 'was {{ steps.b.value }}' }",
    ),
    (
        "two",
        "
            inputs: { value: { type: integer }, fails: { type: integer, default: 0 } }
            steps:
              - { id: in, call: one, with: { value: '{{ inputs.value * 10 }}', fails: '{{ inputs.fails }}' } }
              - { id: again, call: one, with: { value: '{{ steps.in.sum }}' }, when: 'inputs.value > 1' }
            finally:
              - { id: sweep, uses: toy.change, with: { value: sweep } }
            outputs: { sum: '{{ steps.in.sum }}' }",
    ),
    (
        "gated",
        "
            steps:
              - { id: g, gate: toy.gate, with: { verdicts: ffffffffffffffffffff }, passes: { every: 1s, within: 3s } }
            finally:
              - { id: clean, uses: toy.change, with: { value: clean } }",
    ),
    (
        "slow",
        "
            inputs: { value: { type: integer, default: 1 } }
            steps:
              - { id: a, uses: toy.change, with: { value: '{{ inputs.value }}', takes: '{{ inputs.value }}s' } }
              - { id: b, uses: toy.read, with: { takes: 10s } }
              - { id: c, uses: toy.change, with: { value: after } }
            finally:
              - { id: clean, uses: toy.change, with: { value: 'clean {{ inputs.value }}', takes: 1s } }",
    ),
    (
        "bare",
        "
            steps:
              - { id: a, uses: toy.read, with: { value: { x: 1 } } }
            outputs: { x: '{{ steps.a.value.x }}' }",
    ),
    (
        "nothing",
        "
            steps:
              - { id: a, uses: toy.read, with: { value: { x: 1 } } }
            finally:
              - { id: clean, uses: toy.change, with: { value: clean } }
            outputs: { y: '{{ steps.a.value.y }}' }",
    ),
    (
        "token",
        "
            steps:
              - { id: t, uses: toy.token, with: { value: 1 } }
              - { id: b, uses: toy.read, with: { value: 2 } }
            outputs: { token: '{{ steps.t.value }}', plain: '{{ steps.b.value }}' }",
    ),
    (
        "typed",
        "
            inputs: { count: { type: integer, minimum: 3 }, soak: { type: duration, default: 30s }, rows: { type: thresholds } }
            steps:
              - { id: a, uses: toy.read, with: { value: ['{{ inputs.count }}', '{{ inputs.soak }}', '{{ inputs.rows }}'] } }
            outputs: { all: '{{ steps.a.value }}' }",
    ),
    (
        "echo",
        "
            inputs: { value: { type: string } }
            steps:
              - { id: a, uses: toy.read, with: { value: '{{ inputs.value }}' } }
            outputs: { same: '{{ steps.a.value }}' }",
    ),
    (
        "full",
        "
            inputs: { value: { type: integer }, fails: { type: integer, default: 0 }, answers: { type: string, default: ok } }
            steps:
              - { id: g, gate: toy.gate, with: { verdicts: fp }, passes: { every: 1s, within: 1m } }
              - id: send
                uses: toy.send
                needs: [g]
                with: { value: '{{ inputs.value }}', answers: '{{ inputs.answers }}' }
                timeout: 30s
              - id: l
                for_each: [3, 1, 2]
                next_by: { uses: toy.read, with: { value: '{{ remaining }}' }, by: item }
                uses: toy.send
                with: { value: '{{ item }}' }
              - { id: in, call: one, with: { value: '{{ steps.send.value }}', fails: '{{ inputs.fails }}' } }
            finally:
              - { id: away, uses: toy.send, with: { value: away, answers: '{{ inputs.answers }}' }, timeout: 30s }
            outputs: { sum: '{{ steps.in.sum }}' }",
    ),
    (
        "beside",
        "
            inputs: { looks: { type: string } }
            steps:
              - id: p
                on_error: continue
                parallel:
                  - { id: s, uses: toy.send, with: { value: 1, answers: maybe, looks: '{{ inputs.looks }}' }, timeout: 30s }
                  - { id: x, uses: toy.read, with: { takes: 1s, fails: 9 } }
            finally:
              - { id: clean, uses: toy.send, with: { value: clean } }",
    ),
    (
        "messy",
        "
            steps:
              - { id: a, uses: toy.read, with: { takes: 10s } }
            finally:
              - { id: clean, uses: toy.send, with: { value: 1, answers: maybe, looks: cannot }, timeout: 30s }",
    ),
    (
        "guarded",
        "
            inputs: { c: { type: cluster } }
            lock: 'cluster/{{ inputs.c.name }}'
            steps:
              - { id: a, uses: toy.read }",
    ),
    (
        "locked",
        "
            inputs: { value: { type: string } }
            lock: 'cluster/{{ inputs.value }}'
            steps:
              - { id: a, uses: toy.read }",
    ),
];

/// All of the toys above. A table that nobody gives has one row.
pub(super) struct Shelf;

impl Library for Shelf {
    fn book(&self, name: &str, _: &Book) -> Result<Book, NoBook> {
        let found = BOOKS.iter().find(|(known, _)| *known == name);
        let (name, steps) = found.ok_or_else(|| NoBook::Missing { why: format!("no toy `{name}`"), help: None })?;
        let source = Source::new(format!("{name}.yaml"), text(name, steps));
        Ok(Book { id: format!("shelf/{name}"), origin: "a shelf".into(), source })
    }

    fn thresholds(&self, _: &Book, input: &str, _: Option<&str>) -> Result<Value, NoBook> {
        Ok(json!([{ "id": input }]))
    }
}

fn case(steps: &'static str) -> Case {
    Case { name: "called", steps, outcome: "", ends: "" }
}

/// Runs the case in a process that dies after its n-th append, and then in another one.
async fn resumed(case: &Case, at: usize) -> (World, RunId, Ending) {
    let inner = Arc::new(MemoryStore::default());
    let world = World::new(inner.clone());
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(inner, at, When::After));
    let (run, died) = begin(&first, case).await;
    assert!(died.is_err());
    world.dead.lock().unwrap().push(1);
    let (ending, _) = resume(&world.process(2), &run).await.unwrap();
    (world, run, ending)
}

#[tokio::test(start_paused = true)]
async fn what_a_call_gave_is_made_again_when_it_is_gone() {
    let case = case(
        "
        steps:
          - { id: c, call: token }
          - { id: a, uses: toy.change, with: { value: 1 } }
          - { id: d, uses: toy.read, with: { value: '{{ steps.c.plain }}' } }
          - { id: b, uses: toy.read, with: { value: '{{ steps.c }}' } }",
    );
    // `c` is called, its two steps, it returns, `a`.
    let (world, run, ending) = resumed(&case, 6).await;
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    let loaded = world.process(3).load(&run, &recheck).await.unwrap();
    let output = |at: usize| loaded.state.steps.slots[at].output(&loaded.runbook.steps[at]);
    assert_eq!(output(3), json!({ "value": { "token": { "n2": 1 }, "plain": 2 } }));
    let renewed: Vec<&str> = loaded
        .envelopes
        .iter()
        .filter_map(|one| match &one.event {
            Event::Renewed { key, .. } => Some(key.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(renewed, ["c/t", "c"]);
}

/// What happened is said by step and value.
async fn ended_by(case: &Case, after: u64, signal: Option<Signal>) -> (World, RunId, Ending) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = world.process(1);
    let order = order_of(case);
    let run = order.run.clone();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let other = world.process(2);
    let ends = async {
        tokio::time::sleep(Duration::from_secs(after)).await;
        match signal {
            Some(signal) => sender.send(signal).unwrap(),
            None => drop(other.ask_cancel(&run, CancelHow::AfterStep, "enough", &recheck).await.unwrap()),
        }
    };
    let (ended, ()) = tokio::join!(engine.start(order, &mut signals), ends);
    (world, run, ended.unwrap().0)
}

const SLOW: &str = "
    steps:
      - { id: c, call: slow }
      - { id: after, uses: toy.change, with: { value: 2 } }
    finally:
      - { id: f, uses: toy.change, with: { value: end } }";

#[tokio::test(start_paused = true)]
async fn an_interrupted_call_tidies_up_and_goes_on_when_the_run_does() {
    let (world, run, ending) = ended_by(&case(SLOW), 5, Some(Signal::Interrupt)).await;
    assert_eq!(ending, Ending::Ended(Outcome::Interrupted));
    let left = ["c/a 1", "c/clean \"clean 1\"", "f \"end\""];
    assert_eq!(world.diary.changes(), left);
    let (ending, _) = resume(&world.process(2), &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    let all = [&left[..], &["c/c \"after\"", "c/clean \"clean 1\"", "after 2", "f \"end\""]].concat();
    assert_eq!(world.diary.changes(), all);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_lets_the_step_end_and_then_tidies_up() {
    let (world, run, ending) = ended_by(&case(SLOW), 5, None).await;
    assert_eq!(ending, Ending::Ended(Outcome::Cancelled));
    assert_eq!(world.diary.changes(), ["c/a 1", "c/clean \"clean 1\"", "f \"end\""]);
    let loaded = world.process(3).load(&run, &recheck).await.unwrap();
    assert!(ends(&loaded.runbook, &loaded.state).contains("c/b done, c/c pending, c/clean done"));
}

#[tokio::test(start_paused = true)]
async fn nothing_tidies_up_beside_an_act_of_which_nobody_knows() {
    let steps = "
        steps:
          - { id: c, call: beside, with: { looks: LOOKS } }
        finally:
          - { id: f, uses: toy.send, with: { value: end } }";
    // The look tells: on to the two `finally`, in their order.
    let world = World::new(Arc::new(MemoryStore::default()));
    let (run, ended) = begin(&world.process(1), &case(steps.replace("LOOKS", "look").leak())).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["c/p/s", "c/clean", "f"]);
    let loaded = world.process(3).load(&run, &recheck).await.unwrap();
    let at = |wanted: &dyn Fn(&Event) -> bool| loaded.envelopes.iter().position(|one| wanted(&one.event)).unwrap();
    let found = at(&|event| matches!(event, Event::Reconciled { .. }));
    assert!(found < at(&|event| matches!(event, Event::EnteredFinally { .. })));
    // A person tells.
    let world = World::new(Arc::new(MemoryStore::default()));
    let (run, ended) = begin(&world.process(1), &case(steps.replace("LOOKS", "cannot").leak())).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    assert_eq!(world.diary.sends(), ["c/p/s"]);
    let done = Ruling::Done { output: json!({ "value": 1 }) };
    world.process(2).settle(&run, &Key("c/p/s".into()), done, "seen", &recheck).await.unwrap();
    let (ending, _) = resume(&world.process(2), &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["c/p/s", "c/clean", "f"]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_waits_for_what_the_finally_of_a_call_did() {
    let case = case("steps: [{ id: c, call: messy }]");
    let (world, run, ending) = ended_by(&case, 5, Some(Signal::Interrupt)).await;
    assert_eq!(ending, Ending::Parked);
    let how = |loaded: &sluice_engine::run::Loaded| ends(&loaded.runbook, &loaded.state);
    let loaded = world.process(2).load(&run, &recheck).await.unwrap();
    assert_eq!(how(&loaded), "c running, c/a pending, c/clean stuck");
    // It is not forgotten, and not done again, however often the run is taken up.
    for pid in [2, 3] {
        assert_eq!(resume(&world.process(pid), &run).await.unwrap().0, Ending::Parked);
        assert_eq!(world.diary.sends(), ["c/clean"]);
    }
    let done = Ruling::Done { output: json!({ "value": 1 }) };
    world.process(2).settle(&run, &Key("c/clean".into()), done, "seen", &recheck).await.unwrap();
    // From here on it is as if the run had been left well: its steps go on, and what tidies up comes anew.
    assert_eq!(resume(&world.process(2), &run).await.unwrap().0, Ending::Parked);
    let loaded = world.process(2).load(&run, &recheck).await.unwrap();
    assert_eq!(how(&loaded), "c running, c/a done, c/clean stuck");
    assert_eq!(world.diary.sends(), ["c/clean", "c/clean"]);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_call_tidies_nothing_up() {
    let (world, _, ending) = ended_by(&case(SLOW), 5, Some(Signal::Abandon)).await;
    assert_eq!(ending, Ending::Ended(Outcome::Abandoned { unknown: Vec::new() }));
    assert_eq!(world.diary.changes(), ["c/a 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_walks_into_calls_as_far_as_it_can_know() {
    let case = case(
        "
        steps:
          - { id: g, call: bare }
          - { id: u, uses: toy.read, with: { value: '{{ steps.g.x }}' } }
          - { id: c, call: one, with: { value: '{{ steps.g.x }}' } }
          - { id: d, uses: toy.read, with: { value: '{{ steps.c.sum }}' } }
          - { id: e, call: one, with: { value: '{{ steps.c.sum }}' } }
          - { id: n, call: nothing }",
    );
    let engine = World::new(Arc::new(MemoryStore::default())).process(1);
    let plan = engine.plan(&check_text(&text_of(&case)), "a test", json!({})).await;
    let lines: Vec<String> = plan.steps.iter().map(|step| format!("{} {}", step.key, what(&step.what))).collect();
    let expect = [
        "g calls bare",
        "g/a read",
        "u read",
        "c calls one",
        "c/a would",
        "c/b after a",
        "c/clean would",
        "d after c/a",
        "e after c/a: a clean",
        "n calls nothing",
        "n/a read",
        "n/clean would",
        "n failed",
    ];
    assert_eq!(lines, expect);
}

fn what(what: &What) -> String {
    match what {
        What::Call { runbook } => format!("calls {runbook}"),
        What::Read { .. } => "read".to_owned(),
        What::Would { .. } => "would".to_owned(),
        What::KnownAfter { step, acts } if acts.is_empty() => format!("after {step}"),
        What::KnownAfter { step, acts } => {
            format!("after {step}: {}", acts.iter().map(|act| act.step.as_str()).collect::<Vec<_>>().join(" "))
        }
        What::Failed { .. } => "failed".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_holds_all_that_a_resumed_run_reads() {
    let case = case(
        "
        steps:
          - { id: c, call: two, with: { value: 1 } }
          - { id: d, call: typed, with: { count: 4 } }
          - { id: e, call: typed, with: { count: 5, rows: [] } }",
    );
    let (world, run, ending) = resumed(&case, 1).await;
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    let snapshot = world.process(3).load(&run, &recheck).await.unwrap().snapshot;
    let called: Vec<&str> = snapshot.called.keys().map(String::as_str).collect();
    assert_eq!(called, ["shelf/one", "shelf/two", "shelf/typed"]);
    assert_eq!(snapshot.calls["two"], "shelf/two");
    assert_eq!(snapshot.called["shelf/two"].calls["one"], "shelf/one");
    assert_eq!(snapshot.called["shelf/typed"].thresholds["rows"], json!([{ "id": "rows" }]));
    assert_eq!(snapshot.inputs, Some(json!({})));
    let actions: Vec<&str> = snapshot.contracts.keys().map(|name| name.as_str()).collect();
    assert_eq!(actions, ["toy.change", "toy.read"]);
}

#[test]
fn snapshots_of_older_versions_are_read() {
    let text = "{\"origin\":\"a\",\"runbook\":\"runbook: a\\nsteps: [{ id: a, uses: toy.read }]\\n\",\"contracts\":{}}";
    let old: Snapshot = serde_json::from_str(text).unwrap();
    assert_eq!((old.calls.len(), old.called.len(), old.inputs.clone()), (0, 0, None));
    assert_eq!(recheck(&old).unwrap().name.as_str(), "a");
    // And what calls nothing is written as they wrote it.
    assert_eq!(serde_json::to_string(&old).unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_and_given_back_may_be_large() {
    let steps = format!("steps:\n  - {{ id: c, call: echo, with: {{ value: {} }} }}", "x".repeat(60_000));
    let case = case(steps.leak());
    let (world, run, ending) = resumed(&case, 4).await;
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    let loaded = world.process(3).load(&run, &recheck).await.unwrap();
    assert_eq!(loaded.state.steps.slots[0].output(&loaded.runbook.steps[0])["same"].as_str().unwrap().len(), 60_000);
    let records = world.store.read(&run, 0).await.unwrap();
    assert!(records.iter().all(|record| record.bytes.len() < 48 * 1024));
}

#[test]
fn what_is_short_lived_is_not_passed_on() {
    let check = |with: &str, expect: bool| {
        let steps = format!(
            "steps:\n  - {{ id: t, uses: toy.token }}\n  - {{ id: c, call: token }}\n  - {{ id: x, call: echo, with: {{ value: '{with}' }} }}\n"
        );
        let source = Source::new("toy.yaml", text("toy", &steps));
        let book = Book { id: "toy".into(), origin: "a test".into(), source };
        let found = load_book(&book, &world::registry(&Diary::default()), &Shelf).err().unwrap_or_default();
        assert_eq!(found.iter().any(|one| one.code == Code::NotCallable), expect, "{with}: {found:?}");
    };
    check("fine", false);
    check("{{ run.steps.t.status }}", false);
    check("{{ steps.t.value }}", true);
    check("{{ steps.c.plain }}", true);
}

/// Where a lock is kept follows from the cluster in its name: the same name alone is not the same lock.
#[tokio::test(start_paused = true)]
async fn a_lock_is_the_same_when_it_is_kept_with_the_same_cluster() {
    let inventory =
        sluice_engine::yaml::read("sluice.yaml", b"clusters: { x: { nodes: 3 }, y: { nodes: 3 } }\n").unwrap();
    let inventory = sluice_engine::inventory::parse(&inventory).unwrap();
    for (lock, given, expect) in [
        ("cluster/{{ inputs.c.name }}", "x", None),
        ("cluster/x", "x", Some("guarded keeps the lock `cluster/x` with its cluster")),
        ("cluster/y", "x", Some("guarded wants the lock `cluster/x`, and the run holds `cluster/y`")),
    ] {
        let steps = format!(
            "inputs: {{ c: {{ type: cluster }} }}\nlock: '{lock}'\nsteps: [{{ id: g, call: guarded, with: {{ c: '{{{{ \
             inputs.c }}}}' }} }}]\n"
        );
        let runbook = Arc::new(check_text(&text("toy", &steps)));
        let given = BTreeMap::from([("c".to_owned(), Given::Text(given.to_owned()))]);
        let inputs = resolve_inputs(&runbook, &given, &inventory).unwrap();
        let order = Order { run: run_id(), origin: "a test".into(), inputs, runbook, trigger: Trigger::Cli };
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let world = World::new(Arc::new(MemoryStore::default()));
        let (_, state) = world.process(1).start(order, &mut signals).await.unwrap();
        let said = match &state.steps.slots[0].status {
            Status::Failed(problem) => Some(problem.message.as_str()),
            _ => None,
        };
        assert_eq!(said.is_some(), expect.is_some(), "{lock}: {said:?}");
        assert!(said.unwrap_or_default().starts_with(expect.unwrap_or_default()), "{lock}: {said:?}");
    }
}
