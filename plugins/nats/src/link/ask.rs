//! One question over a connection, and every way it can go unanswered. A missing right is an answer, not a failure.

use std::time::Duration;

use async_nats::RequestErrorKind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect::Link;
use super::subject::Subject;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// These credentials may not ask this.
    NoRight(String),
    /// Nobody serves this subject for this account.
    NobodyServes,
    TimedOut,
    /// The JetStream API said no: `err_code` tells what.
    Refused {
        code: u64,
        err_code: u64,
        description: String,
    },
    Other(String),
}

impl Unanswered {
    /// In an operator's words.
    pub(crate) fn why(&self, subject: &Subject) -> String {
        let subject = subject.as_str();
        match self {
            Self::NoRight(_) => format!("these credentials may not ask {subject}"),
            Self::NobodyServes => format!("nobody answers {subject} for this account"),
            Self::TimedOut => format!("no answer to {subject} within 2 s"),
            Self::Refused { code, err_code, description } => format!("{subject}: {description} ({code}/{err_code})"),
            Self::Other(text) => format!("{subject}: {text}"),
        }
    }

    /// There is no such stream (10059).
    pub(crate) fn is_no_stream(&self) -> bool {
        matches!(self, Self::Refused { err_code: 10_059, .. })
    }
}

/// Asks and reads the answer. A JetStream error inside the answer is [`Unanswered::Refused`].
pub(crate) async fn ask<T: DeserializeOwned>(link: &Link, subject: &Subject, payload: &Value) -> Result<T, Unanswered> {
    let answer = raw(link, subject, payload).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| Unanswered::Other(error.to_string()))?;
    if let Some(error) = answer.get("error") {
        return Err(refused(error));
    }
    serde_json::from_value(answer).map_err(|error| Unanswered::Other(error.to_string()))
}

async fn raw(link: &Link, subject: &Subject, payload: &Value) -> Result<bytes::Bytes, Unanswered> {
    let mut complaints = link.complaints.clone();
    complaints.mark_unchanged();
    let body = if payload.is_null() { String::new() } else { payload.to_string() };
    let asking = link.client.request(subject.as_str().to_owned(), body.into());
    tokio::select! {
        answer = tokio::time::timeout(ANSWER_WITHIN, asking) => match answer {
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => Unanswered::NobodyServes,
                RequestErrorKind::TimedOut => Unanswered::TimedOut,
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::Other => {
                    Unanswered::Other(error.to_string())
                }
            }),
            Err(_) => Err(Unanswered::TimedOut),
        },
        complaint = complained(&mut complaints) => Err(complaint),
    }
}

/// What the server complains about while it is asked: a missing right comes beside the answer, not as one.
pub(super) async fn complained(complaints: &mut tokio::sync::watch::Receiver<String>) -> Unanswered {
    while complaints.changed().await.is_ok() {
        let text = complaints.borrow_and_update().clone();
        let lower = text.to_lowercase();
        if lower.contains("permissions violation") {
            return Unanswered::NoRight(text);
        }
        if lower.contains("closed the connection") || lower.contains("authorization violation") {
            return Unanswered::Other(text);
        }
    }
    std::future::pending().await
}

fn refused(error: &Value) -> Unanswered {
    let number = |key: &str| error.get(key).and_then(Value::as_u64).unwrap_or(0);
    let description = error.get("description").and_then(Value::as_str).unwrap_or("an error without words");
    Unanswered::Refused { code: number("code"), err_code: number("err_code"), description: description.to_owned() }
}
