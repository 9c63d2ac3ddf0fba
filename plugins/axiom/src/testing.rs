//! A host for tests: one answer, and what was asked.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, Problem, Progress, Purpose, Secret, Timestamp,
};

/// 2026-11-22T17:55:00Z
pub(crate) const NOW: Timestamp = Timestamp(1_795_370_100_000);

pub(crate) struct FakeHost {
    pub(crate) asked: Mutex<Vec<HttpRequest>>,
    pub(crate) answer: Result<HttpResponse, Problem>,
}

impl FakeHost {
    pub(crate) fn answers(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() });
        Self { asked: Mutex::default(), answer }
    }
}

#[async_trait]
impl Host for FakeHost {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn sleep(&self, _: Duration) {}

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        self.asked.lock().unwrap().push(request);
        self.answer.clone()
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        Ok(Secret::new(leaf.as_str().unwrap()))
    }

    fn seal(&self, pointer: &str, _: Secret) -> Value {
        serde_json::json!({ "$secret": format!("sealed{pointer}") })
    }

    fn private_file(&self, _: &str, _: &Secret) -> Result<PathBuf, Problem> {
        Err(Problem::not_applied("private_file", "not here"))
    }
}

pub(crate) fn call(with: Value) -> Call {
    let (run, step) = ("run-1".to_owned(), "logs".to_owned());
    Call { run, step, attempt: Attempt(1), purpose: Purpose::Read, deadline: None, with }
}
