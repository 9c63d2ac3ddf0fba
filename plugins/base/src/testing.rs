//! A host for tests: answers HTTP from a list, sleeps at once, remembers what it was told. And calls of actions on it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, NativePlugin, Outcome, Plugin as _, Problem, Progress,
    Purpose, Secret, Timestamp,
};

use crate::plugin;

#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) slept: Mutex<Duration>,
    pub(crate) notes: Mutex<Vec<String>>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) answer: Option<Result<HttpResponse, Problem>>,
}

#[async_trait]
impl Host for FakeHost {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000).plus(*self.slept.lock().unwrap())
    }

    async fn sleep(&self, time: Duration) {
        *self.slept.lock().unwrap() += time;
    }

    fn log(&self, _level: Level, _message: &str) {}

    fn progress(&self, progress: Progress) {
        self.notes.lock().unwrap().push(progress.note);
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        self.requests.lock().unwrap().push(request);
        *self.slept.lock().unwrap() += Duration::from_millis(7);
        self.answer.clone().unwrap()
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        Ok(Secret::new(leaf.as_str().unwrap()))
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        serde_json::json!({ "$secret": format!("sealed {pointer} {}", secret.expose()) })
    }

    fn private_file(&self, _name: &str, _content: &Secret) -> Result<PathBuf, Problem> {
        Err(Problem::not_applied("private_file", "not here"))
    }
}

pub(crate) fn call(purpose: Purpose, with: Value) -> Call {
    let step = "try".to_owned();
    Call { run: "run-1".to_owned(), step, attempt: Attempt(1), purpose, deadline: None, with }
}

pub(crate) fn output_schema(action: &str) -> Value {
    let plugin = plugin();
    let found = plugin.describe().actions.iter().find(|spec| spec.name.operation() == action);
    found.unwrap().output.clone()
}

pub(crate) async fn run(action: &str, with: Value) -> Result<Outcome, Problem> {
    run_on(&FakeHost::default(), action, with).await
}

pub(crate) async fn run_on(host: &FakeHost, action: &str, with: Value) -> Result<Outcome, Problem> {
    let plugin: NativePlugin = plugin();
    let outcome = plugin.run(action, host, &call(Purpose::Act, with)).await?;
    Ok(outcome)
}

pub(crate) fn at(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
}

pub(crate) fn valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::draft202012::new(schema).unwrap().is_valid(instance)
}
