//! Gates over time: what is said when they end, deadlines that nothing moves, and a clock that jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sluice_engine::journal::{Event, Outcome};
use sluice_engine::run::{Clock, Ending, Engine, Order};
use sluice_plugin::Timestamp;
use sluice_store::MemoryStore;

use super::cases::Case;
use super::world::{TestClock, World};
use super::{begin, order_of, recheck, resume};

fn gate(with: &str, passes: &str) -> Case {
    let steps = format!("\nsteps:\n  - {{ id: a, gate: toy.gate, with: {{ {with} }}, passes: {{ {passes} }} }}");
    Case { name: "a gate", steps: steps.leak(), outcome: "", ends: "" }
}

/// `verdict: why, samples x, after n s`, from the journal.
async fn word(engine: &Engine, run: &sluice_engine::ids::RunId) -> String {
    let loaded = engine.load(run, &recheck).await.unwrap();
    let started = loaded.envelopes[0].at;
    let judged = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::Judged { verdict, why, samples, .. } => {
            let after = envelope.at.since(started).as_secs();
            Some(format!("{verdict}: {why}, samples {}, after {after} s", samples.count))
        }
        _ => None,
    });
    judged.unwrap_or_else(|| format!("no word: {:?}", loaded.envelopes))
}

async fn check(with: &str, passes: &str, expect: &str) {
    let engine = World::new(Arc::new(MemoryStore::default())).process(1);
    let (run, ended) = begin(&engine, &gate(with, passes)).await;
    ended.unwrap();
    assert_eq!(word(&engine, &run).await, expect, "{with} {passes}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_says_why_it_ended() {
    check("verdicts: ppp", "consecutive: 3, every: 2s, within: 1m", "pass: as told, samples 3, after 4 s").await;
    check("verdicts: f", "every: 2s, within: 5s", "fail: its time (5s) was over: as told, samples 3, after 4 s").await;
    check(
        "verdicts: fffp",
        "consecutive: 3, every: 2s, within: 10s",
        "inconclusive: its time (10s) was over after 2 of 3 passes in a row, samples 5, after 8 s",
    )
    .await;
    let fail_if = "every: 2s, within: 1h, fail_if: 'seen.letter == \"x\"'";
    check("verdicts: fx", fail_if, "fail: `fail_if` holds: seen.letter == \"x\"; as told, samples 2, after 2 s").await;
    let denied =
        "inconclusive: plugin toy may not look; to allow it, put this into sluice.yaml: it, samples 1, after 0 s";
    check("granted: false", "every: 2s, within: 1h", denied).await;
    let broken = "every: 2s, within: 5s, fail_if: seen.nothing.there";
    let expect = "inconclusive: its time (5s) was over: `fail_if` cannot be evaluated: `seen` has no `nothing`; there is \
                  `letter`, `value`, samples 3, after 4 s";
    check("verdicts: p", broken, expect).await;
    check(
        "verdicts: f, values: [9, 8]",
        "every: 2s, within: 1h, progress: seen.value, stalled: 6s",
        "fail: no progress for 6s: `progress` stays at 8; as told, samples 5, after 8 s",
    )
    .await;
    check(
        "verdicts: f, values: [one, two]",
        "every: 2s, within: 1h, progress: seen.value, stalled: 6s",
        "fail: no progress for 6s: `progress` stays at \"two\"; as told, samples 5, after 8 s",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_has_no_text_is_not_said() {
    let check = async |otherwise: &str, value: &str, expect: &str| {
        let steps = format!(
            "\nsteps:\n  - {{ id: a, gate: toy.gate, with: {{ value: {value} }}, expect: [{{ that: 'false', else: '{otherwise}' }}] }}"
        );
        let case = Case { name: "a gate", steps: steps.leak(), outcome: "", ends: "" };
        let engine = World::new(Arc::new(MemoryStore::default())).process(1);
        let (run, ended) = begin(&engine, &case).await;
        ended.unwrap();
        assert_eq!(word(&engine, &run).await, format!("fail: {expect}, samples 1, after 0 s"));
    };
    check("{{ seen.value }}", "7", "7").await;
    check("{{ seen.value }}", "true", "true").await;
    check("about {{ seen.value }}", "7", "about 7").await;
    let none = "what gate `a` expects does not hold (none cannot stand in text; `| default(...)` gives a value in place \
                of none)";
    check("{{ seen.value }}", "null", none).await;
    let list = "what gate `a` expects does not hold (a list cannot stand in text; `| join(\", \")` or `| tojson` makes \
                text of it)";
    check("{{ seen.value }}", "[1]", list).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_every_sample() {
    let passes = "every: 1s, within: 10s";
    check("takes: 1m", passes, "inconclusive: its time (10s) was over: nothing was seen, samples 0, after 10 s").await;
    // The sample that was cut says nothing; the ones before do.
    check("takes: 4s, verdicts: f", passes, "fail: its time (10s) was over: as told, samples 2, after 10 s").await;
    check("takes: 4s, verdicts: ffp", passes, "fail: its time (10s) was over: as told, samples 2, after 10 s").await;
    let twice = "consecutive: 2, every: 1s, within: 10s";
    let expect = "inconclusive: its time (10s) was over after 1 of 2 passes in a row, samples 1, after 10 s";
    check("takes: 6s", twice, expect).await;
}

#[tokio::test(start_paused = true)]
async fn a_resume_gives_no_more_time() {
    for (sleeps, expect) in [
        (0, "fail: its time (1m) was over: as told, samples 7, after 55 s"),
        (30, "fail: its time (1m) was over: as told, samples 1, after 55 s"),
        (3600, "inconclusive: its time (1m) was over: nothing was seen, samples 0, after 3625 s"),
    ] {
        let world = World::new(Arc::new(MemoryStore::default()));
        let first = world.process(1);
        let case = gate("verdicts: f", "every: 5s, within: 1m");
        let begun = tokio::time::timeout(Duration::from_secs(25), begin(&first, &case)).await;
        assert!(begun.is_err(), "the first process goes on for a minute");
        let run = world.store.journals().await.unwrap().remove(0);
        world.dead.lock().unwrap().push(1);
        tokio::time::sleep(Duration::from_secs(sleeps)).await;
        let second = world.process(2);
        let (ending, _) = resume(&second, &run).await.unwrap();
        assert!(matches!(ending, Ending::Ended(Outcome::Stopped { .. })), "{ending:?}");
        assert_eq!(word(&second, &run).await, expect, "after {sleeps} s");
    }
}

/// Time that jumps, as when a machine sleeps or its clock is set.
struct Jumping {
    steady: Arc<TestClock>,
    jumped: AtomicI64,
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp(self.steady.now().0 + self.jumped.load(Ordering::SeqCst))
    }

    fn since_boot(&self) -> Duration {
        self.steady.since_boot()
    }

    /// Wakes a little late from a jump, as the real one does.
    async fn sleep_until(&self, at: Timestamp) {
        while self.now() < at {
            tokio::time::sleep(at.since(self.now()).min(Duration::from_secs(1))).await;
        }
    }
}

async fn jump(with: &str, passes: &str, (after, by): (u64, i64)) -> String {
    let world = World::new(Arc::new(MemoryStore::default()));
    let clock = Arc::new(Jumping { steady: world.clock.clone(), jumped: AtomicI64::new(0) });
    let mut engine = world.process(1);
    engine.clock = clock.clone();
    let jumps = async {
        tokio::time::sleep(Duration::from_millis(after * 1000 + 500)).await;
        clock.jumped.store(by * 1000, Ordering::SeqCst);
    };
    let case = gate(with, passes);
    let ((run, ended), ()) = tokio::join!(begin(&engine, &case), jumps);
    ended.unwrap();
    word(&engine, &run).await
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_of_the_clock_a_streak_begins_anew() {
    let held = "for: 30s, every: 5s, within: 2h";
    // 12.5 s, an hour of sleep, and then 30 s of passes.
    assert_eq!(jump("verdicts: p", held, (12, 3600)).await, "pass: as told, samples 10, after 3643 s");
    let thrice = "consecutive: 3, every: 5s, within: 2h";
    assert_eq!(jump("verdicts: p", thrice, (7, 3600)).await, "pass: as told, samples 5, after 3618 s");
    // What does not move had no time to move.
    let stalled = "every: 5s, within: 2h, progress: seen.value, stalled: 20s";
    let expect = "fail: no progress for 20s: `progress` stays at 1; as told, samples 8, after 3633 s";
    assert_eq!(jump("verdicts: f, value: 1", stalled, (12, 3600)).await, expect);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_was_slept_through_is_over() {
    let expect = "inconclusive: its time (1m) was over after 3 of 9 passes in a row, samples 3, after 3613 s";
    assert_eq!(jump("verdicts: p", "consecutive: 9, every: 5s, within: 1m", (12, 3600)).await, expect);
    // A sample that was under way when the machine fell asleep.
    let expect = "inconclusive: its time (1m) was over: nothing was seen, samples 0, after 3613 s";
    assert_eq!(jump("verdicts: p, takes: 20s", "every: 5s, within: 1m", (12, 3600)).await, expect);
}

/// `for` of an input: as long as this run was given, whatever the runbook has by itself.
#[tokio::test(start_paused = true)]
async fn a_gate_holds_as_long_as_its_input_says() {
    let hold = "{ gate: toy.gate, with: { verdicts: p }, passes: { for: '{{ inputs.soak }}', every: 5s, within: 1m } }";
    let check = async |soak: &str, expect: &str| {
        let world = World::new(Arc::new(MemoryStore::default()));
        let engine = world.process(1);
        let inputs = "inputs: { soak: { type: duration, default: 10s } }";
        let steps = format!("\n{inputs}\nsteps:\n  - {}", hold.replacen("{ gate", "{ id: a, gate", 1));
        let case = Case { name: "a gate", steps: steps.leak(), outcome: "", ends: "" };
        let order = Order { inputs: json!({ "soak": soak }), ..order_of(&case) };
        let run = order.run.clone();
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        engine.start(order, &mut signals).await.unwrap();
        assert_eq!(word(&engine, &run).await, expect, "{soak}");
    };
    check("10s", "pass: as told, samples 3, after 10 s").await;
    check("32s", "pass: as told, samples 8, after 32 s").await;
    check("2m", "inconclusive: its time (1m) was over after passes for 55s of 2m, samples 12, after 55 s").await;
}
