//! AWS calls on the wire, so that the lab's tests need no SDK. It signs nothing: the lab checks no signatures.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::Lab;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Who calls.
pub(crate) struct Caller {
    pub(crate) key: String,
    pub(crate) token: Option<String>,
}

impl Caller {
    pub(crate) fn user() -> Self {
        Caller { key: "AKIATEST".into(), token: None }
    }
}

/// Status and body of a user's call; for the JSON protocol with its target.
pub(crate) async fn call(lab: &Lab, service: &str, target: Option<&str>, body: &str) -> std::io::Result<(u16, String)> {
    call_as(lab, &Caller::user(), service, target, body).await
}

pub(crate) async fn call_as(
    lab: &Lab,
    caller: &Caller,
    service: &str,
    target: Option<&str>,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let answer =
        tokio::time::timeout(Duration::from_secs(10), raw(lab, caller, service, target, body)).await.unwrap()?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// The whole answer, head and all; nothing when the connection is closed without one.
pub(crate) async fn raw(
    lab: &Lab,
    caller: &Caller,
    service: &str,
    target: Option<&str>,
    body: &str,
) -> std::io::Result<String> {
    let kind = if target.is_some() { "application/x-amz-json-1.1" } else { "application/x-www-form-urlencoded" };
    let target = target.map(|t| format!("X-Amz-Target: {t}\r\n")).unwrap_or_default();
    let token = caller.token.as_ref().map(|token| format!("X-Amz-Security-Token: {token}\r\n")).unwrap_or_default();
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {}\r\nContent-Type: {kind}\r\n{target}{token}Content-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={}/20200101/us-east-2/{service}/aws4_request, Signature=0\r\n\r\n{body}",
        lab.plan().aws(),
        body.len(),
        caller.key,
    );
    let mut stream = tokio::net::TcpStream::connect(lab.plan().aws()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A call of the JSON protocol: the answer, or the error's code and words.
pub(crate) async fn json_as(
    lab: &Lab,
    caller: &Caller,
    service: &str,
    operation: &str,
    asked: &Value,
) -> Result<Value, String> {
    let target = match service {
        "ssm" => format!("AmazonSSM.{operation}"),
        _ => format!("Logs_20140328.{operation}"),
    };
    let (status, body) = call_as(lab, caller, service, Some(&target), &asked.to_string()).await.unwrap();
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    let words = |answer: &Value, key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    match status {
        200 => Ok(answer.take()),
        _ => Err(format!("{}: {}", words(&answer, "__type"), words(&answer, "message"))),
    }
}

pub(crate) async fn ssm(lab: &Lab, operation: &str, asked: Value) -> Result<Value, String> {
    json_as(lab, &Caller::user(), "ssm", operation, &asked).await
}

pub(crate) async fn logs(lab: &Lab, operation: &str, asked: Value) -> Result<Value, String> {
    json_as(lab, &Caller::user(), "logs", operation, &asked).await
}

/// An Auto Scaling call about the group of a node: parameters besides it as in `A=1&B=2`.
pub(crate) async fn group(lab: &Lab, n: u8, action: &str, more: &str) -> (u16, String) {
    let body = format!("Action={action}&Version=2011-01-01&AutoScalingGroupName={}&{more}", lab.plan().group(n));
    call(lab, "autoscaling", None, &body).await.unwrap()
}

/// The body of a request to terminate an instance.
pub(crate) fn termination(instance: &str) -> String {
    format!(
        "Action=TerminateInstanceInAutoScalingGroup&Version=2011-01-01&InstanceId={instance}&ShouldDecrementDesiredCapacity=false"
    )
}

/// A page of FilterLogEvents; what is asked besides the group.
pub(crate) async fn log_page(lab: &Lab, mut asked: Value) -> Result<Value, String> {
    asked["logGroupName"] = json!(lab.plan().log_group());
    logs(lab, "FilterLogEvents", asked).await
}

/// Every event, over as many pages as there are, and how many those were.
pub(crate) async fn log_lines(lab: &Lab, asked: Value) -> (Vec<String>, usize) {
    let (mut lines, mut pages, mut token) = (Vec::new(), 0, Value::Null);
    loop {
        let mut next = asked.clone();
        if !token.is_null() {
            next["nextToken"] = token;
        }
        let page = log_page(lab, next).await.unwrap();
        lines.extend(page["events"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap().to_owned()));
        pages += 1;
        token = page["nextToken"].clone();
        if token.is_null() {
            return (lines, pages);
        }
    }
}

/// What stands between a tag of an answer and its end.
pub(crate) fn tag<'a>(answer: &'a str, name: &str) -> &'a str {
    answer
        .split(&format!("<{name}>"))
        .nth(1)
        .and_then(|rest| rest.split(&format!("</{name}>")).next())
        .unwrap_or_default()
}
