//! A host for tests: answers HTTP from a list, sleeps at once, remembers what it was told.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, Problem, Progress, Purpose, Secret, Timestamp,
};

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
