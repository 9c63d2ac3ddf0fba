//! For tests: a small HTTP server that answers like AWS on loopback, and a call of an action against it.
//!
//! It knows the wire (JSON 1.1 and query with XML) and no service: what is answered stands in each test.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Value, json};
use sluice_plugin::{Attempt, Call, Host, HttpRequest, HttpResponse, Level, NativePlugin, Outcome, Plugin, Problem};
use sluice_plugin::{Progress, Purpose, Secret, SecretRef, Timestamp};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::clients::Clients;
use crate::connect::{Patience, Surroundings};

pub(crate) const ACCOUNT: &str = "123456789012";

/// The inventory's `aws` of all tests.
pub(crate) fn aws() -> Value {
    json!({ "account": ACCOUNT, "region": "us-east-2", "profile": null, "act_role": null })
}

/// Runs one action against the stand-in and compares; gives what was sealed, by pointer.
pub(crate) async fn check(
    stand_in: &StandIn,
    action: &str,
    with: Value,
    expect: Expect<'_>,
) -> BTreeMap<String, String> {
    let host = FakeHost::default();
    let outcome = stand_in.plugin().run(action, &host, &call(Purpose::Read, with)).await;
    expect.compare(outcome);
    host.sealed.into_inner().unwrap()
}

pub(crate) fn call(purpose: Purpose, with: Value) -> Call {
    Call { run: "r1".into(), step: "creds".into(), attempt: Attempt(1), purpose, deadline: None, with }
}

pub(crate) enum Expect<'a> {
    Output(Value),
    /// The code, whether it may be tried again, and what the message must say.
    Problem(&'a str, bool, &'a [&'a str]),
}

impl<'a> Expect<'a> {
    pub(crate) fn problem(code: &'a str, says: &'a [&'a str]) -> Self {
        Self::Problem(code, false, says)
    }

    pub(crate) fn retryable(code: &'a str, says: &'a [&'a str]) -> Self {
        Self::Problem(code, true, says)
    }

    pub(crate) fn compare(self, outcome: Result<Outcome, Problem>) {
        match (self, outcome) {
            (Self::Output(expect), Ok(outcome)) => assert_eq!(outcome.output, expect),
            (Self::Output(_), Err(problem)) => panic!("unexpected problem {}: {problem}", problem.code),
            (Self::Problem(code, retryable, says), outcome) => {
                let problem = outcome.expect_err(code);
                assert_eq!((problem.code.as_str(), problem.retryable), (code, retryable), "{problem}");
                for part in says {
                    assert!(problem.message.contains(part), "`{part}` is not in: {problem}");
                }
            }
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GetParameters`, whatever the protocol.
    pub(crate) operation: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Says {
        status: u16,
        kind: &'static str,
        body: String,
    },
    /// Takes the request and never answers.
    Silence,
    HangUp,
}

impl Answer {
    pub(crate) fn json(body: &Value) -> Self {
        Self::Says { status: 200, kind: "application/x-amz-json-1.1", body: body.to_string() }
    }

    pub(crate) fn json_error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "__type": code, "message": message }).to_string();
        Self::Says { status, kind: "application/x-amz-json-1.1", body }
    }

    pub(crate) fn xml(body: impl Into<String>) -> Self {
        Self::Says { status: 200, kind: "text/xml", body: body.into() }
    }

    /// The error of Auto Scaling and STS.
    pub(crate) fn query_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        );
        Self::Says { status, kind: "text/xml", body }
    }

    /// The error of EC2.
    pub(crate) fn ec2_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>1</RequestID></Response>"
        );
        Self::Says { status, kind: "text/xml", body }
    }

    pub(crate) fn page(status: u16) -> Self {
        let body = "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Oops</h1>\n";
        Self::Says { status, kind: "text/html; charset=utf-8", body: body.to_owned() }
    }

    pub(crate) fn identity(account: &str) -> Self {
        Self::xml(format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <UserId>AIDAEXAMPLE</UserId><Account>{account}</Account><Arn>arn:aws:iam::{account}:user/ana</Arn>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ))
    }
}

/// A request, and the how manieth of its operation it is, counted from 1.
type Script = dyn Fn(&Request, usize) -> Answer + Send + Sync;

pub(crate) struct StandIn {
    endpoint: String,
    patience: Patience,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    script: Box<Script>,
    asked: Mutex<Vec<Request>>,
}

impl StandIn {
    pub(crate) async fn start(script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { script: Box::new(script), asked: Mutex::default() });
        let task = tokio::spawn(accept(listener, state.clone()));
        Self { endpoint, patience: Patience::default(), state, task }
    }

    /// For an answer that never comes.
    pub(crate) fn impatient(mut self) -> Self {
        let brief = Duration::from_millis(600);
        self.patience = Patience { connect: brief, attempt: brief, whole: brief * 4 };
        self
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Closes the port.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        drop((&mut self.task).await);
    }

    pub(crate) fn clients(&self) -> Clients {
        Clients::with(Surroundings {
            endpoint: Some(self.endpoint.clone()),
            credentials: Some(SharedCredentialsProvider::new(Credentials::new(
                "AKIDEXAMPLE",
                "no",
                None,
                None,
                "test",
            ))),
            patience: self.patience,
        })
    }

    pub(crate) fn plugin(&self) -> NativePlugin {
        NativePlugin::new(crate::spec(), crate::actions(&Arc::new(self.clients())))
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The JSON of each request of one operation.
    pub(crate) fn bodies(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked().into_iter().filter(|request| request.operation == operation);
        asked.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }

    /// How often one operation was asked.
    pub(crate) fn times(&self, operation: &str) -> usize {
        self.asked().iter().filter(|request| request.operation == operation).count()
    }

    /// Waits until an operation was asked so often.
    pub(crate) async fn until(&self, operation: &str, times: usize) {
        while self.times(operation) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How often each operation was asked.
    pub(crate) fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for request in self.asked() {
            *counts.entry(request.operation).or_default() += 1;
        }
        counts
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            while let Some(request) = read(&mut stream).await {
                if answer(&mut stream, state.answer(request)).await.is_none() {
                    break;
                }
            }
        });
    }
}

impl State {
    fn answer(&self, request: Request) -> Answer {
        let mut asked = self.asked.lock().unwrap();
        asked.push(request.clone());
        let nth = asked.iter().filter(|other| other.operation == request.operation).count();
        (self.script)(&request, nth)
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut headers = HashMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    let target = headers.get("x-amz-target").and_then(|target| target.split_once('.'));
    let action = || body.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default();
    let operation = target.map_or_else(action, |(_, operation)| operation).to_owned();
    Some(Request { operation, authorization: headers.remove("authorization").unwrap_or_default(), body })
}

async fn answer(stream: &mut BufReader<TcpStream>, answer: Answer) -> Option<()> {
    let (status, kind, body) = match answer {
        Answer::Says { status, kind, body } => (status, kind, body),
        Answer::Silence => return std::future::pending().await,
        Answer::HangUp => return None,
    };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// Keeps what is sealed; everything else of the host is not for this plugin.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) sealed: Mutex<BTreeMap<String, String>>,
    actor: &'static str,
    /// How far its clock goes on each time somebody looks at it.
    ticks: Duration,
    looked: AtomicU32,
    /// Milliseconds that somebody slept, all of them in no time.
    slept: AtomicU64,
    sleeps_forever: bool,
}

impl FakeHost {
    pub(crate) fn by(actor: &'static str) -> Self {
        Self { actor, ..Self::default() }
    }

    /// For a wait that is cut: no sleep ever ends.
    pub(crate) fn sleeping() -> Self {
        Self { sleeps_forever: true, ..Self::default() }
    }

    pub(crate) fn slow(ticks: Duration) -> Self {
        Self { ticks, ..Self::default() }
    }
}

#[async_trait]
impl Host for FakeHost {
    fn now(&self) -> Timestamp {
        let slept = Duration::from_millis(self.slept.load(Ordering::Relaxed));
        Timestamp(0).plus(self.ticks * self.looked.fetch_add(1, Ordering::Relaxed) + slept)
    }

    fn actor(&self) -> &str {
        self.actor
    }

    async fn sleep(&self, time: Duration) {
        if self.sleeps_forever {
            return std::future::pending().await;
        }
        self.slept.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, _: HttpRequest) -> Result<HttpResponse, Problem> {
        panic!("this plugin opens its own connections")
    }

    fn reveal(&self, _: &Value) -> Result<Secret, Problem> {
        panic!("no input of this plugin is a secret")
    }

    fn seal(&self, pointer: &str, secret: Secret) -> Value {
        self.sealed.lock().unwrap().insert(pointer.to_owned(), secret.expose().to_owned());
        SecretRef(format!("steps.creds#{pointer}")).to_json()
    }

    fn private_file(&self, _: &str, _: &Secret) -> Result<PathBuf, Problem> {
        panic!("this plugin writes no file")
    }
}
