//! One crate in both homes: what it says of itself, what it answers and how it fails is the same to the byte.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::{
    ActionSpec, Call, Effect, Host, HttpRequest, HttpResponse, Level, Plugin, Problem, Progress, Purpose, Secret,
    SecretRef, Timestamp,
};

use crate::guests;
use crate::hosts::call;

/// Answers from a list, and writes down all that was asked of it.
pub(crate) struct Recording {
    answers: Mutex<Vec<Result<HttpResponse, Problem>>>,
    told: Mutex<Vec<String>>,
}

impl Recording {
    pub(crate) fn new(mut answers: Vec<Result<HttpResponse, Problem>>) -> Self {
        answers.reverse();
        Self { answers: Mutex::new(answers), told: Mutex::default() }
    }

    fn tell(&self, text: String) {
        self.told.lock().unwrap().push(text);
    }
}

#[async_trait]
impl Host for Recording {
    fn now(&self) -> Timestamp {
        Timestamp(1_795_370_100_000)
    }

    fn actor(&self) -> &str {
        "ana@laptop"
    }

    async fn sleep(&self, time: Duration) {
        self.tell(format!("sleep {time:?}"));
    }

    fn log(&self, level: Level, message: &str) {
        self.tell(format!("log {level:?} {message}"));
    }

    fn progress(&self, progress: Progress) {
        self.tell(format!("progress {progress:?}"));
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        self.tell(format!("http {request:?}"));
        let next = self.answers.lock().unwrap().pop();
        next.unwrap_or_else(|| Err(Problem::not_applied("unreachable", "nobody answers").retryable()))
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        self.tell(format!("reveal {leaf}"));
        match leaf.as_str() {
            Some(text) => Ok(Secret::new(text)),
            None => Ok(Secret::new("the secret")),
        }
    }

    fn seal(&self, pointer: &str, _: Secret) -> Value {
        self.tell(format!("seal {pointer}"));
        SecretRef(format!("steps.one#{pointer}")).to_json()
    }

    fn private_file(&self, name: &str, _: &Secret) -> Result<PathBuf, Problem> {
        self.tell(format!("file {name}"));
        Ok(PathBuf::from("/private").join(name))
    }
}

fn answer(status: u16, body: &Value) -> Result<HttpResponse, Problem> {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(HttpResponse { status, headers, body: body.to_string().into_bytes() })
}

/// Everything that can be asked of an action with this `with`, and everything that it asked.
async fn everything(
    plugin: &dyn Plugin,
    spec: &ActionSpec,
    with: &Value,
    answers: &[Result<HttpResponse, Problem>],
) -> Vec<String> {
    let action = spec.name.operation();
    let mut all = vec![format!("check {:?}", plugin.check(action, with))];
    let does = if spec.effect == Effect::Read { Purpose::Read } else { Purpose::Act };
    for purpose in [does, Purpose::Preview, Purpose::Reconcile] {
        let host = Recording::new(answers.to_vec());
        let call = Call { deadline: Some(Timestamp(1_795_370_160_000)), ..call(purpose, with.clone()) };
        all.push(match purpose {
            Purpose::Preview => format!("preview {:?}", plugin.preview(action, &host, &call).await),
            Purpose::Reconcile => format!("reconcile {:?}", plugin.reconcile(action, &host, &call).await),
            Purpose::Act | Purpose::Read => format!("run {:?}", plugin.run(action, &host, &call).await),
        });
        all.extend(host.told.into_inner().unwrap());
        all.push(format!("by hand {:?}", plugin.by_hand(action, &call)));
        all.push(format!("foresee {:?}", plugin.foresee(action, &call)));
    }
    all
}

/// Every action with each of its examples, against a service that answers well, badly, and not at all.
async fn alike(native: &dyn Plugin, wasm: &dyn Plugin) -> usize {
    assert_eq!(wasm.describe(), native.describe());
    assert_eq!(json!(wasm.describe()).to_string(), json!(native.describe()).to_string());
    let services: [Vec<Result<HttpResponse, Problem>>; 7] = [
        Vec::new(),
        vec![answer(200, &json!({ "status": { "isPartial": false }, "tables": [] }))],
        vec![answer(200, &json!([])), answer(200, &json!([]))],
        vec![answer(200, &json!({ "ingested": 1, "failed": 0, "failures": [], "processedBytes": 1 }))],
        vec![answer(401, &json!({ "message": "who are you" }))],
        vec![answer(429, &json!({ "message": "slowly" })), answer(503, &json!({}))],
        vec![answer(200, &json!("no table at all"))],
    ];
    let mut compared = 0;
    for spec in &native.describe().actions {
        let odd = [json!({}), json!({ "url": 1 }), json!(null)];
        for with in spec.examples.iter().map(|example| &example.with).chain(&odd) {
            for answers in &services {
                let one = everything(native, spec, with, answers).await;
                let other = everything(wasm, spec, with, answers).await;
                assert_eq!(other, one, "{} with {with}", spec.name);
                compared += one.len();
            }
        }
    }
    compared
}

#[tokio::test]
async fn terraform_is_the_same_in_both() {
    let compared = alike(&sluice_terraform::plugin(), &guests::terraform()).await;
    assert!(compared > 500, "only {compared} answers were compared");
}

#[tokio::test]
async fn axiom_is_the_same_in_both() {
    let compared = alike(&sluice_axiom::plugin(), &guests::axiom()).await;
    assert!(compared > 500, "only {compared} answers were compared");
}
