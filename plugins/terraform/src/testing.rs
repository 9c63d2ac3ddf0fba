//! A host for tests: what it answers, and what was asked.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use serde_json::{Value, json};
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, Outcome, Plugin as _, Preview, Problem, Progress, Purpose,
    Reconciled, Secret, Timestamp,
};

/// 2026-11-22T17:55:00Z
pub(crate) const NOW: Timestamp = Timestamp(1_795_370_100_000);

pub(crate) type Answer = Result<HttpResponse, Problem>;

/// To a request, and how many there were before it.
type Answering = dyn Fn(&HttpRequest, usize) -> Answer + Send + Sync;

pub(crate) struct FakeHost {
    pub(crate) asked: Mutex<Vec<HttpRequest>>,
    answer: Box<Answering>,
}

impl FakeHost {
    pub(crate) fn answers(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::one_by_one(vec![response(status, headers, body)])
    }

    /// The last one again and again.
    pub(crate) fn one_by_one(answers: Vec<Answer>) -> Self {
        Self::does(move |_, before| answers[before.min(answers.len() - 1)].clone())
    }

    pub(crate) fn does(answer: impl Fn(&HttpRequest, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self { asked: Mutex::default(), answer: Box::new(answer) }
    }

    /// Method and URL of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| format!("{} {}", request.method.as_str(), request.url)).collect()
    }
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() })
}

#[async_trait]
impl Host for FakeHost {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn sleep(&self, _: Duration) {}

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, request: HttpRequest) -> Answer {
        let mut asked = self.asked.lock().unwrap();
        let answer = (self.answer)(&request, asked.len());
        asked.push(request);
        answer
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        Ok(Secret::new(leaf.as_str().unwrap()))
    }

    fn seal(&self, pointer: &str, _: Secret) -> Value {
        json!({ "$secret": format!("sealed{pointer}") })
    }

    fn private_file(&self, _: &str, _: &Secret) -> Result<PathBuf, Problem> {
        Err(Problem::not_applied("private_file", "not here"))
    }
}

pub(crate) fn call(with: Value) -> Call {
    let (run, step) = ("run-1".to_owned(), "watch".to_owned());
    Call { run, step, attempt: Attempt(1), purpose: Purpose::Read, deadline: None, with }
}

/// One action through the contract, as the engine calls it. This host never lets anybody wait.
pub(crate) fn run(action: &str, host: &FakeHost, with: Value) -> Result<Outcome, Problem> {
    crate::plugin().run(action, host, &call(with)).now_or_never().unwrap()
}

pub(crate) fn valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::draft202012::new(schema).unwrap().is_valid(instance)
}

pub(crate) fn preview(action: &str, host: &FakeHost, with: Value) -> Result<Preview, Problem> {
    crate::plugin().preview(action, host, &call(with)).now_or_never().unwrap()
}

pub(crate) fn reconcile(action: &str, host: &FakeHost, with: Value) -> Result<Reconciled, Problem> {
    crate::plugin().reconcile(action, host, &call(with)).now_or_never().unwrap()
}

/// What comes out holds what the action says of it.
pub(crate) fn output_of(action: &str, host: &FakeHost, with: Value) -> Value {
    let output = run(action, host, with).unwrap().output;
    let plugin = crate::plugin();
    assert!(valid(&plugin.action(action).unwrap().output, &output), "{output}");
    output
}

pub(crate) const SHA: &str = "4f0d2a8c1b3e5f60718293a4b5c6d7e8f9012345";

/// A run as Terraform Cloud gives it, with what comes along.
pub(crate) fn run_document(status: &str, more: Value) -> Value {
    let waits = status == "planned";
    let mut attributes = json!({
        "status": status, "auto-apply": false, "has-changes": true, "is-destroy": false, "plan-only": false,
        "message": "messenger", "created-at": "2026-11-22T17:54:46Z", "status-timestamps": {},
        "actions": { "is-confirmable": waits, "is-discardable": waits, "is-cancelable": false },
        "permissions": { "can-apply": true, "can-discard": true },
    });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "data": {
            "id": "run-1", "type": "runs", "attributes": attributes,
            "relationships": {
                "plan": { "data": { "id": "plan-1", "type": "plans" } },
                "workspace": { "data": { "id": "ws-1", "type": "workspaces" } },
                "configuration-version": { "data": { "id": "cv-1", "type": "configuration-versions" } },
            },
        },
        "included": [
            { "id": "plan-1", "type": "plans", "attributes": {
                "status": "finished", "resource-additions": 2, "resource-changes": 1, "resource-destructions": 1,
            } },
            { "id": "cv-1", "type": "configuration-versions", "attributes": {}, "relationships": {
                "ingress-attributes": { "data": { "id": "ia-1", "type": "ingress-attributes" } },
            } },
            { "id": "ia-1", "type": "ingress-attributes", "attributes": {
                "commit-sha": SHA, "branch": "main", "is-pull-request": false,
            } },
        ],
    })
}

pub(crate) fn answers(document: &Value) -> FakeHost {
    FakeHost::answers(200, &[], &document.to_string())
}

pub(crate) fn of_run() -> Value {
    json!({ "token": { "$secret": "secrets.terraform_token" }, "run": "run-1" })
}
