//! Plans of random runbooks: they change nothing, are the same twice, bind exactly what the run then does, and are other
//! plans as soon as anything bound is another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::{Value, json};
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{Filter, Page, Trigger};
use sluice_engine::registry::Registry;
use sluice_engine::run::{Engine, Order, Plan, Sources, What};
use sluice_engine::runbook::Checked;
use sluice_plugin::by_hand::ByHand;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, Call, Effect, GateClass, Host, Listed, NativePlugin, ONLY_IN_A_RUN,
    Outcome, PluginName, PluginSpec, Preview, Problem, Purpose, Secret, Verdict,
};
use sluice_store::MemoryStore;

use super::cases::CASES;
use super::world::World;
use super::{check_text, run_id, text_of, world};
use crate::core::{Book, books, read};

/// A world whose reads answer by its state, and a record of every act done in it.
#[derive(Clone, Default)]
struct Toys {
    state: Arc<Mutex<u64>>,
    acts: Arc<Mutex<Vec<(String, Value)>>>,
    /// Calls that were not for reading or looking ahead.
    wrong: Arc<Mutex<Vec<String>>>,
    /// Raised when a contract changes.
    revision: u32,
}

struct Toy(&'static str, Toys);

/// `read`, `change` (tells beforehand), `lease` (an act that does not), `token` (ephemeral, writes a private file) and
/// `gate`, `once` and `send` (acts that may not be done twice), all as the runbooks of `core::books` use them.
#[async_trait]
impl Action for Toy {
    fn spec(&self) -> ActionSpec {
        let output = json!({
            "type": "object",
            "required": ["value", "yes", "items"],
            "properties": { "value": {}, "yes": { "type": "boolean" }, "items": { "type": "array" } },
        });
        ActionSpec {
            name: ActionName::parse(&format!("toy.{}", self.0)).unwrap(),
            summary: "Do as the world says".into(),
            effect: if self.acts() { Effect::Change } else { Effect::Read },
            idempotent: !matches!(self.0, "once" | "send"),
            gate: (self.0 == "gate").then_some(GateClass::Data),
            ephemeral: matches!(self.0, "token" | "lease"),
            input: json!({ "type": "object", "additionalProperties": false, "properties": { "value": {} } }),
            output,
            abilities: Abilities { preview: matches!(self.0, "change" | "send"), ..Abilities::default() },
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: self.1.revision,
        }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let wanted = if self.acts() { Purpose::Act } else { Purpose::Read };
        if call.purpose != wanted {
            self.1.wrong.lock().unwrap().push(format!("{} for {:?}", call.step, call.purpose));
        }
        if self.acts() {
            self.1.acts.lock().unwrap().push((call.step.clone(), call.with.clone()));
        }
        if self.0 == "token" {
            host.private_file("token", &Secret::new("the token"))?;
        }
        let output = self.answer(call);
        match self.0 {
            "gate" => Ok(Outcome::judged(output, Verdict::Pass, "as it should be")),
            _ => Ok(Outcome::plain(output)),
        }
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        if call.purpose != Purpose::Preview {
            self.1.wrong.lock().unwrap().push(format!("{} previewed for {:?}", call.step, call.purpose));
        }
        let binding = json!({ "id": format!("i-{}", call.step) });
        Ok(Preview::Ready { binding, facts: json!({ "state": *self.1.state.lock().unwrap() }) })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        vec![ByHand::run("toy", [self.0.to_owned(), call.with.to_string()], "nothing")]
    }
}

impl Toy {
    fn acts(&self) -> bool {
        matches!(self.0, "change" | "lease" | "once" | "send")
    }

    /// Of an act by its step alone, so that a run in another state can be compared.
    fn answer(&self, call: &Call) -> Value {
        let state = if self.acts() { 0 } else { *self.1.state.lock().unwrap() };
        let said = Sha256::of(format!("{state} {}", call.step).as_bytes());
        let letter = said.as_bytes()[0];
        let items = if letter.is_multiple_of(3) { vec![] } else { vec!["p", "q"] };
        json!({ "value": letter, "yes": letter.is_multiple_of(2), "items": items })
    }
}

impl Toys {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let name = PluginName::parse("toy").unwrap();
        let toys = self.clone();
        let make = move || -> Arc<dyn sluice_plugin::Plugin> {
            let toy = |name| -> Listed { (name, Box::new(Toy(name, toys.clone()))) };
            let spec = PluginSpec {
                name: PluginName::parse("toy").unwrap(),
                version: "1".into(),
                summary: "Toys".into(),
                powers: Vec::new(),
                actions: Vec::new(),
            };
            Arc::new(NativePlugin::new(spec, crate::core::OPERATIONS.map(toy).into()))
        };
        registry.add(name, make).unwrap();
        registry
    }

    fn engine(&self, private: bool) -> Engine {
        let mut engine = World::new(Arc::new(MemoryStore::default())).process(1);
        engine.registry = Arc::new(self.registry());
        engine.hosts = Arc::new(world::TestHosts::with_files(private));
        engine
    }

    fn set(&self, state: u64) {
        *self.state.lock().unwrap() = state;
    }
}

fn checked(text: &str, toys: &Toys) -> Checked {
    read(text, &toys.registry()).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

async fn plan(toys: &Toys, text: &str) -> Plan {
    toys.engine(false).plan(&checked(text, toys), "a test", json!({})).await
}

fn bindings(plan: &Plan) -> BTreeMap<String, Value> {
    let bound = |step: &sluice_engine::run::Planned| Some((step.key.to_string(), json!(step.what.binding()?.1)));
    plan.steps.iter().filter_map(bound).collect()
}

/// What a digest is of, told without a digest.
/// In no order: which item comes first may depend on what is not bound.
fn open(plan: &Plan) -> BTreeMap<String, Value> {
    let open = plan.steps.iter().filter(|step| matches!(&step.what, What::KnownAfter { acts, .. } if !acts.is_empty()));
    open.map(|step| (step.key.to_string(), json!(step.what))).collect()
}

fn check(book: &Book) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let toys = Toys::default();
        let first = changes_nothing(&toys, &book.0).await?;
        is_whole(&first)?;
        another_world(&toys, &book.0, &first).await?;
        another_bond(&toys, &book.0, &first).await?;
        does_what_was_planned(&toys, &book.0, &first).await
    })
}

fn hold(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

async fn changes_nothing(toys: &Toys, text: &str) -> Result<Plan, String> {
    let engine = toys.engine(false);
    let runbook = checked(text, toys);
    let first = engine.plan(&runbook, "a test", json!({})).await;
    let again = engine.plan(&runbook, "a test", json!({})).await;
    hold(first == again, || format!("two plans of one world differ: {first:#?} {again:#?}"))?;
    let acts = toys.acts.lock().unwrap().clone();
    hold(acts.is_empty(), || format!("a plan acted: {acts:?}"))?;
    let wrong = toys.wrong.lock().unwrap().clone();
    hold(wrong.is_empty(), || format!("called for the wrong purpose: {wrong:?}"))?;
    let journals = engine.store.journals().await.unwrap();
    let runs = engine.store.list(&Filter::default(), Page { skip: 0, take: 9 }).await.unwrap();
    hold(journals.is_empty() && runs.is_empty(), || "a plan wrote to the store".to_owned())?;
    Ok(first)
}

/// Its digests fit it, it survives being written and read, and every known step has its commands.
fn is_whole(plan: &Plan) -> Result<(), String> {
    plan.verify().map_err(|altered| altered.to_string())?;
    let text = serde_json::to_string(plan).unwrap();
    let back: Plan = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    hold(back == *plan && back.verify().is_ok(), || format!("{text} came back as another plan"))?;
    hold(plan.changes_since(&back) == back.changes_since(plan), || "the same plan has changed".into())?;
    for step in &plan.steps {
        let known =
            matches!(step.what, What::Read { .. } | What::Sample { .. } | What::Would { .. } | What::MadeInTheRun);
        hold(known != step.by_hand.is_empty(), || format!("{step:?}: commands?"))?;
    }
    Ok(())
}

/// The digest tells exactly whether what is bound is the same.
async fn another_world(toys: &Toys, text: &str, first: &Plan) -> Result<(), String> {
    toys.set(7);
    let other = plan(toys, text).await;
    toys.set(0);
    let same = bindings(first) == bindings(&other) && open(first) == open(&other);
    hold(same == (first.digest == other.digest), || format!("bound the same: {same}\n{first:#?}\n{other:#?}"))?;
    let changes = other.changes_since(first);
    hold(changes.made_from.is_empty(), || format!("made from something else: {changes:?}"))?;
    hold(same != changes.is_another_plan(), || format!("{changes:?}"))?;
    // Facts changed in every `change` that is planned both times.
    let both = bindings(first)
        .into_iter()
        .filter(|(key, one)| one["action"] == "toy.change" && bindings(&other).contains_key(key));
    for (key, _) in both {
        let told = changes.facts.iter().any(|change| change.step.as_deref() == Some(&*key));
        hold(told, || format!("{key}: its facts changed and nobody says so"))?;
    }
    Ok(())
}

/// Anything else that is bound makes another plan, and another binding of every act.
async fn another_bond(toys: &Toys, text: &str, first: &Plan) -> Result<(), String> {
    let differs = |what: &str, other: &Plan| {
        hold(first.digest != other.digest, || format!("{what}: the same plan"))?;
        hold(first.bindings().is_disjoint(&other.bindings()), || format!("{what}: an act is bound as before"))
    };
    let runbook = checked(text, toys);
    let engine = toys.engine(false);
    differs("the runbook's text", &plan(toys, &format!("{text}# one more line\n")).await)?;
    differs("an input", &engine.plan(&runbook, "a test", json!({ "more": 1 })).await)?;
    let sources = Sources { policy: json!({ "prod": { "people": 2 } }), ..Sources::from("a test") };
    differs("the policy", &engine.plan(&runbook, sources, json!({})).await)?;
    let sources = Sources { uses: json!({ "secrets": { "a": { "env": "A" } } }), ..Sources::from("a test") };
    differs("the inventory", &engine.plan(&runbook, sources, json!({})).await)?;
    let newer = Toys { revision: toys.revision + 1, ..toys.clone() };
    differs("a contract", &plan(&newer, text).await)?;
    let elsewhere = engine.plan(&runbook, "another path", json!({})).await;
    hold(elsewhere.digest == first.digest, || "where the runbook lies is bound".to_owned())
}

/// The run does what was planned, with these arguments, and nothing that was not.
async fn does_what_was_planned(toys: &Toys, text: &str, plan: &Plan) -> Result<(), String> {
    if plan.steps.iter().any(|step| step.what.is_bad()) {
        return Ok(());
    }
    let order = Order {
        run: run_id(),
        runbook: Arc::new(checked(text, toys)),
        origin: "a test".into(),
        inputs: json!({}),
        trigger: Trigger::Cli,
    };
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (_, state) = toys.engine(true).start(order, &mut signals).await.unwrap();
    let planned = bindings(plan);
    let done: BTreeMap<String, Value> = toys.acts.lock().unwrap().drain(..).collect();
    for (key, with) in &done {
        match planned.get(key) {
            Some(binding) => {
                hold(binding["with"] == *with, || format!("{key}: planned {binding}, done with {with}"))?;
            }
            None => hold(is_open(plan, key), || format!("{key} was done and not planned"))?,
        }
    }
    // Where the run broke off, what follows was not done.
    let well = state.ended.as_ref().is_some_and(|(outcome, _)| outcome.name() == "done");
    let left = planned.keys().find(|key| !done.contains_key(*key));
    hold(!well || left.is_none(), || format!("{left:?} was planned and not done"))
}

fn is_open(plan: &Plan, key: &str) -> bool {
    let inside =
        |step: &str| key.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']));
    plan.steps.iter().any(|step| matches!(step.what, What::KnownAfter { .. }) && inside(step.key.as_str()))
}

#[test]
fn plans_of_any_runbook_keep_their_promises() {
    let long = std::env::var_os("SLUICE_LONG").is_some();
    let cases = if long { 20_000 } else { 200 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let seen = std::cell::RefCell::new(BTreeMap::<&'static str, usize>::new());
    let outcome = runner.run(&books(), |book| {
        check(&book).map_err(TestCaseError::fail)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let plan = runtime.block_on(plan(&Toys::default(), &book.0));
        plan.steps.iter().for_each(|step| *seen.borrow_mut().entry(kind(&step.what)).or_default() += 1);
        Ok(())
    });
    if let Err(TestError::Fail(why, book)) = outcome {
        panic!("{why}\n{book:?}");
    }
    let seen = seen.into_inner();
    for what in ["call", "loop", "read", "made in the run", "sample", "would", "skipped", "known after"] {
        assert!(seen.contains_key(what), "no plan with: {what}\n{seen:?}");
    }
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Loop { .. } => "loop",
        What::Call { .. } => "call",
        What::Read { .. } => "read",
        What::Foreseen { .. } => "foreseen",
        What::MadeInTheRun => "made in the run",
        What::Sample { .. } => "sample",
        What::Would { .. } => "would",
        What::Already { .. } => "already",
        What::Refused { .. } => "refused",
        What::Skipped => "skipped",
        What::KnownAfter { .. } => "known after",
        What::Failed { .. } => "failed",
    }
}

/// Every construct of the toys, secrets among them.
#[tokio::test(start_paused = true)]
async fn the_toys_are_planned_without_a_change() {
    for case in CASES {
        let world = World::new(Arc::new(MemoryStore::default()));
        let runbook = check_text(&text_of(case));
        let plan = world.process(1).plan(&runbook, "a test", json!({})).await;
        let again = World::new(world.store.clone()).process(2).plan(&runbook, "a test", json!({})).await;
        assert_eq!(plan, again, "{}", case.name);
        assert_eq!(plan.verify(), Ok(()), "{}", case.name);
        assert_eq!(world.diary.changes(), Vec::<String>::new(), "{}", case.name);
        assert!(world.store.journals().await.unwrap().is_empty(), "{}", case.name);
    }
}

/// A digest is a format: a plan that one release saved is compared by another. Reproduce it from the document with
/// canonical JSON: members sorted, no white space.
#[tokio::test(start_paused = true)]
async fn the_vector() {
    let text = "runbook: toy\nsummary: A toy.\nsteps:\n  - { id: a, uses: toy.read }\n  \
                - { id: b, uses: toy.change, with: { value: ['{{ steps.a.value }}', 2.0, x] } }\n  \
                - { id: c, uses: toy.lease, with: { value: '{{ steps.b.value }}' } }\n";
    let plan = plan(&Toys::default(), text).await;
    let What::Would { digest, binding, .. } = &plan.steps[1].what else { panic!("{plan:#?}") };
    let from = &plan.made_from;
    let made_from = format!(
        r#"{{"actions":"{}","calls":{{}},"inputs":"{}","inventory":"{}","policy":"{}","runbook":"{}","thresholds":{{}}}}"#,
        from.actions,
        from.inputs,
        from.inventory,
        from.policy,
        Sha256::of(text.as_bytes())
    );
    let bound = format!(
        r#"{{"action":"toy.change","contract":"{}","effect":"change","form":1,"identity":[],"made_from":{made_from},"step":"b","target":{{"id":"i-b"}},"with":{{"value":[{},2,"x"]}}}}"#,
        binding.contract, binding.with["value"][0]
    );
    assert_eq!(*digest, Sha256::of(bound.as_bytes()), "{bound}");
    let whole = format!(
        r#"{{"bound":["{digest}"],"form":1,"made_from":{made_from},"open":[["c",{{"action":"toy.lease","effect":"change","step":"c"}},"b"]]}}"#
    );
    assert_eq!(plan.digest, Sha256::of(whole.as_bytes()), "{whole}");
    assert_eq!(from.inputs.to_hex(), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "of {{}}");
}

#[tokio::test(start_paused = true)]
async fn an_altered_plan_is_found_out() {
    let text = "runbook: toy\nsummary: A toy.\nsteps:\n  - { id: a, uses: toy.change, with: { value: 1 } }\n  \
                - { id: b, uses: toy.change, with: { value: '{{ steps.a.value }}' } }\n";
    let good = serde_json::to_value(plan(&Toys::default(), text).await).unwrap();
    let check = |at: &str, to: Value, expect: bool| {
        let mut altered = good.clone();
        *altered.pointer_mut(at).unwrap() = to;
        let plan: Plan = serde_json::from_value(altered).unwrap();
        assert_eq!(plan.verify().is_ok(), expect, "{at}");
    };
    check("/runbook", json!("toy"), true);
    check("/steps/0/what/binding/with/value", json!(2), false);
    check("/steps/0/what/binding/target/id", json!("i-b"), false);
    check("/steps/0/what/digest", json!(Sha256::ZERO), false);
    check("/steps/1/what/acts", json!([]), false);
    check("/made_from/policy", json!(Sha256::ZERO), false);
    check("/digest", json!(Sha256::ZERO), false);
    check("/steps", json!([]), false);
    // Facts are shown and bind nobody.
    check("/steps/0/what/facts", json!({ "state": 9 }), true);
}

/// A read that fails for another reason is not hidden behind the word for what only a run does.
#[tokio::test(start_paused = true)]
async fn only_an_ephemeral_step_is_left_to_the_run() {
    assert_eq!(ONLY_IN_A_RUN, "only_in_a_run");
    let text = "runbook: toy\nsummary: A toy.\nsteps:\n  - { id: a, uses: toy.token }\n  \
                - { id: b, uses: toy.change, with: { value: '{{ steps.a.value }}' } }\n  \
                - { id: c, uses: toy.change, with: { value: 1 } }\n";
    let plan = plan(&Toys::default(), text).await;
    let kinds: Vec<_> = plan.steps.iter().map(|step| kind(&step.what)).collect();
    assert_eq!(kinds, ["made in the run", "known after", "would"]);
    let counts = plan.counts();
    assert_eq!((counts.reads, counts.changes, counts.unknown, counts.failed), (1, 2, 2, 0));
}
