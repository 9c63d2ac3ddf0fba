//! A host for tests: real time, plain HTTP over loopback, secrets as they are given. Grants are the product's business.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, Outcome, Plugin, Preview, Problem, Progress, Purpose,
    Secret, Timestamp,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct TestHost;

#[async_trait]
impl Host for TestHost {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(i64::try_from(since.as_millis()).unwrap())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn log(&self, _level: Level, _message: &str) {}

    fn progress(&self, progress: Progress) {
        eprintln!("{}", progress.note);
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, Problem> {
        match tokio::time::timeout(request.timeout, get(&request.url)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let kind = if error.kind() == std::io::ErrorKind::ConnectionRefused { "refused" } else { "lost" };
                Err(Problem::not_applied("unreachable", error.to_string()).with_details(json!({ "kind": kind })))
            }
            Err(_) => Err(Problem::not_applied("timeout", "no complete answer")),
        }
    }

    fn reveal(&self, leaf: &Value) -> Result<Secret, Problem> {
        Ok(Secret::new(leaf.as_str().unwrap()))
    }

    fn seal(&self, _pointer: &str, _secret: Secret) -> Value {
        panic!("no action of this plugin gives out a secret")
    }

    fn private_file(&self, _name: &str, _content: &Secret) -> Result<PathBuf, Problem> {
        panic!("not in these tests")
    }
}

/// HTTP/1.0, so that the answer ends with the connection and is not chunked.
pub(crate) async fn get(url: &str) -> std::io::Result<HttpResponse> {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(HttpResponse { status, headers: vec![], body: answer[end + 4..].to_vec() })
}

pub(crate) async fn run(action: &str, with: Value) -> Result<Outcome, Problem> {
    let purpose = if action == "step_down" { Purpose::Act } else { Purpose::Read };
    sluice_nats::plugin().run(action, &TestHost, &call(purpose, with)).await
}

pub(crate) async fn preview(action: &str, with: Value) -> Result<Preview, Problem> {
    sluice_nats::plugin().preview(action, &TestHost, &call(Purpose::Preview, with)).await
}

fn call(purpose: Purpose, with: Value) -> Call {
    Call { run: "r".into(), step: "s".into(), attempt: Attempt(1), purpose, deadline: None, with }
}
