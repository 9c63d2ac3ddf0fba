//! A small world for the loop: a plugin that does as it is told and remembers it, time that stands until everything
//! waits, and hosts without a network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::journal::{Owner, Store};
use sluice_engine::registry::Registry;
use sluice_engine::run::{
    Alive, Clock, Confirming, Engine, Hosts, Locking, Observer, Owners, SessionRequest, Sessions,
};
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, Call, Effect, GateClass, Host, HttpRequest, HttpResponse, Level, Listed,
    NativePlugin, Outcome, PluginName, PluginSpec, Preview, Problem, Progress, Purpose, Reconciled, Secret, SecretRef,
    Timestamp, Verdict,
};

/// What the toy plugin was called for, in order, over all processes of a test.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<(String, Value)>>>, Arc<Mutex<Vec<(String, Purpose)>>>);

impl Diary {
    /// Calls that change something, as `step value`.
    pub(crate) fn changes(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap();
        let changes = entries.iter().filter(|(_, with)| with["is"] == "change" || with["is"] == "send");
        changes.map(|(step, with)| format!("{step} {}", with["value"])).collect()
    }

    /// Calls that must not come twice, as the step's address.
    pub(super) fn sends(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap();
        entries.iter().filter(|(_, with)| with["is"] == "send").map(|(step, _)| step.clone()).collect()
    }

    /// What each call of the toys was for.
    pub(super) fn purposes(&self, step: &str) -> Vec<Purpose> {
        self.1.lock().unwrap().iter().filter(|(written, _)| written == step).map(|(_, purpose)| *purpose).collect()
    }

    fn called(&self, call: &Call) {
        self.1.lock().unwrap().push((call.step.clone(), call.purpose));
    }

    /// Something else that happened.
    pub(crate) fn note(&self, what: &str) {
        self.0.lock().unwrap().push((what.to_owned(), json!({ "is": "change", "value": null })));
    }

    fn times(&self, step: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(written, _)| written == step).count()
    }

    fn write(&self, call: &Call, is: &str) {
        let value = call.with.get("value").cloned().unwrap_or(Value::Null);
        self.0.lock().unwrap().push((call.step.clone(), json!({ "is": is, "value": value })));
    }
}

/// `toy.read`, `toy.change`, `toy.gate`, `toy.secret`, `toy.take`, `toy.destroy`, `toy.echo` (its output is its input),
/// `toy.token` (ephemeral: its output tells how often it was called), `toy.send`, `toy.destroy` and `toy.once` (may not be
/// done twice; all but the last can be previewed and looked for).
struct Toy {
    operation: &'static str,
    diary: Diary,
    revision: u32,
}

#[async_trait]
impl Action for Toy {
    fn spec(&self) -> ActionSpec {
        let open = json!({ "type": "object" });
        let input = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "value": {},
                "takes": { "type": "string" },
                "fails": { "type": "integer" },
                "code": { "type": "string" },
                "verdicts": { "type": "string" },
                "granted": { "type": "boolean" },
                "answers": { "enum": ["ok", "no", "maybe", "lost", "hang", "panic", "bad"] },
                "previews": { "enum": ["ready", "already", "refused", "slow", "moves", "warms", "trouble", "later", "late", "gone"] },
                "looks": { "enum": ["look", "cannot", "error", "flip", "panic"] },
                "values": { "type": "array" },
                "secret": { "type": "string", "x-secret": true },
            },
        });
        let secret = json!({
            "type": "object",
            "required": ["secret"],
            "additionalProperties": false,
            "properties": { "secret": { "type": "string", "x-secret": true } },
        });
        let any = json!({
            "type": "object",
            "required": ["value"],
            "additionalProperties": false,
            "properties": { "value": {} },
        });
        ActionSpec {
            name: ActionName::parse(&format!("toy.{}", self.operation)).unwrap(),
            summary: "Do as told".into(),
            effect: match self.operation {
                "change" | "send" | "once" => Effect::Change,
                "destroy" => Effect::Destroy,
                _ => Effect::Read,
            },
            idempotent: !matches!(self.operation, "destroy" | "send" | "once"),
            gate: (self.operation == "gate").then_some(GateClass::Data),
            ephemeral: matches!(self.operation, "secret" | "token"),
            input,
            output: match self.operation {
                "secret" => secret,
                "gate" | "echo" => open,
                _ => any,
            },
            abilities: Abilities {
                check: false,
                preview: matches!(self.operation, "send" | "destroy"),
                reconcile: matches!(self.operation, "send" | "destroy"),
            },
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: self.revision,
        }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        if let Some(time) = call.with.get("takes").and_then(Value::as_str) {
            host.sleep(sluice_plugin::parse_duration(time).unwrap()).await;
        }
        self.diary.called(call);
        if matches!(self.operation, "send" | "once" | "destroy") {
            return self.act(call).await;
        }
        self.diary.write(call, self.operation);
        let fails = call.with.get("fails").and_then(Value::as_u64).unwrap_or(0);
        if let Some(code) = call.with.get("code").and_then(Value::as_str)
            && self.diary.times(&call.step) as u64 <= fails
        {
            return Err(Problem::not_applied(code, "log in first").retryable());
        }
        if !call.with["code"].is_string() && u64::from(call.attempt.0) <= fails {
            return Err(Problem::not_applied("toy", "it was told to fail").retryable());
        }
        let value = call.with.get("value").cloned().unwrap_or(Value::Null);
        match self.operation {
            "secret" => Ok(Outcome::plain(json!({ "secret": host.seal("/secret", Secret::new("s3cr3t-value")) }))),
            "take" => {
                let secret = host.reveal(&call.with["secret"])?;
                Ok(Outcome::plain(json!({ "value": secret.expose().len() })))
            }
            "gate" if call.with["granted"] == false => {
                let said = "plugin toy may not look; to allow it, put this into sluice.yaml: it";
                Err(Problem::not_applied("denied", said).with_details(json!({ "grant": "it" })))
            }
            "gate" => {
                let letters = call.with.get("verdicts").and_then(Value::as_str).unwrap_or("p");
                let times = self.diary.times(&call.step) - 1;
                let letter = letters.chars().nth(times).or(letters.chars().last()).unwrap_or('p');
                let values = call.with.get("values").and_then(Value::as_array);
                let value = values.and_then(|all| all.get(times).or(all.last())).cloned().unwrap_or(value);
                let verdict = match letter {
                    'p' => Verdict::Pass,
                    'f' => Verdict::Fail,
                    _ => Verdict::Inconclusive,
                };
                Ok(Outcome::judged(json!({ "value": value, "letter": letter.to_string() }), verdict, "as told"))
            }
            "echo" => Ok(Outcome::plain(value)),
            "token" => {
                let times = format!("n{}", self.diary.times(&call.step));
                Ok(Outcome::plain(json!({ "value": { times: value } })))
            }
            _ => Ok(Outcome::plain(json!({ "value": value }))),
        }
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        self.diary.called(call);
        let output = json!({ "value": call.with["value"] });
        match call.with["previews"].as_str().unwrap_or("ready") {
            "already" => Ok(Preview::Already { output }),
            "refused" => Ok(Preview::Refused { why: "the toy was told to refuse".into() }),
            "trouble" => Err(Problem::not_applied("toy", "the world is away").retryable()),
            // From the second time on: after the yes.
            "later" if self.diary.purposes(&call.step).len() > 1 => {
                Err(Problem::not_applied("trouble", "the world is away").retryable())
            }
            // The second time alone.
            "late" if self.diary.purposes(&call.step).len() == 2 => {
                host.sleep(Duration::from_secs(300)).await;
                Ok(Preview::Ready { binding: output, facts: json!({}) })
            }
            "slow" => {
                host.sleep(Duration::from_secs(60)).await;
                Ok(Preview::Ready { binding: output, facts: json!({}) })
            }
            // Once somebody had to look whether it happened.
            "gone" if self.diary.purposes(&call.step).contains(&Purpose::Reconcile) => Ok(Preview::Already { output }),
            // Its binding is another one each time it is asked.
            "moves" => {
                let times = self.diary.purposes(&call.step).len();
                Ok(Preview::Ready { binding: json!({ "value": times }), facts: json!({}) })
            }
            // It is the same act, of which something else is known each time.
            "warms" => {
                let times = self.diary.purposes(&call.step).len();
                Ok(Preview::Ready { binding: output, facts: json!({ "leads": times, "is": "warm" }) })
            }
            _ => Ok(Preview::Ready { binding: output, facts: json!({ "leads": "nothing" }) }),
        }
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let looks = self.diary.purposes(&call.step).iter().filter(|purpose| **purpose == Purpose::Reconcile).count();
        self.diary.called(call);
        let evidence = json!({ "diary": self.diary.times(&call.step) });
        let done = self.diary.times(&call.step) > 0;
        match call.with["looks"].as_str().unwrap_or("look") {
            "cannot" => Ok(Reconciled::CannotTell { evidence }),
            "error" => Err(Problem::not_applied("toy", "it cannot look just now")),
            "panic" => panic!("the toy breaks down while it looks"),
            "flip" if looks.is_multiple_of(2) => Ok(Reconciled::NotDone { evidence }),
            _ if done => Ok(Reconciled::Done { output: json!({ "value": call.with["value"] }), evidence }),
            _ => Ok(Reconciled::NotDone { evidence }),
        }
    }
}

impl Toy {
    /// An act that answers as it is told to, whether it did anything or not.
    async fn act(&self, call: &Call) -> Result<Outcome, Problem> {
        let answers = call.with["answers"].as_str().unwrap_or("ok");
        // Told to lose its answer, it loses the first.
        let answers = if call.attempt.0 > 1 && answers != "no" { "ok" } else { answers };
        if !matches!(answers, "no" | "lost") {
            self.diary.write(call, "send");
        }
        match answers {
            "no" => Err(Problem::not_applied("toy", "it was told to refuse")),
            "maybe" | "lost" => Err(Problem::maybe_applied("toy", "the answer was lost")),
            "hang" => std::future::pending().await,
            "panic" => panic!("the toy breaks down"),
            "bad" => Ok(Outcome::plain(json!({ "nonsense": true }))),
            _ => Ok(Outcome::plain(json!({ "value": call.with["value"] }))),
        }
    }
}

/// As another release has them: the actions in `changed` have other contracts.
pub(super) fn changed_registry(diary: &Diary, changed: &[&'static str]) -> Registry {
    registry_of(diary, changed)
}

pub(crate) fn registry(diary: &Diary) -> Registry {
    registry_of(diary, &[])
}

fn registry_of(diary: &Diary, changed: &[&'static str]) -> Registry {
    let mut registry = Registry::default();
    let (diary, changed) = (diary.clone(), changed.to_vec());
    let name = PluginName::parse("toy").unwrap();
    let spec = PluginSpec {
        name: name.clone(),
        version: "1".into(),
        summary: "Toys".into(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let make = move || -> Arc<dyn sluice_plugin::Plugin> {
        let toy = |operation| -> Listed {
            let revision = if changed.contains(&operation) { 2 } else { 1 };
            (operation, Box::new(Toy { operation, diary: diary.clone(), revision }))
        };
        let toys = ["read", "change", "gate", "secret", "take", "destroy", "echo", "token", "send", "once"].map(toy);
        Arc::new(NativePlugin::new(spec.clone(), toys.into()))
    };
    registry.add(name, make).unwrap();
    registry
}

/// tokio's time, which a test pauses: it moves when everything waits.
pub(crate) struct TestClock(tokio::time::Instant);

impl Default for TestClock {
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

const EPOCH: i64 = 1_790_000_000_000;

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(EPOCH).plus(self.0.elapsed())
    }

    fn since_boot(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.0 + at.since(Timestamp(EPOCH))).await;
    }
}

/// Hosts of one process: what it sealed is gone with it.
#[derive(Clone, Default)]
pub(crate) struct TestHosts {
    secrets: Arc<Mutex<BTreeMap<String, Secret>>>,
    files: bool,
}

impl TestHosts {
    /// Whether private files can be written: those of a run, or those of a plan.
    pub(crate) fn with_files(files: bool) -> Self {
        Self { files, ..Self::default() }
    }
}

impl Hosts for TestHosts {
    fn host(&self, _: &ActionName, call: &Call) -> Box<dyn Host> {
        Box::new(TestHost { step: call.step.clone(), secrets: self.clone() })
    }

    fn redact(&self, value: &mut Value) {
        let mut text = value.to_string();
        self.redact_text(&mut text);
        *value = serde_json::from_str(&text).unwrap();
    }

    /// Of what it sealed it knows the value.
    fn redact_text(&self, text: &mut String) {
        for secret in self.secrets.lock().unwrap().values() {
            *text = text.replace(secret.expose(), "***");
        }
    }
}

struct TestHost {
    step: String,
    secrets: TestHosts,
}

#[async_trait]
impl Host for TestHost {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, _: HttpRequest) -> Result<HttpResponse, Problem> {
        Err(Problem::not_applied("denied", "this world has no network"))
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        let reference = SecretRef::from_json(leaf).ok_or_else(|| Problem::not_applied("no_secret", "not a secret"))?;
        let secrets = self.secrets.secrets.lock().unwrap();
        secrets.get(&reference.0).cloned().ok_or_else(|| Problem::not_applied("secret_gone", "it was not kept"))
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        let reference = SecretRef(format!("steps.{}#{pointer}", self.step));
        self.secrets.secrets.lock().unwrap().insert(reference.0.clone(), secret);
        reference.to_json()
    }

    fn private_file(&self, _: &str, _: &Secret) -> Result<PathBuf, Problem> {
        match self.secrets.files {
            true => Ok(PathBuf::from("/private")),
            false => Err(Problem::not_applied(sluice_plugin::ONLY_IN_A_RUN, "this world has no files")),
        }
    }
}

/// Processes by number; those in the list are dead.
#[derive(Clone)]
pub(crate) struct TestOwners {
    pub(crate) me: u32,
    pub(crate) dead: Arc<Mutex<Vec<u32>>>,
}

impl Owners for TestOwners {
    fn me(&self) -> Owner {
        Owner { host: "here".into(), pid: self.me, started: "boot/1".into() }
    }

    fn is_alive(&self, owner: &Owner) -> Alive {
        if self.dead.lock().unwrap().contains(&owner.pid) { Alive::No } else { Alive::Yes }
    }
}

pub(crate) struct NoSession;

#[async_trait]
impl Sessions for NoSession {
    async fn run(&self, request: SessionRequest) -> Result<Value, Problem> {
        Ok(json!({ "exit": 0, "env": request.env.into_iter().collect::<BTreeMap<_, _>>() }))
    }
}

pub(crate) struct Silent;

impl Observer for Silent {}

/// All that outlives a process of a test.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) diary: Diary,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) dead: Arc<Mutex<Vec<u32>>>,
}

impl World {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, diary: Diary::default(), clock: Arc::default(), dead: Arc::default() }
    }

    /// A process of its own: nothing but the store and the outside world is shared with others.
    pub(crate) fn process(&self, pid: u32) -> Engine {
        Engine {
            registry: Arc::new(registry(&self.diary)),
            store: self.store.clone(),
            clock: self.clock.clone(),
            hosts: Arc::new(TestHosts::default()),
            owners: Arc::new(TestOwners { me: pid, dead: self.dead.clone() }),
            sessions: Arc::new(NoSession),
            observer: Arc::new(Silent),
            actor: format!("p{pid}@here"),
            locking: Locking::default(),
            confirming: Confirming::default(),
        }
    }
}
